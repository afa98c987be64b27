//! A session that puts what others queued before its next reply.

use std::sync::Arc;

use ws_close_manager::SendableCode;
use ws_connection::{Origin, Prepared};
use ws_transport::{Overflow, SendError, Wake};

use crate::peer::{Driven, Notes, Setup, Told, prepared, settle, text};

fn setup(outbox_bytes_max: usize) -> Setup {
    let notes = Notes { echoes: true, sends_queued: true, ..Notes::default() };
    Setup { notes, outbox_bytes_max, ..Setup::default() }
}

fn queue(driven: &Driven, messages: &[&str]) {
    for message in messages {
        driven.outbox.send(prepared(message)).expect("room");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_queued_meanwhile_goes_before_the_next_reply() {
    let driven = setup(1024).spawn(|_| {});
    driven.notes.lock().sends_itself = Some("queued".to_owned());
    settle().await;
    driven.wire.send([text("reply 1"), text("reply 2")].concat());
    settle().await;
    assert_eq!(driven.sent_texts(), ["queued", "reply 1", "queued", "reply 2"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_queued_goes_before_the_next_reply_though_the_socket_takes_nothing() {
    let driven = setup(1024).spawn(|wire| wire.with(|script| script.room = 0));
    queue(&driven, &["taken"]);
    settle().await;
    queue(&driven, &["first", "second"]);
    driven.outbox.send_urgent(prepared("urgent")).expect("no bound");
    settle().await;
    driven.wire.send(text("reply"));
    settle().await;
    queue(&driven, &["third"]);
    driven.wire.make_room(usize::MAX);
    settle().await;
    let expected = ["taken", "urgent", "first", "second", "reply", "third"];
    assert_eq!(driven.sent_texts(), expected);
}

#[tokio::test(start_paused = true)]
async fn what_a_session_moved_counts_for_the_bound_and_is_no_reply() {
    let large = "l".repeat(60_000);
    let driven = setup(100_000).spawn(|wire| wire.with(|script| script.room = 0));
    for moved in ["once", "twice", "again"] {
        let _ = driven.outbox.send(prepared(&large));
        settle().await;
        driven.wire.send(text(moved));
        settle().await;
        let waits = driven.outbox.queued_bytes();
        assert!((60_000..=100_000).contains(&waits), "{waits} bytes");
    }
    let refused = driven.outbox.send(prepared(&large));
    assert!(matches!(refused, Err(SendError::Full(_))), "{refused:?}");
    // Three times so much would have been too many replies to be heard.
    driven.wire.send(text("heard"));
    settle().await;
    assert!(driven.texts().contains(&"heard".to_owned()));
    driven.wire.make_room(usize::MAX);
    settle().await;
    assert_eq!(driven.sent_texts(), [&large, "once", "twice", "again", "heard"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_missed_is_told_before_what_was_queued_behind_it() {
    let driven = setup(40).spawn(|wire| wire.with(|script| script.room = 0));
    queue(&driven, &["taken"]);
    settle().await;
    for n in 0..5 {
        let origin = Origin { channel: "feed".into(), key: 0, range: None, count: 1 };
        let message = Arc::new(Prepared::text(&format!("message {n}")).with_origin(origin));
        driven.outbox.send_or(message, Overflow::DropOldest).expect("never handed back");
    }
    driven.wire.send(text("unsubscribed"));
    settle().await;
    driven.wire.make_room(usize::MAX);
    settle().await;
    let expected =
        ["taken", "missed 2 of feed", "message 2", "message 3", "message 4", "unsubscribed"];
    assert_eq!(driven.sent_texts(), expected);
    assert_eq!(driven.missed().len(), 1, "told once");
}

#[tokio::test(start_paused = true)]
async fn a_nudge_and_a_farewell_stay_for_the_driver() {
    let driven = setup(1024).spawn(|wire| wire.with(|script| script.room = 0));
    queue(&driven, &["taken"]);
    settle().await;
    driven.notes.lock().nudges_itself = true;
    queue(&driven, &["queued"]);
    driven.wire.send(text("reply"));
    settle().await;
    assert!(driven.told().contains(&Told::Wake(Wake::Nudged)));
    driven.outbox.close(SendableCode::NORMAL, "");
    driven.wire.make_room(usize::MAX);
    settle().await;
    assert_eq!(driven.sent_texts(), ["taken", "queued", "reply"]);
    assert_eq!(driven.frames().last().map(|(first, _)| *first), Some(0x88));
}
