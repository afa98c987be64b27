//! Where a client is, and who it says it is.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use tokio::time::Instant;
use ws_client::{Client, ClientEvent, Error, State, TokenIn};

use crate::house::{LONG, connected, house};

#[tokio::test(start_paused = true)]
async fn states_go_from_connecting_over_authenticating_to_connected() {
    let (mut house, builder) = house();
    let client = builder.connect().unwrap();
    let mut states = client.states();
    assert_eq!(*states.borrow_and_update(), State::Connecting);
    let mut visit = house.visit().await;
    states.changed().await.unwrap();
    assert_eq!(*states.borrow_and_update(), State::Authenticating);
    visit.greets().await;
    states.changed().await.unwrap();
    assert_eq!(*states.borrow_and_update(), State::Connected);
    client.ready().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_is_reconnecting_and_then_connected_again() {
    let (mut house, client, visit) = connected(|it| it).await;
    let mut states = client.states();
    drop(visit);
    states.wait_for(|state| *state == State::Reconnecting).await.unwrap();
    let _visit = house.greet().await;
    states.wait_for(|state| *state == State::Connected).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn ones_own_close_ends_as_disconnected_and_nothing_follows() {
    let (mut house, client, mut visit) = connected(|it| it).await;
    let news = tokio::spawn(async move {
        let code = visit.hears_close().await;
        (code, visit)
    });
    client.close().await;
    assert_eq!(news.await.unwrap().0, 1000);
    assert_eq!(client.state(), State::Disconnected);
    assert!(house.knocks(LONG).await.is_none());
    let refused = client.publish("news", "late").await.unwrap_err();
    assert_eq!(refused.code(), "closed");
    assert!(matches!(client.subscribe("news").await, Err(Error::Closed(_))));
}

#[tokio::test(start_paused = true)]
async fn the_last_handle_that_goes_ends_the_client() {
    let (mut house, client, mut visit) = connected(|it| it).await;
    let following = tokio::spawn({
        let client = client.clone();
        async move { client.subscribe("news").await.unwrap() }
    });
    visit.grants(json!({})).await;
    let news = following.await.unwrap();
    drop(client);
    assert!(
        visit.hears_within(Duration::from_secs(10)).await.is_none(),
        "the subscription holds it"
    );
    drop(news);
    visit.hears_type("unsubscribe").await;
    assert_eq!(visit.hears_close().await, 1000);
    assert!(house.knocks(LONG).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_a_close_is_not_waited_for() {
    let (mut house, client, _visit) = connected(|it| it).await;
    let began = Instant::now();
    client.close().await;
    assert!(began.elapsed() <= Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(house.knocks(LONG).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn metrics_count_what_was_sent_received_and_failed_and_how_often_it_was_tried() {
    let (mut house, client, mut visit) = connected(|it| it).await;
    let publishing = tokio::spawn(client.publish("news", "hello"));
    visit.acks("publish", json!({})).await;
    publishing.await.unwrap().unwrap();
    let metrics = client.metrics();
    assert_eq!((metrics.messages_sent, metrics.messages_received, metrics.errors), (1, 2, 0));
    assert!(metrics.connected_at.is_some() && metrics.last_message_at >= metrics.connected_at);
    assert_eq!(metrics.reconnect_attempts, 0);
    drop(visit);
    for _ in 0..3 {
        house.refuse(503, &[], "").await;
    }
    let mut states = client.states();
    states.wait_for(|state| *state == State::Reconnecting).await.unwrap();
    let metrics = client.metrics();
    assert_eq!(metrics.errors, 4, "a loss and three refusals");
    assert_eq!(metrics.reconnect_attempts, 4, "the fourth is waited for");
}

#[tokio::test(start_paused = true)]
async fn a_fresh_token_is_asked_for_with_each_attempt() {
    let asked = Arc::new(AtomicUsize::new(0));
    let source = asked.clone();
    let (mut house, _client, visit) = connected(|builder| {
        builder.token_source(move || {
            let number = source.fetch_add(1, Ordering::Relaxed);
            async move { Ok::<_, std::io::Error>(format!("token-{number}")) }
        })
    })
    .await;
    assert_eq!(visit.authorization.as_deref(), Some("Bearer token-0"));
    drop(visit);
    let visit = house.greet().await;
    assert_eq!(visit.authorization.as_deref(), Some("Bearer token-1"));
}

#[tokio::test(start_paused = true)]
async fn a_token_may_go_as_a_subprotocol() {
    let (_house, _client, visit) =
        connected(|builder| builder.token("t").token_in(TokenIn::Protocol)).await;
    let protocols = visit.protocols.unwrap();
    assert!(protocols.contains("bearer.t") && protocols.contains("ws-gateway.v1"), "{protocols}");
    assert_eq!(visit.authorization, None);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_runs_out_is_replaced_on_the_living_connection() {
    let (_house, client, mut visit) = connected(|builder| builder.token("fresh")).await;
    let mut events = client.events();
    visit.says(json!({"type": "token_expiring", "expiresAt": 1, "timestamp": 1})).await;
    let auth = visit.hears_type("auth").await;
    assert_eq!(auth["token"], "fresh");
    assert_eq!(events.recv().await.unwrap(), ClientEvent::TokenExpiring);
    visit.says(json!({"type": "authenticated", "id": auth["id"], "timestamp": 1})).await;
    assert!(visit.hears_within(Duration::from_secs(20)).await.is_none());
    assert_eq!(client.state(), State::Connected);
}

#[tokio::test(start_paused = true)]
async fn a_token_may_go_as_the_first_message() {
    let (mut house, builder) = house();
    let client = builder.token("t").session_id("phone").connect().unwrap();
    let mut visit = house.visit().await;
    assert_eq!((&visit.authorization, &visit.protocols), (&None, &None));
    visit.says(json!({"type": "connected", "clientId": "c", "heartbeatMs": 30_000})).await;
    let auth = visit.hears_type("auth").await;
    assert_eq!((&auth["token"], &auth["sessionId"]), (&json!("t"), &json!("phone")));
    assert_eq!(client.state(), State::Authenticating);
    visit.says(json!({"type": "authenticated", "id": auth["id"], "userId": "ada"})).await;
    client.ready().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn where_nobody_has_to_say_who_they_are_a_token_does_no_harm() {
    let (mut house, builder) = house();
    let client = builder.token("t").connect().unwrap();
    let mut visit = house.visit().await;
    visit.says(json!({"type": "connected", "clientId": "c", "heartbeatMs": 30_000})).await;
    let auth = visit.hears_type("auth").await;
    visit.refuses(&auth, "unsupported", None).await;
    client.ready().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_failing_token_source_is_tried_again() {
    let asked = Arc::new(AtomicUsize::new(0));
    let source = asked.clone();
    let began = Instant::now();
    let (_house, _client, visit) = connected(|builder| {
        builder.token_source(move || {
            let number = source.fetch_add(1, Ordering::Relaxed);
            async move { if number < 2 { Err("no token now") } else { Ok("t".to_owned()) } }
        })
    })
    .await;
    assert_eq!(visit.authorization.as_deref(), Some("Bearer t"));
    assert_eq!(began.elapsed().as_secs(), 1 + 2, "by the growing delays");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_takes_too_long_is_given_up() {
    let (mut house, builder) = house();
    let began = Instant::now();
    let client = builder.connect_timeout(Duration::from_secs(7)).connect().unwrap();
    // Neither a handshake that is not answered, nor a server that does not say who we are.
    let silent = house.knocks(LONG).await.unwrap();
    let ungreeted = house.visit().await;
    assert_eq!(began.elapsed().as_secs(), 7 + 1);
    let third = house.knocks(LONG).await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 7 + 1 + 7 + 2);
    assert_ne!(client.state(), State::Connected);
    drop((silent, ungreeted, third));
}

#[tokio::test(start_paused = true)]
async fn a_token_source_may_look_at_its_client() {
    let seen = Arc::new(OnceLock::<Client>::new());
    let (mut house, builder) = house();
    let source = {
        let seen = seen.clone();
        move || {
            let errors = seen.get().map_or(0, |client| client.metrics().errors);
            async move { Ok::<_, std::io::Error>(format!("after {errors} errors")) }
        }
    };
    let client = builder.token_source(source).connect().unwrap();
    seen.set(client).unwrap();
    let mut visit = house.greet().await;
    visit.says(json!({"type": "token_expiring", "expiresAt": 1, "timestamp": 1})).await;
    assert_eq!(visit.hears_type("auth").await["token"], "after 0 errors");
}
