//! Peers that do not read: what waits for them is bounded, and goes on once they do.

use std::time::Duration;

use ws_connection::ConnectionConfig;
use ws_transport::SendError;

use crate::peer::{Notes, Setup, Told, close_code, frame, frames, pass, prepared, settle, text};

/// What the driver lets wait before it stops reading, and what one read brings at most.
const STEP: usize = 64 * 1024;

#[tokio::test(start_paused = true)]
async fn reading_pauses_at_64_kib_of_unsent_replies_and_resumes() {
    let driven = Setup::default().spawn(|wire| wire.with(|script| script.room = 0));
    let payload = "x".repeat(1000);
    let count = 4000;
    driven.wire.send(text(&payload).repeat(count));
    settle().await;
    let handled = driven.texts().len();
    assert!(handled * payload.len() <= 2 * STEP, "{handled} KB were taken in");
    assert!(driven.wire.unread() > 3_500_000, "the rest stays with the peer");

    driven.wire.make_room(usize::MAX);
    settle().await;
    assert_eq!(driven.sent_texts(), vec![payload; count]);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_in_sips_is_served_to_the_end() {
    let driven = Setup::default().spawn(|wire| wire.with(|script| script.room = 0));
    let messages: Vec<_> = (0..500).map(|n| format!("{n} {}", "y".repeat(n))).collect();
    for message in &messages {
        driven.wire.send(text(message));
    }
    for _ in 0..2000 {
        driven.wire.make_room(100);
        settle_a_little().await;
    }
    assert_eq!(driven.sent_texts(), messages);
}

/// Enough for one task that wakes itself a few times.
async fn settle_a_little() {
    for _ in 0..4 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn short_requests_with_long_answers_do_not_pile_up() {
    let answer = "z".repeat(100 * 1024);
    let notes = Notes { answer: Some(answer.clone()), ..Notes::default() };
    let driven =
        Setup { notes, ..Setup::default() }.spawn(|wire| wire.with(|script| script.room = 0));
    // One read holds nearly seven thousand of them: 700 MB of answers.
    let count = 6000;
    driven.wire.send(text("?").repeat(count));
    settle().await;
    let handled = driven.texts().len();
    assert!(handled * answer.len() <= 2 * answer.len() + STEP, "{handled} answers wait");

    for served in 1..=20 {
        driven.wire.make_room(answer.len() + 10);
        settle().await;
        assert_eq!(driven.sent_texts().len(), served);
        assert!(
            driven.texts().len() <= served + 2,
            "{} answers wait",
            driven.texts().len() - served
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_outbox_and_a_driver_hold_for_a_peer_that_does_not_read_is_bounded() {
    let max = 256 * 1024;
    let setup = Setup { outbox_bytes_max: max, ..Setup::default() };
    let driven = setup.spawn(|wire| wire.with(|script| script.room = 0));
    let message = prepared(&"m".repeat(10_000));
    let mut accepted = 0;
    for _ in 0..1000 {
        match driven.outbox.send(message.clone()) {
            Ok(()) => accepted += 1,
            Err(SendError::Full(_)) => {}
            Err(SendError::Closed(_)) => panic!("still open"),
        }
        settle_a_little().await;
    }
    let waits = accepted * message.wire_len();
    assert!(waits <= 2 * max, "{waits} bytes for a bound of {max}, taken and queued");
    driven.wire.make_room(usize::MAX);
    settle().await;
    assert_eq!(driven.frames().len(), accepted);
}

#[tokio::test(start_paused = true)]
async fn pongs_and_the_close_frame_flow_once_the_peer_reads() {
    let driven = Setup::default().spawn(|wire| wire.with(|script| script.room = 0));
    driven.wire.send(text(&"x".repeat(50_000)));
    driven.wire.send(frame(0x89, b"still there?"));
    driven.wire.send(frame(0x88, &1000u16.to_be_bytes()));
    settle().await;
    assert_eq!(driven.written(), 0);
    assert!(!driven.is_dropped(), "the echo of the close frame has not left yet");
    driven.wire.make_room(usize::MAX);
    settle().await;
    let firsts: Vec<_> = driven.frames().into_iter().map(|(first, _)| first).collect();
    assert_eq!(firsts, [0x81, 0x8a, 0x88]);
    assert!(driven.is_dropped());
}

#[tokio::test(start_paused = true)]
async fn many_messages_for_a_slow_reader_do_not_stop_us_from_hearing_it() {
    let config = ConnectionConfig::server().with_idle_timeout(None).with_write_timeout(None);
    let driven =
        Setup { config, ..Setup::default() }.spawn(|wire| wire.with(|script| script.room = 0));
    for _ in 0..300 {
        driven.outbox.send(prepared(&"news".repeat(100))).expect("room");
    }
    settle().await;
    // It writes and does not read: it is slow, not dead.
    for _ in 0..20 {
        pass(Duration::from_secs(10)).await;
        driven.wire.send(frame(0x8a, b""));
    }
    settle().await;
    assert!(driven.told().contains(&Told::Pong));
    assert!(driven.end().is_none(), "{:?}", driven.end());
}

#[tokio::test(start_paused = true)]
async fn one_message_of_the_limit_passes_through_a_socket_that_takes_it_in_pieces() {
    for vectored in [true, false] {
        let driven = Setup::default().spawn(|wire| {
            wire.with(|script| {
                script.room = 0;
                script.vectored = vectored;
            });
        });
        let large = "L".repeat(1024 * 1024);
        driven.wire.send(text(&large));
        driven.outbox.send(prepared(&large)).expect("alone");
        for _ in 0..64 {
            driven.wire.make_room(50_000);
            settle_a_little().await;
        }
        let (frames, rest) = driven.wire.with(|script| frames(&script.written));
        assert_eq!((frames.len(), rest), (2, 0));
        assert!(frames.iter().all(|(_, payload)| payload == large.as_bytes()));
        assert_eq!(driven.wire.with(|script| close_code(&script.written)), None);
    }
}
