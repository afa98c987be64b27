//! Servers of one answer, in memory and on sockets.

use std::{io, sync::Arc};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tungstenite::handshake::derive_accept_key;
use ws_client::{Connect, DialerConfig};

pub(crate) const ADDRESS: &str = "ws://gateway.test/ws";

/// What leads to a server in memory: each connection is given to `serve`, on a task of its own.
pub(crate) fn in_memory<F, Fut>(serve: F) -> Arc<dyn Connect>
where
    F: Fn(DuplexStream) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    Arc::new(move |_uri| {
        let (near, far) = tokio::io::duplex(64 * 1024);
        tokio::spawn(serve(far));
        async move { Ok::<_, io::Error>(near) }
    })
}

pub(crate) fn config<F, Fut>(serve: F) -> DialerConfig
where
    F: Fn(DuplexStream) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    DialerConfig { connect: Some(in_memory(serve)), ..DialerConfig::new(ADDRESS) }
}

/// A server that answers with these bytes, and holds the connection until the client leaves.
pub(crate) fn answering(answer: impl Into<String>) -> DialerConfig {
    let answer: Arc<str> = answer.into().into();
    config(move |io| {
        let answer = answer.clone();
        async move { answer_and_hold(io, &answer).await }
    })
}

pub(crate) async fn answer_and_hold(mut io: impl AsyncRead + AsyncWrite + Unpin, answer: &str) {
    read_head(&mut io).await;
    // The client may have heard enough.
    let _ = io.write_all(answer.as_bytes()).await;
    let _ = io.flush().await;
    let _ = io.read_to_end(&mut Vec::new()).await;
}

/// The head of a request, as it was sent.
pub(crate) async fn read_head(mut io: impl AsyncRead + Unpin) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if io.read_buf(&mut head).await.expect("readable") == 0 {
            break;
        }
    }
    String::from_utf8(head).expect("text")
}

/// A header of a head, by its name as it is written there.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// The answer that makes a WebSocket of a request, with more headers.
pub(crate) fn upgrade(head: &str, more: &str) -> String {
    let key = header(head, "Sec-WebSocket-Key").expect("a key");
    let accept = derive_accept_key(key.as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{more}\r\n"
    )
}
