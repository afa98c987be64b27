//! TLS in front of what is accepted, by rustls.
//!
//! A [`TlsAcceptor`] shows each client the certificate of the name that it asks for, may ask for the client's
//! own, and gives the pairs away for others while connections go on: [`TlsAcceptor::prepare`] judges a new
//! [`TlsConfig`], [`TlsAcceptor::install`] puts it in the place of the one before. Handshakes under way are
//! bounded, in number and in time. It reads no file.
//!
//! ```no_run
//! use std::{sync::Arc, time::Duration};
//! use tokio::time::Instant;
//! use ws_transport::{Acceptor, tls::{KeyPair, TlsAcceptor, TlsConfig}};
//!
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! let (chain, key) = (std::fs::read("cert.pem")?, std::fs::read("key.pem")?);
//! let config = TlsConfig::new(vec![KeyPair::from_pem(&chain, &key)?]);
//! let tls = Arc::new(TlsAcceptor::new(config, 1024)?);
//!
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:3001").await?;
//! loop {
//!     let (socket, _) = listener.accept().await?;
//!     let tls = tls.clone();
//!     tokio::spawn(async move {
//!         let deadline = Instant::now() + Duration::from_secs(10);
//!         let Ok(stream) = tls.accept(socket, Vec::new(), deadline).await else { return };
//!         let websocket = Acceptor::new().accept(stream).await;
//!     });
//! }
//! # }
//! ```

mod acceptor;
mod config;
mod gate;
mod pair;
mod resolver;
mod verdict;

pub use acceptor::{Handshakes, ReadyTls, TlsAcceptor, TlsFailure, TlsStream};
pub use config::{ClientAuthority, TlsConfig, TlsConfigError, TlsVersion};
pub use pair::{KeyPair, KeyPairError};
pub use verdict::TlsFault;
