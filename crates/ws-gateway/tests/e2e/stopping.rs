//! A drain from outside, in one process. (Signals and exit codes are in the tests of the binary.)

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::{
    client::Client,
    exchange::{Exchange, fetch, get, upgrade},
    house::House,
};

#[tokio::test]
async fn requirement_6_7_a_drain_tells_1012_turns_ready_to_503_and_grants_no_upgrade() {
    let mut house = House::open(&[("CLOSE_TIMEOUT", "1500")]);
    let mut polite = house.visit("ada").await;
    let mut waiting = Client::connect(house.address, "/ws").await;
    assert_eq!(waiting.next().await["type"], "connected");
    // One that never answers, so that the drain takes its time.
    let mut mute = Exchange::open(house.address).await;
    mute.send(upgrade(&format!("/ws?token={}", house.token("bob")), "")).await;
    assert_eq!(mute.response().await.status, 101);
    let mut kept = Exchange::open(house.address).await;
    kept.send("GET /ready HTTP/1.1\r\nHost: g\r\n\r\n").await;
    assert_eq!(kept.response().await.status, 200);

    let started = Instant::now();
    house.start_closing();
    assert!(polite.goodbye().await < Duration::from_secs(1));
    for client in [&mut polite, &mut waiting] {
        assert_eq!(client.closed().await, (1012, "Server restart".to_owned()));
    }
    kept.send("GET /ready HTTP/1.1\r\nHost: g\r\n\r\n").await;
    let ready = kept.response().await;
    assert_eq!((ready.status, ready.json()), (503, json!({ "status": "draining" })));
    let health = get(house.address, "/health").await;
    assert_eq!((health.status, &health.json()["status"]), (200, &json!("draining")));
    let metrics = get(house.address, "/metrics").await.body;
    assert!(metrics.contains("\nws_draining 1\n"), "{metrics}");
    assert!(metrics.contains("\nws_connections_closing 1\n"), "{metrics}");
    let refused = fetch(house.address, upgrade("/ws", "")).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert_eq!(
        refused.json(),
        json!({
            "error": "Server restart", "code": "shutting_down", "retryAfterMs": 1000,
        })
    );
    kept.send(upgrade("/ws", "")).await;
    assert_eq!(kept.response().await.status, 503);

    for kind in ["connected", "goodbye"] {
        let (first, text) = mute.frame().await;
        assert_eq!(first, 0x81);
        assert!(String::from_utf8_lossy(&text).contains(kind), "{kind}: {text:?}");
    }
    let (first, close) = mute.frame().await;
    assert_eq!((first, &close[2..]), (0x88, &b"Server restart"[..]));
    let report = house.running().await;
    let took = started.elapsed();
    assert!((1400..3000).contains(&took.as_millis()), "{took:?}");
    assert_eq!((report.total, report.acknowledged), (3, 2), "{report}");
}

#[tokio::test]
async fn requirement_6_7_an_empty_house_closes_at_once() {
    let house = House::open(&[]);
    let started = Instant::now();
    let report = house.close().await;
    assert_eq!(report.total, 0);
    assert!(started.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn requirement_6_7_close_rate_spreads_the_closes() {
    let house = House::open(&[("CLOSE_RATE", "20"), ("CLOSE_TIMEOUT", "10s")]);
    let mut closing = tokio::task::JoinSet::new();
    for n in 0..20 {
        let mut client = house.visit(&format!("user-{n}")).await;
        closing.spawn(async move {
            client.goodbye().await;
            assert_eq!(client.closed().await.0, 1012);
            Instant::now()
        });
    }
    let started = Instant::now();
    let report = house.close().await;
    assert_eq!((report.total, report.acknowledged), (20, 20), "{report}");
    let last = closing.join_all().await.into_iter().max().expect("twenty") - started;
    assert!((600..3000).contains(&last.as_millis()), "{last:?} for 20 at 20 a second");
}

#[tokio::test]
async fn what_a_client_sent_before_the_drain_is_answered_before_it_is_sent_away() {
    let mut house = House::open(&[]);
    let mut client = house.visit("ada").await;
    for n in 0..50 {
        client.send(json!({ "type": "request", "requestId": n, "payload": n })).await;
    }
    house
        .until("they have been read", |house| {
            house
                .handler
                .stats()
                .messages
                .iter()
                .any(|(kind, count)| (*kind, *count) == ("request", 50))
        })
        .await;
    house.start_closing();
    for n in 0..50 {
        assert_eq!(client.next().await["requestId"], n);
    }
    client.goodbye().await;
    assert_eq!(client.closed().await.0, 1012);
    sleep(Duration::from_millis(10)).await;
}

#[tokio::test]
async fn what_does_not_fit_into_the_drain_is_told_to_stay_away_until_it_can_be_borne() {
    // Forty at ten a second take four seconds, of which the drain has less than one.
    let variables =
        [("RECONNECT_RATE", "10"), ("DRAIN_TIMEOUT", "1s"), ("CONNECTION_RATE_LIMIT", "0")];
    let house = House::open(&variables);
    let mut leaving = tokio::task::JoinSet::new();
    for n in 0..40 {
        let mut client = house.visit(&format!("user-{n}")).await;
        leaving.spawn(async move {
            let after = client.goodbye().await;
            let told = Instant::now();
            assert_eq!(client.closed().await, (1012, "Server restart".to_owned()));
            (told, after)
        });
    }
    let started = Instant::now();
    let report = house.close().await;
    assert_eq!((report.total, report.acknowledged), (40, 40), "{report}");
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    let mut back: Vec<_> =
        leaving.join_all().await.into_iter().map(|(told, after)| told + after - started).collect();
    back.sort();
    // None may come before its place in the window: a slow machine only makes it later.
    for (place, back) in back.iter().enumerate() {
        let due = Duration::from_millis(100) * place as u32;
        assert!(*back + Duration::from_millis(20) >= due, "{place} is back after {back:?}");
    }
    let last = back.last().expect("forty");
    assert!(*last < Duration::from_secs(8), "{last:?}");
}

#[tokio::test]
async fn nobody_is_told_when_to_come_back_where_no_rate_says_so() {
    let mut house = House::open(&[("RECONNECT_RATE", "0")]);
    let mut client = house.visit("ada").await;
    house.start_closing();
    assert_eq!(client.closed().await, (1012, "Server restart".to_owned()));
}
