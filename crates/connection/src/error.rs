//! What a peer can do wrong, and the one table that maps it to a close code.

use ws_close_manager::SendableCode;
use ws_compression::InflateError;
use ws_frame_validator::TooLarge;

/// The peer broke a rule; the connection fails with [`ProtocolError::close_code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// RFC 6455 §5.2: RSV bits without an extension that defines them.
    #[error("reserved bits are set")]
    ReservedBits,
    /// RFC 7692 §6.1: RSV1 belongs on the first frame of a message only.
    #[error("RSV1 is set on a continuation frame")]
    CompressedContinuation,
    /// RFC 6455 §5.2: opcodes 3–7 and 11–15.
    #[error("opcode {0} is reserved")]
    ReservedOpcode(u8),
    /// RFC 6455 §5.1.
    #[error("a client's frame is not masked")]
    UnmaskedFromClient,
    /// RFC 6455 §5.1.
    #[error("a server's frame is masked")]
    MaskedFromServer,
    /// RFC 6455 §5.5.
    #[error("a control frame is longer than 125 bytes")]
    LongControlFrame,
    /// RFC 6455 §5.5.
    #[error("a control frame is fragmented")]
    FragmentedControlFrame,
    /// RFC 6455 §5.2.
    #[error("a payload length is not in its shortest form")]
    LengthNotMinimal,
    /// RFC 6455 §5.2.
    #[error("a payload length has its highest bit set")]
    LengthTooBig,
    /// RFC 6455 §5.4.
    #[error("a continuation frame without a message to continue")]
    NothingToContinue,
    /// RFC 6455 §5.4.
    #[error("a new message began within another")]
    MessageWithinMessage,
    /// RFC 6455 §5.5.1: a close frame's payload is empty or begins with two bytes of code.
    #[error("a close frame of one byte")]
    CloseFrameTooShort,
    /// RFC 6455 §7.4: the code may not travel.
    #[error("close code {0} may not be sent")]
    CloseCodeInvalid(u16),
    /// RFC 6455 §8.1.
    #[error("text is not valid UTF-8")]
    InvalidUtf8,
    /// RFC 7692 §7.2.2: the payload does not inflate.
    #[error("compressed data is corrupt")]
    CorruptDeflate,
    /// The message is above the limit: declared, summed over fragments, or inflated.
    #[error("message of {} bytes exceeds the limit of {} bytes", .0.size, .0.max)]
    TooLarge(TooLarge),
    /// More fragments than this server keeps together.
    #[error("message has more than {max} fragments")]
    TooManyFragments {
        /// The limit.
        max: u32,
    },
    /// More pings than this server answers.
    #[error("too many pings")]
    PingFlood,
}

impl ProtocolError {
    /// The code that the connection fails with: the one table of RFC 6455 §7.4.1 for this crate.
    pub const fn close_code(&self) -> SendableCode {
        match self {
            Self::ReservedBits
            | Self::CompressedContinuation
            | Self::ReservedOpcode(_)
            | Self::UnmaskedFromClient
            | Self::MaskedFromServer
            | Self::LongControlFrame
            | Self::FragmentedControlFrame
            | Self::LengthNotMinimal
            | Self::LengthTooBig
            | Self::NothingToContinue
            | Self::MessageWithinMessage
            | Self::CloseFrameTooShort
            | Self::CloseCodeInvalid(_) => SendableCode::PROTOCOL_ERROR,
            Self::InvalidUtf8 | Self::CorruptDeflate => SendableCode::INVALID_PAYLOAD,
            Self::TooLarge(_) => SendableCode::TOO_BIG,
            Self::TooManyFragments { .. } | Self::PingFlood => SendableCode::POLICY,
        }
    }

    /// The reason that travels in the close frame.
    pub const fn close_reason(&self) -> &'static str {
        match self {
            Self::TooLarge(_) => "Message too large",
            Self::TooManyFragments { .. } => "Too many fragments",
            Self::PingFlood => "Too many pings",
            Self::InvalidUtf8 => "Invalid UTF-8",
            Self::CorruptDeflate => "Invalid compressed data",
            Self::UnmaskedFromClient | Self::MaskedFromServer => "Wrong masking",
            Self::ReservedBits | Self::CompressedContinuation => "Reserved bits",
            Self::ReservedOpcode(_) => "Reserved opcode",
            Self::LongControlFrame | Self::FragmentedControlFrame => "Malformed control frame",
            Self::LengthNotMinimal | Self::LengthTooBig => "Malformed length",
            Self::NothingToContinue | Self::MessageWithinMessage => "Fragments out of order",
            Self::CloseFrameTooShort | Self::CloseCodeInvalid(_) => "Malformed close frame",
        }
    }

    /// A stable word for logs and metric labels.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::ReservedBits => "reserved_bits",
            Self::CompressedContinuation => "compressed_continuation",
            Self::ReservedOpcode(_) => "reserved_opcode",
            Self::UnmaskedFromClient => "unmasked_from_client",
            Self::MaskedFromServer => "masked_from_server",
            Self::LongControlFrame => "long_control_frame",
            Self::FragmentedControlFrame => "fragmented_control_frame",
            Self::LengthNotMinimal => "length_not_minimal",
            Self::LengthTooBig => "length_too_big",
            Self::NothingToContinue => "nothing_to_continue",
            Self::MessageWithinMessage => "message_within_message",
            Self::CloseFrameTooShort => "close_frame_too_short",
            Self::CloseCodeInvalid(_) => "close_code_invalid",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::CorruptDeflate => "corrupt_deflate",
            Self::TooLarge(_) => "too_large",
            Self::TooManyFragments { .. } => "too_many_fragments",
            Self::PingFlood => "ping_flood",
        }
    }
}

impl From<TooLarge> for ProtocolError {
    fn from(too_large: TooLarge) -> Self {
        Self::TooLarge(too_large)
    }
}

impl From<InflateError> for ProtocolError {
    fn from(error: InflateError) -> Self {
        match error {
            // How large it would have become is unknown: inflating stopped at the limit.
            InflateError::TooLarge { limit_bytes } => {
                let max = limit_bytes as u64;
                Self::TooLarge(TooLarge { size: max.saturating_add(1), max })
            }
            InflateError::Corrupt(_) => Self::CorruptDeflate,
        }
    }
}

/// The connection takes no more messages: its closing handshake has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connection is closing")]
pub struct Closed;
