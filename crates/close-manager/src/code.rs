//! Close codes that may be sent, as a type.

use std::fmt;

use tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};

use crate::{CloseReason, CodeError, Role, Travels, describe};

/// A close code that may be put into a close frame, checked when it is made.
///
/// Codes that are only reported (1005, 1006, 1015), reserved (1004) or unassigned cannot be made into
/// one, so no one has to check again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SendableCode(u16);

impl SendableCode {
    /// 1000: done.
    pub const NORMAL: Self = Self(1000);
    /// 1001: a timeout, or going away.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: a kind of data that is not accepted.
    pub const UNSUPPORTED: Self = Self(1003);
    /// 1007: text that is not UTF-8, or data that contradicts its type.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// 1008: not authorized, too many connections, abuse.
    pub const POLICY: Self = Self(1008);
    /// 1009: larger than the limit.
    pub const TOO_BIG: Self = Self(1009);
    /// 1011: our fault.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: this server restarts, come back.
    pub const RESTART: Self = Self(1012);
    /// 1013: overloaded, or the peer is too slow: come back later.
    pub const TRY_AGAIN: Self = Self(1013);
    /// The server behind this one gave a bad answer, or none.
    pub const BAD_GATEWAY: Self = Self(1014);
    /// 3000: the token expired: come back with a new one.
    pub const UNAUTHORIZED: Self = Self(3000);

    /// Checks a code that only one of the two roles may send: a client may also send 1010.
    ///
    /// # Errors
    ///
    /// As [`TryFrom<u16>`], which accepts what either role may send.
    pub fn for_role(code: u16, role: Role) -> Result<Self, CodeError> {
        match describe(code).map(|row| row.travels) {
            Some(Travels::Either) => Ok(Self(code)),
            Some(Travels::FromClient) if role == Role::Client => Ok(Self(code)),
            Some(Travels::FromClient) => Err(CodeError::ClientOnly { code }),
            Some(Travels::Never) => Err(CodeError::NeverTravels { code }),
            None => Err(CodeError::Unassigned { code }),
        }
    }

    /// The code to answer a close frame with: the peer's own (RFC 6455 section 5.5.1), or 1002 if that
    /// must not travel.
    pub(crate) fn echo_of(code: CloseCode) -> Self {
        // A server may send back the 1010 that it must not begin with.
        Self::for_role(code.into(), Role::Client).unwrap_or(Self::PROTOCOL_ERROR)
    }

    /// The number.
    #[must_use]
    pub const fn u16(self) -> u16 {
        self.0
    }

    /// A close frame with this code.
    #[must_use]
    pub fn frame(self, reason: impl Into<CloseReason>) -> CloseFrame {
        CloseFrame { code: self.into(), reason: reason.into().into() }
    }
}

impl TryFrom<u16> for SendableCode {
    type Error = CodeError;

    fn try_from(code: u16) -> Result<Self, CodeError> {
        Self::for_role(code, Role::Server)
    }
}

impl TryFrom<CloseCode> for SendableCode {
    type Error = CodeError;

    fn try_from(code: CloseCode) -> Result<Self, CodeError> {
        Self::try_from(u16::from(code))
    }
}

impl From<SendableCode> for u16 {
    fn from(code: SendableCode) -> Self {
        code.0
    }
}

impl From<SendableCode> for CloseCode {
    fn from(code: SendableCode) -> Self {
        Self::from(code.0)
    }
}

impl fmt::Display for SendableCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6455_7_4_codes_that_either_role_may_send() {
        let sendable = |code: &u16| SendableCode::try_from(*code).is_ok();
        let expect = [1000..=1003, 1007..=1009, 1011..=1014, 3000..=4999];
        let all: Vec<u16> = (0..=u16::MAX).filter(sendable).collect();
        assert_eq!(all, expect.into_iter().flatten().collect::<Vec<u16>>());
    }

    #[test]
    fn codes_that_must_not_travel_are_refused_with_the_reason() {
        #[track_caller]
        fn check(code: u16, expect: &str) {
            assert_eq!(SendableCode::try_from(code).unwrap_err().to_string(), expect);
            let close_code = CloseCode::from(code);
            assert_eq!(SendableCode::try_from(close_code).unwrap_err().to_string(), expect);
        }
        for code in [1004, 1005, 1006, 1015] {
            check(
                code,
                &format!("close code {code} must not be sent: it is reserved or only reported"),
            );
        }
        for code in [0, 999, 1016, 2999, 5000, 65535] {
            check(code, &format!("close code {code} must not be sent: it means nothing"));
        }
        check(1010, "close code 1010 must not be sent: only a client may");
    }

    #[test]
    fn mandatory_extension_is_for_clients_and_for_answers() {
        assert_eq!(SendableCode::for_role(1010, Role::Client).unwrap().u16(), 1010);
        assert!(SendableCode::for_role(1010, Role::Server).is_err());
        assert_eq!(SendableCode::echo_of(CloseCode::Extension).u16(), 1010);
    }

    #[test]
    fn every_constant_is_a_code_that_may_be_sent() {
        for code in [
            SendableCode::NORMAL,
            SendableCode::GOING_AWAY,
            SendableCode::PROTOCOL_ERROR,
            SendableCode::UNSUPPORTED,
            SendableCode::INVALID_PAYLOAD,
            SendableCode::POLICY,
            SendableCode::TOO_BIG,
            SendableCode::INTERNAL_ERROR,
            SendableCode::RESTART,
            SendableCode::TRY_AGAIN,
            SendableCode::UNAUTHORIZED,
        ] {
            assert_eq!(SendableCode::try_from(code.u16()), Ok(code));
            assert_eq!(u16::from(CloseCode::from(code)), code.u16());
            assert_eq!(code.to_string(), code.u16().to_string());
        }
    }

    #[test]
    fn a_frame_carries_code_and_reason() {
        let frame = SendableCode::RESTART.frame("Server restart");
        assert_eq!(frame, CloseFrame { code: CloseCode::Restart, reason: "Server restart".into() });
    }
}
