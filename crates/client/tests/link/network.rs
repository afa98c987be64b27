//! What the network has to do with it.

use std::time::Duration;

use tokio::{sync::watch, time::Instant};
use ws_client::{BackoffConfig, Jitter, NetworkStatus, State};

use crate::house::{House, LONG, connected, house};

const SECOND: Duration = Duration::from_secs(1);

async fn comes_after(house: &mut House) -> Option<Duration> {
    let began = Instant::now();
    let door = house.knocks(LONG).await;
    door.map(|_| began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn offline_nothing_is_tried() {
    let (network, source) = watch::channel(NetworkStatus::Offline);
    let (mut house, builder) = house();
    let client = builder.network(source).connect().unwrap();
    assert_eq!(comes_after(&mut house).await, None);
    network.send_replace(NetworkStatus::Online);
    let _visit = house.greet().await;
    client.ready().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_return_of_the_network_reconnects_at_once() {
    let (network, source) = watch::channel(NetworkStatus::Online);
    let (mut house, client, visit) = connected(|it| it.network(source)).await;
    network.send_replace(NetworkStatus::Offline);
    drop(visit);
    client.states().wait_for(|state| *state == State::Reconnecting).await.unwrap();
    assert!(house.knocks(LONG).await.is_none());
    network.send_replace(NetworkStatus::Online);
    assert_eq!(comes_after(&mut house).await, Some(Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn word_of_a_lost_network_makes_it_ask_whether_the_server_is_there() {
    let (network, source) = watch::channel(NetworkStatus::Online);
    let (_house, client, mut visit) = connected(|it| it.network(source)).await;
    network.send_replace(NetworkStatus::Offline);
    let began = Instant::now();
    visit.hears_type("ping").await;
    assert_eq!(began.elapsed(), Duration::ZERO);
    // It need not be true: whoever is heard stays.
    visit.says(serde_json::json!({"type": "pong", "timestamp": 1})).await;
    assert!(visit.hears_within(20 * SECOND).await.is_none());
    assert_eq!(client.state(), State::Connected);
}

#[tokio::test(start_paused = true)]
async fn a_poor_network_slows_a_client_down() {
    for (status, least) in [(NetworkStatus::Slow, 5), (NetworkStatus::Unstable, 2)] {
        let (_network, source) = watch::channel(status);
        let (mut house, _client, visit) = connected(|it| it.network(source)).await;
        drop(visit);
        assert_eq!(comes_after(&mut house).await, Some(least * SECOND), "{status:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn on_a_poor_network_a_client_goes_on_beyond_the_bound_of_attempts() {
    let (_network, source) = watch::channel(NetworkStatus::Unstable);
    let (mut house, builder) = house();
    let bounded =
        BackoffConfig { attempts_max: Some(2), jitter: Jitter::None, ..BackoffConfig::default() };
    let _client = builder.backoff(bounded).network(source).connect().unwrap();
    for _ in 0..10 {
        assert!(house.knocks(LONG).await.is_some());
    }
}
