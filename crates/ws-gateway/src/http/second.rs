//! HTTP/2: the same routes, and WebSockets by extended CONNECT (RFC 8441), many on one connection.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    body::Body,
    http::{HeaderValue, Method, StatusCode, header},
    response::Response,
};
use hyper::{body::Incoming, ext::Protocol};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use parking_lot::Mutex;
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Notify,
    time::{Instant, sleep_until},
};
use ws_connection::handshake::ExtendedConnect;
use ws_handler::{Application, Rejection};
use ws_transport::mark_extended_connect;

use self::{sips::Sips, watched::Watched};
use super::{GRACE, HURRIED_LIFETIME, Http, LIFETIME, Stay, head_of, json_response};
use crate::{
    server::ServerOptions,
    under_way::{Begun, UnderWay},
};

mod sips;
mod watched;

/// What a client may send on one stream before it is read, and what may wait to be sent on it.
const STREAM_BYTES_MAX: u32 = 64 * 1024;
/// The same for all streams of a connection together, towards us.
const CONNECTION_BYTES_MAX: u32 = 1024 * 1024;
/// How many requests more than were answered a client may take back before it is let go. Pages that are left
/// take back a few; whoever opens and resets as fast as it can takes back nothing else.
const TAKEN_BACK_MAX: usize = 200;

/// How long a client that never asked for anything may take to see that it is let go.
const FAREWELL: Duration = Duration::from_secs(1);

/// What is counted of HTTP/2.
#[derive(Debug, Default)]
pub(crate) struct SecondVersion {
    connections: AtomicUsize,
    websockets: AtomicU64,
    abuses: AtomicU64,
}

impl SecondVersion {
    /// Connections that are open.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// WebSockets that were granted so far.
    pub(crate) fn websockets(&self) -> u64 {
        self.websockets.load(Ordering::Relaxed)
    }

    /// Connections that were ended because their client took back too much.
    pub(crate) fn abuses(&self) -> u64 {
        self.abuses.load(Ordering::Relaxed)
    }
}

/// What goes on on one connection.
#[derive(Debug)]
struct Carried {
    second: Arc<SecondVersion>,
    websockets: AtomicUsize,
    under_way: UnderWay,
    /// On its way in, until something was answered.
    begun: Mutex<Option<Begun>>,
    has_asked: AtomicBool,
    stay: Stay,
    taken_back: AtomicUsize,
    /// Too much was taken back.
    abused: Notify,
    /// It is better for the client to connect again.
    leaving: Notify,
}

impl Carried {
    fn new(second: Arc<SecondVersion>, begun: Begun) -> Self {
        second.connections.fetch_add(1, Ordering::Relaxed);
        let (abused, leaving) = (Notify::new(), Notify::new());
        Self {
            second,
            websockets: AtomicUsize::new(0),
            under_way: begun.of(),
            begun: Mutex::new(Some(begun)),
            has_asked: AtomicBool::new(false),
            stay: Stay::default(),
            taken_back: AtomicUsize::new(0),
            abused,
            leaving,
        }
    }
}

impl Drop for Carried {
    fn drop(&mut self) {
        self.second.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A request while it is being answered: dropped before that, it was taken back.
struct Asked<'c> {
    carried: &'c Carried,
    is_answered: bool,
    _begun: Begun,
}

impl<'c> Asked<'c> {
    fn of(carried: &'c Carried) -> Self {
        carried.has_asked.store(true, Ordering::Relaxed);
        Self { carried, is_answered: false, _begun: carried.under_way.begin() }
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        // Whoever came is in.
        drop(self.carried.begun.lock().take());
        let taken_back = &self.carried.taken_back;
        if self.is_answered {
            let less = |count: usize| count.checked_sub(1);
            let _ = taken_back.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        } else if taken_back.fetch_add(1, Ordering::Relaxed) == TAKEN_BACK_MAX {
            self.carried.abused.notify_one();
        }
    }
}

/// A WebSocket while it is open.
struct Open(Arc<Carried>);

impl Open {
    fn count(carried: &Arc<Carried>) -> Self {
        carried.websockets.fetch_add(1, Ordering::Relaxed);
        Self(carried.clone())
    }
}

/// What keeps the connection of a WebSocket that a route serves, as long as somebody has a clone: an extension
/// of the request.
#[derive(Clone)]
pub(crate) struct Kept(#[expect(dead_code, reason = "it is held")] Arc<Open>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.websockets.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<A: Application> Http<A> {
    /// Serves a connection for as long as it carries WebSockets, and otherwise for as long as one of HTTP/1.1,
    /// which has to have asked for something by the deadline.
    pub(crate) async fn serve_second<IO>(
        self: Arc<Self>,
        io: IO,
        peer: SocketAddr,
        options: ServerOptions,
        begun: Begun,
        deadline: Instant,
    ) where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut slot = self.slots.try_acquire().ok();
        let lifetime = if slot.is_some() { LIFETIME } else { HURRIED_LIFETIME };
        let carried = Arc::new(Carried::new(self.second.clone(), begun));
        let (http, of_service) = (self.clone(), carried.clone());
        let service = hyper::service::service_fn(move |request| {
            let (http, carried) = (http.clone(), of_service.clone());
            async move { http.answer_second(request, peer, &carried).await }
        });
        let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .enable_connect_protocol()
            .max_concurrent_streams(options.http2_streams_max)
            .initial_stream_window_size(STREAM_BYTES_MAX)
            .initial_connection_window_size(CONNECTION_BYTES_MAX)
            .max_send_buf_size(STREAM_BYTES_MAX as usize)
            .max_header_list_size(u32::try_from(options.head.bytes_max).unwrap_or(u32::MAX))
            .serve_connection(TokioIo::new(io), service);
        let mut connection = std::pin::pin!(connection);
        let ends = Instant::now() + lifetime;
        let (mut until, mut is_leaving) = (deadline.min(ends), false);
        loop {
            tokio::select! {
                served = connection.as_mut() => {
                    if let Err(error) = served {
                        tracing::debug!(%error, %peer, "an HTTP/2 connection ended early");
                    }
                    return;
                }
                () = carried.abused.notified() => {
                    self.second.abuses.fetch_add(1, Ordering::Relaxed);
                    tracing::info!(%peer, "an HTTP/2 client took back more requests than it waited for");
                    return;
                }
                () = carried.leaving.notified() => {}
                () = sleep_until(until) => {
                    if carried.websockets.load(Ordering::Relaxed) > 0 {
                        // It is counted among the connections of WebSockets, and those have a heartbeat.
                        drop(slot.take());
                        until = Instant::now() + LIFETIME;
                        continue;
                    }
                    let has_asked = carried.has_asked.load(Ordering::Relaxed);
                    if has_asked && !is_leaving && Instant::now() < ends {
                        until = ends;
                        continue;
                    }
                    if is_leaving && carried.stay.is_granted() {
                        until = Instant::now() + GRACE;
                        continue;
                    }
                    if is_leaving {
                        tracing::debug!(%peer, "an HTTP/2 client does not take its answers");
                        return;
                    }
                }
            }
            is_leaving = true;
            connection.as_mut().graceful_shutdown();
            // Who has asked for nothing waits for nothing.
            let has_asked = carried.has_asked.load(Ordering::Relaxed);
            until = Instant::now() + if has_asked { GRACE } else { FAREWELL };
        }
    }

    async fn answer_second(
        &self,
        mut request: hyper::Request<Incoming>,
        peer: SocketAddr,
        carried: &Arc<Carried>,
    ) -> Result<Response, Infallible> {
        let mut asked = Asked::of(carried);
        let mut is_taken_back = false;
        let is_connect = request.method() == Method::CONNECT;
        let answer = if is_connect && !mark_extended_connect(&mut request) {
            Ok(no_such_connect(request.extensions().get::<Protocol>().is_some()))
        } else if is_connect && self.takes_upgrades(request.uri().path()) {
            Ok(self.connect(&mut request, peer, carried).await)
        } else {
            if is_connect {
                request.extensions_mut().insert(Kept(Arc::new(Open::count(carried))));
            }
            // Handlers ask for the host where HTTP/1.1 says it.
            if let Some(host) = request.uri().authority()
                && !request.headers().contains_key(header::HOST)
                && let Ok(host) = HeaderValue::from_str(host.as_str())
            {
                request.headers_mut().insert(header::HOST, host);
            }
            let is_broken = Arc::<AtomicBool>::default();
            let watched = |body| Body::new(Watched::new(body, is_broken.clone()));
            let answer = self.route(request.map(watched), peer, &carried.stay).await;
            is_taken_back = is_broken.load(Ordering::Relaxed);
            answer
        };
        asked.is_answered = !is_taken_back;
        answer.map(without_connection)
    }

    /// RFC 8441 §4: a stream becomes a WebSocket.
    async fn connect(
        &self,
        request: &mut hyper::Request<Incoming>,
        peer: SocketAddr,
        carried: &Arc<Carried>,
    ) -> Response {
        let mut head = head_of(request);
        head.extensions_mut().insert(ExtendedConnect);
        match self.handler.admit(&head, peer).await {
            Ok(admission) => {
                let response = admission.response().clone().map(|()| Body::empty());
                let on_upgrade = hyper::upgrade::on(request);
                let (handler, open) = (self.handler.clone(), Open::count(carried));
                self.second.websockets.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move {
                    let _open = open;
                    if let Ok(upgraded) = on_upgrade.await {
                        let stream = Sips(TokioIo::new(upgraded));
                        handler.serve_upgraded(stream, admission).await;
                    }
                });
                response
            }
            Err(rejection) => {
                if rejection == Rejection::Draining {
                    carried.leaving.notify_one();
                }
                rejection.response().map(Body::from)
            }
        }
    }
}

fn no_such_connect(has_protocol: bool) -> Response {
    let (status, code) = match has_protocol {
        // RFC 8441 §4 leaves the status open; RFC 9220 §3 asks for this one.
        true => (StatusCode::NOT_IMPLEMENTED, "unknown_protocol"),
        false => (StatusCode::METHOD_NOT_ALLOWED, "no_proxy"),
    };
    let sentence = "CONNECT is for WebSockets alone here, with :protocol = websocket";
    json_response(status, &json!({ "error": sentence, "code": code }))
}

/// RFC 9113 §8.2.2: what is said of a connection in HTTP/1.1 has no place here.
fn without_connection(mut response: Response) -> Response {
    for name in [header::CONNECTION, header::UPGRADE] {
        response.headers_mut().remove(name);
    }
    response
}

#[cfg(test)]
mod tests;
