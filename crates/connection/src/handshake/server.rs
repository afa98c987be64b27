//! The server's side: is this request an upgrade, and may it be granted (RFC 6455 §4.2)?

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version, header,
};
use tungstenite::handshake::derive_accept_key;

use super::tokens::{list, names, single};

/// Why a request is not upgraded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// §4.2.1 (1).
    #[error("a WebSocket upgrade is a GET request")]
    NotGet,
    /// §4.2.1 (1).
    #[error("a WebSocket upgrade needs HTTP/1.1")]
    OldHttp,
    /// §4.2.1 (2).
    #[error("exactly one Host header is required")]
    Host,
    /// §4.2.1 (3).
    #[error("an Upgrade header with the value websocket is required")]
    NoUpgrade,
    /// §4.2.1 (4).
    #[error("a Connection header that names Upgrade is required")]
    NoConnection,
    /// §4.2.1 (6) and §4.4.
    #[error("Sec-WebSocket-Version must be 13")]
    Version,
    /// §4.2.1 (5).
    #[error("exactly one Sec-WebSocket-Key of 16 bytes in base64 is required")]
    Key,
    /// A request with a body would be read as frames.
    #[error("a WebSocket upgrade has no body")]
    Body,
}

impl Refusal {
    /// The status to answer with.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::NotGet => StatusCode::METHOD_NOT_ALLOWED,
            Self::OldHttp => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::NoUpgrade | Self::Version => StatusCode::UPGRADE_REQUIRED,
            Self::Host | Self::NoConnection | Self::Key | Self::Body => StatusCode::BAD_REQUEST,
        }
    }

    /// The headers that the status asks for.
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        match self {
            Self::NotGet => {
                headers.insert(header::ALLOW, HeaderValue::from_static("GET"));
            }
            Self::NoUpgrade => {
                headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
            }
            // §4.4: the versions that are spoken here.
            Self::Version => {
                headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
                headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
            }
            Self::OldHttp | Self::Host | Self::NoConnection | Self::Key | Self::Body => {}
        }
        headers
    }
}

/// Whether a request means to become a WebSocket, sound or not.
pub fn is_upgrade(headers: &HeaderMap) -> bool {
    names(headers, &header::UPGRADE, "websocket")
}

/// Marks a request of HTTP/2, as one of its extensions, as an extended CONNECT whose `:protocol` is
/// `websocket` (RFC 8441 §4): what a server of HTTP/2 knows and a [`Request`] has no other place for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtendedConnect;

/// A request that passed §4.2.1, or RFC 8441 §5; the answer is [`Upgrade::response`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// None over HTTP/2, which needs no proof that the server understood.
    accept: Option<String>,
}

impl Upgrade {
    /// Judges a request: one of HTTP/1.1, or one of HTTP/2 that is marked as [`ExtendedConnect`].
    pub fn from_request<B>(request: &Request<B>) -> Result<Self, Refusal> {
        if request.method() != Method::GET {
            let is_connect = request.method() == Method::CONNECT
                && request.extensions().get::<ExtendedConnect>().is_some();
            return if is_connect { Self::from_connect(request) } else { Err(Refusal::NotGet) };
        }
        if request.version() < Version::HTTP_11 {
            return Err(Refusal::OldHttp);
        }
        let headers = request.headers();
        if !is_upgrade(headers) {
            return Err(Refusal::NoUpgrade);
        }
        if !names(headers, &header::CONNECTION, "upgrade") {
            return Err(Refusal::NoConnection);
        }
        if single(headers, &header::HOST).ok().flatten().is_none() {
            return Err(Refusal::Host);
        }
        if single(headers, &header::SEC_WEBSOCKET_VERSION) != Ok(Some("13")) {
            return Err(Refusal::Version);
        }
        let key = match single(headers, &header::SEC_WEBSOCKET_KEY) {
            Ok(Some(key)) if is_key(key) => key,
            _ => return Err(Refusal::Key),
        };
        // One length at the most: of two, a proxy in front may have believed the other.
        let no_body = matches!(single(headers, &header::CONTENT_LENGTH), Ok(None | Some("0")));
        if headers.contains_key(header::TRANSFER_ENCODING) || !no_body {
            return Err(Refusal::Body);
        }
        Ok(Self { accept: Some(derive_accept_key(key.as_bytes())) })
    }

    /// RFC 8441 §5: no key, no Upgrade and no Connection; the host is `:authority`, which HTTP/2 sees to.
    fn from_connect<B>(request: &Request<B>) -> Result<Self, Refusal> {
        let headers = request.headers();
        if single(headers, &header::SEC_WEBSOCKET_VERSION) != Ok(Some("13")) {
            return Err(Refusal::Version);
        }
        if !matches!(single(headers, &header::CONTENT_LENGTH), Ok(None | Some("0"))) {
            return Err(Refusal::Body);
        }
        Ok(Self { accept: None })
    }

    /// The 101 response, or the 200 of HTTP/2, with the chosen subprotocol and extensions. A subprotocol
    /// that is not a header value is left out.
    pub fn response(&self, protocol: Option<&str>, extensions: Option<&str>) -> Response<()> {
        let mut response = Response::new(());
        if self.accept.is_some() {
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            let headers = response.headers_mut();
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        }
        let headers = response.headers_mut();
        for (name, value) in [
            (header::SEC_WEBSOCKET_ACCEPT, self.accept.as_deref()),
            (header::SEC_WEBSOCKET_PROTOCOL, protocol),
            (header::SEC_WEBSOCKET_EXTENSIONS, extensions),
        ] {
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
                headers.insert(name, value);
            }
        }
        response
    }

    /// The subprotocols that a request offers, in the client's order.
    pub fn protocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
        list(headers, &header::SEC_WEBSOCKET_PROTOCOL)
    }

    /// The lines of the extensions header, as negotiation takes them.
    pub fn extensions(headers: &HeaderMap) -> impl Iterator<Item = &str> {
        lines(headers, &header::SEC_WEBSOCKET_EXTENSIONS)
    }
}

pub(super) fn lines<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'h str> {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok())
}

/// Sixteen bytes in base64: 22 characters of the alphabet and two of padding.
fn is_key(key: &str) -> bool {
    let Some(data) = key.strip_suffix("==") else { return false };
    data.len() == 22
        && data.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/')
}
