//! What is wrong with a request, as it is answered.

use std::borrow::Cow;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;
use ws_protocol::ErrorCode;

use crate::http::json_response;

/// A status, a code for programs and a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    status: StatusCode,
    code: &'static str,
    sentence: Cow<'static, str>,
}

impl Fault {
    pub(super) const METHOD: Self = Self {
        status: StatusCode::METHOD_NOT_ALLOWED,
        code: "method_not_allowed",
        sentence: Cow::Borrowed("Another method is expected here; Allow says which"),
    };
    pub(super) const MEDIA_TYPE: Self = Self {
        status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
        code: "unsupported_media_type",
        sentence: Cow::Borrowed("The body must be application/json"),
    };
    pub(super) const TOO_LARGE: Self = Self {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        code: ErrorCode::TooLarge.name(),
        sentence: Cow::Borrowed("The body is larger than MAX_FRAME_SIZE"),
    };
    pub(super) const DRAINING: Self = Self {
        status: StatusCode::SERVICE_UNAVAILABLE,
        code: ErrorCode::ShuttingDown.name(),
        sentence: Cow::Borrowed(ErrorCode::ShuttingDown.sentence()),
    };
    pub(super) const INTERNAL: Self = Self {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        code: ErrorCode::Internal.name(),
        sentence: Cow::Borrowed(ErrorCode::Internal.sentence()),
    };

    pub(super) fn not_found(sentence: &'static str) -> Self {
        Self { status: StatusCode::NOT_FOUND, code: "not_found", sentence: sentence.into() }
    }

    pub(super) fn bad_json(sentence: impl Into<Cow<'static, str>>) -> Self {
        let code = ErrorCode::BadJson.name();
        Self { status: StatusCode::BAD_REQUEST, code, sentence: sentence.into() }
    }

    /// A field that is not there, and what it would have to be.
    pub(super) fn missing(field: &str, expected: &str) -> Self {
        let sentence = format!("{field} is missing: {expected}").into();
        let code = ErrorCode::MissingField.name();
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, code, sentence }
    }

    /// A field, a parameter or a part of the path, and what is wrong with it.
    pub(super) fn invalid(field: &str, why: impl std::fmt::Display) -> Self {
        let sentence = format!("{field}: {why}").into();
        let code = ErrorCode::InvalidField.name();
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, code, sentence }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let body = json!({ "code": self.code, "error": self.sentence });
        let mut response = json_response(self.status, &body);
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
