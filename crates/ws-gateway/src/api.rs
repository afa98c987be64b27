//! The API for back-ends: they publish, send, disconnect, and look who is there.
//!
//! Rules and limits are for clients and are not asked. Whoever has the key has the gateway.

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{Method, StatusCode},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use tokio::sync::Semaphore;
use ws_handler::{Application, WebSocketHandler};

use crate::{
    http::{Key, json_response, judge_key},
    outcomes::{ApiOutcome, Outcomes},
};

mod body;
mod ends;
mod fault;
mod looks;
mod orders;
mod query;
mod tokens;
mod traced;

pub(crate) use ends::shown_nodes;
use fault::Fault;

/// Looks at many channels or connections that are under way at once. They take turns: nobody who only
/// looks takes the processors away from those who are served.
const LOOKS_MAX: usize = 1;

struct Api<A> {
    handler: WebSocketHandler<A>,
    key: Key,
    looks: Semaphore,
    outcomes: Arc<Outcomes>,
}

type Shared<A> = State<Arc<Api<A>>>;

/// The routes below `/api`.
pub(crate) fn routes<A: Application>(
    handler: WebSocketHandler<A>,
    key: Key,
    outcomes: Arc<Outcomes>,
) -> Router {
    let api = Arc::new(Api { handler, key, looks: Semaphore::new(LOOKS_MAX), outcomes });
    Router::new()
        .route("/publish", post(orders::publish))
        .route("/broadcast", post(orders::broadcast))
        .route("/users/{id}/send", post(orders::send))
        .route("/users/{id}/disconnect", post(orders::disconnect))
        .route("/users/{id}/ends", get(ends::of_user))
        .route("/tokens/revoke", post(tokens::revoke))
        .route("/tokens/revocations", get(tokens::revocations))
        .route("/channels", get(looks::channels))
        .route("/channels/{name}/presence", get(looks::presence))
        .route("/channels/{name}/history", get(looks::history))
        .route("/connections", get(looks::connections))
        .route("/connections/{id}", get(looks::connection))
        .fallback(async || Fault::not_found("There is no such route of the API"))
        .method_not_allowed_fallback(async || Fault::METHOD)
        .layer(from_fn_with_state(api.clone(), traced::trace::<A>))
        .layer(from_fn_with_state(api.clone(), judge::<A>))
        .layer(from_fn_with_state(api.clone(), count::<A>))
        .with_state(api)
}

async fn count<A: Application>(State(api): Shared<A>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let said = response.extensions().get().copied();
    api.outcomes.add_api(said.unwrap_or_else(|| ApiOutcome::of(response.status())));
    response
}

/// Before anything else of a request is looked at: whether it may be made, and whether it is too late.
async fn judge<A: Application>(
    State(api): Shared<A>,
    mut request: Request,
    next: Next,
) -> Response {
    if let Err(refusal) = judge_key(&api.key, &api.handler, &request) {
        return refusal.response("The API key is required");
    }
    // Who is served here is on its way elsewhere: an order that reaches only who is left would be lost
    // without a word.
    if request.method() == Method::POST && api.handler.is_draining() {
        return Fault::DRAINING.into_response();
    }
    // As large as a message may be by now.
    let bytes_max = api.handler.policy().connection.sizes().max();
    DefaultBodyLimit::max(usize::try_from(bytes_max).unwrap_or(usize::MAX)).apply(&mut request);
    next.run(request).await
}

impl<A: Application> Api<A> {
    /// Looks at much, when it is its turn and where that holds up no connection.
    async fn look<T: Send + 'static>(
        self: &Arc<Self>,
        look: impl FnOnce(&WebSocketHandler<A>) -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let api = self.clone();
        let Ok(_turn) = self.looks.acquire().await else { return Err(Fault::INTERNAL) };
        let looking = tokio::task::spawn_blocking(move || look(&api.handler));
        looking.await.map_err(|_| Fault::INTERNAL)
    }
}

/// What was asked for, as the answer.
fn answer(body: &serde_json::Value) -> Response {
    json_response(StatusCode::OK, body)
}
