//! WebSockets on tokio: upgrade, driver, bounded outbox, client connect. The only socket code.
//!
//! Two ways to use it:
//! - [`WebSocketStream`] is a `Stream` and `Sink` of tungstenite's `Message`, a drop-in for
//!   tokio-tungstenite's with permessage-deflate, made by [`Acceptor`] and [`Connector`] (or from a
//!   request that hyper or axum serves, with the feature `hyper`).
//! - [`Driver`] is the server's form: it hands messages to a [`Session`] borrowed, answers all that
//!   came in one read with one write, and takes messages from elsewhere through an [`Outbox`] that
//!   is bounded in bytes. An idle connection owns no buffer.
//!
//! # What it does not do
//! It knows neither JSON nor users nor channels, does no TLS (wrap the stream before), and routes no
//! HTTP.
//!
//! # How to drive it
//! ```
//! use futures_util::{SinkExt, StreamExt};
//! use tungstenite::Message;
//! use ws_transport::{Acceptor, Connector};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let address = listener.local_addr()?;
//! tokio::spawn(async move {
//!     let (socket, _) = listener.accept().await.unwrap();
//!     let mut stream = Acceptor::new().accept(socket).await.unwrap();
//!     while let Some(Ok(message)) = stream.next().await {
//!         if message.is_text() || message.is_binary() {
//!             stream.send(message).await.unwrap();
//!         }
//!     }
//! });
//!
//! let mut stream = Connector::new().connect(format!("ws://{address}/").parse()?).await?;
//! stream.send(Message::text("hello")).await?;
//! assert_eq!(stream.next().await.unwrap()?, Message::text("hello"));
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod accept;
mod connect;
mod driver;
#[cfg(feature = "hyper")]
mod hyper;
mod meter;
mod outbox;
mod scratch;
mod session;
mod stream;

pub use accept::{AcceptError, Acceptor, ReadHeadError, RequestHead, read_request};
pub use connect::{ConnectError, Connector};
pub use driver::Driver;
#[cfg(feature = "hyper")]
pub use hyper::{Upgrading, upgrade};
pub use meter::{Meter, Traffic};
pub use outbox::{Outbox, SendError};
pub use session::{Replies, Session, Wake};
pub use stream::WebSocketStream;
