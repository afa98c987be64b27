//! Traces of what a server does: whose request it was, what it led to, how long each step took.
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod context;
mod current;
pub mod otlp;
mod sampler;
mod span;
mod tracer;

pub use context::{TraceContext, TraceparentError};
pub use current::{Entered, Within, current, enter};
pub use sampler::{Sampler, UnknownSampler};
pub use span::{Kind, Span, Value};
pub use tracer::{Sink, Step, Tracer};
