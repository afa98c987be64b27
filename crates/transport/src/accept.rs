//! The server's side of the opening handshake on a transport.

use std::{future::poll_fn, io, pin::Pin, sync::Arc, task::ready, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use ws_compression::{CompressionConfig, CompressionManager, Role};
use ws_connection::{
    ConnectionConfig,
    handshake::{HeadError, HeadLimits, Refusal, Upgrade, encode_response, parse_shared_request},
};

use crate::{scratch, stream::WebSocketStream};

/// How long a client that was refused may take to hear it and to go.
const LINGER: Duration = Duration::from_secs(1);

/// A request's head could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadHeadError {
    /// The transport failed.
    #[error("the transport failed: {0}")]
    Io(#[from] io::Error),
    /// The transport ended before the head did.
    #[error("the peer went away within the handshake")]
    EndOfStream,
    /// The head is malformed or beyond the limits.
    #[error(transparent)]
    Head(#[from] HeadError),
}

/// A request's head, and every byte that was read.
#[derive(Debug)]
pub struct RequestHead {
    /// The request.
    pub request: Request<()>,
    /// What was read: the head, and what came with it.
    pub bytes: Bytes,
    head_len: usize,
}

impl RequestHead {
    /// What was read beyond the head.
    pub fn early(&self) -> Bytes {
        self.bytes.slice(self.head_len..)
    }
}

/// Reads one request's head; `held` is what was read of it already. The caller sets the deadline: a
/// client that dribbles bytes is dropped by `tokio::time::timeout` around this.
pub async fn read_request<IO: AsyncRead + Unpin>(
    io: &mut IO,
    limits: HeadLimits,
    mut held: Vec<u8>,
) -> Result<RequestHead, ReadHeadError> {
    poll_fn(|cx| {
        scratch::with(|scratch| {
            loop {
                let bytes = Bytes::from(std::mem::take(&mut held));
                if let Some((request, head_len)) = parse_shared_request(&bytes, limits)? {
                    return Ok(RequestHead { request, bytes, head_len }).into();
                }
                // Nobody else has it, so it is not copied.
                held = bytes.into();
                let mut read = ReadBuf::new(scratch.workspace.read_buffer());
                ready!(Pin::new(&mut *io).poll_read(cx, &mut read))?;
                let fresh = read.filled();
                if fresh.is_empty() {
                    return Err(ReadHeadError::EndOfStream).into();
                }
                held.extend_from_slice(fresh);
            }
        })
    })
    .await
}

/// Accepts WebSockets on transports that speak HTTP/1.1.
#[derive(Clone, Debug)]
pub struct Acceptor {
    connection: Arc<ConnectionConfig>,
    compression: CompressionManager,
    limits: HeadLimits,
    timeout: Duration,
    protocols: Vec<String>,
}

/// The handshake did not come to a WebSocket. Where there was a request to answer, it was answered.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// The request's head could not be read.
    #[error(transparent)]
    Read(#[from] ReadHeadError),
    /// The request did not come within the handshake's deadline.
    #[error("the request did not arrive in time")]
    TimedOut,
    /// The request is not a sound upgrade.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The application refused it.
    #[error("the application answered {0}")]
    Rejected(http::StatusCode),
}

impl Acceptor {
    /// The defaults of [`ConnectionConfig::server`] and [`CompressionConfig::default`], a handshake
    /// within 10 s.
    pub fn new() -> Self {
        Self {
            connection: Arc::new(ConnectionConfig::server()),
            compression: CompressionManager::new(CompressionConfig::default()),
            limits: HeadLimits::default(),
            timeout: Duration::from_secs(10),
            protocols: Vec::new(),
        }
    }

    /// The protocol's limits and deadlines.
    #[must_use]
    pub fn with_connection(mut self, connection: ConnectionConfig) -> Self {
        self.connection = Arc::new(connection);
        self
    }

    /// Compression; shared with other acceptors if the manager is.
    #[must_use]
    pub fn with_compression(mut self, compression: CompressionManager) -> Self {
        self.compression = compression;
        self
    }

    /// How long the request may take. Default: 10 s.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How much of a head a client may send.
    #[must_use]
    pub fn with_limits(mut self, limits: HeadLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Subprotocols that are spoken here; the first that a client offers is chosen.
    #[must_use]
    pub fn with_protocols(
        mut self,
        protocols: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        self.protocols = protocols.into_iter().map(Into::into).collect();
        self
    }

    /// Does the handshake.
    pub async fn accept<IO>(&self, io: IO) -> Result<WebSocketStream<IO>, AcceptError>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        self.accept_if(io, |_| Ok(())).await
    }

    /// Does the handshake if `judge` agrees; its response is the answer otherwise.
    pub async fn accept_if<IO>(
        &self,
        mut io: IO,
        judge: impl FnOnce(&Request<()>) -> Result<(), Box<Response<String>>>,
    ) -> Result<WebSocketStream<IO>, AcceptError>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let read =
            tokio::time::timeout(self.timeout, read_request(&mut io, self.limits, Vec::new()))
                .await;
        let head = match read {
            Ok(Ok(head)) => head,
            Ok(Err(error)) => {
                if let ReadHeadError::Head(head) = &error {
                    refuse(&mut io, plain(head.status(), head)).await;
                }
                return Err(error.into());
            }
            Err(_) => {
                let sentence = "the request did not arrive in time";
                refuse(&mut io, plain(http::StatusCode::REQUEST_TIMEOUT, &sentence)).await;
                return Err(AcceptError::TimedOut);
            }
        };
        let early = head.early();
        let request = head.request;
        let upgrade = match Upgrade::from_request(&request) {
            Ok(upgrade) => upgrade,
            Err(refusal) => {
                let mut response = plain(refusal.status(), &refusal);
                response.headers_mut().extend(refusal.headers());
                refuse(&mut io, response).await;
                return Err(refusal.into());
            }
        };
        if let Err(response) = judge(&request) {
            let status = response.status();
            refuse(&mut io, *response).await;
            return Err(AcceptError::Rejected(status));
        }
        let offered = Upgrade::extensions(request.headers());
        let accepted = self.compression.accept_offer(offered);
        let protocol = Upgrade::protocols(request.headers())
            .find(|offered| self.protocols.iter().any(|spoken| spoken == offered));
        let response =
            upgrade.response(protocol, accepted.as_ref().map(|accepted| &*accepted.response));
        let mut bytes = Vec::with_capacity(256);
        encode_response(&response.map(|()| ""), &mut bytes);
        answer(&mut io, &bytes, self.timeout).await.map_err(ReadHeadError::Io)?;
        let deflate =
            accepted.map(|accepted| self.compression.codec(Role::Server, accepted.params));
        Ok(WebSocketStream::after_handshake(io, self.connection.clone(), deflate, early))
    }
}

impl Default for Acceptor {
    fn default() -> Self {
        Self::new()
    }
}

fn plain(status: http::StatusCode, sentence: &dyn std::fmt::Display) -> Response<String> {
    let mut response = Response::new(format!("{sentence}\n"));
    *response.status_mut() = status;
    response
}

/// Writes the whole answer, however the transport takes it, within the deadline.
async fn answer<IO: AsyncWrite + Unpin>(
    io: &mut IO,
    bytes: &[u8],
    timeout: Duration,
) -> io::Result<()> {
    let write = async {
        io.write_all(bytes).await?;
        // A TLS stream may hold it back.
        io.flush().await
    };
    tokio::time::timeout(timeout, write).await?
}

/// Answers and ends the transport; a peer that is gone does not hear it, and that is all.
///
/// What the peer is still sending is read and forgotten for a moment: to close over unread bytes
/// resets the connection, and the answer could be lost with it.
async fn refuse<IO>(io: &mut IO, mut response: Response<String>)
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let close = http::HeaderValue::from_static("close");
    if !response.headers().contains_key(http::header::CONNECTION) {
        response.headers_mut().insert(http::header::CONNECTION, close);
    }
    let mut bytes = Vec::with_capacity(256);
    encode_response(&response, &mut bytes);
    let linger = async {
        io.write_all(&bytes).await?;
        io.shutdown().await?;
        let mut forgotten = vec![0; 4096];
        while io.read(&mut forgotten).await? > 0 {}
        Ok::<_, io::Error>(())
    };
    let _ = tokio::time::timeout(LINGER, linger).await;
}
