//! Upgrades of requests that hyper (and so axum) serves.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use ws_compression::{CompressionManager, PerMessageDeflate, Role};
use ws_connection::{
    ConnectionConfig,
    handshake::{Refusal, Upgrade},
};

use crate::stream::WebSocketStream;

/// Becomes the WebSocket once the response has been written.
#[derive(Debug)]
pub struct Upgrading {
    on_upgrade: OnUpgrade,
    connection: Arc<ConnectionConfig>,
    deflate: Option<PerMessageDeflate>,
}

/// Marks a request of HTTP/2 that asks for a WebSocket (RFC 8441), so that [`Upgrade`] and [`upgrade`] know it;
/// answers whether it is one. hyper tells clients that they may ask once its builder was told to
/// `enable_connect_protocol`.
#[cfg(feature = "http2")]
pub fn mark_extended_connect<B>(request: &mut Request<B>) -> bool {
    let protocol = request.extensions().get::<hyper::ext::Protocol>();
    let is_websocket = request.method() == http::Method::CONNECT
        && protocol.is_some_and(|protocol| protocol.as_str() == "websocket");
    if is_websocket {
        request.extensions_mut().insert(ws_connection::handshake::ExtendedConnect);
    }
    is_websocket
}

/// Answers an upgrade request: the response to return from the service, and the future of the
/// WebSocket, to be awaited in a task of its own.
pub fn upgrade<B>(
    request: &mut Request<B>,
    connection: Arc<ConnectionConfig>,
    compression: &CompressionManager,
) -> Result<(Response<()>, Upgrading), Refusal> {
    let granted = Upgrade::from_request(request)?;
    let accepted = compression.accept_offer(Upgrade::extensions(request.headers()));
    let response = granted.response(None, accepted.as_ref().map(|accepted| &*accepted.response));
    let deflate = accepted.map(|accepted| compression.codec(Role::Server, accepted.params));
    let on_upgrade = hyper::upgrade::on(request);
    Ok((response, Upgrading { on_upgrade, connection, deflate }))
}

impl Future for Upgrading {
    type Output = Result<WebSocketStream<TokioIo<Upgraded>>, hyper::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let upgraded = ready!(Pin::new(&mut self.on_upgrade).poll(cx))?;
        let (connection, deflate) = (self.connection.clone(), self.deflate.take());
        let io = TokioIo::new(upgraded);
        Poll::Ready(Ok(WebSocketStream::after_handshake(io, connection, deflate, Bytes::new())))
    }
}
