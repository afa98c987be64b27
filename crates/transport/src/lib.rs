//! WebSockets on tokio: upgrade, driver, bounded outbox, client connect. The only socket code.
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod accept;
mod connect;
mod driver;
mod eager;
#[cfg(feature = "hyper")]
mod hyper;
mod meter;
mod observer;
mod outbox;
mod prefixed;
mod scratch;
mod session;
mod stream;
#[cfg(feature = "tls")]
pub mod tls;

pub use accept::{AcceptError, Acceptor, ReadHeadError, RequestHead, read_request};
pub use connect::{ConnectError, Connector};
pub use driver::Driver;
pub use eager::EagerTcpStream;
#[cfg(feature = "http2")]
pub use hyper::mark_extended_connect;
#[cfg(feature = "hyper")]
pub use hyper::{Upgrading, upgrade};
pub use meter::{Meter, Traffic};
pub use observer::{Observer, Sent};
pub use outbox::{Delivery, Missed, Outbox, Overflow, SendError};
pub use prefixed::Prefixed;
pub use session::{Replies, Session, Wake};
pub use stream::WebSocketStream;
