//! The inspector over HTTP: a look at connections, and traces as lines of JSON.

use std::{convert::Infallible, fmt::Display, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout_at};
use ws_handler::{Application, WatchError};

use super::{Gauge, Parameters, Selection, Trace, rates::Rates, shown, trace::NoTrace};
use crate::{
    console::Console,
    http::{Stay, json_response},
};

/// A line is told at least so often, so that no proxy takes the silence for an end.
const STATE_EVERY: Duration = Duration::from_secs(10);
/// As many lines as leave at once.
const LINES_MAX: usize = 128;

pub(crate) fn routes<A: Application>(console: &Console<A>) -> Router {
    Router::new()
        .route("/api/inspect/connections", get(connections::<A>))
        .route("/api/inspect/trace", get(trace::<A>))
        .with_state(console.clone())
}

async fn connections<A: Application>(
    State(console): State<Console<A>>,
    request: Request,
) -> Response {
    if let Err(refused) = console.admit(&request) {
        return *refused;
    }
    let parameters = Parameters::of_query(request.uri().query());
    let selection = match Selection::read(&parameters) {
        Ok(selection) => selection,
        Err(misread) => return invalid(&misread),
    };
    let rates = if selection.window.is_zero() {
        Rates::default()
    } else {
        let mut gauge = Gauge::start(console.handler());
        sleep(selection.window).await;
        gauge.read()
    };
    match console.look(move |handler| selection.run(handler, &rates)).await {
        Some(answer) => json_response(StatusCode::OK, &answer),
        None => fault(StatusCode::INTERNAL_SERVER_ERROR, "internal", "The look was broken off"),
    }
}

async fn trace<A: Application>(State(console): State<Console<A>>, request: Request) -> Response {
    let address = match console.admit(&request) {
        Ok(address) => address,
        Err(refused) => return *refused,
    };
    let parameters = Parameters::of_query(request.uri().query());
    let mut trace = match Trace::start(console.handler(), &parameters, address) {
        Ok(trace) => trace,
        Err(NoTrace::Misread(misread)) => return invalid(&misread),
        Err(NoTrace::Watch(error @ WatchError::Everybody)) => return invalid(&error),
        Err(NoTrace::Watch(error @ WatchError::TooMany { .. })) => {
            let mut response = fault(StatusCode::SERVICE_UNAVAILABLE, "full", error);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("10"));
            return response;
        }
    };
    trace.locate(console.handler()).await;
    if let Some(stay) = request.extensions().get::<Stay>() {
        stay.until(Instant::now() + trace.lasts());
    }
    let headers = [
        (header::CONTENT_TYPE, "application/x-ndjson"),
        (header::CACHE_CONTROL, "no-store"),
        // A proxy that waits for more would show a live trace in pieces of a minute.
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    let lines = stream::unfold(Telling::Beginning(trace), Telling::go_on);
    (StatusCode::OK, headers, Body::from_stream(lines)).into_response()
}

/// Where a trace is.
enum Telling {
    Beginning(Trace),
    Middle(Trace),
    Over,
}

impl Telling {
    async fn go_on(self) -> Option<(Result<Bytes, Infallible>, Self)> {
        let (lines, next) = match self {
            Self::Beginning(trace) => (line(&trace.beginning()), Self::Middle(trace)),
            Self::Middle(mut trace) => {
                match timeout_at(Instant::now() + STATE_EVERY, trace.next()).await {
                    Ok(Some(first)) => {
                        let mut lines = line(&shown(&first));
                        for _ in 1..LINES_MAX {
                            let Some(more) = trace.next_at_hand() else { break };
                            lines.push_str(&line(&shown(&more)));
                        }
                        (lines, Self::Middle(trace))
                    }
                    Ok(None) => (line(&trace.state("end")), Self::Over),
                    Err(_) => (line(&trace.state("state")), Self::Middle(trace)),
                }
            }
            Self::Over => return None,
        };
        Some((Ok(lines.into()), next))
    }
}

fn line(value: &Value) -> String {
    format!("{value}\n")
}

fn invalid(why: &impl Display) -> Response {
    fault(StatusCode::UNPROCESSABLE_ENTITY, "invalid_field", why)
}

fn fault(status: StatusCode, code: &str, sentence: impl Display) -> Response {
    json_response(status, &json!({ "error": sentence.to_string(), "code": code }))
}
