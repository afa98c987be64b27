//! What carries a WebSocket's bytes.

use std::{
    fmt,
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use http::Uri;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A way to the server: TCP, TLS, or the application's own.
pub struct Wire(Box<dyn Io>);

trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<IO: AsyncRead + AsyncWrite + Unpin + Send> Io for IO {}

/// A connection that is under way.
pub type Connecting<'a> = Pin<Box<dyn Future<Output = io::Result<Wire>> + Send + 'a>>;

/// Connects in the application's own way: through a proxy, over a Unix socket, in memory.
///
/// It is called for each attempt, within the attempt's time; dropping the future gives it up. What it yields
/// is used as it is, also for `wss://`: TLS is the implementor's.
///
/// ```
/// # use ws_client::Connect;
/// async fn over_unix(_: http::Uri) -> std::io::Result<tokio::net::UnixStream> {
///     tokio::net::UnixStream::connect("/run/gateway.sock").await
/// }
/// fn takes(_: impl Connect) {}
/// takes(over_unix);
/// ```
pub trait Connect: Send + Sync + 'static {
    /// Begins a connection to the server that `uri` names.
    fn connect<'a>(&'a self, uri: &'a Uri) -> Connecting<'a>;
}

impl<F, Fut, IO> Connect for F
where
    F: Fn(Uri) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = io::Result<IO>> + Send + 'static,
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    fn connect<'a>(&'a self, uri: &'a Uri) -> Connecting<'a> {
        let connecting = self(uri.clone());
        Box::pin(async move { connecting.await.map(Wire::new) })
    }
}

impl Wire {
    /// Anything that carries bytes both ways.
    pub fn new(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        Self(Box::new(io))
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_shutdown(cx)
    }
}
