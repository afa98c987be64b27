//! Subscriptions that outlive connections, and subscribers that do not keep up.

use std::time::Duration;

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::time::timeout;
use ws_client::{Client, GapReason, News, QueueConfig, State, SubscribeOptions, Subscription};

use crate::{
    coming_back::becomes,
    proxy::Fault,
    site::{Site, until},
};

const PATIENCE: Duration = Duration::from_secs(30);

async fn next(news: &mut Subscription) -> News {
    timeout(PATIENCE, news.next()).await.expect("something comes").expect("it goes on")
}

async fn number(news: &mut Subscription) -> u64 {
    match next(news).await {
        News::Message(message) => message.json().expect("a number"),
        other => panic!("no message but {other:?}"),
    }
}

async fn gap(news: &mut Subscription) -> GapReason {
    match next(news).await {
        News::Gap(gap) => gap.reason,
        other => panic!("no gap but {other:?}"),
    }
}

async fn connected(site: &Site, user: &str) -> Client {
    let client = site.client(user).connect().expect("an address");
    client.ready().await.expect("connected");
    client
}

/// One that does not go through the proxy.
async fn publisher(site: &Site) -> Client {
    let queue = QueueConfig {
        in_flight_max: 64,
        entries_max: 10_000,
        bytes_max: 1 << 28,
        ..QueueConfig::default()
    };
    let client = site.client_at(&site.direct_uri(), "publisher");
    let client = client.queue(queue).connect().expect("an address");
    client.ready().await.expect("connected");
    client
}

#[tokio::test]
async fn a_channel_without_history_tells_of_each_reconnect_as_a_gap() {
    let site = Site::open("no-history", &[]).await;
    let (client, publisher) = (connected(&site, "ada").await, publisher(&site).await);
    let mut news = client.subscribe("news").await.expect("allowed");
    for round in 0..3_u64 {
        publisher.publish("news", &round).await.expect("published");
        assert_eq!(number(&mut news).await, round);
        site.proxy.befall(Fault::Cut);
        assert_eq!(gap(&mut news).await, GapReason::NoHistory);
    }
}

#[tokio::test]
async fn what_cannot_be_recovered_is_told_as_a_gap() {
    // In memory: another life of the history begins with another process.
    let site = Site::open("another-life", &[]).await;
    let client = connected(&site, "ada").await;
    let mut news = client.subscribe("t:1").await.expect("allowed");
    client.publish("t:1", &1).await.expect("published");
    assert_eq!(number(&mut news).await, 1);
    site.kill().await;
    site.start().await;
    assert_eq!(gap(&mut news).await, GapReason::NotRecovered);
    client.publish("t:1", &2).await.expect("published");
    assert_eq!(number(&mut news).await, 2);
}

#[tokio::test]
async fn a_position_of_an_earlier_run_goes_on_from_there() {
    let site = Site::open("positions", &[]).await;
    let publisher = publisher(&site).await;
    let first = connected(&site, "ada").await;
    let mut news = first.subscribe("t:1").await.expect("allowed");
    publisher.publish("t:1", &1).await.expect("published");
    let News::Message(message) = next(&mut news).await else { panic!("no message") };
    let since = message.position.expect("it is kept");
    first.close().await;
    for n in 2..=50 {
        publisher.publish("t:1", &n).await.expect("published");
    }
    let second = connected(&site, "ada").await;
    let options = SubscribeOptions { since: Some(since), ..SubscribeOptions::default() };
    let mut news = second.subscribe_with("t:1", options).await.expect("allowed");
    for n in 2..=50 {
        assert_eq!(number(&mut news).await, n);
    }
}

#[tokio::test]
async fn a_room_is_rejoined_and_misses_no_message() {
    let site = Site::open("rooms", &[]).await;
    let (ada, bob) = (connected(&site, "ada").await, publisher(&site).await);
    let mut room = ada.join_room("lobby").await.expect("allowed");
    let bobs = bob.join_room("lobby").await.expect("allowed");
    site.proxy.set_away(true);
    becomes(&ada, State::Reconnecting).await;
    for n in 1..=5_u64 {
        bobs.send(&n).await.expect("sent");
    }
    site.proxy.set_away(false);
    let mut heard = Vec::new();
    while heard.len() < 5 {
        let news = timeout(PATIENCE, room.next()).await.expect("something comes");
        match news.expect("it goes on") {
            News::Message(message) => heard.push(message.json::<u64>().expect("a number")),
            News::Gap(gap) => panic!("{gap:?}"),
            _ => {}
        }
    }
    assert_eq!(heard, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn what_is_sent_while_offline_is_kept_and_sent() {
    let site = Site::open("offline", &[]).await;
    let client = connected(&site, "ada").await;
    let mut news = client.subscribe("t:1").await.expect("allowed");
    site.proxy.set_away(true);
    becomes(&client, State::Reconnecting).await;
    let published = FuturesUnordered::new();
    for n in 1..=20_u64 {
        published.push(client.publish("t:1", &n));
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    site.proxy.set_away(false);
    for published in published.collect::<Vec<_>>().await {
        published.expect("sent when the connection was back");
    }
    for n in 1..=20 {
        assert_eq!(number(&mut news).await, n);
    }
}

/// Publishes so many, each of them with an `eventId`, and of some size.
async fn flood(publisher: &Client, channel: &str, count: u64, bytes: usize) {
    let padding = "x".repeat(bytes);
    let published = FuturesUnordered::new();
    for n in 1..=count {
        published.push(publisher.publish(channel, &(n, &padding)));
    }
    for published in published.collect::<Vec<_>>().await {
        published.expect("published");
    }
}

async fn first_of_pair(news: &mut Subscription) -> u64 {
    match next(news).await {
        News::Message(message) => message.json::<(u64, String)>().expect("a pair").0,
        other => panic!("no message but {other:?}"),
    }
}

/// The application does not take what the client has for it.
#[tokio::test]
async fn a_subscriber_that_does_not_keep_up_misses_nothing_of_a_history() {
    let site = Site::open("slow-application", &[]).await;
    let (client, publisher) = (connected(&site, "ada").await, publisher(&site).await);
    let mut news = client.subscribe("t:1").await.expect("allowed");
    flood(&publisher, "t:1", 5_000, 10).await;
    for n in 1..=5_000 {
        assert_eq!(first_of_pair(&mut news).await, n);
    }
    publisher.publish("t:1", &(5_001, "")).await.expect("published");
    assert_eq!(first_of_pair(&mut news).await, 5_001);
}

/// The network does not take what the gateway has for the client: the gateway leaves messages out, says so, and
/// what it left out is asked for on the same connection. That all of it has an `eventId`, of which the gateway
/// sends each connection each but once, takes nothing away from what is asked for.
#[tokio::test]
async fn a_gap_with_a_range_is_filled_and_not_told() {
    let site =
        Site::open("slow-network", &[("OUTBOX_BYTES_MAX", "64KiB"), ("PING_INTERVAL", "60s")])
            .await;
    let (client, publisher) = (connected(&site, "ada").await, publisher(&site).await);
    let mut news = client.subscribe("slow:1").await.expect("allowed");
    site.proxy.set_stalled(true);
    flood(&publisher, "slow:1", 4_000, 4_000).await;
    site.proxy.set_stalled(false);
    for n in 1..=4_000 {
        assert_eq!(first_of_pair(&mut news).await, n);
    }
    // Read from the history for this connection, which is the only one that came.
    until("the gateway has left some out", async || {
        site.figure("ws_channel_events_total{event=\"replayed\"}").await > 0.0
    })
    .await;
    assert_eq!(site.proxy.came(), 1);
}
