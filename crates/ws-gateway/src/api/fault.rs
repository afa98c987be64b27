//! What is wrong with a request, as it is answered.

use std::borrow::Cow;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;
use ws_broker::EngineError;
use ws_protocol::ErrorCode;

use crate::{http::json_response, outcomes::ApiOutcome};

/// A status, a code for programs and a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    status: StatusCode,
    code: &'static str,
    sentence: Cow<'static, str>,
    /// Counted apart from what is the gateway's own.
    is_of_engine: bool,
}

impl Fault {
    pub(super) const METHOD: Self = Self {
        status: StatusCode::METHOD_NOT_ALLOWED,
        code: "method_not_allowed",
        sentence: Cow::Borrowed("Another method is expected here; Allow says which"),
        is_of_engine: false,
    };
    pub(super) const MEDIA_TYPE: Self = Self {
        status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
        code: "unsupported_media_type",
        sentence: Cow::Borrowed("The body must be application/json"),
        is_of_engine: false,
    };
    pub(super) const TOO_LARGE: Self = Self {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        code: ErrorCode::TooLarge.name(),
        sentence: Cow::Borrowed("The body is larger than MAX_FRAME_SIZE"),
        is_of_engine: false,
    };
    pub(super) const DRAINING: Self = Self {
        status: StatusCode::SERVICE_UNAVAILABLE,
        code: ErrorCode::ShuttingDown.name(),
        sentence: Cow::Borrowed(ErrorCode::ShuttingDown.sentence()),
        is_of_engine: false,
    };
    pub(super) const INTERNAL: Self = Self {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        code: ErrorCode::Internal.name(),
        sentence: Cow::Borrowed(ErrorCode::Internal.sentence()),
        is_of_engine: false,
    };

    pub(super) const INBOX_FULL: Self = Self {
        status: StatusCode::CONFLICT,
        code: ErrorCode::InboxFull.name(),
        sentence: Cow::Borrowed(ErrorCode::InboxFull.sentence()),
        is_of_engine: false,
    };
    pub(super) const NOT_KEPT: Self = Self {
        status: StatusCode::SERVICE_UNAVAILABLE,
        code: ErrorCode::BrokerUnavailable.name(),
        sentence: Cow::Borrowed("The user is not connected here, and the broker cannot be reached"),
        is_of_engine: true,
    };

    /// What an engine did not do. Its sentence names the engine and the reason, which a back-end may know.
    pub(super) fn of_engine(error: &EngineError) -> Self {
        let (status, code) = match error {
            EngineError::Unavailable { .. } | EngineError::Unknown { .. } => {
                (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::BrokerUnavailable)
            }
            EngineError::Overloaded { .. } | EngineError::Full => {
                (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Overloaded)
            }
            EngineError::Refused { .. } => (StatusCode::BAD_GATEWAY, ErrorCode::BrokerUnavailable),
        };
        let (code, sentence) = (code.name(), error.to_string().into());
        Self { status, code, sentence, is_of_engine: true }
    }

    pub(super) fn not_found(sentence: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", sentence)
    }

    pub(super) fn bad_json(sentence: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, ErrorCode::BadJson.name(), sentence)
    }

    /// A field that is not there, and what it would have to be.
    pub(super) fn missing(field: &str, expected: &str) -> Self {
        let sentence = format!("{field} is missing: {expected}");
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::MissingField.name(), sentence)
    }

    /// A field, a parameter or a part of the path, and what is wrong with it.
    pub(super) fn invalid(field: &str, why: impl std::fmt::Display) -> Self {
        let sentence = format!("{field}: {why}");
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::InvalidField.name(), sentence)
    }

    fn new(status: StatusCode, code: &'static str, sentence: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, sentence: sentence.into(), is_of_engine: false }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let body = json!({ "code": self.code, "error": self.sentence });
        let mut response = json_response(self.status, &body);
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if self.is_of_engine {
            response.extensions_mut().insert(ApiOutcome::Unavailable);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_engine_did_not_do_is_told_with_the_status_that_says_whether_to_try_again() {
        for (error, status, code, retry_after) in [
            (EngineError::Full, 503, "overloaded", Some("1")),
            (
                EngineError::Refused { kind: "nats", reason: "too large".into() },
                502,
                "broker_unavailable",
                None,
            ),
        ] {
            let fault = Fault::of_engine(&error);
            assert_eq!(fault.code, code);
            let response = fault.into_response();
            let told = response.headers().get(header::RETRY_AFTER).map(HeaderValue::as_bytes);
            assert_eq!(
                (response.status().as_u16(), told),
                (status, retry_after.map(str::as_bytes))
            );
        }
    }
}
