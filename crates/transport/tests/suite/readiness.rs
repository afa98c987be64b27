//! A session that is busy: nothing is read, nothing is lost, and a nudge goes on.

use std::{future::poll_fn, task::Poll, time::Duration};

use ws_compression::{CompressionConfig, CompressionManager, Outcome, Role};
use ws_connection::{Cause, ConnectionConfig};
use ws_transport::Wake;

use crate::peer::{Driven, Notes, Setup, Told, frame, pass, settle, text};

fn busy() -> Driven {
    let notes = Notes { echoes: true, busy: true, ..Notes::default() };
    Setup { notes, ..Setup::default() }.spawn(|_| {})
}

#[tokio::test(start_paused = true)]
async fn nothing_is_read_for_a_session_that_is_not_ready() {
    let driven = busy();
    driven.wire.send(text("wait"));
    pass(Duration::from_secs(60)).await;
    assert_eq!(driven.wire.with(|script| script.reads), 0);
    driven.outbox.nudge();
    settle().await;
    assert_eq!(driven.told(), [Told::Wake(Wake::Nudged), Told::Text("wait".to_owned())]);
    assert_eq!(driven.sent_texts(), ["wait"]);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_becomes_busy_within_a_read_gets_the_rest_later_in_order() {
    let notes = Notes { echoes: true, one_at_a_time: true, ..Notes::default() };
    let driven = Setup { notes, ..Setup::default() }.spawn(|_| {});
    let messages: Vec<_> = (0..100).map(|n| format!("message {n}")).collect();
    let wire: Vec<u8> = messages.iter().flat_map(|it| text(it)).collect();
    // Cut anywhere, so that frames end up in pieces on both sides of a pause.
    for piece in wire.chunks(37) {
        driven.wire.send(piece);
    }
    for handled in 1..=100 {
        settle().await;
        assert_eq!(driven.texts().len(), handled);
        driven.outbox.nudge();
    }
    settle().await;
    assert_eq!(driven.texts(), messages);
    assert_eq!(driven.sent_texts(), messages);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_ready_a_moment_later_gets_what_was_read_first() {
    let notes = Notes { one_at_a_time: true, ready_when_asked_again: true, ..Notes::default() };
    let driven = Setup { notes, ..Setup::default() }.spawn(|_| {});
    let messages: Vec<_> = (0..100).map(|n| format!("message {n}")).collect();
    let wire: Vec<u8> = messages.iter().flat_map(|it| text(it)).collect();
    for piece in wire.chunks(64) {
        driven.wire.send(piece);
    }
    for _ in 0..200 {
        settle().await;
        driven.outbox.nudge();
    }
    assert_eq!(driven.texts(), messages);
}

#[tokio::test(start_paused = true)]
async fn a_nudge_that_comes_while_the_session_is_at_work_is_not_lost() {
    let notes = Notes { one_at_a_time: true, nudges_itself: true, ..Notes::default() };
    let driven = Setup { notes, ..Setup::default() }.spawn(|_| {});
    let messages: Vec<_> = (0..100).map(|n| n.to_string()).collect();
    driven.wire.send(messages.iter().flat_map(|it| text(it)).collect::<Vec<_>>());
    for message in &messages {
        driven.wire.send(text(message));
    }
    settle().await;
    settle().await;
    settle().await;
    assert_eq!(driven.texts(), [&messages[..], &messages[..]].concat());
}

#[tokio::test(start_paused = true)]
async fn early_input_waits_for_the_session_too() {
    let notes = Notes { echoes: true, busy: true, ..Notes::default() };
    let early_input = [text("early 1"), text("early 2")].concat();
    let driven = Setup { notes, early_input, ..Setup::default() }.spawn(|_| {});
    driven.wire.send(text("later"));
    settle().await;
    assert_eq!(driven.told(), []);
    driven.outbox.nudge();
    settle().await;
    assert_eq!(driven.sent_texts(), ["early 1", "early 2", "later"]);
}

#[tokio::test(start_paused = true)]
async fn early_input_longer_than_a_read_is_worked_off_in_order() {
    let messages: Vec<_> = (0..300).map(|n| format!("{n}{}", "e".repeat(1000))).collect();
    let early_input = messages.iter().flat_map(|it| text(it)).collect();
    let driven = Setup { early_input, ..Setup::default() }.spawn(|_| {});
    settle().await;
    assert_eq!(driven.sent_texts(), messages);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_ends_while_the_session_is_busy_is_heard_first() {
    let driven = busy();
    driven.wire.send(text("before the end"));
    driven.wire.end();
    settle().await;
    assert!(driven.end().is_none());
    driven.outbox.nudge();
    settle().await;
    assert_eq!(driven.texts(), ["before the end"]);
    assert_eq!(driven.end().expect("over").cause, Cause::EndOfStream);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_busy_for_a_minute_does_not_make_its_peer_dead() {
    let notes = Notes { busy: true, ..Notes::default() };
    let config = ConnectionConfig::server().with_idle_timeout(None);
    let driven = Setup { notes, config, ..Setup::default() }.spawn(|_| {});
    // The peer answers each ping, but nobody looks.
    for _ in 0..12 {
        driven.wire.send(frame(0x8a, b""));
        pass(Duration::from_secs(5)).await;
    }
    assert!(driven.end().is_none(), "{:?}", driven.end());
    driven.outbox.nudge();
    settle().await;
    assert!(driven.told().contains(&Told::Pong));
}

#[tokio::test(start_paused = true)]
async fn the_timer_of_a_busy_session_rings() {
    let due = tokio::time::Instant::now() + Duration::from_secs(5);
    let notes = Notes { busy: true, timer: Some(due.into_std()), ..Notes::default() };
    let driven = Setup { notes, ..Setup::default() }.spawn(|_| {});
    pass(Duration::from_millis(4_990)).await;
    assert_eq!(driven.told(), []);
    pass(Duration::from_millis(20)).await;
    assert_eq!(driven.told(), [Told::Wake(Wake::Timer)]);
}

#[tokio::test(start_paused = true)]
async fn a_timer_that_a_session_moves_earlier_rings_at_its_new_moment() {
    let now = tokio::time::Instant::now().into_std();
    let notes = Notes { timer: Some(now + Duration::from_secs(60)), ..Notes::default() };
    let driven = Setup { notes, ..Setup::default() }.spawn(|_| {});
    pass(Duration::from_secs(1)).await;
    driven.notes.lock().timer = Some(now + Duration::from_secs(3));
    driven.outbox.nudge();
    pass(Duration::from_millis(1_990)).await;
    assert_eq!(driven.told(), [Told::Wake(Wake::Nudged)]);
    pass(Duration::from_millis(20)).await;
    assert_eq!(driven.told(), [Told::Wake(Wake::Nudged), Told::Wake(Wake::Timer)]);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_floods_leaves_others_their_turn_between_two_reads() {
    let driven = Setup::default().spawn(|_| {});
    settle().await;
    let messages: Vec<_> = (0..4000).map(|n| format!("{n:0>58}")).collect();
    driven.wire.send(messages.iter().flat_map(|it| text(it)).collect::<Vec<_>>());
    // So many have 64 KiB together.
    assert!(most_at_once(&driven, 4000).await <= 64 * 1024 / 58 + 1);
    settle().await;
    assert_eq!(driven.texts(), messages);
    assert_eq!(driven.sent_texts(), messages);
}

#[tokio::test(start_paused = true)]
async fn a_flood_that_is_small_before_it_is_inflated_leaves_others_their_turn_too() {
    let manager = CompressionManager::new(CompressionConfig::default());
    let params = manager.accept_offer(["permessage-deflate"]).expect("plain offer").params;
    let mut client = manager.codec(Role::Client, params);
    let deflate = Some(manager.codec(Role::Server, params));
    let notes = Notes::default();
    let driven = Setup { deflate, notes, ..Setup::default() }.spawn(|_| {});
    settle().await;
    let messages: Vec<_> = (0..100).map(|n| n.to_string().repeat(16 * 1024)).collect();
    let mut wire = Vec::new();
    for message in &messages {
        let mut deflated = Vec::new();
        assert_eq!(client.compress(message.as_bytes(), &mut deflated), Outcome::Compressed);
        wire.extend_from_slice(&frame(0xc1, &deflated));
    }
    assert!(wire.len() < 64 * 1024, "one read");
    driven.wire.send(wire);
    assert!(most_at_once(&driven, 100).await <= 5);
    assert_eq!(driven.texts(), messages);
}

/// How much a session is told between two turns of somebody else, until it has been told `all`.
async fn most_at_once(driven: &Driven, all: usize) -> usize {
    let notes = driven.notes.clone();
    let (mut before, mut most) = (0, 0);
    let other = poll_fn(move |cx| {
        let told = notes.lock().told.len();
        most = most.max(told - before);
        before = told;
        if told == all {
            return Poll::Ready(most);
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    });
    tokio::spawn(other).await.expect("no panic")
}
