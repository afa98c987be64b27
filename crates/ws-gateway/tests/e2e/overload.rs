//! More than there is room for: refused at the door, while those who are inside keep their service.

use std::time::Duration;

use serde_json::json;
use tokio::{task::JoinSet, time::Instant};

use crate::{
    client::Client,
    exchange::{fetch, get, upgrade},
    house::House,
};

#[tokio::test]
async fn above_memory_max_connects_are_refused_with_503_and_the_rest_is_answered() {
    // Less than any process has.
    let house = House::open(&[("MEMORY_MAX", "1MiB")]);
    house.until("it is above that", |it| it.handler.is_out_of_memory()).await;
    let refused = fetch(house.address, upgrade("/ws", "")).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("5")));
    assert_eq!(
        refused.json(),
        json!({
            "code": "out_of_memory",
            "error": "The server has no memory for another connection",
            "retryAfterMs": 5000,
        })
    );
    assert_eq!(house.rejected("out_of_memory"), 1);
    let metrics = get(house.address, "/metrics").await.body;
    assert!(metrics.contains("\nws_memory_max_bytes 1048576\n"), "{metrics}");
    assert!(metrics.contains("\nws_memory_used_bytes "), "{metrics}");
    assert_eq!(get(house.address, "/health").await.status, 200);
}

#[tokio::test]
async fn who_is_connected_is_served_while_nobody_is_taken_in() {
    let house = House::open(&[("MEMORY_MAX", "1024GiB")]);
    let mut established = house.visit("ada").await;
    house.handler.set_out_of_memory(true);
    assert_eq!(fetch(house.address, upgrade("/ws", "")).await.status, 503);
    let answer = established.ask(json!("still there?")).await;
    assert_eq!((&answer["type"], &answer["payload"]), (&json!("response"), &json!("still there?")));
    house.handler.set_out_of_memory(false);
    house.visit("bob").await;
}

#[tokio::test]
async fn above_accept_rate_connects_wait_and_none_is_refused() {
    let house = House::open(&[("ACCEPT_RATE", "20")]);
    let started = Instant::now();
    let mut coming = JoinSet::new();
    for _ in 0..10 {
        let address = house.address;
        coming.spawn(async move { Client::connect(address, "/ws").await.next().await });
    }
    let greetings = coming.join_all().await;
    assert!(greetings.iter().all(|it| it["type"] == "connected"), "{greetings:?}");
    // Two at once, and then one each 50 ms.
    assert!(started.elapsed() >= Duration::from_millis(350), "{:?}", started.elapsed());
    let metrics = get(house.address, "/metrics").await.body;
    let counted = |name: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)).expect(name);
        line.trim().parse::<u64>().expect("a number")
    };
    assert!(counted("ws_accepts_total ") >= 11);
    assert!(counted("ws_accept_delays_total ") >= 8);
}
