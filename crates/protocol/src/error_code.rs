//! The codes of `error` messages, with the sentence that each stands for.

use std::fmt;

use crate::vocabulary::spellings;

/// Adds the default sentence to the spelling, in the same table.
macro_rules! error_codes {
    ($( $(#[$doc:meta])* $variant:ident = $code:literal : $sentence:literal, )+) => {
        spellings! {
            /// The `code` of an `error` message: stable, for programs; the sentence beside it is for people.
            pub enum ErrorCode { $( $(#[$doc])* $variant = $code, )+ }
        }

        impl ErrorCode {
            /// What is said when there is nothing more exact to say.
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)+ }
            }
        }
    };
}

error_codes! {
    // What the client wrote.
    /// The text is not one JSON object.
    BadJson = "bad_json": "Expected one JSON object",
    /// `type` is none of [`ClientType`](crate::ClientType).
    UnknownType = "unknown_type": "Unknown message type",
    /// A field that the message needs is not there.
    MissingField = "missing_field": "A required field is missing",
    /// A field is there and is not what it must be.
    InvalidField = "invalid_field": "A field is not what it must be",
    /// Understood, but this server does not offer it.
    Unsupported = "unsupported": "Not offered by this server",
    /// Larger than this server takes.
    TooLarge = "too_large": "Message too large",

    // Who the client is.
    /// Something was asked before a credential was given.
    Unauthorized = "unauthorized": "Unauthorized",
    /// No credential was given in time.
    AuthTimeout = "auth_timeout": "Authentication timeout",
    /// The credential does not hold.
    InvalidToken = "invalid_token": "Invalid token",
    /// The credential held once.
    TokenExpired = "token_expired": "Token expired",
    /// The credential held once, and was taken back.
    TokenRevoked = "token_revoked": "Token revoked",
    /// A fresh credential names somebody else than the one before.
    UserMismatch = "user_mismatch": "The token belongs to another user",
    /// The credential holds and does not allow this.
    Forbidden = "forbidden": "Not allowed",

    // How much the client wants.
    /// Too often; `retryAfterMs` says when to come again.
    RateLimited = "rate_limited": "Rate limit exceeded",
    /// The user has as many connections as are allowed.
    TooManyConnections = "too_many_connections": "Too many connections",
    /// There may be one connection of the kind, and another one came.
    Replaced = "replaced": "Replaced by another connection",
    /// The connection has as many subscriptions as are allowed.
    TooManySubscriptions = "too_many_subscriptions": "Too many subscriptions",
    /// The channel has as many subscriptions as are allowed.
    ChannelFull = "channel_full": "The channel has as many subscribers as it takes",

    // What the server cannot do now.
    /// The user that a message is for has no connection.
    UserOffline = "user_offline": "The user is not connected",
    /// What is between the nodes, or keeps what was published, cannot be reached.
    BrokerUnavailable = "broker_unavailable": "The broker cannot be reached",
    /// The user that a message is for has no connection, and the inbox takes no more.
    InboxFull = "inbox_full": "The user is not connected, and the inbox is full",
    /// The back-end that decides about this cannot be asked.
    HookUnavailable = "hook_unavailable": "The decision cannot be had now",
    /// The application behind the gateway took too long.
    UpstreamTimeout = "upstream_timeout": "The upstream did not answer in time",
    /// The application behind the gateway cannot be reached.
    UpstreamUnavailable = "upstream_unavailable": "The upstream cannot be reached",
    /// The application behind the gateway answered with a failure.
    UpstreamFailed = "upstream_failed": "The upstream failed",
    /// Too much is under way already.
    Overloaded = "overloaded": "The server is overloaded",
    /// The server is on its way out and takes nothing new.
    ShuttingDown = "shutting_down": "Server restart",
    /// A fault of ours.
    Internal = "internal": "Internal error",
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_code_is_a_unique_word_in_snake_case_with_a_sentence_of_its_own() {
        let names: HashSet<_> = ErrorCode::ALL.iter().map(|code| code.name()).collect();
        let sentences: HashSet<_> = ErrorCode::ALL.iter().map(|code| code.sentence()).collect();
        assert_eq!((names.len(), sentences.len()), (ErrorCode::ALL.len(), ErrorCode::ALL.len()));
        for code in ErrorCode::ALL {
            assert!(code.name().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{code}");
            assert!(code.sentence().starts_with(|c: char| c.is_ascii_uppercase()), "{code}");
            assert_eq!(ErrorCode::from_name(code.name()), Some(*code));
        }
    }

    #[test]
    fn the_sentences_that_clients_of_the_sources_know_are_theirs() {
        assert_eq!(ErrorCode::RateLimited.sentence(), "Rate limit exceeded");
        assert_eq!(ErrorCode::InvalidToken.sentence(), "Invalid token");
        assert_eq!(ErrorCode::TooManyConnections.sentence(), "Too many connections");
        assert_eq!(ErrorCode::TooLarge.sentence(), "Message too large");
    }
}
