//! Why a text is no message, said so that the client can do better.

use std::borrow::Cow;
use std::fmt;

use crate::error_code::ErrorCode;
use crate::id::{Correlation, Id};
use crate::nesting::NESTING_MAX;
use crate::server::ServerMessage;
use crate::vocabulary::{ClientType, Field};

/// A text that is no message of the vocabulary. The connection lives; the client is told.
///
/// `Display` is the sentence for the client. Nothing that the client wrote is repeated in it, so that a
/// token in the wrong place cannot come out in a log; ids travel beside it, in `correlation`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct ParseError<'a> {
    /// What is wrong.
    pub kind: ParseErrorKind,
    /// The ids, as far as they could be read, also when the text breaks off behind them.
    pub correlation: Correlation<'a>,
}

/// What is wrong with a text that should have been a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseErrorKind {
    /// Not JSON, or something follows the object.
    #[error("Bad JSON at line {line}, column {column}: expected one JSON object")]
    BadJson {
        /// Counted from 1.
        line: usize,
        /// How many bytes of that line could be read, give or take one.
        column: usize,
    },
    /// JSON, but an array, a string, a number …
    #[error("Not a JSON object: expected one JSON object with a field `type`")]
    NotAnObject,
    /// More than [`NESTING_MAX`] levels.
    #[error("Nested too deeply: expected at most {NESTING_MAX} levels of arrays and objects")]
    TooDeep,
    /// A field that we read is there twice. Which of the two counts would depend on the reader, and that
    /// is how one message is shown to a check and another to what lies behind it.
    #[error("Repeated field `{field}`: expected it once")]
    RepeatedField {
        /// Which.
        field: Field,
    },
    /// Neither `type` nor `token`.
    #[error("Missing field `type`: expected {AnyType}")]
    MissingType,
    /// A `type` that is no [`ClientType`]. [`ClientMessage::parse_open`](crate::ClientMessage::parse_open) makes
    /// a message of it instead.
    #[error("Unknown type: expected {AnyType}")]
    UnknownType,
    /// A message without what it needs.
    #[error("Missing field `{field}`: `{message}` expects {expected}")]
    MissingField {
        /// In which message.
        message: ClientType,
        /// Which field.
        field: Field,
        /// What should be there.
        expected: Expected,
    },
    /// A field of the wrong kind.
    #[error("Invalid field `{field}`: expected {expected}")]
    InvalidField {
        /// Which.
        field: Field,
        /// What should be there.
        expected: Expected,
    },
}

/// What a field must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// A string.
    String,
    /// An [`Id`].
    Id,
    /// An integer of 0 to 2^64 − 1.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// An object.
    Object,
    /// An array of strings, at most [`Auth::CHANNELS_MAX`](crate::Auth::CHANNELS_MAX).
    Strings,
    /// Anything that is JSON.
    Anything,
}

impl ParseError<'_> {
    /// The `code` of the `error` message.
    pub fn code(&self) -> ErrorCode {
        match self.kind {
            ParseErrorKind::BadJson { .. }
            | ParseErrorKind::NotAnObject
            | ParseErrorKind::TooDeep => ErrorCode::BadJson,
            ParseErrorKind::UnknownType => ErrorCode::UnknownType,
            ParseErrorKind::MissingType | ParseErrorKind::MissingField { .. } => {
                ErrorCode::MissingField
            }
            ParseErrorKind::RepeatedField { .. } | ParseErrorKind::InvalidField { .. } => {
                ErrorCode::InvalidField
            }
        }
    }

    /// The `error` message for the client, without the `id` (which is said when it is encoded).
    pub fn to_message(&self) -> ServerMessage<'_> {
        ServerMessage::Error {
            code: self.code(),
            message: Cow::Owned(self.to_string()),
            request_id: self.correlation.request_id,
            retry_after_ms: None,
        }
    }

    /// Appends the whole answer, ids included, to `out`.
    pub fn encode(&self, timestamp_ms: u64, out: &mut Vec<u8>) {
        self.to_message().encode(self.correlation.id, timestamp_ms, out);
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String => f.write_str("a string"),
            Self::Id => write!(f, "a string or a number of at most {} bytes", Id::BYTES_MAX),
            Self::Integer => f.write_str("a whole number, not negative"),
            Self::Boolean => f.write_str("true or false"),
            Self::Object => f.write_str("an object"),
            Self::Strings => {
                write!(f, "an array of at most {} strings", crate::Auth::CHANNELS_MAX)
            }
            Self::Anything => f.write_str("any JSON value"),
        }
    }
}

/// Shows the list of all types.
struct AnyType;

impl fmt::Display for AnyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one of")?;
        for (index, client_type) in ClientType::spelled().enumerate() {
            write!(f, "{} {client_type}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}
