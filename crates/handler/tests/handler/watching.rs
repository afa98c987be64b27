//! Who watches is told what passes, in its order and within bounds; who is watched does not notice.

use std::{num::NonZeroU32, time::Duration};

use futures_util::SinkExt;
use serde_json::json;
use tungstenite::Message;
use ws_channels::ChannelName;
use ws_handler::{Direction, Payload, Sighting, WatchError, WatchRequest, Watcher, What};

use crate::house::{House, PATH, settle};

/// Less than it takes to be pinged.
const LASTS: Duration = Duration::from_secs(10);

fn of_user(user: &str) -> WatchRequest {
    WatchRequest { user: Some(user.into()), lasts: LASTS, ..WatchRequest::default() }
}

fn of_channel(channel: &str) -> WatchRequest {
    let channel = ChannelName::new(channel).expect("a sound name");
    WatchRequest { channel: Some(channel), lasts: LASTS, ..WatchRequest::default() }
}

/// In few words: which way, and what.
fn told(sighting: &Sighting) -> String {
    let arrow = |direction: &Direction| match direction {
        Direction::In => ">",
        Direction::Out => "<",
    };
    match &sighting.what {
        What::Opened { .. } => "opened".into(),
        What::Text { direction, outline, .. } => {
            let (kind, channel) = (outline.kind.as_deref(), outline.channel.as_deref());
            let text = format!(
                "{}{} {}",
                arrow(direction),
                kind.unwrap_or("?"),
                channel.unwrap_or_default()
            );
            text.trim_end().to_owned()
        }
        What::Binary { direction, bytes } => format!("{}binary {bytes}", arrow(direction)),
        What::Ping { direction } => format!("{}ping frame", arrow(direction)),
        What::Pong { .. } => ">pong frame".into(),
        What::Close { direction, code, .. } => {
            format!("{}close {}", arrow(direction), code.unwrap_or_default())
        }
        What::Failed { rule, .. } => format!("failed {rule}"),
        What::Ended { .. } => "ended".into(),
    }
}

/// All that the time of a watcher brings.
async fn all(mut watcher: Watcher) -> Vec<Sighting> {
    let mut seen = Vec::new();
    while let Some(sighting) = watcher.next().await {
        seen.push(sighting);
    }
    seen
}

async fn all_told(watcher: Watcher) -> Vec<String> {
    all(watcher).await.iter().map(told).collect()
}

#[tokio::test(start_paused = true)]
async fn who_watches_a_user_is_told_all_that_passes_in_its_order() {
    let house = House::open(|_| {});
    let watcher = house.handler.watch(of_user("ada")).expect("room");
    let mut bob = house.visit("bob").await;
    let mut ada = house.visit("ada").await;
    bob.ask("bob's").await;
    ada.ask("ada's").await;
    ada.send(json!({ "type": "subscribe", "channel": "news" })).await;
    ada.next().await;
    ada.stream.send(Message::binary(&b"123"[..])).await.expect("the server reads");
    ada.next().await;
    let client = house.handler.connections_by_user_id("ada").remove(0);
    client.send_text(r#"{"type":"message","channel":"news"}"#).expect("room");
    ada.next().await;
    ada.leave().await;

    let seen = all(watcher).await;
    let words: Vec<_> = seen.iter().map(told).collect();
    assert_eq!(
        words,
        [
            "opened",
            "<connected",
            ">request",
            "<response",
            ">subscribe news",
            "<subscribed news",
            ">binary 3",
            "<error",
            "<message news",
            ">close 0",
            "ended"
        ]
    );
    assert!(
        seen.iter().all(|it| it.user.as_deref() == Some("ada") && it.connection == client.id())
    );
    let is_withheld = |it: &Sighting| match &it.what {
        What::Text { payload, .. } => *payload == Payload::Withheld,
        _ => true,
    };
    assert!(seen.iter().all(is_withheld), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn who_watches_a_channel_is_told_what_is_said_in_it_to_each_of_its_subscribers() {
    let house = House::open(|_| {});
    let (mut ada, mut bob) = (house.visit("ada").await, house.visit("bob").await);
    let watcher = house.handler.watch(of_channel("room:7")).expect("room");
    let both = WatchRequest { user: Some("bob".into()), ..of_channel("room:7") };
    let of_bob = house.handler.watch(both).expect("room");
    for peer in [&mut ada, &mut bob] {
        peer.send(json!({ "type": "subscribe", "channel": "elsewhere" })).await;
        assert_eq!(peer.next().await["type"], "subscribed");
        peer.send(json!({ "type": "subscribe", "channel": "room:7" })).await;
        assert_eq!(peer.next().await["type"], "subscribed");
    }
    ada.send(json!({ "type": "publish", "channel": "elsewhere", "data": "room:7" })).await;
    ada.send(json!({ "type": "room_message", "payload": { "room_id": "7", "message": 1 } })).await;
    settle().await;
    let mut words = all_told(watcher).await;
    assert_eq!(words.remove(0), ">subscribe room:7");
    words.sort();
    assert_eq!(
        words,
        [
            "<room_message room:7",
            "<room_message room:7",
            "<subscribed room:7",
            "<subscribed room:7",
            "<user_joined room:7",
            ">room_message room:7",
            ">subscribe room:7"
        ]
    );
    let of_bob = all_told(of_bob).await;
    assert_eq!(of_bob, [">subscribe room:7", "<subscribed room:7", "<room_message room:7"]);
}

#[tokio::test(start_paused = true)]
async fn payloads_are_told_to_whoever_asks_for_them_and_tokens_to_nobody() {
    let house = House::open(|_| {});
    let request = WatchRequest { with_payloads: true, ..of_user("ada") };
    let watcher = house.handler.watch(request).expect("room");
    let mut ada = house.stand_in_line().await;
    let token = house.token("ada");
    ada.send(json!({ "type": "auth", "token": token })).await;
    assert_eq!(ada.next().await["type"], "authenticated");
    ada.ask("a payload").await;
    // A refresh, an untyped one, and one that was misspelt.
    ada.send(json!({ "type": "auth", "token": token })).await;
    ada.send(json!({ "token": token })).await;
    ada.send_text(&format!("{{\"type\":\"auth\",\"token\":\"{token}")).await;
    for _ in 0..3 {
        ada.next().await;
    }
    ada.leave().await;
    let seen = all(watcher).await;
    assert!(seen.len() > 8, "{seen:?}");
    let shown = format!("{seen:?}");
    assert!(shown.contains("a payload"), "{shown}");
    assert!(!shown.contains(&token[..20]), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn one_of_so_many_is_told_and_so_many_a_second() {
    let house = House::open(|_| {});
    let mut ada = house.visit("ada").await;
    let three = NonZeroU32::new(3).expect("more than none");
    let sampled = WatchRequest { sample: three, ..of_user("ada") };
    let limited = WatchRequest { per_second_max: three, ..of_user("ada") };
    let sampled = house.handler.watch(sampled).expect("room");
    let limited = house.handler.watch(limited).expect("room");
    for _ in 0..6 {
        ada.ask("?").await;
    }
    let counts = sampled.counts();
    assert_eq!((counts.told, counts.sampled_out), (4, 8));
    let counts = limited.counts();
    assert_eq!((counts.told, counts.limited), (3, 9));
    assert_eq!(all(sampled).await.len(), 4);
    assert_eq!(all(limited).await.len(), 3);
    let stats = house.handler.watch_stats();
    assert_eq!(stats.sightings, [("told", 7), ("sampled_out", 8), ("limited", 9), ("dropped", 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_watcher_that_does_not_listen_goes_without_and_nobody_waits_for_it() {
    let house = House::open(|_| {});
    let mut ada = house.visit("ada").await;
    let request = WatchRequest { per_second_max: WatchRequest::PER_SECOND_MAX, ..of_user("ada") };
    let watcher = house.handler.watch(request).expect("room");
    for _ in 0..400 {
        ada.ask("?").await;
    }
    let counts = watcher.counts();
    assert_eq!((counts.told, counts.dropped), (512, 288));
    assert_eq!(all(watcher).await.len(), 512, "what waited is told");
}

#[tokio::test(start_paused = true)]
async fn nobody_watches_everybody_nor_for_ever_nor_in_a_crowd() {
    let house = House::open(|_| {});
    let nobody = house.handler.watch(WatchRequest::default());
    assert_eq!(nobody.err(), Some(WatchError::Everybody));
    let long = WatchRequest { lasts: Duration::from_secs(24 * 3600), ..of_user("ada") };
    let mut watchers: Vec<_> = std::iter::repeat_with(|| house.handler.watch(long.clone()))
        .take_while(Result::is_ok)
        .flatten()
        .collect();
    assert_eq!(watchers.len(), 8);
    assert_eq!(house.handler.watch(long.clone()).err(), Some(WatchError::TooMany { max: 8 }));
    assert_eq!(house.handler.watch_stats().watchers, 8);

    let before = tokio::time::Instant::now();
    let mut last = watchers.pop().expect("eight");
    assert_eq!(last.next().await, None);
    assert_eq!(before.elapsed().as_secs(), 3600, "it ends by itself");
    let mut ada = house.visit("ada").await;
    ada.ask("is anybody there?").await;
    assert_eq!(last.counts().told, 0, "its time is over");
    drop((last, watchers));
    assert_eq!(house.handler.watch_stats().watchers, 0);
    assert!(house.handler.watch(long).is_ok(), "who goes makes room");
}

#[tokio::test(start_paused = true)]
async fn pings_and_what_comes_of_silence_are_seen() {
    let house = House::open(|_| {});
    let watcher = WatchRequest { lasts: Duration::from_secs(120), ..of_user("ada") };
    let watcher = house.handler.watch(watcher).expect("room");
    let (_ada, task) = house.visit_raw_from("192.0.2.1", "ada").await;
    task.await.expect("it ends");
    let words = all_told(watcher).await;
    let expected = [
        "opened",
        "<connected",
        "<ping frame",
        "<ping frame",
        "<ping frame",
        "<close 1001",
        "ended",
    ];
    assert_eq!(words, expected);
}

#[tokio::test(start_paused = true)]
async fn what_each_connection_does_is_counted_while_somebody_counts() {
    let house = House::open(|_| {});
    let mut ada = house.visit("ada").await;
    ada.ask("before").await;
    let id = house.handler.connections()[0].id();
    let first = house.handler.measure();
    ada.ask("one").await;
    let second = house.handler.measure();
    drop(first);
    ada.ask("two").await;
    let activity = second.of(id);
    assert_eq!((activity.messages_in, activity.messages_out), (2, 2));
    assert!(activity.bytes_in > 60 && activity.bytes_out > 60, "{activity:?}");
    ada.leave().await;
    let mut active = 0;
    second.for_each(|_, _| active += 1);
    assert_eq!(active, 0, "what is gone is forgotten");
    drop(second);

    let mut bob = house.visit("bob").await;
    bob.ask("nobody counts").await;
    let third = house.handler.measure();
    third.for_each(|_, _| panic!("nobody counted"));
}

#[tokio::test(start_paused = true)]
async fn a_client_is_known_by_what_it_calls_itself() {
    let house = House::open(|_| {});
    let target = format!("{PATH}?token={}", house.token("ada"));
    let mut ada = house.connect(&target, &[("user-agent", "our-app/1.2")]).await;
    ada.next().await;
    let client = house.handler.connections().remove(0);
    assert_eq!(client.agent().map(|agent| &**agent), Some("our-app/1.2"));
    let _bob = house.visit("bob").await;
    let bob = house.handler.connections_by_user_id("bob").remove(0);
    assert_eq!(bob.agent(), None);
}
