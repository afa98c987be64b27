//! What is wrong with what a viewer asks.

use std::borrow::Cow;

use serde_json::{Value, json};
use ws_handler::WatchError;
use ws_protocol::ErrorCode;

use crate::inspector::Misread;

/// A code for the page and a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    code: &'static str,
    message: Cow<'static, str>,
}

impl Fault {
    pub(super) const NOT_TEXT: Self =
        Self::new(ErrorCode::BadJson.name(), Cow::Borrowed("A text message of JSON is expected"));
    pub(super) const INTERNAL: Self =
        Self::new(ErrorCode::Internal.name(), Cow::Borrowed(ErrorCode::Internal.sentence()));
    pub(super) const NO_CONNECTION: Self =
        Self::new("not_found", Cow::Borrowed("There is no such connection"));
    pub(super) const NO_MINT: Self = Self::new(
        ErrorCode::Forbidden.name(),
        Cow::Borrowed("Tokens are made with --dev alone, where a secret is at hand"),
    );

    const fn new(code: &'static str, message: Cow<'static, str>) -> Self {
        Self { code, message }
    }

    pub(super) fn too_large(max: usize) -> Self {
        let message = format!("A message of at most {max} bytes is expected");
        Self::new(ErrorCode::TooLarge.name(), message.into())
    }

    pub(super) fn bad_json(why: impl std::fmt::Display) -> Self {
        Self::new(ErrorCode::BadJson.name(), why.to_string().into())
    }

    pub(super) fn unknown(kind: &str) -> Self {
        let kind: String = kind.chars().take(40).collect();
        let message = format!(
            "{kind:?} is not known here: it is connections, connection, channels, ends, close, disconnect, token, inspect, trace or untrace"
        );
        Self::new(ErrorCode::UnknownType.name(), message.into())
    }

    pub(super) fn missing(field: &str, expected: &str) -> Self {
        let message = format!("{field} is missing: {expected}");
        Self::new(ErrorCode::MissingField.name(), message.into())
    }

    pub(super) fn invalid(field: &str, why: impl std::fmt::Display) -> Self {
        Self::new(ErrorCode::InvalidField.name(), format!("{field}: {why}").into())
    }

    pub(super) fn of_misread(misread: &Misread) -> Self {
        Self::new(ErrorCode::InvalidField.name(), misread.to_string().into())
    }

    pub(super) fn of_watch(error: WatchError) -> Self {
        let code = match error {
            WatchError::Everybody => ErrorCode::MissingField.name(),
            WatchError::TooMany { .. } => "full",
        };
        Self::new(code, error.to_string().into())
    }

    pub(super) fn into_message(self) -> Value {
        json!({ "type": "error", "code": self.code, "message": self.message })
    }
}
