//! Why a connection ended: one word of a closed set.

use std::{fmt, io::ErrorKind};

use ws_connection::{Cause, ProtocolError};
use ws_protocol::ErrorCode;

/// Why a connection ended. Every one has exactly one reason.
///
/// Whoever closes a connection notes its reason, and the first note wins. What the transport and the
/// protocol saw decides between that note and what came before it: a peer that closed while an order to
/// close it was under way has closed by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EndReason {
    /// The peer sent the first close frame.
    PeerClosed,
    /// The peer's side reset the transport.
    PeerReset,
    /// The peer's side of the transport ended without a close frame.
    EndOfStream,
    /// The transport failed in another way.
    Io,
    /// The peer answered no ping.
    PongTimeout,
    /// No message either way for too long.
    Idle,
    /// The peer took nothing of what was sent to it for too long.
    WriteTimeout,
    /// More waited for the peer than may wait.
    Slow,
    /// The peer broke a rule of the protocol.
    Protocol,
    /// A message of the peer was above the limit.
    TooLarge,
    /// The peer did not say in time who it is.
    AuthTimeout,
    /// The token of its first message was refused.
    TokenInvalid,
    /// Its token ran out, or had when it came.
    TokenExpired,
    /// Its token was revoked.
    TokenRevoked,
    /// It said something else than who it is, or may not be at its path.
    Unauthorized,
    /// Its user, or its path, has as many connections as it may.
    TooManyConnections,
    /// It kept on above a limit on messages or pings.
    RateLimited,
    /// The application's gatekeeper, or its hook, said no.
    HookRefused,
    /// The application's hook could not be asked.
    HookUnavailable,
    /// The keys of its token's issuer could not be had.
    KeysUnavailable,
    /// It made way for another connection of its type.
    Replaced,
    /// A back-end or the console closed it.
    Api,
    /// The server goes.
    Drain,
    /// It lasted as long as a connection may.
    Lifetime,
    /// Another node has more room for it.
    Rebalance,
    /// The server has too much to do.
    Overload,
    /// The engine between the nodes could not be reached for something that it needs.
    Engine,
    /// What it was bridged to ended.
    Tunnel,
    /// The application closed it.
    Application,
    /// The transport was dropped by our side without a closing handshake.
    Killed,
}

impl EndReason {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 30] = [
        Self::PeerClosed,
        Self::PeerReset,
        Self::EndOfStream,
        Self::Io,
        Self::PongTimeout,
        Self::Idle,
        Self::WriteTimeout,
        Self::Slow,
        Self::Protocol,
        Self::TooLarge,
        Self::AuthTimeout,
        Self::TokenInvalid,
        Self::TokenExpired,
        Self::TokenRevoked,
        Self::Unauthorized,
        Self::TooManyConnections,
        Self::RateLimited,
        Self::HookRefused,
        Self::HookUnavailable,
        Self::KeysUnavailable,
        Self::Replaced,
        Self::Api,
        Self::Drain,
        Self::Lifetime,
        Self::Rebalance,
        Self::Overload,
        Self::Engine,
        Self::Tunnel,
        Self::Application,
        Self::Killed,
    ];

    /// A stable word for logs and metric labels.
    pub const fn label(self) -> &'static str {
        match self {
            Self::PeerClosed => "peer_closed",
            Self::PeerReset => "peer_reset",
            Self::EndOfStream => "end_of_stream",
            Self::Io => "io",
            Self::PongTimeout => "pong_timeout",
            Self::Idle => "idle",
            Self::WriteTimeout => "write_timeout",
            Self::Slow => "slow",
            Self::Protocol => "protocol",
            Self::TooLarge => "too_large",
            Self::AuthTimeout => "auth_timeout",
            Self::TokenInvalid => "token_invalid",
            Self::TokenExpired => "token_expired",
            Self::TokenRevoked => "token_revoked",
            Self::Unauthorized => "unauthorized",
            Self::TooManyConnections => "too_many_connections",
            Self::RateLimited => "rate_limited",
            Self::HookRefused => "hook_refused",
            Self::HookUnavailable => "hook_unavailable",
            Self::KeysUnavailable => "keys_unavailable",
            Self::Replaced => "replaced",
            Self::Api => "api",
            Self::Drain => "drain",
            Self::Lifetime => "lifetime",
            Self::Rebalance => "rebalance",
            Self::Overload => "overload",
            Self::Engine => "engine",
            Self::Tunnel => "tunnel",
            Self::Application => "application",
            Self::Killed => "killed",
        }
    }

    /// The reason with this label.
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.label() == label)
    }

    /// Whether the connection broke rather than being closed: nobody said goodbye, and something on
    /// the way may be at fault.
    pub const fn is_abnormal(self) -> bool {
        matches!(
            self,
            Self::PeerReset | Self::EndOfStream | Self::Io | Self::PongTimeout | Self::WriteTimeout
        )
    }

    /// What follows from what began the end, and from what was noted before it.
    pub(crate) fn of(noted: Option<Self>, cause: &Cause) -> Self {
        match cause {
            Cause::ClosedByPeer { .. } => Self::PeerClosed,
            Cause::ClosedByUs { .. } => noted.unwrap_or(Self::Application),
            Cause::Protocol(ProtocolError::TooLarge(_)) => Self::TooLarge,
            Cause::Protocol(ProtocolError::PingFlood) => Self::RateLimited,
            Cause::Protocol(_) => Self::Protocol,
            Cause::PongTimeout { .. } => Self::PongTimeout,
            Cause::Idle => Self::Idle,
            Cause::WriteTimeout => Self::WriteTimeout,
            Cause::EndOfStream => Self::EndOfStream,
            Cause::Io(
                ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe,
            ) => Self::PeerReset,
            Cause::Io(_) => Self::Io,
            Cause::Killed => noted.unwrap_or(Self::Killed),
        }
    }

    /// For whoever was not let in with this error, by the gateway itself.
    pub(crate) const fn of_refusal(code: ErrorCode) -> Self {
        match code {
            // A channel of its path has as many as it may, too.
            ErrorCode::TooManyConnections | ErrorCode::ChannelFull => Self::TooManyConnections,
            ErrorCode::TokenRevoked => Self::TokenRevoked,
            ErrorCode::BrokerUnavailable => Self::Engine,
            ErrorCode::HookUnavailable => Self::HookUnavailable,
            ErrorCode::Overloaded => Self::Overload,
            ErrorCode::ShuttingDown => Self::Drain,
            _ => Self::Unauthorized,
        }
    }

    /// For whoever was not let in with this error, by the application's gatekeeper.
    pub(crate) const fn of_gatekeeper(code: ErrorCode) -> Self {
        match code {
            ErrorCode::HookUnavailable => Self::HookUnavailable,
            ErrorCode::Overloaded => Self::Overload,
            _ => Self::HookRefused,
        }
    }

    /// As it is kept in one byte beside `None`, which is zero.
    pub(crate) const fn to_byte(self) -> u8 {
        self as u8 + 1
    }

    /// What [`EndReason::to_byte`] wrote.
    pub(crate) const fn from_byte(byte: u8) -> Option<Self> {
        match byte.checked_sub(1) {
            Some(index) if (index as usize) < Self::ALL.len() => Some(Self::ALL[index as usize]),
            _ => None,
        }
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use ws_close_manager::SendableCode;
    use ws_frame_validator::TooLarge;

    use super::*;

    #[test]
    fn each_reason_is_listed_once_in_its_place_and_has_a_label_of_its_own() {
        let labels: HashSet<_> = EndReason::ALL.iter().map(|reason| reason.label()).collect();
        assert_eq!(labels.len(), EndReason::ALL.len());
        for (index, reason) in EndReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index, "{reason}");
            assert_eq!(EndReason::from_byte(reason.to_byte()), Some(reason));
            assert_eq!(EndReason::from_label(reason.label()), Some(reason));
        }
        assert_eq!(EndReason::from_byte(0), None);
        assert_eq!(EndReason::from_byte(EndReason::ALL.len() as u8 + 1), None);
        assert_eq!(EndReason::from_label("closed_by_us"), None);
    }

    #[test]
    fn a_note_counts_where_our_side_began_the_end() {
        let check = |noted, cause, reason| assert_eq!(EndReason::of(noted, &cause), reason);
        let by_us = Cause::ClosedByUs { code: SendableCode::RESTART };
        let noted = Some(EndReason::Drain);
        check(noted, by_us, EndReason::Drain);
        check(None, by_us, EndReason::Application);
        check(noted, Cause::Killed, EndReason::Drain);
        check(None, Cause::Killed, EndReason::Killed);
        check(noted, Cause::ClosedByPeer { code: Some(1000) }, EndReason::PeerClosed);
        check(noted, Cause::EndOfStream, EndReason::EndOfStream);
        check(noted, Cause::Idle, EndReason::Idle);
        check(noted, Cause::WriteTimeout, EndReason::WriteTimeout);
        check(noted, Cause::PongTimeout { last_round_trip: None }, EndReason::PongTimeout);
    }

    #[test]
    fn what_the_peer_did_tells_the_rest() {
        let check = |cause, reason| assert_eq!(EndReason::of(None, &cause), reason);
        check(Cause::Io(ErrorKind::ConnectionReset), EndReason::PeerReset);
        check(Cause::Io(ErrorKind::BrokenPipe), EndReason::PeerReset);
        check(Cause::Io(ErrorKind::TimedOut), EndReason::Io);
        let too_large = ProtocolError::TooLarge(TooLarge { size: 2, max: 1 });
        check(Cause::Protocol(too_large), EndReason::TooLarge);
        check(Cause::Protocol(ProtocolError::PingFlood), EndReason::RateLimited);
        check(Cause::Protocol(ProtocolError::InvalidUtf8), EndReason::Protocol);
    }
}
