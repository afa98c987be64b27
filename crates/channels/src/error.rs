//! What can be wrong with a name, a pattern, a rule or a connection type, and what is refused.

use std::num::{NonZeroU32, NonZeroUsize};

/// Why a text is no channel's name. Whose fault: the client's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing at all.
    #[error("a channel's name must not be empty")]
    Empty,
    /// More bytes than a name may have.
    #[error("a channel's name may have {max} bytes, not {bytes}", max = crate::ChannelName::BYTES_MAX)]
    TooLong {
        /// How many it has.
        bytes: usize,
    },
    /// A character that no name contains.
    #[error(
        "a channel's name must not contain {found:?} (at byte {at}): visible ASCII without \
         \" \\ < > * {{ }}"
    )]
    BadCharacter {
        /// The byte at which it begins.
        at: usize,
        /// The character.
        found: char,
    },
}

/// Why a text is no pattern. Whose fault: the operator's, or the issuer's of a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Nothing at all.
    #[error("a pattern must not be empty")]
    Empty,
    /// More bytes than a name may have.
    #[error("a pattern may have {max} bytes, not {bytes}", max = crate::ChannelName::BYTES_MAX)]
    TooLong {
        /// How many it has.
        bytes: usize,
    },
    /// A character that no name contains.
    #[error(
        "{found:?} (at byte {at}) is in no channel's name: visible ASCII without \" \\ < > * {{ }}"
    )]
    BadCharacter {
        /// The byte at which it begins.
        at: usize,
        /// The character.
        found: char,
    },
    /// A `*` with something behind it.
    #[error("a `*` (at byte {at}) stands for any rest and must come last")]
    StarNotLast {
        /// The byte at which it is.
        at: usize,
    },
    /// A `{` without its `}`.
    #[error("the `{{` at byte {at} is not closed")]
    Unclosed {
        /// The byte at which it is.
        at: usize,
    },
    /// A placeholder that stands for nothing.
    #[error("unknown placeholder {{{name}}}: expected one of {known}")]
    UnknownPlaceholder {
        /// What was between the braces.
        name: Box<str>,
        /// What could be there.
        known: &'static str,
    },
    /// Where a placeholder's value ends could not be told.
    #[error("something literal, like `:`, must stand between a placeholder and byte {at}")]
    NoSeparator {
        /// The byte at which a literal was expected.
        at: usize,
    },
}

/// A rule that cannot be meant, with its place in the list: the caller knows which line that is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("channel rule {number}: {error}", number = index + 1)]
pub struct RuleFault {
    /// Which rule, counted from 0.
    pub index: usize,
    /// What is wrong with it.
    #[source]
    pub error: RuleError,
}

/// What is wrong with a rule. Whose fault: the operator's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// Its pattern is none.
    #[error("{0}")]
    Pattern(PatternError),
    /// The pattern was there before.
    #[error("the same pattern as rule {number}", number = first + 1)]
    Duplicate {
        /// Which rule had it first, counted from 0.
        first: usize,
    },
    /// Channels with `$` are the gateway's.
    #[error("channels that begin with `$` are reserved and cannot be opened by a rule")]
    Reserved,
    /// A limit that nothing passes.
    #[error("a rate limit of 0 allows nothing: leave `publish` out instead")]
    RateLimitZero,
    /// A history that keeps nothing.
    #[error("a history of no messages, or of no time, keeps nothing: leave `history` out instead")]
    HistoryOfNothing,
    /// A history that is an archive.
    #[error("a history has at most 1,000,000 messages of at most 365 days")]
    HistoryTooLarge,
    /// A history that each node would write by itself.
    #[error(
        "what has a history cannot stay on one node while the engine is away: `refuse` or `queue`"
    )]
    LocalHistory,
    /// An event without a name.
    #[error("an allowed event must have a name")]
    EmptyEvent,
}

/// A limit that a subscription would exceed. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    /// Whose fault: the client's.
    #[error("a connection may be subscribed to {max} channels")]
    TooManyChannels {
        /// How many channels a subscriber may have.
        max: NonZeroU32,
    },
    /// Nobody's fault.
    #[error("a channel may have {max} subscribers")]
    ChannelFull {
        /// How many subscribers a channel may have.
        max: NonZeroU32,
    },
    /// Nobody's fault, or that of many clients together.
    #[error("the server may have {max} channels")]
    TooManyChannelsInAll {
        /// How many channels there may be.
        max: NonZeroUsize,
    },
}

/// A connection type that cannot be meant, with its place in the list: the caller knows which line that
/// is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("connection type {number}: {error}", number = index + 1)]
pub struct TypeFault {
    /// Which type, counted from 0.
    pub index: usize,
    /// What is wrong with it.
    #[source]
    pub error: TypeError,
}

/// What is wrong with a connection type. Whose fault: the operator's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TypeError {
    /// Its path is none.
    #[error("{0}")]
    Path(PathError),
    /// A type that means the same paths was there before.
    #[error("means the same paths as connection type {number}", number = first + 1)]
    Duplicate {
        /// Which type was first, counted from 0.
        first: usize,
    },
    /// Nobody could connect.
    #[error("`max` must be at least 1")]
    MaxZero,
    /// A key by which nothing is counted.
    #[error("`per` says by what connections are counted, but `max` says no limit")]
    PerWithoutMax,
    /// A parameter that the path does not have. `owner` needs `{user_id}`.
    #[error("the path has no parameter {{{name}}}")]
    UnknownParameter {
        /// What it is called.
        name: Box<str>,
    },
    /// A channel that cannot be meant.
    #[error("the channel {text:?} cannot be meant: {error}")]
    Channel {
        /// As it was written.
        text: Box<str>,
        /// Why not.
        error: PatternError,
    },
    /// Channels with `$` are the gateway's.
    #[error("the channel {text:?} is reserved")]
    Reserved {
        /// As it was written.
        text: Box<str>,
    },
    /// The address of a tunnel that cannot be read.
    #[error("the tunnel {text:?} is no address such as 127.0.0.1:22 or {{host}}:22")]
    Tunnel {
        /// As it was written.
        text: Box<str>,
    },
    /// A tunnel carries bytes, and no messages of channels.
    #[error("a tunnel is in no channel")]
    TunnelInChannels,
}

/// Why a text is no path of a connection type. Whose fault: the operator's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Without a `/` in front.
    #[error("a path must begin with `/`")]
    NotAbsolute,
    /// Two slashes in a row, or one at the end.
    #[error("a path must not have an empty segment, nor end with `/`")]
    EmptySegment,
    /// A segment that is neither plain nor one parameter.
    #[error("{segment:?} is neither a plain segment nor one parameter like `{{session_id}}`")]
    BadSegment {
        /// As it was written.
        segment: Box<str>,
    },
    /// The same parameter twice.
    #[error("{segment} is there twice")]
    RepeatedParameter {
        /// As it was written.
        segment: Box<str>,
    },
    /// More segments than are compared.
    #[error("a path may have {max} segments, not {segments}")]
    TooLong {
        /// How many it has.
        segments: usize,
        /// How many it may have.
        max: usize,
    },
}

/// A connection type means the URL, and the value of a parameter cannot be used: it is no part of a
/// channel's name, or would make the name of another channel. Whose fault: the client's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the value of {{{parameter}}} in the URL cannot be used")]
pub struct UrlError {
    /// The name of the parameter.
    pub parameter: Box<str>,
}
