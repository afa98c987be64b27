//! The way from elsewhere: order, bounds, and what never waits.

use ws_close_manager::SendableCode;
use ws_connection::Cause;
use ws_transport::{SendError, Wake};

use crate::peer::{Driven, Setup, Told, close_code, drive, prepared, settle, text};

/// What [`blocked`] leaves with the driver, on the wire.
const TAKEN_BYTES: usize = 7;

/// A driven connection whose socket takes nothing, with one message that the driver has taken.
async fn blocked(setup: Setup) -> Driven {
    let driven = setup.spawn(|wire| wire.with(|script| script.room = 0));
    driven.outbox.send(prepared("taken")).expect("room");
    settle().await;
    assert_eq!(driven.outbox.queued_bytes(), TAKEN_BYTES, "what the socket has not taken waits");
    driven
}

#[tokio::test(start_paused = true)]
async fn messages_leave_in_the_order_in_which_they_were_sent() {
    let driven = drive();
    let sent: Vec<_> = (0..1000).map(|n| n.to_string()).collect();
    for message in &sent {
        driven.outbox.send(prepared(message)).expect("room");
    }
    settle().await;
    assert_eq!(driven.sent_texts(), sent);
    assert_eq!(driven.wire.with(|script| script.writes), 1, "all of them in one write");
}

#[tokio::test(start_paused = true)]
async fn what_was_queued_before_a_read_goes_first_and_what_the_session_queues_goes_last() {
    let driven = drive();
    driven.notes.lock().sends_itself = Some("queued meanwhile".to_owned());
    settle().await;
    driven.outbox.send(prepared("queued before")).expect("room");
    driven.wire.send([text("reply 1"), text("reply 2")].concat());
    settle().await;
    assert_eq!(
        driven.sent_texts(),
        ["queued before", "reply 1", "reply 2", "queued meanwhile", "queued meanwhile"]
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_queued_before_the_first_poll_leaves_behind_the_first_output() {
    let setup = Setup { first_output: b"HTTP/1.1 101\r\n\r\n".to_vec(), ..Setup::default() };
    let driven = setup.spawn(|_| {});
    driven.outbox.send(prepared("welcome")).expect("room");
    settle().await;
    driven.wire.with(|script| {
        assert_eq!(script.written, b"HTTP/1.1 101\r\n\r\n\x81\x07welcome");
    });
}

#[tokio::test(start_paused = true)]
async fn an_empty_first_output_is_none() {
    let driven = Setup { first_output: Vec::new(), ..Setup::default() }.spawn(|_| {});
    driven.wire.send(text("hello"));
    settle().await;
    assert_eq!(driven.sent_texts(), ["hello"]);
}

#[tokio::test(start_paused = true)]
async fn a_full_outbox_hands_the_message_back_and_takes_it_once_there_is_room() {
    let setup = Setup { outbox_bytes_max: TAKEN_BYTES + 100, ..Setup::default() };
    let driven = blocked(setup).await;
    driven.outbox.send(prepared(&"a".repeat(58))).expect("60 of 100 bytes");
    driven.outbox.send(prepared(&"b".repeat(38))).expect("100 of 100 bytes");
    let Err(SendError::Full(message)) = driven.outbox.send(prepared("c")) else {
        panic!("101 of 100 bytes got in");
    };
    message.for_each(|_, payload| assert_eq!(payload, b"c"));
    driven.wire.make_room(usize::MAX);
    settle().await;
    assert_eq!(driven.outbox.queued_bytes(), 0);
    driven.outbox.send(message).expect("room again");
    settle().await;
    let expected = ["taken".to_owned(), "a".repeat(58), "b".repeat(38), "c".to_owned()];
    assert_eq!(driven.sent_texts(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_message_larger_than_the_bound_gets_in_where_nothing_waits() {
    let driven = Setup { outbox_bytes_max: 100, ..Setup::default() }
        .spawn(|wire| wire.with(|script| script.room = 0));
    let large = "x".repeat(5000);
    driven.outbox.send(prepared(&large)).expect("nothing else waits");
    for _ in 0..2 {
        let refused = driven.outbox.send(prepared(&large));
        assert!(matches!(refused, Err(SendError::Full(_))), "{refused:?}");
        // Then it is the driver that has it, and the socket that has not.
        settle().await;
    }
    driven.wire.make_room(usize::MAX);
    settle().await;
    driven.outbox.send(prepared(&large)).expect("nothing else waits");
    settle().await;
    assert_eq!(driven.sent_texts(), [large.clone(), large]);
}

#[tokio::test(start_paused = true)]
async fn urgent_messages_do_not_wait_for_room_and_overtake() {
    let setup = Setup { outbox_bytes_max: TAKEN_BYTES + 10, ..Setup::default() };
    let driven = blocked(setup).await;
    driven.outbox.send(prepared("ordinary")).expect("room");
    assert!(driven.outbox.send(prepared("no room")).is_err());
    driven.outbox.send_urgent(prepared("first")).expect("no bound");
    driven.outbox.send_urgent(prepared("second")).expect("no bound");
    driven.wire.make_room(usize::MAX);
    settle().await;
    assert_eq!(driven.sent_texts(), ["taken", "first", "second", "ordinary"]);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_socket_leaves_as_soon_as_it_takes_again() {
    let driven = blocked(Setup::default()).await;
    driven.outbox.send(prepared("waits")).expect("room");
    settle().await;
    driven.wire.make_room(usize::MAX);
    settle().await;
    assert_eq!(driven.sent_texts(), ["taken", "waits"]);
}

#[tokio::test(start_paused = true)]
async fn a_close_goes_behind_what_is_queued_and_shuts_the_door() {
    let driven = drive();
    driven.outbox.send(prepared("last")).expect("room");
    driven.outbox.close(SendableCode::RESTART, "Server restart");
    assert!(driven.outbox.is_closed());
    let refused = driven.outbox.send(prepared("too late"));
    assert!(matches!(refused, Err(SendError::Closed(_))), "{refused:?}");
    let refused = driven.outbox.send_urgent(prepared("too late"));
    assert!(matches!(refused, Err(SendError::Closed(_))), "{refused:?}");
    driven.outbox.close(SendableCode::POLICY, "the first close wins");
    settle().await;
    let frames = driven.frames();
    assert_eq!(frames[0], (0x81, b"last".to_vec()));
    assert_eq!(frames[1], (0x88, b"\x03\xf4Server restart".to_vec()));
    assert_eq!(frames.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_discarding_close_drops_what_is_queued_even_while_the_socket_is_blocked() {
    let driven = blocked(Setup::default()).await;
    driven.outbox.send(prepared("dropped")).expect("room");
    driven.outbox.send_urgent(prepared("urgent")).expect("no bound");
    settle().await;
    driven.outbox.close_discarding(SendableCode::TRY_AGAIN, "Slow consumer");
    settle().await;
    let left = TAKEN_BYTES + "..urgent".len() + "....Slow consumer".len();
    assert_eq!(driven.outbox.queued_bytes(), left, "what was dropped waits no more");
    driven.wire.make_room(usize::MAX);
    settle().await;
    assert_eq!(driven.sent_texts(), ["taken", "urgent"]);
    assert_eq!(driven.wire.with(|script| close_code(&script.written)), Some(1013));
}

#[tokio::test(start_paused = true)]
async fn a_close_is_acted_on_while_the_socket_is_blocked_and_messages_wait() {
    let driven = blocked(Setup::default()).await;
    driven.outbox.send(prepared("waits")).expect("room");
    settle().await;
    let asked = tokio::time::Instant::now();
    driven.outbox.close(SendableCode::RESTART, "");
    driven.task.await.expect("no panic");
    let took = asked.elapsed();
    assert!(took.as_millis().abs_diff(5_000) <= 2, "the deadline counts from the call: {took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_kill_drops_the_transport_at_once_even_while_the_socket_is_blocked() {
    let driven = blocked(Setup::default()).await;
    driven.outbox.send(prepared("dropped")).expect("room");
    settle().await;
    driven.outbox.kill();
    settle().await;
    assert!(driven.is_dropped());
    assert_eq!(driven.end().expect("over").cause, Cause::Killed);
    assert_eq!(driven.written(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_kill_ends_a_closing_handshake_that_the_peer_does_not_finish() {
    let driven = drive();
    driven.outbox.close(SendableCode::RESTART, "");
    settle().await;
    assert!(!driven.is_dropped(), "the peer has five seconds to answer");
    driven.outbox.kill();
    settle().await;
    assert!(driven.is_dropped());
    let end = driven.end().expect("over");
    assert_eq!(
        end.cause,
        Cause::ClosedByUs { code: SendableCode::RESTART },
        "the first cause wins"
    );
    assert!(!end.acknowledged);
}

#[tokio::test(start_paused = true)]
async fn each_nudge_is_heard_while_the_socket_is_blocked() {
    let driven = blocked(Setup::default()).await;
    driven.outbox.send(prepared("waits")).expect("room");
    settle().await;
    for heard in 1..=3 {
        driven.outbox.nudge();
        settle().await;
        let nudges = driven.told().iter().filter(|it| **it == Told::Wake(Wake::Nudged)).count();
        assert_eq!(nudges, heard);
    }
}

#[tokio::test(start_paused = true)]
async fn nudges_that_come_together_are_one() {
    let driven = drive();
    settle().await;
    (0..10).for_each(|_| driven.outbox.nudge());
    settle().await;
    assert_eq!(driven.told(), [Told::Wake(Wake::Nudged)]);
}

#[tokio::test(start_paused = true)]
async fn an_outbox_outlives_its_connection_and_says_so() {
    let driven = blocked(Setup::default()).await;
    driven.outbox.send(prepared("never sent")).expect("room");
    settle().await;
    driven.wire.end();
    settle().await;
    driven.wire.make_room(usize::MAX);
    settle().await;
    assert!(driven.end().is_some());
    assert!(driven.outbox.is_closed());
    assert_eq!(driven.outbox.queued_bytes(), 0, "what is gone waits no more");
    let refused = driven.outbox.send(prepared("to whom?"));
    assert!(matches!(refused, Err(SendError::Closed(_))), "{refused:?}");
    driven.outbox.close(SendableCode::NORMAL, "");
    driven.outbox.kill();
    driven.outbox.nudge();
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_closes_takes_no_more_messages() {
    let driven = drive();
    driven.wire.send(crate::peer::frame(0x83, b""));
    settle().await;
    assert_eq!(driven.wire.with(|script| close_code(&script.written)), Some(1002));
    let refused = driven.outbox.send(prepared("to whom?"));
    assert!(matches!(refused, Err(SendError::Closed(_))), "the caller can count on what gets in");
}
