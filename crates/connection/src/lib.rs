//! RFC 6455 for one connection, without I/O: bytes and the time go in, events and bytes come out.
//!
//! [`Connection`] composes the leaf crates of this workspace (heartbeat, rate limiter, frame
//! validator, permessage-deflate, closing handshake) into the whole protocol of one peer, for both
//! roles. [`handshake`] is the opening handshake over plain values. [`Prepared`] is one message
//! framed once for many receivers.
//!
//! # What it does not do
//! It performs no I/O, spawns nothing, never sleeps, and reads neither a clock nor a random source:
//! `now` and entropy are arguments. It knows neither tokio nor JSON nor users.
//!
//! # How to drive it
//! A [`Workspace`] is the scratch memory of a *thread*: whatever was read from a ready socket goes
//! into it, and [`Connection::poll_event`] parses it in place. Only the rest of an unfinished frame
//! is copied aside into the connection, so that an idle connection owns no buffer. Replies are
//! appended to one output that the driver writes with one call once the read is worked off.
//!
//! ```
//! use std::sync::Arc;
//! use ws_connection::{Connection, ConnectionConfig, Event, Workspace};
//!
//! # #[expect(clippy::disallowed_methods, reason = "an example needs some instant")]
//! let now = std::time::Instant::now(); // a driver asks its runtime
//! let config = Arc::new(ConnectionConfig::server());
//! let mut connection = Connection::new(config, None, 42, now);
//! let mut workspace = Workspace::new();
//! let mut out = Vec::new();
//!
//! // The masked text frame of RFC 6455 §5.7: "Hello".
//! let wire = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
//! workspace.load(&wire);
//! while let Some(event) = connection.poll_event(&mut workspace, &mut out, now) {
//!     if let Event::Text(text) = event {
//!         assert_eq!(text, "Hello");
//!         connection.send_text(text, &mut out, now).expect("the connection is open");
//!     }
//! }
//! assert_eq!(out, b"\x81\x05Hello");
//! ```
#![forbid(unsafe_code)]

mod assembly;
mod config;
mod connection;
mod end;
mod error;
mod event;
mod frame;
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
pub use prepared::{Prepared, Wire};
pub use workspace::{Tally, Workspace};
