//! Examples of the workspace; each file beside this one starts with what it shows and how to run it.
