//! What is published and sent arrives, once, in its order, or the caller is told.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;
use ws_client::{Error, Priority, PublishOptions, QueueConfig, SendOptions, State};

use crate::house::{connected, house};

#[tokio::test(start_paused = true)]
async fn what_is_sent_while_offline_is_kept_and_sent() {
    let (mut house, builder) = house();
    let client = builder.connect().unwrap();
    let early = tokio::spawn(client.publish("news", "early"));
    let _raw = client.send_raw(&json!({"type": "mine", "x": 1}), Priority::Normal);
    let mut visit = house.greet().await;
    let heard = visit.acks("publish", json!({})).await;
    assert_eq!(heard["data"], "early");
    early.await.unwrap().unwrap();
    assert_eq!(visit.hears_type("mine").await["x"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_at_once() {
    let (_house, builder) = house();
    let queue = QueueConfig { entries_max: 2, ..QueueConfig::default() };
    let client = builder.queue(queue).connect().unwrap();
    let _kept = (client.publish("news", "1"), client.publish("news", "2"));
    assert_eq!(client.publish("news", "3").await, Err(Error::QueueFull));
    // Each priority has its own places.
    let options = PublishOptions { priority: Priority::Critical, ..PublishOptions::default() };
    let critical = client.publish_with("news", "4", options);
    let waited = tokio::time::timeout(Duration::from_secs(1), critical).await;
    assert!(waited.is_err(), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_publish_resolves_when_it_is_acked() {
    let (_house, client, mut visit) = connected(|it| it).await;
    let options = PublishOptions {
        event: Some("created".to_owned()),
        event_id: Some("o-1".to_owned()),
        ..PublishOptions::default()
    };
    let publishing = tokio::spawn(client.publish_with("orders", &json!({"a": [1, 2.5]}), options));
    let heard = visit.hears_type("publish").await;
    assert_eq!((&heard["channel"], &heard["event"]), (&json!("orders"), &json!("created")));
    assert_eq!((&heard["eventId"], &heard["data"]), (&json!("o-1"), &json!({"a": [1, 2.5]})));
    assert!(!publishing.is_finished());
    visit.says(json!({"type": "ack", "id": heard["id"], "offset": 41})).await;
    let published = publishing.await.unwrap().unwrap();
    assert_eq!((published.offset, &*published.event_id), (Some(41), "o-1"));
}

#[tokio::test(start_paused = true)]
async fn a_publish_survives_a_cut_and_is_there_once() {
    let (mut house, client, mut visit) = connected(|it| it).await;
    let publishing = tokio::spawn(client.publish("orders", "once"));
    let mut names = Vec::new();
    for _ in 0..5 {
        names.push(visit.hears_type("publish").await["eventId"].clone());
        drop(visit);
        visit = house.greet().await;
    }
    names.push(visit.acks("publish", json!({"offset": 3})).await["eventId"].clone());
    assert!(names.iter().all(|name| *name == names[0]), "one name for all: {names:?}");
    assert_eq!(publishing.await.unwrap().unwrap().offset, Some(3));
}

#[tokio::test(start_paused = true)]
async fn a_publish_that_is_not_acked_is_sent_again() {
    let (_house, client, mut visit) = connected(|it| it).await;
    let began = Instant::now();
    let publishing = tokio::spawn(client.publish("orders", "once"));
    let first = visit.hears_type("publish").await;
    let second = visit.acks("publish", json!({})).await;
    assert_eq!(began.elapsed().as_secs(), 10);
    assert_eq!(first["eventId"], second["eventId"]);
    publishing.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_publish_keeps_its_order_over_retries() {
    let (mut house, client, mut visit) = connected(|it| it).await;
    let all: Vec<_> = (0..4).map(|n| tokio::spawn(client.publish("orders", &n))).collect();
    visit.acks("publish", json!({})).await;
    // Refused for a while, and then cut off: the second is the next that comes, each time.
    let refused = visit.hears_type("publish").await;
    visit.refuses(&refused, "broker_unavailable", Some(500)).await;
    assert_eq!(visit.hears_type("publish").await["data"], 1);
    drop(visit);
    let mut visit = house.greet().await;
    for expected in 1..4 {
        assert_eq!(visit.acks("publish", json!({})).await["data"], expected);
    }
    for publishing in all {
        publishing.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_publish_that_is_refused_three_times_fails() {
    let (_house, client, mut visit) = connected(|it| it).await;
    let publishing = tokio::spawn(client.publish("orders", "no"));
    let next = tokio::spawn(client.publish("orders", "yes"));
    for _ in 0..3 {
        let heard = visit.hears_type("publish").await;
        assert_eq!(heard["data"], "no");
        visit.refuses(&heard, "rate_limited", Some(100)).await;
    }
    assert_eq!(publishing.await.unwrap().unwrap_err().code(), "rate_limited");
    visit.acks("publish", json!({})).await;
    next.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_publish_that_is_forbidden_fails_at_once() {
    let (_house, client, mut visit) = connected(|it| it).await;
    let publishing = tokio::spawn(client.publish("secret", "no"));
    let heard = visit.hears_type("publish").await;
    visit.refuses(&heard, "forbidden", None).await;
    assert_eq!(publishing.await.unwrap().unwrap_err().code(), "forbidden");
    assert!(visit.hears_within(Duration::from_secs(20)).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn an_unconfirmed_message_is_sent_again_if_it_may_be() {
    let (mut house, client, mut visit) = connected(|it| it).await;
    let may = SendOptions { resend: true, ..SendOptions::default() };
    let once = tokio::spawn(client.send_direct_message("bob", "once"));
    visit.hears_type("chat").await;
    let twice = tokio::spawn(client.send_direct_message_with("bob", "twice", may));
    drop(visit);
    assert_eq!(once.await.unwrap(), Err(Error::Unconfirmed));
    let mut visit = house.greet().await;
    assert_eq!(visit.hears_type("chat").await["payload"]["message"], "twice");
    drop(visit);
    let mut visit = house.greet().await;
    visit.acks("chat", json!({"messageId": "m"})).await;
    twice.await.unwrap().unwrap();
    // An answer that does not come is no answer.
    let lost = tokio::spawn(client.send_room_message("lobby", "lost"));
    visit.hears_type("room_message").await;
    assert_eq!(lost.await.unwrap(), Err(Error::Unconfirmed));
    assert_eq!(client.state(), State::Connected);
}

#[tokio::test(start_paused = true)]
async fn a_call_may_be_bounded_in_all() {
    let (_house, builder) = house();
    let client = builder.connect().unwrap();
    let timeout = Some(Duration::from_secs(4));
    let began = Instant::now();
    let options = PublishOptions { timeout, ..PublishOptions::default() };
    assert_eq!(client.publish_with("news", "late", options).await, Err(Error::TimedOut));
    assert_eq!(began.elapsed().as_secs(), 4);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_json_object_is_told() {
    let (_house, builder) = house();
    let client = builder.connect().unwrap();
    let error = client.send_raw(&[1], Priority::Normal).await.unwrap_err();
    assert_eq!(error.to_string(), "a message is a JSON object");
    let key = std::collections::BTreeMap::from([([1], 2)]);
    let error = client.publish("news", &key).await.unwrap_err();
    assert!(error.to_string().starts_with("this is no JSON: "), "{error}");
}
