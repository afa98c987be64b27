//! What becomes of messages for which there is no room: each policy, and what is told of it.

use std::sync::Arc;

use ws_close_manager::SendableCode;
use ws_connection::{Origin, Prepared};
use ws_transport::{Delivery, Missed, Overflow, SendError};

use crate::peer::{Driven, Setup, prepared, settle};

/// What each message of these tests takes on the wire.
pub(crate) const MESSAGE_BYTES: usize = 10;
/// The epoch of every history here.
const EPOCH: u64 = 7;

/// The message at `offset` of a channel with a history.
pub(crate) fn published(channel: &str, key: u64, offset: u64) -> Arc<Prepared> {
    let text = format!("{channel:4}{offset:04}");
    assert_eq!(text.len() + 2, MESSAGE_BYTES);
    let range = Some((EPOCH, offset, offset));
    Arc::new(Prepared::text(&text).with_origin(Origin {
        channel: channel.into(),
        key,
        range,
        count: 1,
    }))
}

pub(crate) fn texts(channel: &str, offsets: impl IntoIterator<Item = u64>) -> Vec<String> {
    offsets.into_iter().map(|offset| format!("{channel:4}{offset:04}")).collect()
}

fn missed(channel: &str, dropped: u64, range: Option<(u64, u64)>) -> Missed {
    let range = range.map(|(from, to)| (EPOCH, from, to));
    Missed { channel: channel.into(), dropped, range }
}

/// A connection whose socket takes nothing and has not taken one message, with room for `messages`
/// more.
pub(crate) async fn blocked(messages: usize) -> Driven {
    let outbox_bytes_max = MESSAGE_BYTES * (messages + 1);
    let driven = Setup { outbox_bytes_max, ..Setup::default() }
        .spawn(|wire| wire.with(|script| script.room = 0));
    driven.outbox.send(prepared("........")).expect("room");
    settle().await;
    driven
}

impl Driven {
    pub(crate) fn send_all(
        &self,
        channel: &str,
        offsets: std::ops::Range<u64>,
        overflow: Overflow,
    ) {
        for offset in offsets {
            // A key for each, so that none replaces another.
            let sent = self.outbox.send_or(published(channel, offset, offset), overflow);
            assert!(sent.is_ok(), "{overflow:?} hands nothing back: {sent:?}");
        }
    }

    /// The peer reads all that there is; the texts behind what the socket had not taken.
    pub(crate) async fn read_on(&self) -> Vec<String> {
        self.wire.make_room(usize::MAX);
        settle().await;
        let mut texts = self.sent_texts();
        assert_eq!(texts.remove(0), "........");
        texts
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_handed_back_and_nothing_is_dropped_for_it() {
    let driven = blocked(3).await;
    for number in 0..3 {
        driven.outbox.send(published("chat", number, number)).expect("room");
    }
    let refused = driven.outbox.send_or(published("chat", 3, 3), Overflow::Refuse);
    let Err(SendError::Full(message)) = refused else { panic!("{refused:?}") };
    message.for_each(|_, payload| assert_eq!(payload, b"chat0003"));
    assert_eq!(driven.read_on().await, texts("chat", 0..3));
    assert_eq!(driven.missed(), []);
}

#[tokio::test(start_paused = true)]
async fn what_may_be_dropped_makes_way_for_what_may_not() {
    let driven = blocked(3).await;
    driven.send_all("feed", 0..3, Overflow::DropNewest);
    for number in 0..2 {
        driven.outbox.send(published("chat", number, number)).expect("a feed makes way for a chat");
    }
    driven.outbox.send(published("chat", 2, 2)).expect("and all of it");
    let refused = driven.outbox.send(published("chat", 3, 3));
    assert!(matches!(refused, Err(SendError::Full(_))), "{refused:?}");
    let expected = [vec!["missed 3 of feed".to_owned()], texts("chat", 0..3)].concat();
    assert_eq!(driven.read_on().await, expected);
    assert_eq!(driven.missed(), [missed("feed", 3, Some((0, 2)))]);
}

#[tokio::test(start_paused = true)]
async fn the_oldest_make_way_and_the_peer_is_told_before_the_others() {
    let driven = blocked(10).await;
    driven.send_all("feed", 0..25, Overflow::DropOldest);
    assert_eq!(driven.missed(), [], "nobody listens yet");
    let expected = [vec!["missed 15 of feed".to_owned()], texts("feed", 15..25)].concat();
    assert_eq!(driven.read_on().await, expected);
    assert_eq!(driven.missed(), [missed("feed", 15, Some((0, 14)))]);
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_to_be_refused_makes_way_for_nobody() {
    let driven = blocked(6).await;
    driven.outbox.send(published("chat", 0, 0)).expect("room");
    driven.send_all("feed", 0..2, Overflow::DropOldest);
    driven.outbox.send(published("chat", 1, 1)).expect("room");
    driven.send_all("feed", 2..4, Overflow::DropNewest);
    driven.send_all("feed", 4..9, Overflow::DropOldest);
    let kept = [texts("chat", 0..2), texts("feed", 5..9)].concat();
    let expected = [vec!["missed 5 of feed".to_owned()], kept].concat();
    assert_eq!(driven.read_on().await, expected);
    assert_eq!(driven.missed(), [missed("feed", 5, Some((0, 4)))]);
}

#[tokio::test(start_paused = true)]
async fn the_newest_is_dropped_itself() {
    let driven = blocked(10).await;
    driven.send_all("feed", 0..10, Overflow::DropNewest);
    for offset in 10..25 {
        let sent = driven.outbox.send_or(published("feed", 0, offset), Overflow::DropNewest);
        assert!(matches!(sent, Ok(Delivery::Dropped)), "{sent:?}");
    }
    let expected = [vec!["missed 15 of feed".to_owned()], texts("feed", 0..10)].concat();
    assert_eq!(driven.read_on().await, expected);
    assert_eq!(driven.missed(), [missed("feed", 15, Some((10, 24)))]);
}

#[tokio::test(start_paused = true)]
async fn a_newer_message_replaces_one_with_its_key_and_waits_at_the_end() {
    let driven = blocked(100).await;
    for (key, offset) in [(1, 1), (2, 2), (3, 3), (1, 4), (3, 5), (1, 6)] {
        let sent = driven.outbox.send_or(published("feed", key, offset), Overflow::Conflate);
        assert!(matches!(sent, Ok(Delivery::Queued)), "{sent:?}");
    }
    // Neither another channel with the same key nor another policy.
    driven.outbox.send_or(published("more", 1, 7), Overflow::Conflate).expect("room");
    driven.outbox.send_or(published("feed", 1, 8), Overflow::DropOldest).expect("room");
    let kept = [texts("feed", [2, 5, 6]), texts("more", [7]), texts("feed", [8])].concat();
    let expected = [vec!["missed 3 of feed".to_owned()], kept].concat();
    assert_eq!(driven.read_on().await, expected);
    assert_eq!(driven.missed(), [missed("feed", 3, Some((1, 4)))]);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_keeps_up_is_sent_every_message_of_a_key() {
    let driven = Setup::default().spawn(|_| {});
    for offset in 0..50 {
        driven.outbox.send_or(published("feed", 1, offset), Overflow::Conflate).expect("room");
        if offset % 7 == 0 {
            settle().await;
        }
    }
    settle().await;
    assert_eq!(driven.sent_texts(), texts("feed", 0..50));
    assert_eq!(driven.missed(), []);
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_conflated_where_there_is_no_room_even_if_the_socket_was_not_asked() {
    let outbox_bytes_max = 4 * MESSAGE_BYTES;
    let driven = Setup { outbox_bytes_max, ..Setup::default() }.spawn(|_| {});
    for (key, offset) in [(1, 0), (2, 1), (1, 2), (1, 3), (2, 4), (1, 5)] {
        driven.outbox.send_or(published("feed", key, offset), Overflow::Conflate).expect("room");
    }
    settle().await;
    let expected = [vec!["missed 4 of feed".to_owned()], texts("feed", [4, 5])].concat();
    assert_eq!(driven.sent_texts(), expected);
    // It keeps up again.
    for offset in 6..9 {
        driven.outbox.send_or(published("feed", 1, offset), Overflow::Conflate).expect("room");
    }
    settle().await;
    assert_eq!(driven.sent_texts()[3..], texts("feed", 6..9));
}

#[tokio::test(start_paused = true)]
async fn where_conflating_makes_no_room_the_oldest_makes_way() {
    let driven = blocked(3).await;
    driven.send_all("feed", 0..5, Overflow::Conflate);
    let sent = driven.outbox.send_or(published("feed", 3, 5), Overflow::Conflate);
    assert!(matches!(sent, Ok(Delivery::Queued)), "{sent:?}");
    let expected = [vec!["missed 3 of feed".to_owned()], texts("feed", [2, 4, 5])].concat();
    assert_eq!(driven.read_on().await, expected);
    assert_eq!(driven.missed(), [missed("feed", 3, Some((0, 3)))]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_dropped_for_what_finds_no_place_all_the_same() {
    for overflow in [Overflow::DropOldest, Overflow::Conflate] {
        let driven = blocked(3).await;
        driven.outbox.send(published("chat", 0, 0)).expect("room");
        driven.send_all("feed", 0..2, overflow);
        let large = Prepared::text("nearly as large as the bound is");
        let large = large.with_origin(Origin {
            channel: "feed".into(),
            key: 1,
            range: Some((EPOCH, 9, 9)),
            count: 1,
        });
        let sent = driven.outbox.send_or(Arc::new(large), overflow);
        assert!(matches!(sent, Ok(Delivery::Dropped)), "{sent:?}");
        let kept = [texts("chat", 0..1), texts("feed", 0..2)].concat();
        assert_eq!(driven.read_on().await, [vec!["missed 1 of feed".to_owned()], kept].concat());
        assert_eq!(driven.missed(), [missed("feed", 1, Some((9, 9)))]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_joined_message_is_dropped_with_all_its_parts_and_each_counts() {
    for overflow in [Overflow::DropOldest, Overflow::Conflate] {
        let driven = blocked(4).await;
        let parts = [published("feed", 1, 0), published("more", 1, 5), published("feed", 1, 1)];
        let joined = Prepared::join(&parts).expect("some");
        driven.outbox.send_or(joined, overflow).expect("room");
        driven.send_all("feed", 2..4, overflow);
        let expected = ["missed 2 of feed", "missed 1 of more"].map(str::to_owned).to_vec();
        assert_eq!(driven.read_on().await, [expected, texts("feed", 2..4)].concat());
        let told = [missed("feed", 2, Some((0, 1))), missed("more", 1, Some((5, 5)))];
        assert_eq!(driven.missed(), told);
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_counts_for_as_many_as_its_origin_says() {
    let driven = blocked(1).await;
    for (first, count) in [(0, 4), (4, 3), (7, 1)] {
        let range = Some((EPOCH, first, first + u64::from(count) - 1));
        let origin = Origin { channel: "feed".into(), key: 0, range, count };
        let message = Arc::new(Prepared::text("batch...").with_origin(origin));
        driven.outbox.send_or(message, Overflow::DropOldest).expect("never handed back");
    }
    driven.read_on().await;
    assert_eq!(driven.missed(), [missed("feed", 7, Some((0, 6)))]);
}

#[tokio::test(start_paused = true)]
async fn a_range_is_told_only_if_all_that_was_dropped_lies_in_it() {
    let driven = blocked(1).await;
    let with_range = |channel: &str, range| {
        let origin = Origin { channel: channel.into(), key: 0, range, count: 1 };
        Arc::new(Prepared::text("........").with_origin(origin))
    };
    driven.send_all("feed", 0..1, Overflow::DropNewest);
    for message in [
        with_range("none", None),
        with_range("then", Some((EPOCH, 1, 1))),
        with_range("then", Some((EPOCH + 1, 1, 1))),
        with_range("then", Some((EPOCH, 2, 2))),
        Arc::new(Prepared::text("from nowhere")),
    ] {
        let sent = driven.outbox.send_or(message, Overflow::DropNewest);
        assert!(matches!(sent, Ok(Delivery::Dropped)), "{sent:?}");
    }
    driven.read_on().await;
    let expected =
        [missed("none", 1, None), missed("then", 3, None), missed(Missed::OTHERS, 1, None)];
    assert_eq!(driven.missed(), expected);
}

#[tokio::test(start_paused = true)]
async fn what_was_missed_is_told_once_and_of_64_channels_by_name() {
    let driven = blocked(0).await;
    for round in 0..3 {
        for channel in 0..100 {
            let message = published(&format!("c{channel}"), 0, round);
            let sent = driven.outbox.send_or(message, Overflow::DropNewest);
            assert!(matches!(sent, Ok(Delivery::Dropped)), "{sent:?}");
        }
    }
    driven.read_on().await;
    let told = driven.missed();
    assert_eq!(told.len(), 65);
    for (channel, missed_there) in told[..64].iter().enumerate() {
        assert_eq!(*missed_there, missed(&format!("c{channel}"), 3, Some((0, 2))));
    }
    assert_eq!(told[64], missed(Missed::OTHERS, 36 * 3, None));
    driven.send_all("feed", 0..1, Overflow::DropOldest);
    settle().await;
    assert_eq!(driven.missed().len(), 65, "told once");
}

#[tokio::test(start_paused = true)]
async fn what_nobody_misses_is_queued_while_an_eighth_of_the_bound_is_not_reached() {
    let driven = blocked(79).await;
    let sent = (0..100).filter(|_| driven.outbox.send_lossy(prepared("typing..")));
    assert_eq!(sent.count(), 9, "100 of 800 bytes");
    driven.outbox.send(prepared("ordinary")).expect("there is room for all others");
    let expected = [vec!["typing..".to_owned(); 9], vec!["ordinary".to_owned()]].concat();
    assert_eq!(driven.read_on().await, expected);
    assert_eq!(driven.missed(), [], "nobody is told");
    driven.outbox.close(SendableCode::NORMAL, "");
    assert!(!driven.outbox.send_lossy(prepared("too late")));
}

#[tokio::test(start_paused = true)]
async fn what_was_dropped_is_told_even_if_nothing_is_sent_any_more() {
    let driven = blocked(0).await;
    driven.send_all("feed", 0..3, Overflow::DropNewest);
    assert_eq!(driven.read_on().await, ["missed 3 of feed"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_told_to_those_who_are_sent_away() {
    let driven = blocked(2).await;
    driven.send_all("feed", 0..9, Overflow::DropOldest);
    driven.outbox.close_discarding(SendableCode::TRY_AGAIN, "Slow consumer");
    driven.wire.make_room(usize::MAX);
    settle().await;
    assert_eq!(driven.missed(), []);
    assert_eq!(driven.sent_texts(), ["........"]);
    let late = driven.outbox.send_or(published("feed", 0, 9), Overflow::DropNewest);
    assert!(matches!(late, Err(SendError::Closed(_))), "{late:?}");
}
