//! Why a tunnel is not there, or no more: the one table of close codes and sentences.

use ws_close_manager::SendableCode;

/// Why there is no tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refused {
    /// The address is not on the list.
    #[error("There is no tunnel to this address")]
    NotListed,
    /// As many tunnels as there may be.
    #[error("There are as many tunnels as there may be")]
    Full,
    /// As many as there may be to this target.
    #[error("There are as many tunnels to this target as there may be")]
    TargetFull,
    /// As many as this user may have.
    #[error("You have as many tunnels as you may have")]
    UserFull,
}

impl Refused {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::NotListed, Self::Full, Self::TargetFull, Self::UserFull];

    /// A stable word for logs and metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::NotListed => "not_listed",
            Self::Full => "full",
            Self::TargetFull => "target_full",
            Self::UserFull => "user_full",
        }
    }

    /// What the connection is closed with; the sentence is the reason.
    pub const fn close_code(self) -> SendableCode {
        match self {
            // Coming back would end the same way.
            Self::NotListed | Self::UserFull => SendableCode::POLICY,
            Self::Full | Self::TargetFull => SendableCode::TRY_AGAIN,
        }
    }
}

/// Why a tunnel that was there has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TunnelEnd {
    /// Both sides have finished.
    #[error("Both sides have finished")]
    Finished,
    /// The target has finished, and the client does not know of directions that end one by one.
    #[error("The target has finished")]
    TargetFinished,
    /// The target could not be connected to.
    #[error("The target cannot be reached")]
    Unreachable,
    /// The target did not answer the connect in time.
    #[error("The target did not answer in time")]
    ConnectTimedOut,
    /// The target's connection broke.
    #[error("The target has broken the connection")]
    TargetBroke,
    /// No byte moved for too long.
    #[error("Idle timeout")]
    Idle,
    /// The client sent a text, or bytes behind its end.
    #[error("A tunnel takes binary messages, and none behind an empty one")]
    Misused,
    /// The client has closed the connection, or it has ended otherwise: nothing is left to be said to it.
    #[error("The client has gone")]
    ClientGone,
}

impl TunnelEnd {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Finished,
        Self::TargetFinished,
        Self::Unreachable,
        Self::ConnectTimedOut,
        Self::TargetBroke,
        Self::Idle,
        Self::Misused,
        Self::ClientGone,
    ];

    /// A stable word for logs and metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::TargetFinished => "target_finished",
            Self::Unreachable => "unreachable",
            Self::ConnectTimedOut => "connect_timed_out",
            Self::TargetBroke => "target_broke",
            Self::Idle => "idle",
            Self::Misused => "misused",
            Self::ClientGone => "client_gone",
        }
    }

    /// What the connection is closed with; the sentence is the reason.
    pub const fn close_code(self) -> SendableCode {
        match self {
            Self::Finished | Self::TargetFinished => SendableCode::NORMAL,
            Self::Unreachable | Self::ConnectTimedOut | Self::TargetBroke => {
                SendableCode::BAD_GATEWAY
            }
            Self::Idle | Self::ClientGone => SendableCode::GOING_AWAY,
            Self::Misused => SendableCode::UNSUPPORTED,
        }
    }

    /// Its place in [`TunnelEnd::ALL`].
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_and_each_refusal_has_a_word_of_its_own_and_stands_in_its_place() {
        for (place, end) in TunnelEnd::ALL.into_iter().enumerate() {
            assert_eq!(end.index(), place);
        }
        let ends = TunnelEnd::ALL.map(TunnelEnd::label);
        let refusals = Refused::ALL.map(Refused::label);
        for words in [&ends[..], &refusals[..]] {
            let distinct: std::collections::BTreeSet<_> = words.iter().collect();
            assert_eq!(distinct.len(), words.len());
        }
    }
}
