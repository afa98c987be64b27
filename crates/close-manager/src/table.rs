//! The one table of close codes: names, meanings, who sends them, whether clients come back.

use std::ops::RangeInclusive;

/// Whether, and how, a client of ours comes back after a connection ended with some code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ComeBack {
    /// It is over, or trying again would end the same way.
    Never,
    /// The server is fine or another one is: try now, spread by the usual jitter.
    AtOnce,
    /// Something is wrong that takes time: try with growing delays.
    Later,
    /// The credentials are used up: fetch new ones, then try now.
    WithFreshToken,
}

/// Who may put a code into a close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Travels {
    /// Either side.
    Either,
    /// Only the client (RFC 6455 section 7.4.1 on 1010). A server may send it back as an answer.
    FromClient,
    /// Nobody: it is only reported, or reserved.
    Never,
}

/// One row of the code table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeInfo {
    first: u16,
    last: u16,
    /// The name in IANA's registry, or what the range is for.
    pub name: &'static str,
    /// When it is used here.
    pub meaning: &'static str,
    /// Who may send it.
    pub travels: Travels,
    /// Whether clients come back after it.
    pub comes_back: ComeBack,
}

impl CodeInfo {
    /// The codes that this row is about: one, or a range.
    #[must_use]
    pub const fn codes(&self) -> RangeInclusive<u16> {
        self.first..=self.last
    }

    const fn one(
        code: u16,
        travels: Travels,
        comes_back: ComeBack,
        name: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self { first: code, last: code, name, meaning, travels, comes_back }
    }
}

use ComeBack::{AtOnce, Later, WithFreshToken};
use Travels::{Either, FromClient};

/// All codes that have a meaning, in order. A code is described by the first row that contains it; one
/// that no row contains must not travel.
pub static CODES: &[CodeInfo] = &[
    CodeInfo::one(1000, Either, ComeBack::Never, "Normal Closure", "done"),
    CodeInfo::one(
        1001,
        Either,
        AtOnce,
        "Going Away",
        "connection timeout, idle timeout, going away",
    ),
    CodeInfo::one(1002, Either, Later, "Protocol error", "the peer broke RFC 6455 or an extension"),
    CodeInfo::one(1003, Either, Later, "Unsupported Data", "a kind of data that is not accepted"),
    CodeInfo::one(1004, Travels::Never, Later, "Reserved", "never used"),
    CodeInfo::one(1005, Travels::Never, Later, "No Status Rcvd", "the close frame had no code"),
    CodeInfo::one(1006, Travels::Never, AtOnce, "Abnormal Closure", "ended without a close frame"),
    CodeInfo::one(1007, Either, Later, "Invalid frame payload data", "text that is not UTF-8"),
    CodeInfo::one(
        1008,
        Either,
        ComeBack::Never,
        "Policy Violation",
        "not authorized, too many connections, rate limit abuse",
    ),
    CodeInfo::one(1009, Either, Later, "Message Too Big", "larger than the limit"),
    CodeInfo::one(
        1010,
        FromClient,
        ComeBack::Never,
        "Mandatory Ext.",
        "the client misses an extension that it cannot do without",
    ),
    CodeInfo::one(1011, Either, Later, "Internal Error", "our fault"),
    CodeInfo::one(1012, Either, AtOnce, "Service Restart", "this server drains; others take over"),
    CodeInfo::one(1013, Either, Later, "Try Again Later", "overloaded, or the peer is too slow"),
    CodeInfo::one(
        1014,
        Either,
        Later,
        "Bad Gateway",
        "the server behind this one gave a bad answer",
    ),
    CodeInfo::one(
        1015,
        Travels::Never,
        Later,
        "TLS handshake",
        "TLS failed before there was a frame",
    ),
    CodeInfo::one(3000, Either, WithFreshToken, "Unauthorized", "the token expired"),
    CodeInfo {
        first: 3000,
        last: 3999,
        name: "Registered",
        meaning: "registered with IANA by libraries and frameworks",
        travels: Either,
        comes_back: Later,
    },
    CodeInfo {
        first: 4000,
        last: 4999,
        name: "Private Use",
        meaning: "agreed between an application and its clients",
        travels: Either,
        comes_back: Later,
    },
];

/// What a code means, if it means anything.
#[must_use]
pub fn describe(code: impl Into<u16>) -> Option<&'static CodeInfo> {
    let code = code.into();
    CODES.iter().find(|row| row.codes().contains(&code))
}

/// Whether clients come back after a connection ended with this code. (After their own close they
/// never do, whatever its code.)
#[must_use]
pub fn comes_back(code: impl Into<u16>) -> ComeBack {
    describe(code).map_or(Later, |row| row.comes_back)
}

/// Whether this code may be in a close frame that was received. One that may not is a protocol error,
/// answered by 1002.
#[must_use]
pub fn is_receivable(code: u16) -> bool {
    describe(code).is_some_and(|row| row.travels != Travels::Never)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_in_order_and_every_code_of_the_rfc_has_one() {
        assert!(CODES.windows(2).all(|pair| pair[0].first <= pair[1].first));
        assert!(CODES.iter().all(|row| row.first <= row.last));
        for code in 1000..=1015u16 {
            assert_eq!(describe(code).map(CodeInfo::codes), Some(code..=code));
        }
    }

    #[test]
    fn clients_come_back_after_everything_but_done_policy_and_their_own_close() {
        #[track_caller]
        fn check(codes: RangeInclusive<u16>, expect: ComeBack) {
            for code in codes {
                assert_eq!(comes_back(code), expect, "{code}");
            }
        }
        check(1000..=1000, ComeBack::Never);
        check(1001..=1001, AtOnce);
        check(1002..=1005, Later);
        check(1006..=1006, AtOnce);
        check(1007..=1007, Later);
        check(1008..=1008, ComeBack::Never);
        check(1009..=1009, Later);
        // Only a client begins with 1010, so this is its own close.
        check(1010..=1010, ComeBack::Never);
        check(1011..=1011, Later);
        check(1012..=1012, AtOnce);
        check(1013..=2999, Later);
        check(3000..=3000, WithFreshToken);
        check(3001..=u16::MAX, Later);
        check(0..=999, Later);
    }

    #[test]
    fn rfc6455_7_4_codes_that_may_be_received() {
        let receivable = |code: &u16| is_receivable(*code);
        let expect = [1000..=1003, 1007..=1014, 3000..=4999];
        let all: Vec<u16> = (0..=u16::MAX).filter(receivable).collect();
        assert_eq!(all, expect.into_iter().flatten().collect::<Vec<u16>>());
    }
}
