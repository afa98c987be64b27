//! Readers that stop or are slow, with each policy that drops: what they cost, and what they get.

use std::{sync::Arc, time::Duration};

use ws_close_manager::SendableCode;
use ws_connection::{Cause, ConnectionConfig, Origin, Prepared};
use ws_transport::{Missed, Overflow};

use crate::{
    overflow::{MESSAGE_BYTES, blocked, published, texts},
    peer::{Driven, Setup, Told, close_code, frame, pass, settle},
};

const DROPPING: [Overflow; 3] = [Overflow::DropOldest, Overflow::DropNewest, Overflow::Conflate];

#[tokio::test(start_paused = true)]
async fn for_a_reader_that_stops_no_more_is_held_than_the_bound_and_one_message() {
    let bound = 64 * 1024;
    for overflow in [Overflow::Refuse].into_iter().chain(DROPPING) {
        let driven = Setup { outbox_bytes_max: bound, ..Setup::default() }
            .spawn(|wire| wire.with(|script| script.room = 0));
        let lens = [3000, 17, 900, 40, 20_000];
        let mut queued = 0;
        for n in 0..2000_u64 {
            let origin = Origin { channel: "feed".into(), key: n % 20, range: None, count: 1 };
            let text = "m".repeat(lens[n as usize % lens.len()]);
            let message = Arc::new(Prepared::text(&text).with_origin(origin));
            queued += usize::from(driven.outbox.send_or(message, overflow).is_ok());
            assert!(driven.outbox.queued_bytes() <= bound, "{overflow:?}");
            if n % 11 == 0 {
                // The driver takes a part, and its socket does not.
                driven.outbox.nudge();
                settle().await;
            }
        }
        assert!(queued > 0);
        driven.wire.make_room(usize::MAX);
        settle().await;
        let told = "missed 2000 of feed".len() + 2;
        let held = driven.written();
        assert!(held <= bound + told, "{overflow:?}: {held} bytes were held");
        assert_eq!(driven.outbox.queued_bytes(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_outbox_stops_neither_pings_nor_pongs_nor_the_close() {
    for overflow in DROPPING {
        let driven = blocked(10).await;
        driven.send_all("feed", 0..50, overflow);
        driven.wire.send(frame(0x89, b"still there?"));
        driven.wire.send(frame(0x8a, b""));
        settle().await;
        assert!(driven.told().contains(&Told::Pong), "the peer is heard");
        driven.outbox.close(SendableCode::TRY_AGAIN, "Slow consumer");
        settle().await;
        driven.wire.make_room(usize::MAX);
        settle().await;
        let frames = driven.frames();
        assert_eq!(frames[1], (0x8a, b"still there?".to_vec()), "before all that is queued");
        assert_eq!(frames[2].1, b"missed 40 of feed");
        assert_eq!(frames.len(), 1 + 1 + 1 + 10 + 1);
        assert_eq!(driven.wire.with(|script| close_code(&script.written)), Some(1013));
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_stops_reading_costs_the_others_nothing() {
    for overflow in DROPPING {
        let slow = blocked(10).await;
        let others = [Setup::default().spawn(|_| {}), Setup::default().spawn(|_| {})];
        for offset in 0..200 {
            let message = published("feed", offset % 3, offset);
            for receiver in [&others[0], &slow, &others[1]] {
                receiver.outbox.send_or(message.clone(), overflow).expect("never handed back");
            }
            settle().await;
        }
        for other in &others {
            assert_eq!(other.sent_texts(), texts("feed", 0..200));
            assert_eq!(other.missed(), []);
        }
        let received = slow.read_on().await.len() as u64 - 1;
        assert_eq!(received + slow.missed()[0].dropped, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_in_sips_gets_each_message_in_order_or_is_told_of_it() {
    for overflow in DROPPING {
        let driven = blocked(20).await;
        for offset in 0..2000 {
            let key = offset % 30;
            driven.outbox.send_or(published("feed", key, offset), overflow).expect("room");
            if offset % 3 == 0 {
                driven.wire.make_room(MESSAGE_BYTES - 3);
                settle().await;
            }
        }
        let offsets: Vec<u64> = driven
            .read_on()
            .await
            .iter()
            .filter_map(|text| text.strip_prefix("feed")?.parse().ok())
            .collect();
        assert!(offsets.is_sorted_by(|one, next| one < next), "{overflow:?}: {offsets:?}");
        let gaps = driven.missed();
        assert!(gaps.len() > 3, "it went on and stopped again: {gaps:?}");
        let dropped: u64 = gaps.iter().map(|gap| gap.dropped).sum();
        assert_eq!(offsets.len() as u64 + dropped, 2000, "{overflow:?}");
        for offset in (0..2000).filter(|offset| !offsets.contains(offset)) {
            let names =
                |gap: &Missed| gap.range.is_some_and(|(_, from, to)| (from..=to).contains(&offset));
            assert!(gaps.iter().any(names), "{overflow:?}: {offset} is in none of {gaps:?}");
        }
    }
}

/// A peer that goes on sending, so that no heartbeat takes it for dead, and whose socket is full.
async fn talking_but_not_reading() -> Driven {
    let config = ConnectionConfig::server().with_write_timeout(Some(Duration::from_secs(60)));
    let driven =
        Setup { config, ..Setup::default() }.spawn(|wire| wire.with(|script| script.room = 3));
    driven.outbox.send(published("feed", 0, 0)).expect("room");
    settle().await;
    driven
}

async fn talk(driven: &Driven, seconds: u64) {
    for _ in 0..seconds {
        pass(Duration::from_secs(1)).await;
        driven.wire.send(frame(0x8a, b""));
        settle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_takes_nothing_for_the_write_timeout_is_dropped_though_it_talks() {
    let driven = talking_but_not_reading().await;
    talk(&driven, 59).await;
    assert!(driven.end().is_none(), "{:?}", driven.end());
    talk(&driven, 2).await;
    let end = driven.end().expect("dropped");
    assert_eq!((end.cause, end.acknowledged), (Cause::WriteTimeout, false));
    assert!(end.silent_for.is_some_and(|silence| silence < Duration::from_secs(2)), "{end:?}");
    assert!(driven.is_dropped(), "nothing can be said to it");
    assert_eq!(driven.written(), 3);
}

#[tokio::test(start_paused = true)]
async fn each_byte_that_is_taken_gives_another_write_timeout() {
    let driven = talking_but_not_reading().await;
    for _ in 0..3 {
        talk(&driven, 50).await;
        driven.wire.make_room(1);
        settle().await;
    }
    assert!(driven.end().is_none(), "{:?}", driven.end());
    driven.wire.make_room(usize::MAX);
    settle().await;
    talk(&driven, 120).await;
    assert!(driven.end().is_none(), "there is nothing that it would have to take");
    assert_eq!(driven.sent_texts(), texts("feed", [0]));
}
