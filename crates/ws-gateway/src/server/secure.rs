//! TLS in front of everything else: the handshake, and what is spoken behind it.

use std::net::SocketAddr;

use http::{HeaderValue, Response, StatusCode, header};
use tokio::{
    io::AsyncWriteExt,
    time::{Instant, timeout, timeout_at},
};
use ws_connection::handshake::encode_response;
use ws_handler::{Application, Rejection};
use ws_transport::{
    EagerTcpStream, Prefixed,
    tls::{TlsFailure, TlsFault},
};

use super::{LINGER, Shared, discard, read_proxy_header};
use crate::tls::{Certificates, HTTP_2};

impl<A: Application> Shared<A> {
    /// What a proxy says comes before TLS, and all of it, the request included, before the deadline.
    pub(super) async fn serve_tls(
        &self,
        tls: &Certificates,
        mut socket: EagerTcpStream,
        peer: SocketAddr,
        deadline: Instant,
    ) {
        let is_named = self.is_named_by_proxy(peer);
        let named = timeout_at(deadline, read_proxy_header(&mut socket, peer, is_named));
        let (peer, held) = match named.await {
            Ok(Ok(named)) => named,
            Ok(Err(error)) => return self.refuse_head(socket, error, peer).await,
            Err(_) => return self.refuse(socket, &Rejection::TimedOut, peer).await,
        };
        let stream = match tls.acceptor().accept(socket, held, deadline).await {
            Ok(stream) => stream,
            Err(TlsFailure { fault, untouched }) => {
                tracing::debug!(%peer, cause = fault.label(), "no TLS: {fault}");
                if let (TlsFault::NotTls, Some(socket)) = (fault, untouched) {
                    answer_plainly(socket).await;
                }
                return;
            }
        };
        if stream.get_ref().1.alpn_protocol() == Some(HTTP_2.as_bytes()) {
            // In a task of its own: it lasts as long as the WebSockets on it.
            let (options, begun) = (self.options.clone(), self.under_way.begin());
            let http = self.http.clone();
            tokio::spawn(http.serve_second(stream, peer, options, begun, deadline));
            return;
        }
        if let Some((stream, head, peer)) = self.await_request(stream, peer, false, deadline).await
        {
            self.answer(stream, head, peer).await;
        }
    }
}

/// Tells whoever speaks HTTP without TLS that it is wanted here. Who speaks something else is not understood
/// and not answered.
async fn answer_plainly(socket: Prefixed<EagerTcpStream>) {
    let (mut socket, read) = socket.into_parts();
    // Methods are upper case; of what is read already, the first letters are enough.
    let is_http = read.iter().take(3).all(u8::is_ascii_uppercase);
    if !is_http {
        return;
    }
    let sentence = "This port speaks TLS: connect with wss:// or https://";
    let body = serde_json::json!({ "error": sentence, "code": "tls_required" });
    let mut response = Response::new(format!("{body}\n"));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    let mut bytes = Vec::with_capacity(256);
    encode_response(&response, &mut bytes);
    let answering = async {
        socket.write_all(&bytes).await?;
        socket.shutdown().await?;
        discard(&mut socket).await
    };
    // Whoever does not take it, or goes on sending, is not waited for.
    let _ = timeout(LINGER, answering).await;
}
