//! RFC 6455 for one connection, without I/O: bytes and the time go in, events and bytes come out.
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod assembly;
mod config;
mod connection;
mod end;
mod error;
mod event;
mod frame;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzz_targets;
pub mod handshake;
mod idle;
mod inbound;
mod mask;
mod outbound;
mod prepared;
mod text;
mod workspace;

pub use config::{ConnectionConfig, Role};
pub use connection::{Connection, Teardown};
pub use end::{Cause, End};
pub use error::{Closed, ProtocolError};
pub use event::{Event, Timeout};
pub use frame::{FrameHeader, encode_header};
pub use mask::apply_mask;
pub use prepared::{Origin, Prepared, Wire};
pub use workspace::{Tally, Workspace};
