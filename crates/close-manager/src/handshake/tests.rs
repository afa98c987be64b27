use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(5);
const BOTH: [Role; 2] = [Role::Client, Role::Server];

/// A fixed point from which a test counts.
#[expect(clippy::disallowed_methods, reason = "an Instant has no other constructor")]
pub(crate) fn base() -> Instant {
    Instant::now()
}

fn open(role: Role) -> CloseHandshake {
    CloseHandshake::new(role, TIMEOUT)
}

fn outcome(
    started_by: impl Into<Option<Side>>,
    sent: FrameStatus,
    received: FrameStatus,
    ending: Ending,
    began: Instant,
) -> Option<CloseOutcome> {
    Some(CloseOutcome { started_by: started_by.into(), sent, received, ending, began })
}

const NORMAL: FrameStatus = FrameStatus::Code(CloseCode::Normal);
const AWAY: FrameStatus = FrameStatus::Code(CloseCode::Away);

#[test]
fn a_handshake_takes_forty_eight_bytes() {
    assert_eq!(size_of::<CloseHandshake>(), 48);
}

#[test]
fn an_open_connection_closes_nothing_and_waits_for_nothing() {
    for role in BOTH {
        let mut handshake = open(role);
        handshake.handle_timeout(base() + 1000 * SECOND);
        assert!(!handshake.is_closing());
        assert!(handshake.may_send_data() && handshake.may_receive_data());
        assert!(!handshake.must_close_transport() && !handshake.must_drop_transport());
        assert_eq!(handshake.poll_timeout(), None);
        assert_eq!(handshake.outcome(), None);
    }
}

#[test]
fn rfc6455_5_5_1_no_data_follows_our_close_frame_but_the_peers_may_still_come() {
    let mut handshake = open(Role::Server);
    assert!(handshake.start_close(SendableCode::NORMAL, base()));
    assert!(handshake.is_closing());
    assert!(!handshake.may_send_data());
    assert!(handshake.may_receive_data());
    assert_eq!(handshake.outcome(), None);
}

#[test]
fn only_the_first_start_writes_a_close_frame() {
    let now = base();
    let mut handshake = open(Role::Server);
    assert!(handshake.start_close(SendableCode::NORMAL, now));
    assert!(!handshake.start_close(SendableCode::GOING_AWAY, now + SECOND));
    assert_eq!(handshake.poll_timeout(), Some(now + TIMEOUT), "not moved by the second");
    handshake.handle_close(Some(CloseCode::Normal), now + SECOND);
    assert!(!handshake.start_close(SendableCode::GOING_AWAY, now + SECOND));
    handshake.handle_eof(now + SECOND);
    assert!(!handshake.start_close(SendableCode::GOING_AWAY, now + SECOND));
}

#[test]
fn rfc6455_7_1_1_the_server_closes_tcp_at_once_after_its_close_was_answered() {
    let now = base();
    let mut handshake = open(Role::Server);
    handshake.start_close(SendableCode::GOING_AWAY, now);
    assert!(!handshake.must_close_transport());
    assert_eq!(handshake.handle_close(Some(CloseCode::Away), now + SECOND), CloseReply::None);
    assert!(handshake.must_close_transport());
    assert!(!handshake.must_drop_transport(), "flush first");
    assert_eq!(handshake.poll_timeout(), Some(now + TIMEOUT), "which bounds the flush");
    let expect = outcome(Side::Local, AWAY, AWAY, Ending::Acknowledged, now);
    assert_eq!(handshake.outcome(), expect);
}

#[test]
fn rfc6455_7_1_1_the_client_waits_for_the_server_to_close_tcp_until_the_deadline() {
    let now = base();
    let mut handshake = open(Role::Client);
    handshake.start_close(SendableCode::NORMAL, now);
    handshake.handle_close(Some(CloseCode::Normal), now + SECOND);
    let expect = outcome(Side::Local, NORMAL, NORMAL, Ending::Acknowledged, now);
    assert_eq!(handshake.outcome(), expect);
    assert!(!handshake.must_close_transport());
    handshake.handle_timeout(now + TIMEOUT - Duration::from_nanos(1));
    assert!(!handshake.must_close_transport());
    handshake.handle_timeout(now + TIMEOUT);
    assert!(handshake.must_close_transport() && handshake.must_drop_transport());
    assert_eq!(handshake.poll_timeout(), None);
    assert_eq!(handshake.outcome(), expect, "still acknowledged");
}

#[test]
fn the_client_closes_when_the_server_has() {
    let now = base();
    let mut handshake = open(Role::Client);
    handshake.handle_close(None, now);
    assert!(!handshake.must_close_transport());
    handshake.handle_eof(now + SECOND);
    assert!(handshake.must_close_transport() && !handshake.must_drop_transport());
    assert!(handshake.outcome().unwrap().is_clean());
}

#[test]
fn rfc6455_5_5_1_the_peers_code_is_sent_back() {
    #[track_caller]
    fn check(received: u16, echo: u16, ending: Ending) {
        for role in BOTH {
            let now = base();
            let received = CloseCode::from(received);
            let mut handshake = open(role);
            let CloseReply::Echo(Some(code)) = handshake.handle_close(Some(received), now) else {
                panic!("expected an answer");
            };
            assert_eq!(code.u16(), echo);
            assert!(!handshake.may_send_data() && !handshake.may_receive_data());
            let (sent, received) = (FrameStatus::Code(echo.into()), FrameStatus::Code(received));
            assert_eq!(handshake.outcome(), outcome(Side::Peer, sent, received, ending, now));
            assert_eq!(handshake.handle_close(Some(CloseCode::Normal), now), CloseReply::None);
        }
    }
    for code in [1000, 1001, 1003, 1007, 1010, 1012, 1014, 3000, 4999] {
        check(code, code, Ending::Acknowledged);
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535] {
        check(code, 1002, Ending::Failed);
    }
}

#[test]
fn a_close_frame_without_a_code_is_answered_by_one_without_a_code() {
    let now = base();
    let mut handshake = open(Role::Server);
    assert_eq!(handshake.handle_close(None, now), CloseReply::Echo(None));
    let no_code = FrameStatus::NoCode;
    let expect = outcome(Side::Peer, no_code, no_code, Ending::Acknowledged, now);
    assert_eq!(handshake.outcome(), expect);
    assert!(handshake.must_close_transport());
}

#[test]
fn close_frames_that_cross_need_no_third() {
    let now = base();
    let mut handshake = open(Role::Server);
    handshake.start_close(SendableCode::GOING_AWAY, now);
    assert_eq!(handshake.handle_close(Some(CloseCode::Normal), now), CloseReply::None);
    assert_eq!(handshake.outcome(), outcome(Side::Local, AWAY, NORMAL, Ending::Acknowledged, now));
}

#[test]
fn a_peer_that_does_not_answer_is_forced_at_the_deadline() {
    for role in BOTH {
        let now = base();
        let mut handshake = open(role);
        handshake.start_close(SendableCode::NORMAL, now);
        handshake.handle_timeout(now + TIMEOUT - Duration::from_nanos(1));
        assert_eq!(handshake.outcome(), None, "early");
        handshake.handle_timeout(now + TIMEOUT);
        let expect = outcome(Side::Local, NORMAL, FrameStatus::NoFrame, Ending::Forced, now);
        assert_eq!(handshake.outcome(), expect);
        assert!(handshake.must_close_transport() && handshake.must_drop_transport());
        let late = now + TIMEOUT + SECOND;
        assert_eq!(handshake.handle_close(Some(CloseCode::Normal), late), CloseReply::None);
        handshake.handle_eof(late);
        assert_eq!(handshake.outcome(), expect, "too late");
        assert!(handshake.must_drop_transport());
    }
}

#[test]
fn a_transport_that_ends_without_a_close_frame_is_eof() {
    let now = base();
    let none = FrameStatus::NoFrame;
    for role in BOTH {
        let mut handshake = open(role);
        handshake.handle_eof(now);
        assert_eq!(handshake.outcome(), outcome(None, none, none, Ending::Eof, now));
        assert!(handshake.must_close_transport());

        let mut handshake = open(role);
        handshake.start_close(SendableCode::NORMAL, now);
        handshake.handle_eof(now + SECOND);
        let expect = outcome(Side::Local, NORMAL, none, Ending::Eof, now);
        assert_eq!(handshake.outcome(), expect);
        assert!(!handshake.may_receive_data());
    }
}

#[test]
fn rfc6455_7_1_7_after_a_failure_nothing_is_awaited_from_the_peer() {
    let now = base();
    for role in BOTH {
        let mut handshake = open(role);
        assert!(handshake.fail(SendableCode::PROTOCOL_ERROR, now));
        assert!(!handshake.may_send_data() && !handshake.may_receive_data());
        assert!(handshake.must_close_transport() && !handshake.must_drop_transport());
        let sent = FrameStatus::Code(CloseCode::Protocol);
        let expect = outcome(Side::Local, sent, FrameStatus::NoFrame, Ending::Failed, now);
        assert_eq!(handshake.outcome(), expect);
        assert_eq!(handshake.handle_close(None, now), CloseReply::None);
        assert!(!handshake.fail(SendableCode::PROTOCOL_ERROR, now));
        assert_eq!(handshake.outcome(), expect);
        handshake.handle_timeout(now + TIMEOUT);
        assert!(handshake.must_drop_transport(), "the flush was stuck");
    }
}

#[test]
fn a_failure_after_our_close_frame_writes_no_second_one() {
    let now = base();
    let mut handshake = open(Role::Client);
    handshake.start_close(SendableCode::NORMAL, now);
    assert!(!handshake.fail(SendableCode::PROTOCOL_ERROR, now + SECOND));
    let expect = outcome(Side::Local, NORMAL, FrameStatus::NoFrame, Ending::Failed, now);
    assert_eq!(handshake.outcome(), expect);
    assert!(handshake.must_close_transport());
}

#[test]
fn rfc6455_7_1_5_what_is_reported_without_a_frame_or_a_code() {
    assert_eq!(u16::from(FrameStatus::NoFrame.reported()), 1006);
    assert_eq!(u16::from(FrameStatus::NoCode.reported()), 1005);
    assert_eq!(FrameStatus::Code(CloseCode::Away).reported(), CloseCode::Away);
}

#[test]
fn a_timeout_of_zero_forces_at_once_and_an_endless_one_is_cut() {
    let now = base();
    let mut handshake = CloseHandshake::new(Role::Server, Duration::ZERO);
    handshake.start_close(SendableCode::NORMAL, now);
    handshake.handle_timeout(now);
    assert_eq!(handshake.outcome().unwrap().ending, Ending::Forced);

    let mut handshake = CloseHandshake::new(Role::Server, Duration::MAX);
    handshake.start_close(SendableCode::NORMAL, now);
    let days = (handshake.poll_timeout().unwrap() - now).as_secs() / 86_400;
    assert_eq!(days, 49);
}

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Start(u16),
    Fail,
    PeerClose(Option<u16>),
    Eof,
    Timeout,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..3_000u64).prop_map(Step::Wait),
        (3000..5000u16).prop_map(Step::Start),
        Just(Step::Fail),
        proptest::option::of(990..1020u16).prop_map(Step::PeerClose),
        Just(Step::Eof),
        Just(Step::Timeout),
    ]
}

proptest! {
    /// Whatever happens in whatever order: at most one close frame is written, what is decided stays,
    /// and from the first close frame on everything is over by the deadline.
    #[test]
    fn any_sequence_is_decided_by_the_deadline(
        is_client: bool,
        steps in proptest::collection::vec(step(), 1..30),
    ) {
        let mut now = base();
        let mut handshake = open(if is_client { Role::Client } else { Role::Server });
        let (mut frames_written, mut began, mut decided) = (0, None, None);
        for step in steps {
            match step {
                Step::Wait(millis) => now += Duration::from_millis(millis),
                Step::Start(code) => {
                    let code = SendableCode::try_from(code).unwrap();
                    frames_written += u32::from(handshake.start_close(code, now));
                }
                Step::Fail => {
                    let failed = handshake.fail(SendableCode::PROTOCOL_ERROR, now);
                    frames_written += u32::from(failed);
                }
                Step::PeerClose(code) => {
                    let reply = handshake.handle_close(code.map(CloseCode::from), now);
                    frames_written += u32::from(reply != CloseReply::None);
                }
                Step::Eof => handshake.handle_eof(now),
                Step::Timeout => handshake.handle_timeout(now),
            }
            began = began.or(handshake.is_closing().then_some(now));
            // A driver keeps the deadlines.
            while let Some(deadline) = handshake.poll_timeout().filter(|&at| at <= now) {
                handshake.handle_timeout(deadline);
            }
            prop_assert!(frames_written <= 1);
            prop_assert!(handshake.may_send_data() == began.is_none());
            prop_assert!(handshake.may_receive_data() == handshake.outcome().is_none());
            prop_assert!(!handshake.must_drop_transport() || handshake.must_close_transport());
            prop_assert!(!handshake.must_close_transport() || handshake.outcome().is_some());
            if let Some(outcome) = handshake.outcome() {
                prop_assert_eq!(Some(outcome.began), began);
                prop_assert_eq!(outcome.sent != FrameStatus::NoFrame, frames_written == 1);
                prop_assert_eq!(*decided.get_or_insert(outcome), outcome);
            } else {
                prop_assert!(decided.is_none());
            }
            if began.is_some_and(|began| now >= began + TIMEOUT) {
                prop_assert!(handshake.outcome().is_some() && handshake.must_drop_transport());
            } else {
                prop_assert_eq!(handshake.poll_timeout(), began.map(|began| began + TIMEOUT));
            }
        }
    }
}
