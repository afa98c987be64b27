//! Lines as machines read them, and how they get out.

mod batches;
mod json;
mod timestamp;
