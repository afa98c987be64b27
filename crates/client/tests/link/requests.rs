//! Requests.

use serde_json::json;
use tokio::time::Instant;
use ws_client::{Error, RequestOptions};

use crate::house::connected;

#[tokio::test(start_paused = true)]
async fn a_request_resolves_with_its_response() {
    let (_house, client, mut visit) = connected(|it| it).await;
    // Many are on their way, and are answered in any order.
    let first = tokio::spawn(client.request(&json!({"action": "test"})));
    let second = tokio::spawn(client.request("second"));
    let asked = [visit.hears_type("request").await, visit.hears_type("request").await];
    assert_eq!(asked[0]["payload"], json!({"action": "test"}));
    for request in asked.iter().rev() {
        visit
            .says(json!({"type": "response", "requestId": request["requestId"], "payload": request["payload"]}))
            .await;
    }
    assert_eq!(first.await.unwrap().unwrap().get(), r#"{"action":"test"}"#);
    assert_eq!(second.await.unwrap().unwrap().get(), r#""second""#);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_fails_is_told_why() {
    let (_house, client, mut visit) = connected(|it| it).await;
    let asking = tokio::spawn(client.request(&1));
    let asked = visit.hears_type("request").await;
    visit.refuses(&asked, "upstream_unavailable", None).await;
    assert_eq!(asking.await.unwrap().unwrap_err().code(), "upstream_unavailable");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_takes_too_long_fails() {
    let (_house, client, mut visit) = connected(|it| it).await;
    let asking = tokio::spawn(client.request(&1));
    let asked = visit.hears_type("request").await;
    let began = Instant::now();
    assert_eq!(asking.await.unwrap().unwrap_err(), Error::TimedOut);
    assert_eq!(began.elapsed().as_secs(), 10);
    // What comes too late is nobody's.
    visit.says(json!({"type": "response", "requestId": asked["requestId"], "payload": 1})).await;
    let again = tokio::spawn(client.request(&2));
    let asked = visit.hears_type("request").await;
    visit.says(json!({"type": "response", "requestId": asked["requestId"], "payload": 2})).await;
    assert_eq!(again.await.unwrap().unwrap().get(), "2");
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_connection_is_cut_fails_as_unconfirmed() {
    let (mut house, client, mut visit) = connected(|it| it).await;
    let once = tokio::spawn(client.request(&1));
    visit.hears_type("request").await;
    let again = RequestOptions { resend: true, ..RequestOptions::default() };
    let repeated = tokio::spawn(client.request_with(&2, again));
    visit.hears_type("request").await;
    drop(visit);
    assert_eq!(once.await.unwrap().unwrap_err(), Error::Unconfirmed);
    let mut visit = house.greet().await;
    let asked = visit.hears_type("request").await;
    visit.says(json!({"type": "response", "requestId": asked["requestId"], "payload": 3})).await;
    assert_eq!(repeated.await.unwrap().unwrap().get(), "3");
}
