//! Why an upgrade was not granted: the one table of HTTP answers.

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use ws_auth::{AuthError, Fault};
use ws_connection::handshake::{HeadError, Refusal};

/// An upgrade that is answered with an error status.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The request is not a sound upgrade.
    #[error("{0}")]
    Handshake(#[from] Refusal),
    /// The request's head is malformed or beyond the limits.
    #[error("{0}")]
    Head(#[from] HeadError),
    /// The request did not arrive within the handshake's deadline.
    #[error("The request did not arrive in time")]
    TimedOut,
    /// A browser's page of an origin that is not on the list.
    #[error("Origin not allowed")]
    Origin,
    /// Too many connects from this address.
    #[error("Too many connection attempts")]
    RateLimited {
        /// Whole seconds to wait.
        retry_after_secs: u64,
    },
    /// No token, where one is required with the upgrade.
    #[error("Authentication required")]
    NoCredential,
    /// A token that does not hold.
    #[error("{}", credential_sentence(.0))]
    Credential(AuthError),
    /// As many connections as this server takes, or as may wait for their authentication.
    #[error("The server has as many connections as it takes")]
    Full,
    /// The server uses as much memory as it may; those who are connected need the rest.
    #[error("The server has no memory for another connection")]
    OutOfMemory,
    /// The server is on its way out.
    #[error("Server restart")]
    Draining,
}

impl Rejection {
    /// All labels, in the order of [`Rejection::index`].
    pub const LABELS: [&'static str; 12] = [
        "handshake",
        "head",
        "timed_out",
        "origin_not_allowed",
        "rate_limited",
        "unauthorized",
        "invalid_token",
        "keys_unavailable",
        "overloaded",
        "shutting_down",
        "out_of_memory",
        "revocations_unknown",
    ];

    /// Its place in [`Rejection::LABELS`].
    pub fn index(&self) -> usize {
        match self {
            Self::Handshake(_) => 0,
            Self::Head(_) => 1,
            Self::TimedOut => 2,
            Self::Origin => 3,
            Self::RateLimited { .. } => 4,
            Self::NoCredential => 5,
            Self::Credential(error) if error.fault() == Fault::Token => 6,
            Self::Credential(AuthError::RevocationsUnknown) => 11,
            Self::Credential(_) => 7,
            Self::Full => 8,
            Self::Draining => 9,
            Self::OutOfMemory => 10,
        }
    }

    /// A stable word for bodies, logs and metrics.
    pub fn label(&self) -> &'static str {
        Self::LABELS[self.index()]
    }

    /// The status to answer with.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Handshake(refusal) => refusal.status(),
            Self::Head(error) => error.status(),
            Self::TimedOut => StatusCode::REQUEST_TIMEOUT,
            Self::Origin => StatusCode::FORBIDDEN,
            Self::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::NoCredential => StatusCode::UNAUTHORIZED,
            Self::Credential(error) => match error.fault() {
                Fault::Token => StatusCode::UNAUTHORIZED,
                Fault::Keys => StatusCode::SERVICE_UNAVAILABLE,
            },
            Self::Full | Self::OutOfMemory | Self::Draining => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The whole answer: a JSON body `{"error", "code", "retryAfterMs"?}` and the headers that the
    /// status asks for. The connection ends with it.
    pub fn response(&self) -> Response<String> {
        let retry_after_secs = match self {
            Self::RateLimited { retry_after_secs } => Some(*retry_after_secs),
            Self::Full | Self::Draining => Some(1),
            // What is given up is given back to the system seconds later.
            Self::OutOfMemory => Some(5),
            Self::Credential(error) if error.fault() == Fault::Keys => Some(1),
            _ => None,
        };
        let mut body = serde_json::json!({ "error": self.to_string(), "code": self.label() });
        if let Some(secs) = retry_after_secs {
            body["retryAfterMs"] = (secs * 1000).into();
        }
        let mut response = Response::new(format!("{body}\n"));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        if let Self::Handshake(refusal) = self {
            headers.extend(refusal.headers());
        }
        let json = HeaderValue::from_static("application/json");
        headers.insert(header::CONTENT_TYPE, json);
        headers.append(header::CONNECTION, HeaderValue::from_static("close"));
        if let Some(secs) = retry_after_secs {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(secs));
        }
        self.challenge(headers);
        response
    }

    /// RFC 6750 §3: a 401 says how to do better.
    fn challenge(&self, headers: &mut HeaderMap) {
        let challenge = match self {
            Self::NoCredential => "Bearer",
            Self::Credential(AuthError::Expired) => {
                "Bearer error=\"invalid_token\", error_description=\"Token expired\""
            }
            Self::Credential(error) if error.fault() == Fault::Token => {
                "Bearer error=\"invalid_token\", error_description=\"Invalid token\""
            }
            _ => return,
        };
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
}

/// What the client is told: no more than that the token is not taken, or that it is our fault.
pub(crate) fn credential_sentence(error: &AuthError) -> &'static str {
    match error.fault() {
        Fault::Token => error.public_reason(),
        Fault::Keys if *error == AuthError::RevocationsUnknown => {
            "It is not known yet which tokens were revoked"
        }
        Fault::Keys => "The token cannot be verified now",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rejection_has_a_status_a_sentence_and_a_body_that_says_both() {
        for (rejection, status, sentence) in [
            (Rejection::Handshake(Refusal::Version), 426, "Sec-WebSocket-Version must be 13"),
            (
                Rejection::Head(HeadError::TooLong { max: 10 }),
                431,
                "the head is longer than 10 bytes",
            ),
            (Rejection::TimedOut, 408, "The request did not arrive in time"),
            (Rejection::Origin, 403, "Origin not allowed"),
            (Rejection::RateLimited { retry_after_secs: 7 }, 429, "Too many connection attempts"),
            (Rejection::NoCredential, 401, "Authentication required"),
            (Rejection::Credential(AuthError::Expired), 401, "Token expired"),
            (Rejection::Credential(AuthError::BadSignature), 401, "Invalid token"),
            (
                Rejection::Credential(AuthError::KeysUnavailable),
                503,
                "The token cannot be verified now",
            ),
            (
                Rejection::Credential(AuthError::RevocationsUnknown),
                503,
                "It is not known yet which tokens were revoked",
            ),
            (Rejection::Full, 503, "The server has as many connections as it takes"),
            (Rejection::OutOfMemory, 503, "The server has no memory for another connection"),
            (Rejection::Draining, 503, "Server restart"),
        ] {
            let response = rejection.response();
            assert_eq!(response.status().as_u16(), status, "{rejection}");
            let body: serde_json::Value = serde_json::from_str(response.body()).unwrap();
            assert_eq!(body["code"], rejection.label());
            assert_eq!(body["error"], sentence);
        }
    }

    #[test]
    fn a_rate_limited_connect_says_when_to_come_back() {
        let response = Rejection::RateLimited { retry_after_secs: 7 }.response();
        assert_eq!(response.headers()[header::RETRY_AFTER], "7");
        assert!(response.body().contains("\"retryAfterMs\":7000"));
    }
}
