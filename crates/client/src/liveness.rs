//! Whether the server is still there.
