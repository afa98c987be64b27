//! How connections end: by the book, by a broken rule, by a broken transport.

use std::{io::ErrorKind, time::Duration};

use proptest::prelude::*;
use ws_close_manager::SendableCode;
use ws_connection::{Cause, ProtocolError, Timeout};
use ws_transport::Wake;

use crate::peer::{Driven, Setup, Told, close_code, drive, frame, pass, settle, text};

fn close(code: u16) -> Vec<u8> {
    frame(0x88, &code.to_be_bytes())
}

fn sent_close(driven: &Driven) -> Option<u16> {
    driven.wire.with(|script| close_code(&script.written))
}

#[tokio::test(start_paused = true)]
async fn the_peers_close_is_echoed_and_the_transport_ended_at_once() {
    let driven = drive();
    driven.wire.send([text("last"), close(3001)].concat());
    settle().await;
    assert_eq!(driven.frames(), [(0x81, b"last".to_vec()), (0x88, 3001u16.to_be_bytes().to_vec())]);
    assert_eq!(driven.wire.with(|script| script.writes), 1);
    assert!(driven.wire.with(|script| script.shut && script.dropped));
    let end = driven.end().expect("over");
    assert_eq!((end.cause, end.acknowledged), (Cause::ClosedByPeer { code: Some(3001) }, true));
}

#[tokio::test(start_paused = true)]
async fn a_close_frame_between_fragments_is_answered_with_its_own_code() {
    let driven = drive();
    driven.wire.send([frame(0x01, b"begun"), close(1001), frame(0x80, b"late")].concat());
    settle().await;
    assert_eq!(sent_close(&driven), Some(1001));
    assert_eq!(driven.texts(), [""; 0]);
    assert_eq!(driven.end().expect("over").cause, Cause::ClosedByPeer { code: Some(1001) });
}

#[tokio::test(start_paused = true)]
async fn our_close_waits_for_the_peers_and_then_ends() {
    let driven = drive();
    driven.outbox.close(SendableCode::GOING_AWAY, "maintenance");
    pass(Duration::from_secs(4)).await;
    assert!(!driven.is_dropped());
    driven.wire.send(close(1001));
    settle().await;
    assert!(driven.is_dropped());
    let end = driven.end().expect("over");
    assert_eq!(end.cause, Cause::ClosedByUs { code: SendableCode::GOING_AWAY });
    assert!(end.acknowledged);
}

#[tokio::test(start_paused = true)]
async fn a_close_that_nobody_answers_ends_at_its_deadline() {
    let driven = drive();
    let began = tokio::time::Instant::now();
    driven.outbox.close(SendableCode::GOING_AWAY, "");
    driven.task.await.expect("no panic");
    assert!(began.elapsed().as_millis().abs_diff(5_000) <= 2, "{:?}", began.elapsed());
    let told = driven.notes.lock().told.clone();
    assert_eq!(told[0], Told::Wake(Wake::Connection(Timeout::CloseOverdue)));
    assert!(matches!(told[1], Told::End(end) if !end.acknowledged));
}

#[tokio::test(start_paused = true)]
async fn a_close_frame_that_the_socket_does_not_take_does_not_keep_the_transport() {
    let driven = Setup::default().spawn(|wire| wire.with(|script| script.room = 0));
    driven.wire.send(close(1000));
    let began = tokio::time::Instant::now();
    driven.task.await.expect("no panic");
    assert!(began.elapsed() <= Duration::from_millis(5_002), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn after_a_broken_rule_our_half_ends_and_the_peers_is_read_until_it_ends() {
    let driven = drive();
    driven.wire.send(frame(0x83, b""));
    settle().await;
    assert_eq!(sent_close(&driven), Some(1002));
    assert!(driven.wire.with(|script| script.shut), "our half has ended");
    assert!(!driven.is_dropped(), "to close now would reset the connection");
    for _ in 0..100 {
        driven.wire.send(vec![0xaa; 60_000]);
    }
    settle().await;
    assert_eq!(driven.wire.unread(), 0, "what comes is read and forgotten");
    driven.wire.end();
    settle().await;
    assert!(driven.is_dropped());
    let end = driven.end().expect("over");
    assert_eq!(end.cause, Cause::Protocol(ProtocolError::ReservedOpcode(3)));
    assert_eq!(driven.told(), [Told::Failed, Told::End(end)]);
}

#[tokio::test(start_paused = true)]
async fn lingering_after_a_broken_rule_has_a_deadline_however_much_comes() {
    let driven = drive();
    driven.wire.send(frame(0x83, b""));
    let began = tokio::time::Instant::now();
    while !driven.task.is_finished() {
        assert!(began.elapsed() < Duration::from_secs(10), "lingers for ever");
        driven.wire.send(vec![0; 1000]);
        pass(Duration::from_millis(100)).await;
    }
    assert!(began.elapsed() >= Duration::from_millis(4_900), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_ends_without_a_close_frame_is_over_at_once() {
    let driven = drive();
    driven.wire.send(text("hello"));
    driven.wire.end();
    settle().await;
    assert!(driven.is_dropped());
    assert_eq!(driven.sent_texts(), ["hello"], "the peer may have ended its half only");
    let end = driven.end().expect("over");
    assert_eq!((end.cause, end.acknowledged), (Cause::EndOfStream, false));
}

#[tokio::test(start_paused = true)]
async fn transports_that_fail_are_dropped_with_their_error() {
    for kind in [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe, ErrorKind::TimedOut] {
        let reading = drive();
        reading.wire.fail_read(kind);
        settle().await;
        assert!(reading.is_dropped());
        assert_eq!(reading.end().expect("over").cause, Cause::Io(kind));

        let writing = drive();
        writing.wire.with(|script| script.write_error = Some(kind));
        writing.wire.send(text("echo me"));
        settle().await;
        assert!(writing.is_dropped());
        assert_eq!(writing.end().expect("over").cause, Cause::Io(kind));
    }
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_fails_within_a_backlog_is_dropped_with_its_error() {
    let driven = Setup::default().spawn(|wire| wire.with(|script| script.room = 10));
    driven.wire.send(text("longer than what there is room for"));
    settle().await;
    assert_eq!(driven.written(), 10);
    driven.wire.with(|script| script.write_error = Some(ErrorKind::BrokenPipe));
    driven.wire.make_room(1);
    settle().await;
    assert_eq!(driven.end().expect("over").cause, Cause::Io(ErrorKind::BrokenPipe));
}

#[tokio::test(start_paused = true)]
async fn messages_after_our_close_frame_are_not_told() {
    let driven = drive();
    driven.outbox.close(SendableCode::NORMAL, "");
    settle().await;
    driven.wire.send([text("late"), frame(0x89, b"ping"), close(1000)].concat());
    settle().await;
    assert_eq!(driven.texts(), [""; 0]);
    assert_eq!(driven.frames().len(), 1, "nothing follows a close frame, not even a pong");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_told_after_a_kill() {
    let driven = drive();
    settle().await;
    driven.wire.send([text("too late"), frame(0x89, b"")].concat());
    driven.outbox.kill();
    settle().await;
    assert!(driven.is_dropped());
    assert!(matches!(driven.told()[..], [Told::End(_)]), "{:?}", driven.told());
}

/// What a client could send in one go: every kind of frame, and the end.
fn conversation() -> Vec<u8> {
    [
        text("hello"),
        frame(0x89, b"ping"),
        frame(0x01, b"in "),
        frame(0x8a, b"pong"),
        frame(0x80, b"pieces"),
        frame(0x82, &[7; 300]),
        close(1000),
    ]
    .concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn wherever_the_transport_ends_the_session_is_told_once_and_the_transport_dropped(
        cut in 0usize..400,
        pieces in 1usize..50,
        error in proptest::option::of(Just(ErrorKind::ConnectionReset)),
        room in prop_oneof![Just(usize::MAX), 0usize..100],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let driven = Setup::default().spawn(|wire| wire.with(|script| script.room = room));
            let wire = conversation();
            for piece in wire[..cut.min(wire.len())].chunks(pieces) {
                driven.wire.send(piece);
            }
            match error {
                Some(kind) => driven.wire.fail_read(kind),
                None => driven.wire.end(),
            }
            pass(Duration::from_secs(6)).await;
            assert!(driven.is_dropped());
            assert!(driven.end().is_some());
            assert!(matches!(driven.told().last(), Some(Told::End(_))), "the end is told last");
            assert!(driven.outbox.is_closed());
        });
    }
}
