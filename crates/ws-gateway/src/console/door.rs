//! Who may look.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::atomic::{AtomicU64, Ordering},
};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::Response,
};
use serde_json::json;
use tokio::time::Instant;
use ws_connection::handshake::{self, ExtendedConnect, Upgrade, is_upgrade};
use ws_handler::Application;
use ws_rate_limiter::ip_key;

use super::{Console, Inner, viewer};
use crate::{
    http::{Kept, Peer, json_response, key_required, upgrade_required},
    outcomes::Visit,
};

/// The subprotocol that is spoken, and what the one that holds the key begins with.
const PROTOCOL: &str = "ws-gateway.console.v1";
const KEY_PROTOCOL: &str = "bearer.";

/// Numbers for the log, by which the lines of one viewer are found.
static VISITORS: AtomicU64 = AtomicU64::new(1);

/// Who looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Visitor {
    pub(super) number: u64,
    pub(super) address: IpAddr,
}

/// Why somebody may not look.
#[derive(Clone, Debug)]
enum Refusal {
    Draining,
    ForeignOrigin,
    NoKey,
    WrongKey,
    /// After too many wrong ones.
    Limited {
        wait_ms: u64,
        wait_secs: u64,
    },
    Full,
    Malformed(handshake::Refusal),
}

/// Judges an upgrade. Without one, whoever has the key is told so, or that there is no place: a page cannot read
/// why an upgrade was refused, and asks again in this way.
pub(super) async fn enter<A: Application>(
    State(console): State<Console<A>>,
    mut request: Request,
) -> Response {
    let console = console.0;
    let address = console.address_of(&request);
    let is_let_in = console.judge(request.headers(), request.uri(), address);
    // Over HTTP/2 there is no such header, and a connection that has to be kept.
    let is_upgrade =
        is_upgrade(request.headers()) || request.extensions().get::<ExtendedConnect>().is_some();
    if is_let_in.is_ok() && !is_upgrade {
        let is_full = console.places.available_permits() == 0;
        return if is_full { Refusal::Full.response() } else { upgrade_required() };
    }
    let granted = is_let_in.and_then(|()| {
        let place = console.places.clone().try_acquire_owned().map_err(|_| Refusal::Full)?;
        let (connection, compression) = (console.connection.clone(), &console.compression);
        let upgraded = ws_transport::upgrade(&mut request, connection, compression);
        let (response, upgrading) = upgraded.map_err(Refusal::Malformed)?;
        Ok((response, upgrading, place))
    });
    let (mut response, upgrading, place) = match granted {
        Ok(granted) => granted,
        Err(refusal) => return console.refuse(&refusal, address),
    };
    console.outcomes.add_visit(Visit::Opened);
    if Upgrade::protocols(request.headers()).any(|offered| offered == PROTOCOL) {
        let spoken = HeaderValue::from_static(PROTOCOL);
        response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, spoken);
    }
    let visitor = Visitor { number: VISITORS.fetch_add(1, Ordering::Relaxed), address };
    let kept = request.extensions().get::<Kept>().cloned();
    tokio::spawn(async move {
        let _kept = kept;
        if let Ok(stream) = upgrading.await {
            viewer::serve(console, stream, visitor, place).await;
        }
    });
    response.map(|()| Body::empty())
}

impl<A: Application> Console<A> {
    /// Whether a request of the inspector may be made, and from where it comes; the answer to it otherwise. A drain
    /// is something to look at, too.
    pub(crate) fn admit(&self, request: &Request) -> Result<IpAddr, Box<Response>> {
        let address = self.0.address_of(request);
        let judged = self.0.judge_key(request.headers(), request.uri(), address);
        judged.map(|()| address).map_err(|refusal| self.0.refuse(&refusal, address).into())
    }
}

impl<A: Application> Inner<A> {
    fn address_of(&self, request: &Request) -> IpAddr {
        let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
        let peer = request.extensions().get().map_or(unknown, |Peer(peer)| *peer);
        self.handler.client_address(peer, request)
    }

    fn refuse(&self, refusal: &Refusal, address: IpAddr) -> Response {
        self.outcomes.add_visit(refusal.visit());
        // Of wrong keys few are judged; of the rest there may come as many as anybody likes.
        match refusal {
            Refusal::WrongKey => tracing::warn!(%address, reason = %refusal, "console refused"),
            _ => tracing::info!(%address, reason = %refusal, "console refused"),
        }
        refusal.response()
    }

    /// Whether somebody with these headers may look through the console.
    fn judge(&self, headers: &HeaderMap, uri: &Uri, address: IpAddr) -> Result<(), Refusal> {
        if self.handler.is_draining() {
            return Err(Refusal::Draining);
        }
        self.judge_key(headers, uri, address)
    }

    /// Whether somebody with these headers has the key: cheap judgements first, and the key behind the
    /// limit of guesses.
    fn judge_key(&self, headers: &HeaderMap, uri: &Uri, address: IpAddr) -> Result<(), Refusal> {
        if !is_of_this_host(headers, uri) {
            return Err(Refusal::ForeignOrigin);
        }
        let given = given_key(headers).ok_or(Refusal::NoKey)?;
        let (guesser, now) = (ip_key(address), Instant::now().into_std());
        self.guesses.check(&guesser, now).map_err(|denied| Refusal::Limited {
            wait_ms: denied.retry_after_ms(now),
            wait_secs: denied.retry_after_secs(now),
        })?;
        if !self.options.key.is(&given) {
            return Err(Refusal::WrongKey);
        }
        // Whoever knows it has not guessed.
        self.guesses.forget(&guesser);
        Ok(())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Draining => "Server restart",
            Self::ForeignOrigin => "The console is opened by its own page alone",
            Self::NoKey => "The console's key is required",
            Self::WrongKey => "This is not the console's key",
            Self::Limited { .. } => "Too many wrong keys came from this address",
            Self::Full => "As many look already as may",
            Self::Malformed(refusal) => return refusal.fmt(f),
        })
    }
}

impl Refusal {
    fn visit(&self) -> Visit {
        match self {
            Self::Draining => Visit::Draining,
            Self::ForeignOrigin => Visit::ForeignOrigin,
            Self::NoKey | Self::WrongKey => Visit::Unauthorized,
            Self::Limited { .. } => Visit::Limited,
            Self::Full => Visit::Full,
            Self::Malformed(_) => Visit::Malformed,
        }
    }

    fn response(&self) -> Response {
        let (status, code) = match self {
            Self::NoKey | Self::WrongKey => return key_required(&self.to_string()),
            Self::Draining => (StatusCode::SERVICE_UNAVAILABLE, "shutting_down"),
            Self::ForeignOrigin => (StatusCode::FORBIDDEN, "origin"),
            Self::Limited { .. } => (StatusCode::TOO_MANY_REQUESTS, "rate_limited"),
            Self::Full => (StatusCode::SERVICE_UNAVAILABLE, "full"),
            Self::Malformed(refusal) => (refusal.status(), "bad_handshake"),
        };
        let mut body = json!({ "error": self.to_string(), "code": code });
        let wait = match *self {
            Self::Draining => Some((1000, 1)),
            Self::Limited { wait_ms, wait_secs } => Some((wait_ms, wait_secs)),
            _ => None,
        };
        if let Some((wait_ms, _)) = wait {
            body["retryAfterMs"] = wait_ms.into();
        }
        let mut response = json_response(status, &body);
        if let Some((_, wait_secs)) = wait {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait_secs));
        }
        if let Self::Malformed(refusal) = self {
            response.headers_mut().extend(refusal.headers());
        }
        response
    }
}

/// The key as `Authorization: Bearer`, or percent-encoded in a subprotocol: browsers can send no header, and
/// a subprotocol has not all characters that a key may have.
fn given_key(headers: &HeaderMap) -> Option<Vec<u8>> {
    let authorization = headers.get(header::AUTHORIZATION);
    let sent = authorization.and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    if let Some(key) = sent {
        return Some(key.to_vec());
    }
    let mut protocols = Upgrade::protocols(headers);
    protocols.find_map(|offered| offered.strip_prefix(KEY_PROTOCOL)).map(percent_decoded)
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let escaped = match *behind {
            [high, low, ..] if first == b'%' => digit(high).zip(digit(low)),
            _ => None,
        };
        decoded.push(escaped.map_or(first, |(high, low)| high << 4 | low));
        rest = escaped.map_or(behind, |_| &behind[2..]);
    }
    decoded
}

/// Whether the page that asks, if one does, came from where it asks: a browser says where a page is from, and
/// nothing else says it.
fn is_of_this_host(headers: &HeaderMap, uri: &Uri) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let Some(origin) = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok()) else {
        return false;
    };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let asked = host.or_else(|| uri.authority().map(http::uri::Authority::as_str));
    let default_port = match origin.scheme_str() {
        Some("http") => ":80",
        Some("https") => ":443",
        _ => return false,
    };
    let bare = |authority: &str| {
        let lower = authority.to_ascii_lowercase();
        lower.strip_suffix(default_port).map(ToOwned::to_owned).unwrap_or(lower)
    };
    let of_page = origin.authority().map(|authority| bare(authority.as_str()));
    of_page.is_some() && of_page == asked.map(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_from_a_header_or_from_a_subprotocol_as_it_was_written() {
        let given = |name: header::HeaderName, value: &'static str| {
            given_key(&HeaderMap::from_iter([(name, HeaderValue::from_static(value))]))
                .map(|key| String::from_utf8_lossy(&key).into_owned())
        };
        let protocol = |value| given(header::SEC_WEBSOCKET_PROTOCOL, value);
        assert_eq!(protocol("ws-gateway.console.v1, bearer.abc"), Some("abc".into()));
        assert_eq!(protocol("bearer.a%2Fb%20%C3%bc"), Some("a/b ü".into()));
        assert_eq!(protocol("bearer.100%"), Some("100%".into()));
        assert_eq!(protocol("bearer.%+1%zz%4"), Some("%+1%zz%4".into()));
        assert_eq!(protocol("ws-gateway.console.v1"), None);
        assert_eq!(given(header::AUTHORIZATION, "Bearer a%20b"), Some("a%20b".into()));
        assert_eq!(given(header::AUTHORIZATION, "Basic abc"), None);
    }

    #[test]
    fn a_page_is_of_this_host_if_its_origin_is_the_host_that_is_asked() {
        let check = |origin: Option<&'static str>, host: &'static str, expect: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static(host));
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
            }
            assert_eq!(is_of_this_host(&headers, &Uri::default()), expect, "{origin:?} {host}");
        };
        check(None, "a.test", true);
        check(Some("http://a.test"), "a.test", true);
        check(Some("http://A.test"), "a.TEST", true);
        check(Some("http://a.test"), "a.test:80", true);
        check(Some("https://a.test"), "a.test:443", true);
        check(Some("http://127.0.0.1:3001"), "127.0.0.1:3001", true);
        check(Some("http://[::1]:3001"), "[::1]:3001", true);
        check(Some("http://a.test:3001"), "a.test", false);
        check(Some("https://a.test"), "a.test:80", false);
        check(Some("http://b.test"), "a.test", false);
        check(Some("http://a.test.b.test"), "a.test", false);
        check(Some("null"), "a.test", false);
        check(Some("file://"), "a.test", false);
        check(Some("chrome-extension://a.test"), "a.test", false);
        check(Some(""), "", false);
    }
}
