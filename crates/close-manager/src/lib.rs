//! The WebSocket closing handshake as a machine, the code table, and closing many at a pace.
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod code;
mod config;
#[cfg(feature = "tokio")]
mod driver;
mod error;
mod handshake;
mod manager;
mod outcome;
mod reason;
mod report;
mod returns;
mod schedule;
#[cfg(feature = "tokio")]
mod stream;
mod table;

pub use code::SendableCode;
pub use config::{CloseOptions, DEFAULT_TIMEOUT, Pace};
#[cfg(feature = "tokio")]
pub use driver::{Closable, Closed, close_all};
pub use error::CodeError;
pub use handshake::{CloseHandshake, CloseReply, Role};
pub use manager::{CloseMetadata, GracefulCloseManager};
pub use outcome::{CloseOutcome, Ending, FrameStatus, Side};
pub use reason::{CloseReason, REASON_BYTES_MAX, truncate_reason};
pub use report::{CloseReport, Percentiles};
pub use returns::Returns;
#[cfg(feature = "tokio")]
pub use stream::close_stream;
pub use table::{CODES, CodeInfo, ComeBack, Travels, comes_back, describe, is_receivable};
