//! A server that means no good, or is not well.

use std::time::Duration;

use serde_json::json;
use ws_client::{Error, GapReason, News, State, SubscribeOptions};

use crate::{
    house::{connected, house},
    subscriptions::{data, follow},
};

#[tokio::test(start_paused = true)]
async fn nonsense_is_counted_and_passed_over() {
    let (_house, client, mut visit) = connected(|it| it).await;
    let mut news =
        follow(&client, &mut visit, "news", SubscribeOptions::default(), json!({})).await;
    for nonsense in [
        json!(null),
        json!([]),
        json!({}),
        json!({"type": 7}),
        json!({"type": "message", "channel": "news", "offset": -1}),
        json!({"type": "subscribed", "channel": "elsewhere", "id": "s99"}),
        json!({"type": "ack", "id": 99}),
        json!({"type": "response", "requestId": {"a": 1}, "payload": 1}),
        json!({"type": "error"}),
        json!({"type": "gap"}),
        json!({"type": "unsubscribed", "channel": "elsewhere"}),
        json!({"type": "authenticated"}),
        json!({"type": "connected"}),
        json!({"type": "user_joined"}),
    ] {
        visit.says(nonsense).await;
    }
    visit.tells("news", None, "sense").await;
    assert_eq!(data(&mut news).await, "sense");
    assert_eq!(client.state(), State::Connected);
    assert_eq!(client.metrics().errors, 6, "five that are no messages, and an error");
}

#[tokio::test(start_paused = true)]
async fn times_beyond_all_clocks_do_no_harm() {
    let (mut house, builder) = house();
    let client = builder
        .connect_timeout(Duration::MAX)
        .request_timeout(Duration::MAX)
        .ack_timeout(Duration::MAX)
        .liveness_grace(Duration::MAX)
        .connect()
        .unwrap();
    let mut visit = house.visit().await;
    visit.says(json!({"type": "connected", "userId": "ada", "heartbeatMs": u64::MAX})).await;
    client.ready().await.unwrap();
    let _asking = client.request(&1);
    let asked = visit.hears_type("request").await;
    visit.refuses(&asked, "rate_limited", Some(u64::MAX)).await;
    let publishing = client.publish("news", &1);
    let heard = visit.hears_type("publish").await;
    visit.refuses(&heard, "rate_limited", Some(u64::MAX)).await;
    drop(publishing);
    let following = tokio::spawn({
        let client = client.clone();
        async move { client.subscribe("news").await.map(|_| ()) }
    });
    let asked = visit.hears_type("subscribe").await;
    visit.refuses(&asked, "rate_limited", Some(u64::MAX)).await;
    visit.says(json!({"type": "goodbye", "reconnectAfterMs": u64::MAX})).await;
    visit.closes(1012, "").await;
    client.states().wait_for(|state| *state == State::Reconnecting).await.unwrap();
    client.close().await;
    assert!(matches!(following.await.unwrap(), Err(Error::Closed(_))));
}

#[tokio::test(start_paused = true)]
async fn gaps_without_end_take_no_memory() {
    let (_house, client, mut visit) = connected(|it| it).await;
    let mut news =
        follow(&client, &mut visit, "news", SubscribeOptions::default(), json!({})).await;
    for _ in 0..5_000 {
        visit.says(json!({"type": "gap", "channel": "news", "dropped": 2})).await;
    }
    visit.tells("news", None, "after").await;
    let Some(News::Gap(gap)) = news.next().await else { panic!("a gap") };
    // However many there were when it was taken: they are one.
    let mut dropped = gap.dropped;
    assert_eq!(gap.reason, GapReason::Dropped);
    let mut items = 1;
    loop {
        match news.next().await {
            Some(News::Gap(gap)) => (dropped, items) = (dropped + gap.dropped, items + 1),
            Some(News::Message(_)) => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(dropped, 10_000);
    assert!(items < 100, "{items}");
}

#[tokio::test(start_paused = true)]
async fn a_token_source_that_panics_ends_the_client_and_nobody_waits() {
    let (_house, builder) = house();
    let client = builder
        .token_source(|| async {
            if tokio::time::Instant::now().elapsed() < Duration::MAX {
                panic!("no tokens here");
            }
            Ok::<_, std::io::Error>(String::new())
        })
        .connect()
        .unwrap();
    let publishing = client.publish("news", &1);
    assert!(matches!(client.ready().await, Err(Error::Closed(_))));
    assert_eq!(publishing.await.unwrap_err().code(), "closed");
    assert_eq!(client.state(), State::Error);
    client.close().await;
}

#[test]
fn a_client_without_a_runtime_is_told_so_and_one_whose_runtime_goes_ends() {
    let outside = house().1.connect().unwrap_err();
    assert_eq!(outside.to_string(), "a client needs a tokio runtime");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = runtime.block_on(async { house().1.connect().unwrap() });
    drop(runtime);
    assert!(client.stopped().is_some());
}
