//! What follows each end.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;
use ws_client::{BackoffConfig, ClientEvent, Error, Jitter, State, Stopped};

use crate::house::{House, LONG, connected, house};

const SECOND: Duration = Duration::from_secs(1);

/// When the client comes, counted from now.
async fn comes_after(house: &mut House) -> Option<Duration> {
    let began = Instant::now();
    let door = house.knocks(LONG).await;
    door.map(|_| began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn after_1000_it_does_not_come_back() {
    let (mut house, client, visit) = connected(|it| it).await;
    visit.closes(1000, "done").await;
    assert_eq!(comes_after(&mut house).await, None);
    assert_eq!(client.state(), State::Disconnected);
}

#[tokio::test(start_paused = true)]
async fn after_1008_it_stops_and_says_why() {
    let (mut house, client, visit) = connected(|it| it).await;
    let publishing = tokio::spawn(client.publish("news", "never"));
    visit.closes(1008, "Too many connections").await;
    assert_eq!(comes_after(&mut house).await, None);
    assert_eq!(client.state(), State::Error);
    let stopped = Stopped { code: Some(1008), reason: "Too many connections".to_owned() };
    assert_eq!(client.stopped(), Some(stopped.clone()));
    assert_eq!(client.ready().await, Err(Error::Closed(stopped.clone())));
    let outcome = publishing.await.unwrap().unwrap_err();
    assert!(matches!(outcome, Error::Closed(_) | Error::Unconfirmed), "{outcome}");
}

#[tokio::test(start_paused = true)]
async fn a_bad_first_token_is_told_with_the_servers_words() {
    let (mut house, builder) = house();
    let client = builder.token("bad").session_id("phone").connect().unwrap();
    let mut visit = house.visit().await;
    visit.says(json!({"type": "connected", "clientId": "c"})).await;
    let auth = visit.hears_type("auth").await;
    visit.refuses(&auth, "invalid_token", None).await;
    visit.closes(1008, "").await;
    let stopped = client.ready().await.unwrap_err();
    assert_eq!(stopped.to_string(), "the client has stopped: 1008 No");
}

#[tokio::test(start_paused = true)]
async fn after_1012_it_comes_back() {
    let (mut house, _client, visit) = connected(|it| it).await;
    visit.closes(1012, "Server restart").await;
    assert_eq!(comes_after(&mut house).await, Some(SECOND));
}

#[tokio::test(start_paused = true)]
async fn after_1013_it_waits_at_least_the_base() {
    // Full jitter: the delay alone could be next to nothing.
    let full = BackoffConfig { jitter: Jitter::Full, ..BackoffConfig::default() };
    for _ in 0..20 {
        let (mut house, _client, visit) = connected(|it| it.backoff(full)).await;
        visit.closes(1013, "Slow consumer").await;
        let after = comes_after(&mut house).await.unwrap();
        assert!(after >= SECOND, "{after:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn after_3000_it_fetches_a_token_and_is_back_at_once() {
    let (mut house, _client, visit) = connected(|builder| builder.token("t")).await;
    visit.closes(3000, "Token expired").await;
    assert_eq!(comes_after(&mut house).await, Some(Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_3000_for_ever_is_not_asked_for_ever_at_once() {
    let (mut house, _client, visit) = connected(|builder| builder.token("t")).await;
    visit.closes(3000, "Token expired").await;
    house.greet().await.closes(3000, "Token expired").await;
    let after = comes_after(&mut house).await.unwrap();
    assert!(after >= SECOND, "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_says_when_to_come_back() {
    let (mut house, client, mut visit) = connected(|it| it).await;
    let mut events = client.events();
    visit.says(json!({"type": "goodbye", "reconnectAfterMs": 4_321, "timestamp": 1})).await;
    let told = events.recv().await.unwrap();
    assert_eq!(told, ClientEvent::Goodbye { reconnect_after: Duration::from_millis(4_321) });
    visit.closes(1012, "Server restart").await;
    assert_eq!(comes_after(&mut house).await, Some(Duration::from_millis(4_321)));
    // Once: what follows is by the delays, of which this was the first.
    assert_eq!(comes_after(&mut house).await, Some(2 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_refused_upgrade_of_401_is_tried_once_more_with_a_fresh_token() {
    let (mut house, builder) = house();
    let client = builder.token("t").connect().unwrap();
    let mut events = client.events();
    let body = r#"{"code":"invalid_token","error":"Token expired"}"#;
    let began = Instant::now();
    house.refuse(401, &[], body).await;
    let second = house.knocks(SECOND / 2).await;
    assert!(second.is_some(), "at once");
    drop(second);
    // That one broke; the token was not judged.
    house.refuse(401, &[], body).await;
    let stopped = client.ready().await.unwrap_err();
    assert_eq!(stopped.to_string(), "the client has stopped: 401 Token expired");
    assert_eq!(client.state(), State::Error);
    let told = events.recv().await.unwrap();
    assert_eq!(told, ClientEvent::Refused { status: 401, message: "Token expired".to_owned() });
    assert!(began.elapsed() < 10 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_refused_upgrade_of_404_stops() {
    let (mut house, builder) = house();
    let client = builder.connect().unwrap();
    house.refuse(404, &[], r#"{"error":"Nothing is here"}"#).await;
    let stopped = client.ready().await.unwrap_err();
    assert_eq!(stopped.to_string(), "the client has stopped: 404 Nothing is here");
    assert_eq!(comes_after(&mut house).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_refused_upgrade_of_503_waits_as_long_as_it_was_told() {
    let (mut house, builder) = house();
    let _client = builder.connect().unwrap();
    house.refuse(503, &[("retry-after", "17")], "").await;
    let after = comes_after(&mut house).await.unwrap();
    assert!((17..19).contains(&after.as_secs()), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn attempts_that_are_bounded_end_in_error() {
    let (mut house, builder) = house();
    let bounded =
        BackoffConfig { attempts_max: Some(3), jitter: Jitter::None, ..BackoffConfig::default() };
    let client = builder.backoff(bounded).connect().unwrap();
    let mut connects = 0;
    while house.knocks(LONG).await.is_some() {
        connects += 1;
    }
    assert_eq!(connects, 1 + 3, "the first, and three more");
    assert_eq!(client.state(), State::Error);
    assert!(client.ready().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_healthy_period_makes_the_next_attempt_the_first_again() {
    let (mut house, _client, visit) = connected(|it| it).await;
    drop(visit);
    // Good for less than ten seconds, the delay goes on growing.
    drop(house.greet().await);
    assert_eq!(comes_after(&mut house).await, Some(2 * SECOND));
    let mut visit = house.greet().await;
    assert!(visit.hears_within(Duration::from_secs(11)).await.is_none());
    drop(visit);
    assert_eq!(comes_after(&mut house).await, Some(SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_that_says_no_time_leaves_the_delays_as_they_are() {
    let (mut house, _client, mut visit) = connected(|it| it).await;
    visit.says(json!({"type": "goodbye", "timestamp": 1})).await;
    visit.closes(1012, "Server restart").await;
    assert_eq!(comes_after(&mut house).await, Some(SECOND));
}
