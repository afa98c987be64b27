//! What a subscriber is granted, refused, and told.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;
use ws_client::{Error, News, SubscribeOptions, Subscription};

use crate::house::{LONG, Visit, connected};

pub(crate) async fn data(news: &mut Subscription) -> String {
    match tokio::time::timeout(LONG, news.next()).await.unwrap() {
        Some(News::Message(message)) => message.json().unwrap(),
        other => panic!("{other:?}"),
    }
}

/// Nothing waits for it.
pub(crate) async fn is_quiet(news: &mut Subscription) -> bool {
    tokio::time::timeout(Duration::from_secs(1), news.next()).await.is_err()
}

/// Follows a channel that is granted with these fields.
pub(crate) async fn follow(
    client: &ws_client::Client,
    visit: &mut Visit,
    channel: &str,
    options: SubscribeOptions,
    fields: serde_json::Value,
) -> Subscription {
    let (client, channel) = (client.clone(), channel.to_owned());
    let following =
        tokio::spawn(async move { client.subscribe_with(&channel, options).await.unwrap() });
    visit.grants(fields).await;
    following.await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn two_subscribers_of_a_channel_share_one_subscription() {
    let (_house, client, mut visit) = connected(|it| it).await;
    let mut first = follow(&client, &mut visit, "news", Default::default(), json!({})).await;
    let mut second = client.subscribe("news").await.unwrap();
    visit.tells("news", None, "hello").await;
    assert_eq!((data(&mut first).await, data(&mut second).await), ("hello".into(), "hello".into()));
    drop(first);
    assert!(visit.hears_within(Duration::from_secs(9)).await.is_none());
    drop(second);
    visit.hears_type("unsubscribe").await;
}

#[tokio::test(start_paused = true)]
async fn who_leaves_and_comes_at_once_is_subscribed() {
    let (_house, client, mut visit) = connected(|it| it).await;
    let news = follow(&client, &mut visit, "news", Default::default(), json!({})).await;
    drop(news);
    let again = tokio::spawn({
        let client = client.clone();
        async move { client.subscribe("news").await.unwrap() }
    });
    visit.hears_type("unsubscribe").await;
    let asked = visit.hears_type("subscribe").await;
    visit.says(json!({"type": "unsubscribed", "channel": "news"})).await;
    visit.says(json!({"type": "subscribed", "channel": "news", "id": asked["id"]})).await;
    let mut news = again.await.unwrap();
    visit.tells("news", None, "hello").await;
    assert_eq!(data(&mut news).await, "hello");
}

#[tokio::test(start_paused = true)]
async fn a_refused_subscription_fails_the_call() {
    let (_house, client, mut visit) = connected(|it| it).await;
    let following = tokio::spawn(async move { client.subscribe("secret").await });
    let asked = visit.hears_type("subscribe").await;
    visit.refuses(&asked, "forbidden", None).await;
    let Err(Error::Refused(refusal)) = following.await.unwrap() else { panic!("refused") };
    assert_eq!((&*refusal.code, &*refusal.message), ("forbidden", "No"));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_for_a_while_is_tried_again() {
    let (_house, client, mut visit) = connected(|it| it).await;
    let following = tokio::spawn(async move { client.subscribe("news").await });
    let mut began = Instant::now();
    for (retry_after, waited) in [(Some(2_500), 2_500), (None, 2_000), (None, 4_000)] {
        let asked = visit.hears_type("subscribe").await;
        visit.refuses(&asked, "rate_limited", retry_after).await;
        began = Instant::now() + Duration::from_millis(waited);
    }
    visit.grants(json!({})).await;
    let late = Instant::now().saturating_duration_since(began);
    assert!(late < Duration::from_millis(10), "{late:?}");
    following.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_permission_that_is_withdrawn_ends_the_subscription() {
    let (mut house, client, mut visit) = connected(|it| it).await;
    let mut news = follow(&client, &mut visit, "news", Default::default(), json!({})).await;
    let mut gone = follow(&client, &mut visit, "gone", Default::default(), json!({})).await;
    visit.says(json!({"type": "unsubscribed", "channel": "news", "timestamp": 1})).await;
    let Some(News::Ended(refusal)) = news.next().await else { panic!("the end") };
    assert_eq!(refusal.code, "revoked");
    assert!(news.next().await.is_none());
    // Or it is found out when it comes back.
    drop(visit);
    let mut visit = house.greet().await;
    let asked = visit.hears_type("subscribe").await;
    assert_eq!(asked["channel"], "gone");
    visit.refuses(&asked, "forbidden", None).await;
    let Some(News::Gap(_) | News::Ended(_)) = gone.next().await else { panic!("the end") };
    assert!(gone.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn changes_of_presence_reach_the_subscriber() {
    let (_house, client, mut visit) = connected(|it| it).await;
    let options = SubscribeOptions { presence: true, ..SubscribeOptions::default() };
    let following = tokio::spawn({
        let client = client.clone();
        async move { client.subscribe_with("news", options).await.unwrap() }
    });
    let asked = visit.grants(json!({})).await;
    assert_eq!(asked["presence"], true);
    let mut news = following.await.unwrap();
    let joined = json!({"type": "presence", "channel": "news", "count": 2, "joined": ["bob"], "left": [], "joinedMore": 3});
    visit.says(joined).await;
    let Some(News::Presence(change)) = news.next().await else { panic!("presence") };
    assert_eq!(
        (change.count, &*change.joined, change.joined_more),
        (2, &["bob".to_owned()][..], 3)
    );
    let asking = tokio::spawn(client.presence("news"));
    let asked = visit.hears_type("presence").await;
    visit
        .says(json!({"type": "presence", "channel": "news", "count": 1, "users": ["ada"], "id": asked["id"]}))
        .await;
    assert_eq!(asking.await.unwrap().unwrap().users, Some(vec!["ada".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn a_message_with_an_event_id_is_handed_out_once() {
    let (_house, client, mut visit) = connected(|it| it).await;
    let mut news = follow(&client, &mut visit, "news", Default::default(), json!({})).await;
    for (id, text) in [("a", "one"), ("a", "one"), ("b", "two")] {
        visit
            .says(json!({"type": "message", "channel": "news", "data": text, "eventId": id}))
            .await;
    }
    assert_eq!((data(&mut news).await, data(&mut news).await), ("one".into(), "two".into()));
    assert!(is_quiet(&mut news).await);
}

#[tokio::test(start_paused = true)]
async fn thousands_of_channels_are_asked_for_before_anything_else() {
    let (mut house, client, mut visit) = connected(|it| it).await;
    let mut all = Vec::new();
    for number in 0..2_000 {
        let name = format!("channel-{number}");
        all.push(follow(&client, &mut visit, &name, Default::default(), json!({})).await);
    }
    drop(visit);
    let publishing = client.publish("channel-0", "late");
    let mut visit = house.greet().await;
    for _ in 0..2_000 {
        visit.grants(json!({})).await;
    }
    visit.acks("publish", json!({})).await;
    publishing.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_one_subscriber_is_refused_the_others_of_the_channel_keep() {
    let (_house, client, mut visit) = connected(|it| it).await;
    let mut news = follow(&client, &mut visit, "news", Default::default(), json!({})).await;
    let since = ws_client::Position { epoch: "no epoch of anybody's".into(), offset: 1 };
    let options = SubscribeOptions { since: Some(since), ..Default::default() };
    let following = tokio::spawn({
        let client = client.clone();
        async move { client.subscribe_with("news", options).await.map(|_| ()) }
    });
    let asked = visit.hears_type("subscribe").await;
    visit.refuses(&asked, "invalid_field", None).await;
    assert_eq!(following.await.unwrap().unwrap_err().code(), "invalid_field");
    assert!(visit.grants(json!({})).await["since"].is_null());
    visit.tells("news", None, "still here").await;
    assert_eq!(data(&mut news).await, "still here");
    // Whoever is there alone is told.
    visit.says(json!({"type": "unsubscribed", "channel": "news"})).await;
    assert!(matches!(news.next().await, Some(News::Ended(_))));
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_waits_to_be_asked_for_again_is_left_all_the_same() {
    let (_house, client, mut visit) = connected(|it| it).await;
    let news = follow(&client, &mut visit, "news", Default::default(), json!({})).await;
    let options = SubscribeOptions { presence: true, ..Default::default() };
    let following = tokio::spawn({
        let client = client.clone();
        async move { client.subscribe_with("news", options).await }
    });
    let asked = visit.hears_type("subscribe").await;
    visit.refuses(&asked, "rate_limited", Some(60_000)).await;
    assert!(visit.hears_within(Duration::from_secs(1)).await.is_none());
    following.abort();
    drop(news);
    assert_eq!(visit.hears_type("unsubscribe").await["channel"], "news");
}

#[tokio::test(start_paused = true)]
async fn a_client_of_many_channels_heeds_the_limit_of_messages() {
    let (mut house, client, mut visit) = connected(|it| it).await;
    let mut all = Vec::new();
    for number in 0..200 {
        let name = format!("channel-{number}");
        all.push(follow(&client, &mut visit, &name, Default::default(), json!({})).await);
    }
    drop(visit);
    let mut visit = house.greet().await;
    // A server that grants fifty each ten seconds, and closes whoever is refused a hundred times.
    let (mut granted, mut refused) = (0, 0);
    while granted < 200 {
        let asked = visit.hears_type("subscribe").await;
        if granted < 50 * (1 + refused / 32) {
            visit
                .says(json!({"type": "subscribed", "channel": asked["channel"], "id": asked["id"]}))
                .await;
            granted += 1;
        } else {
            refused += 1;
            visit.refuses(&asked, "rate_limited", Some(10_000)).await;
        }
    }
    assert!(refused <= 3 * 32, "{refused} refused");
}
