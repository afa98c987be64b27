//! What a back-end asks for is a step of the trace that its request names.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use ws_handler::Application;
use ws_traces::{Kind, TraceContext, Within};

use super::Shared;
use crate::traces;

/// Everything that is done for a request that may be made.
pub(super) async fn trace<A: Application>(
    State(api): Shared<A>,
    request: Request,
    next: Next,
) -> Response {
    let Some(tracer) = api.handler.tracer() else { return next.run(request).await };
    let wall = || api.handler.clock().wall(tokio::time::Instant::now().into_std());
    let remote = request.headers().get(traces::HEADER).and_then(|text| text.to_str().ok());
    let remote = remote.and_then(|text| TraceContext::parse(text).ok());
    let mut step = tracer.begin("api", Kind::Server, remote, wall());
    if step.is_recorded() {
        step.note("http.request.method", request.method().as_str());
        step.note("url.path", request.uri().path());
    }
    let response = Within::new(step.context(), Box::pin(next.run(request))).await;
    if step.is_recorded() {
        let status = response.status();
        step.note("http.response.status_code", usize::from(status.as_u16()));
        if !status.is_success() {
            step.fail("the request was refused");
        }
        step.end(wall());
    }
    response
}
