//! The WebSocket closing handshake as a machine, the code table, and closing many at a pace.
//!
//! A close that just drops the socket loses what is on its way, tells the client nothing, and brings
//! all clients back in one wave. This crate is the other way:
//!
//! - **One connection**: both sides send a close frame, the server then closes TCP, the client waits
//!   for that (RFC 6455 section 7.1.1), and one deadline bounds the whole, whatever the peer does.
//! - **Many**: a server that drains tells every client, at a pace and with bounded concurrency, by one
//!   deadline for all; who has not acknowledged by then is forced; a report says how it went.
//! - **Codes** that must not travel cannot be sent, reasons always fit, and one table says what each
//!   code means and whether clients come back after it.
//!
//! # What is here
//!
//! - [`CloseHandshake`], the machine for one connection (48 bytes, no allocation), and its
//!   [`CloseOutcome`].
//! - [`SendableCode`], [`CloseReason`], [`is_receivable`], and [`comes_back`] over the table [`CODES`].
//! - [`GracefulCloseManager`], a keyed machine that closes one, several or all.
//! - `close_all` and `close_stream` (feature `tokio`), which drive them: the first over anything that
//!   implements the small trait `Closable`, the second over a `Stream + Sink` of tungstenite's messages,
//!   such as tokio-tungstenite's `WebSocketStream`.
//!
//! # What it does not do
//!
//! The machines perform no I/O, read no clock and no source of randomness. They encode no frames; close
//! codes and frames are tungstenite's types. They decide nothing about *why* a connection is to be
//! closed.
//!
//! # How to drive them
//!
//! Say what happened (`handle_*`) and what you want (`start_close`, `close_all`); sleep until
//! `poll_timeout`, then call `handle_timeout`; after either, do what the polls and the questions
//! (`must_close_transport`) answer.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use ws_close_manager::{
//!     CloseHandshake, CloseOptions, Ending, GracefulCloseManager, Role, SendableCode,
//! };
//!
//! # #[expect(clippy::disallowed_methods, reason = "an example needs a clock")]
//! let now = Instant::now(); // the driver's clock; a test makes one up
//! let timeout = Duration::from_secs(5);
//!
//! // One connection. We close, and the peer answers.
//! let mut handshake = CloseHandshake::new(Role::Server, timeout);
//! assert!(handshake.start_close(SendableCode::NORMAL, now)); // now write the close frame
//! handshake.handle_close(Some(SendableCode::NORMAL.into()), now);
//! assert!(handshake.must_close_transport()); // a server closes TCP at once
//! assert_eq!(handshake.outcome().unwrap().ending, Ending::Acknowledged);
//!
//! // Many. Two of three answer, the third is forced at the deadline.
//! let mut manager = GracefulCloseManager::default();
//! let restart = CloseOptions::new(SendableCode::RESTART).reason("Server restart").timeout(timeout);
//! manager.close_all(["ann", "bob", "eve"], &restart, now);
//! while let Some((_key, frame)) = manager.poll_close(now) {
//!     assert_eq!(&*frame.reason, "Server restart"); // hand it to the transport of this key
//! }
//! manager.handle_closed(&"ann", true, now);
//! manager.handle_closed(&"bob", true, now);
//!
//! let deadline = manager.poll_timeout().unwrap();
//! manager.handle_timeout(deadline);
//! assert_eq!(manager.poll_force(deadline), Some("eve")); // drop its transport
//! assert_eq!(
//!     manager.report().to_string(),
//!     "3 connections in 5.0s: 2 acknowledged, 0 dropped, 1 forced, 0 already closed; \
//!      handshake p50 0.0ns, p99 0.0ns, max 0.0ns"
//! );
//! ```

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
#[cfg(feature = "tokio")]
pub use stream::close_stream;
pub use table::{CODES, CodeInfo, ComeBack, Travels, comes_back, describe, is_receivable};

/// Compiles and runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
