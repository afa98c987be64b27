//! Ends that the gateway makes, and what the Rust client makes of them.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};
use ws_client::{Client, ClientEvent, State, TokenError};

use crate::site::{Site, brief_token, unix_secs, until};

const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until the client is in one of these states.
pub(crate) async fn becomes(client: &Client, wanted: State) {
    let mut states = client.states();
    let reached = timeout(PATIENCE, states.wait_for(|state| *state == wanted)).await;
    reached.unwrap_or_else(|_| panic!("not {wanted:?} but {:?}", client.state())).expect("alive");
}

/// Waits until it is in another state, which it may not be in for long.
pub(crate) async fn leaves(client: &Client, state: State) {
    let mut states = client.states();
    let left = timeout(PATIENCE, states.wait_for(|now| *now != state)).await;
    left.expect("it leaves it in time").expect("alive");
}

#[tokio::test]
async fn after_1000_it_does_not_come_back() {
    let site = Site::open("ends-1000", &[]).await;
    let client = site.client("ada").connect().expect("an address");
    client.ready().await.expect("connected");
    let order = json!({ "code": 1000, "reason": "that was all" });
    site.order("/api/users/ada/disconnect", &order).await;
    becomes(&client, State::Disconnected).await;
    let stopped = client.stopped().expect("it says why");
    assert_eq!((stopped.code, &*stopped.reason), (Some(1000), "that was all"));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!((site.proxy.came(), client.state()), (1, State::Disconnected));
}

#[tokio::test]
async fn after_1008_it_stops_and_says_why() {
    let site = Site::open("ends-1008", &[("MAX_CONNECTIONS_PER_USER", "1")]).await;
    let first = site.client("ada").connect().expect("an address");
    first.ready().await.expect("connected");
    let second = site.client("ada").connect().expect("an address");
    becomes(&second, State::Error).await;
    let stopped = second.stopped().expect("it says why");
    assert_eq!((stopped.code, &*stopped.reason), (Some(1008), "Too many connections"));
    let error = second.publish("t:1", &1).await.expect_err("it has stopped");
    assert_eq!(error.code(), "closed");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!((site.proxy.came(), first.state()), (2, State::Connected));
}

#[tokio::test]
async fn after_1012_it_comes_back() {
    let site = Site::open("ends-1012", &[]).await;
    let client = site.client("ada").connect().expect("an address");
    client.ready().await.expect("connected");
    site.drain().await;
    becomes(&client, State::Reconnecting).await;
    // Refused meanwhile, or nobody listens; both is tried again.
    site.start().await;
    becomes(&client, State::Connected).await;
    assert_eq!(client.stopped(), None);
}

/// Eight in a window of a second, the shortest that there is.
#[tokio::test]
async fn a_drain_brings_clients_back_one_after_the_other() {
    let site = Site::open("ends-spread", &[]).await;
    let mut coming = JoinSet::new();
    for n in 0..8 {
        let client = site.client(&format!("user-{n}")).connect().expect("an address");
        client.ready().await.expect("connected");
        let mut events = client.events();
        coming.spawn(async move {
            let away = loop {
                let event = events.recv().await.expect("it lives");
                if let ClientEvent::Goodbye { reconnect_after } = event {
                    break reconnect_after;
                }
            };
            let told = Instant::now();
            leaves(&client, State::Connected).await;
            becomes(&client, State::Connected).await;
            (away, told.elapsed())
        });
    }
    site.drain().await;
    site.start().await;
    let mut back = coming.join_all().await;
    assert!(back.iter().all(|(away, took)| took >= away), "sooner than it was told: {back:?}");
    back.sort_unstable();
    // Each has a place of its own; what the gateway took until it told them is taken off.
    for (place, (away, _)) in back.iter().enumerate() {
        assert!(*away <= Duration::from_millis(125) * (place as u32 + 1), "{back:?}");
    }
    assert!(back[7].0 >= back[0].0 + Duration::from_millis(500), "{back:?}");
}

#[tokio::test]
async fn after_1013_it_waits_at_least_the_base() {
    let site = Site::open("ends-1013", &[]).await;
    let backoff =
        ws_client::BackoffConfig { base: Duration::from_millis(400), ..crate::numbered::backoff() };
    let client = site.client("ada").backoff(backoff).connect().expect("an address");
    client.ready().await.expect("connected");
    site.order("/api/users/ada/disconnect", &json!({ "code": 1013 })).await;
    becomes(&client, State::Reconnecting).await;
    let started = Instant::now();
    becomes(&client, State::Connected).await;
    assert!(started.elapsed() >= Duration::from_millis(380), "{:?}", started.elapsed());
}

#[tokio::test]
async fn after_3000_it_fetches_a_token_and_is_back_at_once() {
    let site = Site::open("ends-3000", &[("JWT_LEEWAY", "0")]).await;
    let first_ends = OnceLock::new();
    // While the first one holds, no other can be had.
    let source = move || {
        let now = unix_secs();
        let mut is_first = false;
        let ends = *first_ends.get_or_init(|| {
            is_first = true;
            now + 2
        });
        let answer = match is_first {
            true => Ok(brief_token("ada", 2)),
            false if now < ends => Err(TokenError::from("the issuer is away")),
            false => Ok(brief_token("ada", 600)),
        };
        async { answer }
    };
    // Not by chance: whoever waited for the backoff would wait for long.
    let backoff = ws_client::BackoffConfig {
        base: Duration::from_secs(10),
        jitter: ws_client::Jitter::None,
        ..ws_client::BackoffConfig::default()
    };
    let client = site.client("ada").token_source(source).backoff(backoff);
    let client = client.connect().expect("an address");
    client.ready().await.expect("connected");
    leaves(&client, State::Connected).await;
    let started = Instant::now();
    becomes(&client, State::Connected).await;
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert_eq!(site.figure("ws_errors_total{code=\"token_expired\"}").await, 1.0);
}

#[tokio::test]
async fn a_token_that_runs_out_is_replaced_on_the_living_connection() {
    let site = Site::open("tokens", &[("JWT_LEEWAY", "0")]).await;
    let source = || async { Ok::<_, TokenError>(brief_token("ada", 3)) };
    let client = site.client("ada").token_source(source).connect().expect("an address");
    client.ready().await.expect("connected");
    let until = Instant::now() + Duration::from_secs(7);
    while Instant::now() < until {
        assert_eq!(client.state(), State::Connected);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(site.proxy.came(), 1);
    client.publish("t:1", &1).await.expect("it is still ada");
}

#[tokio::test]
async fn a_refused_upgrade_of_401_is_tried_once_more_with_a_fresh_token() {
    let site = Site::open("refused-401", &[]).await;
    for (tokens, comes_in) in [([false, true, true], true), ([false, false, true], false)] {
        let came = site.proxy.came();
        let asked = AtomicUsize::new(0);
        let source = move || {
            let nth = asked.fetch_add(1, Ordering::SeqCst);
            async move {
                let token = brief_token("ada", 600);
                Ok::<_, TokenError>(if tokens[nth] { token } else { format!("{token}0") })
            }
        };
        let client = site.client("ada").token_source(source).connect().expect("an address");
        if comes_in {
            client.ready().await.expect("connected");
        } else {
            becomes(&client, State::Error).await;
            assert_eq!(client.stopped().and_then(|it| it.code), Some(401));
        }
        assert_eq!(site.proxy.came() - came, 2);
        client.close().await;
    }
}

#[tokio::test]
async fn a_refused_upgrade_of_404_stops() {
    let site = Site::open("refused-404", &[]).await;
    let uri = site.uri().replace("/ws", "/nowhere");
    let client = site.client_at(&uri, "ada").connect().expect("an address");
    becomes(&client, State::Error).await;
    assert_eq!(client.stopped().and_then(|it| it.code), Some(404));
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(site.proxy.came(), 1);
}

#[tokio::test]
async fn a_refused_upgrade_of_503_waits_as_long_as_it_was_told() {
    let site = Site::open("refused-503", &[("MAX_CONNECTIONS", "1")]).await;
    let first = site.client("ada").connect().expect("an address");
    first.ready().await.expect("connected");
    let second = site.client("bob").connect().expect("an address");
    until("the second was refused", async || second.metrics().errors == 1).await;
    let started = Instant::now();
    first.close().await;
    second.ready().await.expect("there is room now");
    // `Retry-After: 1`, though its backoff begins with some milliseconds.
    assert!(started.elapsed() >= Duration::from_millis(900), "{:?}", started.elapsed());
    assert_eq!(site.proxy.came(), 3);
}
