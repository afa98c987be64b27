//! `POST /api/reload`, for whoever has the admin's key.

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    response::Response,
    routing::post,
};
use serde_json::json;

use super::{ReloadError, Reloader};
use crate::http::json_response;

pub(crate) fn routes(reloader: Reloader) -> Router {
    let only_post = async || {
        let body = json!({ "error": "Another method is expected here; Allow says which", "code": "method_not_allowed" });
        let mut response = json_response(StatusCode::METHOD_NOT_ALLOWED, &body);
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
        response
    };
    Router::new().route("/api/reload", post(reload).fallback(only_post)).with_state(reloader)
}

async fn reload(State(reloader): State<Reloader>, request: Request) -> Response {
    if let Err(refusal) = reloader.judge(&request) {
        return refusal.response("The admin key is required");
    }
    // It reads files, and makes clients that read certificates.
    let reloaded = tokio::task::spawn_blocking(move || reloader.read_again()).await;
    match reloaded {
        Ok(Ok(report)) => json_response(StatusCode::OK, &report.json()),
        Ok(Err(error)) => {
            let (status, code) = match error {
                ReloadError::NoSource => (StatusCode::CONFLICT, "not_reloadable"),
                ReloadError::Load(_) | ReloadError::Compose(_) | ReloadError::Files(_) => {
                    (StatusCode::UNPROCESSABLE_ENTITY, "invalid_configuration")
                }
            };
            let faults: Vec<String> = error.to_string().lines().map(str::to_owned).collect();
            let sentence = "Nothing has changed: the configuration cannot be used";
            json_response(status, &json!({ "error": sentence, "code": code, "faults": faults }))
        }
        Err(_) => {
            let body = json!({ "error": "The reload ended early", "code": "internal" });
            json_response(StatusCode::INTERNAL_SERVER_ERROR, &body)
        }
    }
}
