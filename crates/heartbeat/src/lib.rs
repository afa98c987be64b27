//! When to ping a WebSocket peer, when it is dead, and how long a round trip took.
//!
//! TCP says nothing when a peer vanishes: a phone in a tunnel looks like a phone that is silent. A
//! heartbeat finds out, with one clock for each connection:
//!
//! - Any frame received proves that the peer lives.
//! - Silent for the *ping interval* (30 s): a ping. No frame within the *pong timeout* (5 s): a miss,
//!   and the next ping at once. After the *missed pongs allowed* (3): dead, so 30 + 3 × 5 = 45 s after
//!   its last frame at the latest.
//! - First pings are spread over the second half of the interval, so that ten thousand clients that
//!   come back together are not pinged together.
//! - A round trip is measured only by a pong that matches the last ping. Another frame that comes first
//!   proves life, so that nothing is missed, and the pong is a measure all the same when it comes.
//!
//! # What is here
//!
//! - [`Heartbeat`], the machine for one connection (80 bytes), and [`HeartbeatConfig`].
//! - [`HeartbeatManager`], a keyed registry of many, with statistics of one, of all, and a summary.
//! - `HeartbeatStream` (feature `tokio`), which puts a heartbeat into any `Stream + Sink` of
//!   tungstenite's messages, such as tokio-tungstenite's `WebSocketStream`.
//!
//! # What it does not do
//!
//! The machine performs no I/O, reads no clock and no source of randomness, knows no frames and
//! allocates nothing. It answers no pings (your WebSocket library does) and closes nothing: it says
//! when. It knows nothing of *idle* connections, those that live but carry no data.
//!
//! # How to drive it
//!
//! Tell it what came ([`Heartbeat::handle_frame`], [`Heartbeat::handle_pong`]); sleep until
//! [`Heartbeat::poll_timeout`]; then call [`Heartbeat::handle_timeout`], do what it says, and read the
//! deadline again. Traffic moves no timer: on a connection that talks the timer fires once an
//! interval and there is nothing to do.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use ws_heartbeat::{Action, Heartbeat, HeartbeatConfig};
//!
//! # #[expect(clippy::disallowed_methods, reason = "an example needs a clock")]
//! let mut now = Instant::now(); // the driver's clock; a test makes one up
//! let seed = 0x5eed; // random in earnest
//! let mut heartbeat = Heartbeat::new(HeartbeatConfig::default(), now, seed);
//!
//! // Silence. The deadline passes, and a ping is due.
//! now = heartbeat.poll_timeout().unwrap();
//! let Some(Action::SendPing(payload)) = heartbeat.handle_timeout(now) else { unreachable!() };
//!
//! // The pong comes back 40 ms later.
//! now += Duration::from_millis(40);
//! assert_eq!(heartbeat.handle_pong(&payload, now), Some(Duration::from_millis(40)));
//! let last_frame = now;
//!
//! // The peer vanishes: three pings go unanswered, then it is declared dead, once.
//! let mut actions = Vec::new();
//! while let Some(deadline) = heartbeat.poll_timeout() {
//!     now = deadline;
//!     actions.extend(heartbeat.handle_timeout(now));
//! }
//! assert!(matches!(actions[..], [
//!     Action::SendPing(_), Action::SendPing(_), Action::SendPing(_), Action::DeclareDead,
//! ]));
//! assert_eq!(now - last_frame, Duration::from_secs(45));
//! ```

#![forbid(unsafe_code)]

mod config;
mod error;
mod heartbeat;
mod manager;
mod stats;
#[cfg(feature = "tokio")]
mod stream;

pub use config::HeartbeatConfig;
pub use error::ConfigError;
pub use heartbeat::{Action, Heartbeat};
pub use manager::HeartbeatManager;
pub use stats::{HeartbeatStats, HeartbeatSummary, Latency};
#[cfg(feature = "tokio")]
pub use stream::HeartbeatStream;

/// Compiles and runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
