//! A gateway that falls silent, and one that only seems to.

use std::time::Duration;

use tokio::time::Instant;
use ws_client::State;

use crate::{
    coming_back::{becomes, leaves},
    site::Site,
};

/// What the site announces as its heartbeat, and what its clients wait for an answer.
const HEARTBEAT: Duration = Duration::from_millis(300);
const GRACE: Duration = Duration::from_millis(500);

#[tokio::test]
async fn silence_for_the_heartbeat_is_asked_about_and_silence_for_the_grace_ends_the_connection() {
    let site = Site::open("silence", &[]).await;
    let client = site.client("ada").liveness_grace(GRACE).connect().expect("an address");
    client.ready().await.expect("connected");
    site.proxy.set_swallowing(true);
    let started = Instant::now();
    leaves(&client, State::Connected).await;
    let noticed = started.elapsed();
    println!("half-open noticed after {noticed:?}");
    assert!(noticed >= GRACE, "{noticed:?}");
    // The machine may be busy.
    assert!(noticed < HEARTBEAT + GRACE + Duration::from_millis(700), "{noticed:?}");
    site.proxy.set_swallowing(false);
    becomes(&client, State::Connected).await;
}

#[tokio::test]
async fn anything_heard_is_a_sign_of_life() {
    let site = Site::open("life", &[]).await;
    let client = site.client("ada").liveness_grace(GRACE).connect().expect("an address");
    client.ready().await.expect("connected");
    let until = Instant::now() + 5 * (HEARTBEAT + GRACE);
    while Instant::now() < until {
        assert_eq!(client.state(), State::Connected);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(site.proxy.came(), 1);
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_is_given_up() {
    let site = Site::open("attempt", &[]).await;
    site.proxy.set_swallowing(true);
    let client = site.client("ada").connect_timeout(Duration::from_millis(300));
    let client = client.connect().expect("an address");
    crate::site::until("it tries again", async || site.proxy.came() >= 2).await;
    assert_ne!(client.state(), State::Connected);
    site.proxy.set_swallowing(false);
    client.ready().await.expect("connected");
}
