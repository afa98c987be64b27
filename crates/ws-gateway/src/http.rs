//! The HTTP beside the WebSockets: health, readiness, statistics, metrics.

use std::{convert::Infallible, fmt, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Semaphore,
};
use tower_service::Service;
use ws_broker::Status;
use ws_connection::handshake::{HeadError, is_upgrade};
use ws_handler::{Application, Rejection, WebSocketHandler};
use ws_transport::Prefixed;

use crate::{
    api,
    console::Console,
    framing, inspector,
    metrics::Metrics,
    outcomes::Outcomes,
    reload::{self, Reloader},
    report,
    server::ServerOptions,
};

mod key;
mod library;
mod second;
mod staying;

pub(crate) use second::{Kept, SecondVersion};

pub(crate) use key::{Key, KeyRefusal, key_required};
pub(crate) use staying::Stay;

/// The least that hyper takes as the bound of its buffer.
const BUFFER_BYTES_MIN: usize = 8192;

/// How many connections that carry HTTP are kept at once: probes, scrapes, and people who look.
const CONNECTIONS_MAX: usize = 1024;
/// How long one more than that may take for its only request.
const HURRIED_LIFETIME: Duration = Duration::from_secs(5);
/// How long a connection may carry HTTP. A client that goes on connects again.
const LIFETIME: Duration = Duration::from_secs(60);
/// How long the answer that is under way then may take.
const GRACE: Duration = Duration::from_secs(10);

/// The routes, and how they are served on a socket.
pub struct Http<A> {
    handler: WebSocketHandler<A>,
    router: Router,
    path: Arc<str>,
    admin_key: Option<Key>,
    /// One for each connection that carries HTTP.
    slots: Semaphore,
    second: Arc<SecondVersion>,
}

impl<A> fmt::Debug for Http<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Who is at the other end of the socket, a proxy perhaps: an extension of each request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

struct Shared<A> {
    handler: WebSocketHandler<A>,
    metrics: Metrics<A>,
    /// What statistics and metrics demand, if anything.
    key: Option<Key>,
    path: Arc<str>,
    /// Whether there is no readiness without the engine.
    ready_needs_engine: bool,
}

impl<A: Application> Http<A> {
    /// The routes of a gateway whose upgrades are at `path`. With a key, statistics and metrics are
    /// for whoever sends it as `Authorization: Bearer`. The last says whether the gateway is ready while its
    /// engine is away.
    pub fn new(
        handler: WebSocketHandler<A>,
        metrics: Metrics<A>,
        path: &str,
        key: Option<&str>,
        ready_needs_engine: bool,
    ) -> Self {
        let path: Arc<str> = path.into();
        let key = key.map(Key::new);
        let shared = Arc::new(Shared {
            handler: handler.clone(),
            metrics,
            key: key.clone(),
            path: path.clone(),
            ready_needs_engine,
        });
        let router = Router::new()
            .route("/health", get(health))
            .route("/ready", get(ready))
            .route("/stats", get(stats))
            .route("/metrics", get(metrics_text))
            .merge(library::routes())
            .fallback(not_found)
            .with_state(shared);
        let slots = Semaphore::new(CONNECTIONS_MAX);
        Self { handler, router, path, admin_key: key, slots, second: Arc::default() }
    }

    /// Counts what there is of HTTP/2.
    #[must_use]
    pub(crate) fn with_second_version(mut self, second: Arc<SecondVersion>) -> Self {
        self.second = second;
        self
    }

    /// With the routes of `/api`, for whoever sends this key as `Authorization: Bearer`. What becomes of requests
    /// is counted among the outcomes.
    #[must_use]
    pub(crate) fn with_api(mut self, key: Key, outcomes: Arc<Outcomes>) -> Self {
        let api = api::routes(self.handler.clone(), key, outcomes);
        self.router = self.router.nest("/api", api);
        self
    }

    /// With the console, which judges by itself who may look.
    #[must_use]
    pub(crate) fn with_console(mut self, console: &Console<A>) -> Self {
        self.router = self.router.merge(console.routes()).merge(inspector::routes(console));
        self
    }

    /// With `POST /api/reload`.
    #[must_use]
    pub(crate) fn with_reload(mut self, reloader: &Reloader) -> Self {
        self.router = self.router.merge(reload::routes(reloader.clone()));
        self
    }

    /// What statistics and metrics demand.
    pub(crate) fn admin_key(&self) -> Option<Key> {
        self.admin_key.clone()
    }

    /// Whether upgrades are served there.
    pub(crate) fn takes_upgrades(&self, path: &str) -> bool {
        path == &*self.path || path == "/" || self.handler.is_connection_path(path)
    }

    /// Serves a socket from which `read` was read already.
    pub(crate) async fn serve<IO>(
        &self,
        socket: IO,
        read: Bytes,
        peer: SocketAddr,
        options: &ServerOptions,
    ) where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // Neither a token nor an upgrade is needed to get here. Beyond so many, connections are not
        // kept: probes are answered all the same, and whoever holds on to one is let go soon.
        let slot = self.slots.try_acquire();
        let lifetime = if slot.is_ok() { LIFETIME } else { HURRIED_LIFETIME };
        let io = TokioIo::new(Prefixed::new(socket, read));
        let stay = Stay::default();
        let service = hyper::service::service_fn(|request| self.answer(request, peer, &stay));
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .keep_alive(slot.is_ok())
            .header_read_timeout(options.handshake_timeout)
            .max_buf_size(options.head.bytes_max.max(BUFFER_BYTES_MIN))
            .max_headers(options.head.headers_max)
            .serve_connection(io, service)
            .with_upgrades();
        let mut connection = std::pin::pin!(connection);
        let served = tokio::select! {
            served = connection.as_mut() => served,
            () = tokio::time::sleep(lifetime) => {
                // Whoever takes its answers loses none; whoever does not is not waited for.
                connection.as_mut().graceful_shutdown();
                let Some(served) = stay.end_of(connection, GRACE).await else {
                    tracing::debug!(%peer, "an HTTP client does not take its answers");
                    return;
                };
                served
            }
        };
        if let Err(error) = served {
            tracing::debug!(%error, %peer, "an HTTP connection ended early");
        }
    }

    async fn answer(
        &self,
        mut request: hyper::Request<Incoming>,
        peer: SocketAddr,
        stay: &Stay,
    ) -> Result<Response, Infallible> {
        // The first request was judged by its head; those behind it, by what is left of theirs.
        if framing::is_ambiguous(request.headers()) {
            return Ok(unclear_length());
        }
        if is_upgrade(request.headers()) && self.takes_upgrades(request.uri().path()) {
            return Ok(self.upgrade(&mut request, peer).await);
        }
        self.route(request.map(Body::new), peer, stay).await
    }

    async fn route(
        &self,
        mut request: Request,
        peer: SocketAddr,
        stay: &Stay,
    ) -> Result<Response, Infallible> {
        request.extensions_mut().insert(Peer(peer));
        request.extensions_mut().insert(stay.clone());
        // A router is a handle; cloning it is what axum does for each request, too.
        self.router.clone().call(request).await
    }

    /// An upgrade on a connection that has carried HTTP before.
    async fn upgrade(&self, request: &mut hyper::Request<Incoming>, peer: SocketAddr) -> Response {
        match self.handler.admit(&head_of(request), peer).await {
            Ok(admission) => {
                let response = admission.response().clone().map(|()| Body::empty());
                let on_upgrade = hyper::upgrade::on(request);
                let handler = self.handler.clone();
                tokio::spawn(async move {
                    if let Ok(upgraded) = on_upgrade.await {
                        handler.serve_upgraded(TokioIo::new(upgraded), admission).await;
                    }
                });
                response
            }
            Err(rejection) => rejection.response().map(Body::from),
        }
    }
}

/// The same as for the first request of a connection, and its end.
fn unclear_length() -> Response {
    let error = HeadError::Malformed(framing::SAID_TWICE);
    Rejection::from(error).response().map(Body::from)
}

/// A request without what follows its head.
fn head_of(request: &hyper::Request<Incoming>) -> hyper::Request<()> {
    let mut head = hyper::Request::new(());
    *head.method_mut() = request.method().clone();
    *head.uri_mut() = request.uri().clone();
    *head.version_mut() = request.version();
    *head.headers_mut() = request.headers().clone();
    head
}

async fn health<A: Application>(State(shared): State<Arc<Shared<A>>>) -> Response {
    json_response(StatusCode::OK, &report::health(&shared.handler))
}

async fn ready<A: Application>(State(shared): State<Arc<Shared<A>>>) -> Response {
    if shared.handler.is_draining() {
        return json_response(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": "draining" }));
    }
    if shared.ready_needs_engine && shared.handler.config().engine.status() != Status::Up {
        return json_response(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": "engine_away" }));
    }
    if shared.handler.awaits_revocations() {
        let status = json!({ "status": "revocations_unknown" });
        return json_response(StatusCode::SERVICE_UNAVAILABLE, &status);
    }
    json_response(StatusCode::OK, &json!({ "status": "ready" }))
}

async fn stats<A: Application>(State(shared): State<Arc<Shared<A>>>, request: Request) -> Response {
    if let Err(refusal) = shared.judge(&request) {
        return refusal.response("The admin key is required");
    }
    json_response(StatusCode::OK, &report::stats(&shared.handler, shared.metrics.engine()))
}

async fn metrics_text<A: Application>(
    State(shared): State<Arc<Shared<A>>>,
    request: Request,
) -> Response {
    if let Err(refusal) = shared.judge(&request) {
        return refusal.response("The admin key is required");
    }
    let text = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, text)], shared.metrics.encode()).into_response()
}

async fn not_found<A: Application>(
    State(shared): State<Arc<Shared<A>>>,
    request: Request,
) -> Response {
    let path = request.uri().path();
    if path == &*shared.path || shared.handler.is_connection_path(path) {
        return upgrade_required();
    }
    if path == "/api" || path.starts_with("/api/") {
        // Reached only while there are no routes below it.
        let sentence = "There is no API here: API_KEY is not set";
        let body = json!({ "error": sentence, "code": "not_found" });
        return json_response(StatusCode::NOT_FOUND, &body);
    }
    let ours = &shared.path;
    let sentence = format!(
        "Nothing is here: WebSockets are at {ours}, and there are /health, /ready, /stats, /metrics and /client.js"
    );
    json_response(StatusCode::NOT_FOUND, &json!({ "error": sentence, "code": "not_found" }))
}

impl<A: Application> Shared<A> {
    fn judge(&self, request: &Request) -> Result<(), KeyRefusal> {
        let Some(key) = &self.key else { return Ok(()) };
        judge_key(key, &self.handler, request)
    }
}

/// Whether a request carries the key, and its address has not guessed too often.
pub(crate) fn judge_key<A: Application>(
    key: &Key,
    handler: &WebSocketHandler<A>,
    request: &Request,
) -> Result<(), KeyRefusal> {
    let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
    let peer = request.extensions().get().map_or(unknown, |Peer(peer)| *peer);
    let proxies = &handler.policy().trusted_proxies;
    let address = proxies.client_address(peer, request.headers());
    key.judge(request.headers(), address, tokio::time::Instant::now().into_std())
}

/// The answer to a request without an upgrade where one is expected.
pub(crate) fn upgrade_required() -> Response {
    let sentence = "This path takes WebSocket upgrades";
    let body = json!({ "error": sentence, "code": "upgrade_required" });
    let mut response = json_response(StatusCode::UPGRADE_REQUIRED, &body);
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    response
}

pub(crate) fn json_response(status: StatusCode, body: &Value) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, format!("{body}\n")).into_response()
}

#[cfg(test)]
mod tests;
