//! From an address to an open WebSocket.

use std::{fmt, io, sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue, Response, Uri, header};
use tokio::time::{Instant, timeout_at};
use ws_compression::{CompressionConfig, CompressionManager};
use ws_connection::handshake::ClientHandshake;
use ws_frame_validator::SizeLimits;
use ws_transport::{ConnectError, Connector, WebSocketStream};

pub(crate) use self::target::Target;
pub use self::wire::{Connect, Connecting, Wire};

mod refusal;
mod target;
mod tcp;
#[cfg(feature = "tls")]
mod tls;
mod wire;

/// The subprotocol that the gateway speaks, beside which a token may travel.
const PROTOCOL: &str = "ws-gateway.v1";

/// The default; sixteen times that of the gateway.
const MESSAGE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// An open WebSocket, over whatever carries it.
pub type Socket = WebSocketStream<Wire>;

/// How to reach a server.
#[derive(Clone)]
pub struct DialerConfig {
    /// `ws://` or `wss://`, without credentials and without a fragment.
    pub address: String,
    /// Subprotocols to offer, the preferred one first.
    pub protocols: Vec<String>,
    /// Headers of the request beside the handshake's own.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The largest message that is taken, whole and inflated. What the gateway sends is a little larger than what
    /// its `MAX_FRAME_SIZE` lets in.
    pub message_bytes_max: u64,
    /// Whether permessage-deflate is offered.
    pub compression: bool,
    /// How long connecting, TLS and the handshake may take together.
    pub timeout: Duration,
    /// What connects, instead of TCP and TLS.
    pub connect: Option<Arc<dyn Connect>>,
    /// Whom to trust, instead of the platform's roots.
    #[cfg(feature = "tls")]
    pub tls: Option<Arc<rustls::ClientConfig>>,
}

impl DialerConfig {
    /// With compression, messages up to 16 MiB, within 10 s, over TCP, and for `wss://` trusting whom the platform trusts.
    pub fn new(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            protocols: Vec::new(),
            headers: Vec::new(),
            message_bytes_max: MESSAGE_BYTES_MAX,
            compression: true,
            timeout: Duration::from_secs(10),
            connect: None,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}

impl fmt::Debug for DialerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither an address nor headers: both may hold secrets.
        f.debug_struct("DialerConfig").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// Who we are, told anew with each attempt. A token that was read from a file may end with its line.
#[derive(Clone, Copy)]
pub enum Credential<'a> {
    /// A token that goes as `Authorization: Bearer`.
    Header(&'a str),
    /// A token that goes as the subprotocol `bearer.<token>`, beside `ws-gateway.v1`.
    Protocol(&'a str),
}

impl fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header(_) => "Header(…)",
            Self::Protocol(_) => "Protocol(…)",
        })
    }
}

/// There is no WebSocket.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The server answered with another status than 101.
    #[error("the server refuses with {status}{}", .message.as_deref().map(|it| format!(": {it}")).unwrap_or_default())]
    Refused {
        /// Of the answer.
        status: u16,
        /// When to come again: `retryAfterMs` of the body, else `Retry-After` in seconds.
        retry_after: Option<Duration>,
        /// `code` of the body.
        code: Option<String>,
        /// `error` of the body, or where a redirect leads.
        message: Option<String>,
    },
    /// Not done in time.
    #[error("the server did not finish the handshake in time")]
    TimedOut,
    /// No address of the name takes a connection, or it broke before it was a WebSocket.
    #[error("cannot connect: {0}")]
    Io(io::Error),
    /// There is no trust: a certificate that does not hold, no common version.
    #[error("TLS: {0}")]
    Tls(String),
    /// What the application gave cannot be used: an address, a header, a subprotocol, a token.
    #[error("{0}")]
    Invalid(String),
    /// What the server answers is not a WebSocket's handshake.
    #[error(transparent)]
    Handshake(ConnectError),
}

/// Connects to one address, as often as one likes.
#[derive(Clone)]
pub struct Dialer {
    target: Target,
    protocols: Vec<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
    connector: Connector,
    timeout: Duration,
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer").field("target", &self.target).finish_non_exhaustive()
    }
}

impl Dialer {
    /// Checks what can be checked without connecting.
    pub fn new(config: DialerConfig) -> Result<Self, DialError> {
        let target = Target::new(
            &config.address,
            config.connect,
            #[cfg(feature = "tls")]
            config.tls,
        )?;
        if let Some(it) = config.protocols.iter().find(|it| !is_token(it)) {
            return Err(DialError::Invalid(format!("{it:?} cannot be the name of a subprotocol")));
        }
        // The handshake knows which headers are its own.
        let handshake = ClientHandshake::new(target.uri().clone(), String::new());
        config
            .headers
            .iter()
            .try_fold(handshake.map_err(invalid)?, |handshake, (name, value)| {
                handshake.with_header(name.clone(), value.clone())
            })
            .map_err(invalid)?;
        let mut headers = config.headers;
        if headers.iter().all(|(name, _)| name != header::USER_AGENT) {
            // So that whoever looks at a gateway sees which clients are old.
            let own = concat!("ws-client/", env!("CARGO_PKG_VERSION"));
            headers.push((header::USER_AGENT, HeaderValue::from_static(own)));
        }
        let compression =
            CompressionManager::new(CompressionConfig::default().with_enabled(config.compression));
        let sizes = SizeLimits::with_max(config.message_bytes_max).map_err(invalid)?;
        Ok(Self {
            target,
            protocols: config.protocols,
            headers,
            connector: Connector::new()
                // The machine listens to silence by itself, as long as the server says.
                .with_connection(Connector::client_config().with_sizes(sizes).with_heartbeat(None))
                .with_compression(compression),
            timeout: config.timeout,
        })
    }

    /// The address.
    pub fn uri(&self) -> &Uri {
        self.target.uri()
    }

    /// Connects once. Dropping the future gives the attempt up.
    pub async fn dial(&self, credential: Option<Credential<'_>>) -> Result<Socket, DialError> {
        Ok(self.dial_agreed(credential).await?.0)
    }

    /// As [`Dialer::dial`], with the subprotocol that the server has agreed to, if any.
    pub async fn dial_agreed(
        &self,
        credential: Option<Credential<'_>>,
    ) -> Result<(Socket, Option<String>), DialError> {
        let connector = self.connector(credential)?;
        let began = Instant::now();
        let dialing = async {
            let wire = self.target.connect().await?;
            let connector = connector.with_timeout(self.timeout.saturating_sub(began.elapsed()));
            match connector.handshake(self.uri().clone(), wire).await {
                Ok((socket, agreement)) => Ok((socket, agreement.protocol)),
                Err(error) => Err(error.into()),
            }
        };
        match began.checked_add(self.timeout) {
            Some(deadline) => {
                timeout_at(deadline, dialing).await.map_err(|_| DialError::TimedOut)?
            }
            None => dialing.await,
        }
    }

    /// The request of one attempt.
    fn connector(&self, credential: Option<Credential<'_>>) -> Result<Connector, DialError> {
        let mut protocols = self.protocols.clone();
        let mut authorization = None;
        match credential {
            Some(Credential::Header(token)) => {
                let value = HeaderValue::try_from(format!("Bearer {}", token.trim()));
                let mut value = value.map_err(|_| unfit_token("an Authorization header"))?;
                value.set_sensitive(true);
                authorization = Some(value);
            }
            Some(Credential::Protocol(token)) => {
                let bearer = format!("bearer.{}", token.trim());
                if !is_token(&bearer) {
                    return Err(unfit_token("a subprotocol"));
                }
                // Only this one is echoed; a server that echoes none is refused by browsers.
                if protocols.is_empty() {
                    protocols.push(PROTOCOL.to_owned());
                }
                protocols.push(bearer);
            }
            None => {}
        }
        let connector = self.connector.clone().with_protocols(protocols);
        // A fresh token stands instead of one that was set for good.
        let headers = self
            .headers
            .iter()
            .filter(|(name, _)| authorization.is_none() || *name != header::AUTHORIZATION);
        let connector = headers.fold(connector, |connector, (name, value)| {
            connector.with_header(name.clone(), value.clone())
        });
        Ok(match authorization {
            Some(value) => connector.with_header(header::AUTHORIZATION, value),
            None => connector,
        })
    }
}

impl From<ConnectError> for DialError {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Refused(response) => Self::from(*response),
            ConnectError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                let sentence = "the server hung up before it answered";
                Self::Io(io::Error::new(error.kind(), sentence))
            }
            ConnectError::Io(error) => Self::Io(error),
            ConnectError::TimedOut => Self::TimedOut,
            other => Self::Handshake(other),
        }
    }
}

impl<B: AsRef<[u8]>> From<Response<B>> for DialError {
    fn from(response: Response<B>) -> Self {
        refusal::read(&response)
    }
}

fn invalid(error: impl fmt::Display) -> DialError {
    DialError::Invalid(error.to_string())
}

fn unfit_token(place: &str) -> DialError {
    DialError::Invalid(format!("the token has characters that {place} cannot carry"))
}

/// RFC 9110 §5.6.2.
fn is_token(name: &str) -> bool {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_fit)
}
