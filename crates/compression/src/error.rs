//! What can go wrong, by whose fault it is.

use thiserror::Error;

/// A message from the peer that could not be inflated. The caller's buffer is as it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InflateError {
    /// The message is longer than the caller allows. RFC 6455 close code 1009.
    #[error("message inflates to more than {limit_bytes} bytes")]
    TooLarge {
        /// The limit that the caller gave.
        limit_bytes: usize,
    },
    /// The peer sent what is not DEFLATE as RFC 7692 §7.2 wants it. The connection cannot go on:
    /// RFC 6455 close code 1007.
    #[error("{0}")]
    Corrupt(Corruption),
}

/// Why a compressed payload is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Corruption {
    /// The bits are not DEFLATE: a bad block type, code, length or a distance beyond what was sent.
    #[error("compressed payload is not valid DEFLATE")]
    Invalid,
    /// The payload does not end where a message has to: at the header of an empty stored block
    /// (RFC 7692 §7.2.1) or right behind a final block.
    #[error("compressed payload ends within a block")]
    Unfinished,
}

/// A server's answer to our offer that a client must not live with: the handshake fails
/// (RFC 7692 §7.1, RFC 6455 §9.1). Always the peer's fault.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NegotiationError {
    /// The header does not follow the grammar of RFC 6455 §9.1.
    #[error("malformed Sec-WebSocket-Extensions header")]
    Malformed,
    /// An extension that was not offered.
    #[error("extension {extension:?} was not offered")]
    NotOffered {
        /// As the server wrote it.
        extension: String,
    },
    /// permessage-deflate was accepted twice.
    #[error("permessage-deflate was accepted more than once")]
    AcceptedTwice,
    /// A parameter that is unknown, repeated, or has a value that it must not have.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// The answer lacks what every offer demanded.
    #[error("{parameter} was demanded and not granted")]
    NotGranted {
        /// The parameter's name.
        parameter: &'static str,
    },
}

/// A parameter of permessage-deflate that is wrong by itself (RFC 7692 §7.1). A server declines
/// the offer that holds it; a client fails the handshake.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ParameterError {
    /// RFC 7692 does not define it for this direction.
    #[error("unknown parameter {name:?}")]
    Unknown {
        /// As the peer wrote it.
        name: String,
    },
    /// It is there more than once.
    #[error("parameter {name} appears more than once")]
    Repeated {
        /// The parameter's name.
        name: &'static str,
    },
    /// Its value is missing, not wanted, or out of range.
    #[error("parameter {name} has a bad value")]
    BadValue {
        /// The parameter's name.
        name: &'static str,
    },
}
