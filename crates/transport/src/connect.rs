//! The client's side of the opening handshake on a transport.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, Uri, header};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use ws_compression::{CompressionConfig, CompressionManager, NegotiationError, Role};
use ws_connection::{
    ConnectionConfig,
    handshake::{
        Agreement, ClientHandshake, HandshakeError, HeadError, HeadLimits, parse_response,
    },
};

use crate::stream::WebSocketStream;

/// How much of a refusal's body is kept: room for a sentence and a code, not for a proxy's page.
const REFUSAL_BYTES_MAX: usize = 4096;
/// How long a refusal's body is waited for. What matters most is in the head.
const REFUSAL_BODY_TIMEOUT: Duration = Duration::from_secs(1);

/// Connects to WebSocket servers.
#[derive(Clone, Debug)]
pub struct Connector {
    connection: Arc<ConnectionConfig>,
    compression: CompressionManager,
    limits: HeadLimits,
    timeout: Duration,
    protocols: Vec<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// The connection did not come to a WebSocket.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The transport failed.
    #[error("the transport failed: {0}")]
    Io(#[from] io::Error),
    /// The handshake was not finished within its deadline.
    #[error("the server did not finish the handshake in time")]
    TimedOut,
    /// The server answered with another status than 101.
    ///
    /// The body is what came of it within a second, by `Content-Length` or up to the connection's end,
    /// and at most 4 KiB. A body with a transfer coding is left away, and one that is cut is no error: the
    /// status and the headers are told in any case.
    #[error("the server answered {}", .0.status())]
    Refused(Box<Response<Bytes>>),
    /// The address or the server's answer is not that of a WebSocket.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// The response's head is malformed or beyond the limits.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The server negotiated compression that was not offered.
    #[error(transparent)]
    Negotiation(#[from] NegotiationError),
    /// This crate does no TLS: connect the stream yourself and call [`Connector::handshake`].
    #[error("wss:// needs a TLS stream; wrap one and call Connector::handshake")]
    NeedsTls,
}

impl Connector {
    /// The defaults of [`ConnectionConfig::client`] and [`CompressionConfig::default`], a handshake
    /// within 10 s.
    pub fn new() -> Self {
        Self {
            connection: Arc::new(ConnectionConfig::client(rand::random)),
            compression: CompressionManager::new(CompressionConfig::default()),
            limits: HeadLimits::default(),
            timeout: Duration::from_secs(10),
            protocols: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// The protocol's limits and deadlines; start from [`Connector::client_config`].
    #[must_use]
    pub fn with_connection(mut self, connection: ConnectionConfig) -> Self {
        self.connection = Arc::new(connection);
        self
    }

    /// A client's configuration with masking keys from the system's random source.
    pub fn client_config() -> ConnectionConfig {
        ConnectionConfig::client(rand::random)
    }

    /// Compression that is offered.
    #[must_use]
    pub fn with_compression(mut self, compression: CompressionManager) -> Self {
        self.compression = compression;
        self
    }

    /// How long connecting and the handshake may take together. Default: 10 s.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Subprotocols to offer, the preferred one first.
    #[must_use]
    pub fn with_protocols(
        mut self,
        protocols: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        self.protocols = protocols.into_iter().map(Into::into).collect();
        self
    }

    /// Adds a header to the request, such as `Authorization` or `Origin`.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Connects over TCP to a `ws://` address.
    pub async fn connect(&self, uri: Uri) -> Result<WebSocketStream<TcpStream>, ConnectError> {
        if uri.scheme_str() == Some("wss") {
            return Err(ConnectError::NeedsTls);
        }
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = uri.port_u16().unwrap_or(80);
        // Judged before a socket is opened.
        let handshake = self.client_handshake(uri)?;
        let connect = async {
            let socket = TcpStream::connect((host, port)).await?;
            socket.set_nodelay(true)?;
            Ok(self.shake_hands(handshake, socket).await?.0)
        };
        tokio::time::timeout(self.timeout, connect).await.map_err(|_| ConnectError::TimedOut)?
    }

    /// Does the handshake over a transport that is connected already, such as a TLS stream.
    pub async fn handshake<IO>(
        &self,
        uri: Uri,
        io: IO,
    ) -> Result<(WebSocketStream<IO>, Agreement), ConnectError>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let work = self.shake_hands(self.client_handshake(uri)?, io);
        tokio::time::timeout(self.timeout, work).await.map_err(|_| ConnectError::TimedOut)?
    }

    fn client_handshake(&self, uri: Uri) -> Result<ClientHandshake, HandshakeError> {
        let key = tungstenite::handshake::client::generate_key();
        let handshake = ClientHandshake::new(uri, key)?
            .with_protocols(self.protocols.iter().map(String::as_str))
            .with_extensions(self.compression.offer());
        self.headers
            .iter()
            .try_fold(handshake, |it, (name, value)| it.with_header(name.clone(), value.clone()))
    }

    async fn shake_hands<IO>(
        &self,
        handshake: ClientHandshake,
        mut io: IO,
    ) -> Result<(WebSocketStream<IO>, Agreement), ConnectError>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let mut bytes = Vec::with_capacity(512);
        handshake.encode_request(&mut bytes);
        io.write_all(&bytes).await?;
        // A TLS stream may hold it back.
        io.flush().await?;
        bytes.clear();
        let (response, head_len) = loop {
            match parse_response(&bytes, self.limits)? {
                // RFC 9110 §15.2: others of its kind may come before the answer, and say nothing here.
                Some((response, len)) if is_interim(response.status()) => drop(bytes.drain(..len)),
                Some(parsed) => break parsed,
                None if io.read_buf(&mut bytes).await? == 0 => {
                    return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
                }
                None => {}
            }
        };
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            bytes.drain(..head_len);
            return Err(ConnectError::Refused(Box::new(refusal(response, bytes, io).await)));
        }
        let agreement = handshake.judge(&response)?;
        let extensions = agreement.extensions.iter().map(String::as_str);
        let params = self.compression.accept_response(extensions)?;
        let deflate = params.map(|params| self.compression.codec(Role::Client, params));
        let early = Bytes::from(bytes).slice(head_len..);
        let stream = WebSocketStream::after_handshake(io, self.connection.clone(), deflate, early);
        Ok((stream, agreement))
    }
}

impl Default for Connector {
    fn default() -> Self {
        Self::new()
    }
}

fn is_interim(status: StatusCode) -> bool {
    status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS
}

/// The refusal with its body, of which `body` has been read already.
async fn refusal<IO>(head: Response<()>, mut body: Vec<u8>, mut io: IO) -> Response<Bytes>
where
    IO: AsyncRead + Unpin,
{
    let len = body_len(&head).min(REFUSAL_BYTES_MAX);
    let reading = async {
        while body.len() < len {
            match io.read_buf(&mut body).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
    };
    // Too late or cut: then it is told with what there is.
    let _ = tokio::time::timeout(REFUSAL_BODY_TIMEOUT, reading).await;
    body.truncate(len);
    head.map(|()| body.into())
}

/// RFC 9112 §6.3, for answers to GET.
fn body_len(head: &Response<()>) -> usize {
    if matches!(head.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        || head.headers().contains_key(header::TRANSFER_ENCODING)
    {
        return 0;
    }
    match head.headers().get(header::CONTENT_LENGTH) {
        Some(len) => len.to_str().ok().and_then(|len| len.parse().ok()).unwrap_or(0),
        None => usize::MAX,
    }
}
