//! Why a token was refused, and what may be said about it.

use crate::keyring::KeyWanted;

/// What the client is told when its token has expired.
const REASON_EXPIRED: &str = "Token expired";
/// What the client is told when its token was taken back.
const REASON_REVOKED: &str = "Token revoked";
/// What the client is told in every other case.
const REASON_INVALID: &str = "Invalid token";

/// Why a token gave no identity.
///
/// The sentence of `Display` is for the operator: it never contains the token or any part of it.
/// The client is told [`AuthError::public_reason`] and no more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// Not three base64url segments of which two are JSON objects without repeated names.
    #[error("the token is malformed")]
    Malformed,
    /// Longer than the configured limit; nothing of it was looked at.
    #[error("the token is longer than the limit")]
    TooLarge,
    /// The header's `alg` is unknown (`none` among them) or not configured for its issuer.
    #[error("the token's algorithm is not allowed for its issuer")]
    AlgorithmNotAllowed,
    /// The header has `crit`: it demands an extension, and we implement none (RFC 7515 §4.1.11).
    #[error("the token's header demands an extension that is not supported")]
    CriticalHeader,
    /// The header's `typ` says that this is a token for something else (RFC 8725 §3.11).
    #[error("the token's type is not one for authentication")]
    WrongType,
    /// No key of the issuer has the token's key id and algorithm.
    #[error("no key of the issuer fits the token")]
    UnknownKey,
    /// The keys of the issuer are not there, and could not be fetched.
    #[error("the keys of the issuer are not available")]
    KeysUnavailable,
    /// No fitting key verifies the signature.
    #[error("the token's signature is wrong")]
    BadSignature,
    /// The `iss` is absent or is not one that is configured.
    #[error("the token is from an issuer that is not configured")]
    WrongIssuer,
    /// The `aud` names none of the configured audiences.
    #[error("the token is for another audience")]
    WrongAudience,
    /// A required claim is absent. The name comes from the configuration, not from the token.
    #[error("the token has no claim {0:?}")]
    MissingClaim(Box<str>),
    /// A claim has a type or a form that it must not have, such as an `exp` that is a string.
    #[error("the token's claim {0:?} has a wrong form")]
    InvalidClaim(Box<str>),
    /// `nbf` lies in the future, further than the leeway.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// `exp` lies in the past, further than the leeway.
    #[error("the token has expired")]
    Expired,
    /// It was good, and was taken back before its time: see [`Revocations`](crate::Revocations).
    #[error("the token was revoked")]
    Revoked,
    /// It may have been: which were is not known yet. For whoever keeps the list; ours never say so.
    #[error("it is not known yet which tokens were revoked")]
    RevocationsUnknown,
    /// `exp` is further from `iat` than the configuration allows, or is not there.
    #[error("the token lives longer than the limit")]
    LivesTooLong,
    /// Nobody is known by it. For applications whose credentials are no tokens; ours never say so.
    #[error("the credential is not known")]
    Unknown,
}

/// Whose fault it is that a token gave no identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The token is at fault: the same token will not do better later.
    Token,
    /// We or the issuer are: the same token may be good in a moment.
    Keys,
}

impl AuthError {
    /// The labels of all causes, in the order of [`AuthError::index`].
    pub(crate) const CODES: [&'static str; 18] = [
        "malformed",
        "too_large",
        "algorithm_not_allowed",
        "critical_header",
        "wrong_type",
        "unknown_key",
        "keys_unavailable",
        "bad_signature",
        "wrong_issuer",
        "wrong_audience",
        "missing_claim",
        "invalid_claim",
        "not_yet_valid",
        "expired",
        "revoked",
        "lives_too_long",
        "unknown",
        "revocations_unknown",
    ];

    pub(crate) const fn index(&self) -> usize {
        match self {
            Self::Malformed => 0,
            Self::TooLarge => 1,
            Self::AlgorithmNotAllowed => 2,
            Self::CriticalHeader => 3,
            Self::WrongType => 4,
            Self::UnknownKey => 5,
            Self::KeysUnavailable => 6,
            Self::BadSignature => 7,
            Self::WrongIssuer => 8,
            Self::WrongAudience => 9,
            Self::MissingClaim(_) => 10,
            Self::InvalidClaim(_) => 11,
            Self::NotYetValid => 12,
            Self::Expired => 13,
            Self::Revoked => 14,
            Self::LivesTooLong => 15,
            Self::Unknown => 16,
            Self::RevocationsUnknown => 17,
        }
    }

    /// A stable label of the cause, for metrics and structured logs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        Self::CODES[self.index()]
    }

    /// What the client may be told: `"Token expired"`, `"Token revoked"`, or `"Invalid token"` for everything
    /// else. The first two are said of tokens whose signature was good.
    #[must_use]
    pub const fn public_reason(&self) -> &'static str {
        match self {
            Self::Expired => REASON_EXPIRED,
            Self::Revoked => REASON_REVOKED,
            _ => REASON_INVALID,
        }
    }

    /// Whether the token is at fault, or the keys that it should be checked with.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::KeysUnavailable | Self::RevocationsUnknown => Fault::Keys,
            _ => Fault::Token,
        }
    }
}

/// Why [`Authenticator::verify`](crate::Authenticator::verify) gave no identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The token is refused.
    #[error(transparent)]
    Rejected(#[from] AuthError),
    /// The keys at hand cannot tell. Newer ones might: hand the want to
    /// [`Authenticator::want_keys`](crate::Authenticator::want_keys).
    #[error("the keys at hand do not verify the token; newer ones have to be fetched")]
    KeyUnknown(KeyWanted),
}

impl From<VerifyError> for AuthError {
    /// For callers that never fetch: what is not known stays unknown.
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Rejected(error) => error,
            VerifyError::KeyUnknown(_) => Self::UnknownKey,
        }
    }
}

/// Why the keys of an issuer could not be fetched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The HTTP client could not be set up, for instance because the system has no CA certificates.
    #[error("no HTTP client: {0}")]
    Client(Box<str>),
    /// No connection, or it broke. The text never holds more than the cause.
    #[error("the issuer cannot be reached: {0}")]
    Unreachable(Box<str>),
    /// No complete answer within the fetch timeout.
    #[error("the issuer did not answer in time")]
    Timeout,
    /// Another status than 200.
    #[error("the issuer answered with status {0}")]
    Status(u16),
    /// The issuer wanted to send us elsewhere. Redirects are not followed: set the final address.
    #[error("the issuer redirects; set the address that it redirects to")]
    Redirected,
    /// The answer is larger than the configured limit.
    #[error("the issuer's answer is larger than the limit")]
    TooLarge,
    /// The answer is not a JWK set.
    #[error("the issuer's answer is not a JWK set: {0}")]
    Document(#[from] JwksError),
}

/// Why a document is not a usable JWK set (RFC 7517 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwksError {
    /// Not JSON, or not an object with an array `keys`.
    #[error("it is not a JSON object with an array `keys`")]
    NotAKeySet,
    /// More keys than anybody has.
    #[error("it holds more than {} keys", crate::jwks::KEYS_MAX)]
    TooManyKeys,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<AuthError> {
        vec![
            AuthError::Malformed,
            AuthError::TooLarge,
            AuthError::AlgorithmNotAllowed,
            AuthError::CriticalHeader,
            AuthError::WrongType,
            AuthError::UnknownKey,
            AuthError::KeysUnavailable,
            AuthError::BadSignature,
            AuthError::WrongIssuer,
            AuthError::WrongAudience,
            AuthError::MissingClaim("sub".into()),
            AuthError::InvalidClaim("exp".into()),
            AuthError::NotYetValid,
            AuthError::Expired,
            AuthError::Revoked,
            AuthError::LivesTooLong,
            AuthError::Unknown,
            AuthError::RevocationsUnknown,
        ]
    }

    #[test]
    fn the_client_learns_of_expiry_and_revocation_and_of_nothing_else() {
        for error in all() {
            let expect = match error {
                AuthError::Expired => "Token expired",
                AuthError::Revoked => "Token revoked",
                _ => "Invalid token",
            };
            assert_eq!(error.public_reason(), expect, "{error}");
        }
    }

    #[test]
    fn codes_are_distinct_and_follow_the_variants() {
        for (index, error) in all().iter().enumerate() {
            assert_eq!(error.index(), index);
            assert_eq!(AuthError::CODES.iter().filter(|code| **code == error.code()).count(), 1);
        }
        assert_eq!(all().len(), AuthError::CODES.len());
    }
}
