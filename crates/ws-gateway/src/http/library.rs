//! The client library, for pages of anybody: the gateway that they connect to has the one that fits it.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::LazyLock,
};

use axum::{
    Router,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

/// A file of the library, and by what a browser knows that it has it already.
struct File {
    text: &'static str,
    content_type: &'static str,
    tag: HeaderValue,
}

/// What is served, by the path: what pages need. Scripts find their neighbours beside them.
static FILES: LazyLock<[(&str, File); 3]> = LazyLock::new(|| {
    let script = |text| File::new(text, "text/javascript; charset=utf-8");
    let types = |text| File::new(text, "text/plain; charset=utf-8");
    [
        ("/client.js", script(include_str!("../../../client/js/client.js"))),
        ("/client.d.ts", types(include_str!("../../../client/js/client.d.ts"))),
        ("/websocket-client.js", script(include_str!("../../../client/js/websocket-client.js"))),
    ]
});

/// The routes, which are there for everybody.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    FILES.iter().fold(Router::new(), |router, (path, file)| {
        router.route(path, get(async move |headers: HeaderMap| file.answer(&headers)))
    })
}

impl File {
    fn new(text: &'static str, content_type: &'static str) -> Self {
        // The same in each gateway of one build, which is all that it is compared by.
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let tag = format!("\"{}-{:016x}\"", env!("CARGO_PKG_VERSION"), hasher.finish());
        let tag = HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"\""));
        Self { text, content_type, tag }
    }

    fn answer(&self, headers: &HeaderMap) -> Response {
        let mut response = match self.is_known(headers) {
            true => StatusCode::NOT_MODIFIED.into_response(),
            false => self.text.into_response(),
        };
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(header::ETAG, self.tag.clone());
        for (name, value) in [
            // Kept, and asked about each time: another gateway may be another version.
            (header::CACHE_CONTROL, "no-cache"),
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }

    /// Whether the request says that it has this (RFC 9110 §13.1.2, compared weakly).
    fn is_known(&self, headers: &HeaderMap) -> bool {
        let lines = headers.get_all(header::IF_NONE_MATCH).iter();
        let mut tags = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
        tags.any(|tag| {
            let tag = tag.trim();
            tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).as_bytes() == self.tag.as_bytes()
        })
    }
}
