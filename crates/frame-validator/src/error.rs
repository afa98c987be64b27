//! What can be wrong with a size, and with the limits themselves.

/// A frame or message that is larger than the limit. It is the peer's fault: end the connection
/// with [`TooLarge::CLOSE_CODE`] and [`TooLarge::CLOSE_REASON`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("message of {size} bytes is larger than the limit of {max} bytes")]
pub struct TooLarge {
    /// How large the message is known to be: what came before and what was declared now.
    /// `u64::MAX` stands for everything that does not fit into 64 bits.
    pub size: u64,
    /// The limit that it broke.
    pub max: u64,
}

impl TooLarge {
    /// RFC 6455 §7.4.1: a message that is too big for the endpoint to process.
    pub const CLOSE_CODE: u16 = 1009;
    /// The reason that goes with the code.
    pub const CLOSE_REASON: &'static str = "Message too large";
}

/// A pair of limits that contradicts itself. It is the operator's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A maximum of zero would refuse every message that carries anything.
    #[error("the largest message must be at least 1 byte")]
    ZeroMax,
    /// A warning above the maximum could never be given.
    #[error("the warning threshold of {warn} bytes is above the maximum of {max} bytes")]
    WarnAboveMax {
        /// The threshold that was asked for.
        warn: u64,
        /// The maximum that it must not exceed.
        max: u64,
    },
}
