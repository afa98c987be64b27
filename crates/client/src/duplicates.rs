//! What was handed out already.
