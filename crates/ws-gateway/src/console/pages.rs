//! The page and its files, and the library for pages of others.

use axum::{
    extract::Path,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::files::{FILES, File};
use crate::http::json_response;

/// Nothing runs in the page that did not come from here, and no page of others has it in a frame. Not all
/// browsers count a WebSocket to the page's own host among `'self'`, and a page behind a proxy cannot be
/// told by which name it is reached: hence the schemes.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

pub(super) async fn index() -> Response {
    FILES.first().map_or_else(absent, serve)
}

/// Where the page is, for whoever has typed its folder.
pub(super) async fn elsewhere() -> Response {
    (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, "/")]).into_response()
}

pub(super) async fn file(Path(name): Path<String>) -> Response {
    FILES.iter().find(|file| file.name == name).map_or_else(absent, serve)
}

fn serve(file: &File) -> Response {
    let mut response = file.text.into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, file.content_type()),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn absent() -> Response {
    let body = json!({ "error": "The console has no such file", "code": "not_found" });
    json_response(StatusCode::NOT_FOUND, &body)
}
