//! The results for people.
