//! Letters.

use std::time::Duration;

use serde_json::json;
use ws_client::{Inbox, Letter};

use crate::house::{Visit, connected};

const MOMENT: Duration = Duration::from_secs(1);

async fn says(visit: &mut Visit, id: &str, text: &str) {
    visit.says(json!({"type": "chat", "from": "bob", "message": text, "messageId": id})).await;
}

async fn next(inbox: &mut Inbox) -> Option<Letter> {
    tokio::time::timeout(MOMENT, inbox.next()).await.ok().flatten()
}

#[tokio::test(start_paused = true)]
async fn a_letter_is_acked_after_the_application_took_it() {
    let (_house, client, mut visit) = connected(|it| it).await;
    // It may come before anybody looks.
    says(&mut visit, "m1", "hello").await;
    assert!(visit.hears_within(MOMENT).await.is_none());
    let mut inbox = client.inbox();
    let letter = next(&mut inbox).await.unwrap();
    assert_eq!((letter.from.as_deref(), letter.message_id()), (Some("bob"), Some("m1")));
    assert_eq!(letter.json::<String>().unwrap(), "hello");
    assert!(visit.hears_within(MOMENT).await.is_none(), "not while it is looked at");
    letter.ack();
    assert_eq!(visit.hears_type("ack").await["messageId"], "m1");
    // What a back-end sends is a letter as well; without a name there is nothing to ack.
    visit.says(json!({"type": "message", "event": "unread", "data": 3})).await;
    let letter = next(&mut inbox).await.unwrap();
    assert_eq!((letter.event.as_deref(), letter.json::<u32>().unwrap()), (Some("unread"), 3));
    drop(letter);
    assert!(visit.hears_within(MOMENT).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_letter_that_was_not_taken_comes_again() {
    let (mut house, client, mut visit) = connected(|it| it).await;
    let mut inbox = client.inbox();
    says(&mut visit, "m1", "kept").await;
    says(&mut visit, "m2", "panicked over").await;
    next(&mut inbox).await.unwrap().keep();
    let letter = next(&mut inbox).await.unwrap();
    let panicked = tokio::task::spawn_blocking(move || {
        let _letter = letter;
        std::panic::panic_any(1)
    });
    assert!(panicked.await.is_err());
    assert!(visit.hears_within(MOMENT).await.is_none());
    drop(visit);
    let mut visit = house.greet().await;
    says(&mut visit, "m1", "kept").await;
    says(&mut visit, "m2", "panicked over").await;
    drop((next(&mut inbox).await.unwrap(), next(&mut inbox).await.unwrap()));
    visit.hears_type("ack").await;
    visit.hears_type("ack").await;
}

#[tokio::test(start_paused = true)]
async fn a_letter_that_comes_twice_is_handed_out_once_and_acked_twice() {
    let (mut house, client, mut visit) = connected(|it| it).await;
    let mut inbox = client.inbox();
    // Twice before it was taken, and once more afterwards: the ack may have been lost.
    says(&mut visit, "m1", "hello").await;
    says(&mut visit, "m1", "hello").await;
    drop(next(&mut inbox).await.unwrap());
    assert!(next(&mut inbox).await.is_none());
    assert_eq!(visit.hears_type("ack").await["messageId"], "m1");
    drop(visit);
    let mut visit = house.greet().await;
    says(&mut visit, "m1", "hello").await;
    assert_eq!(visit.hears_type("ack").await["messageId"], "m1");
    assert!(next(&mut inbox).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_direct_message_resolves_with_its_message_id() {
    let (_house, client, mut visit) = connected(|it| it).await;
    let sending = tokio::spawn(client.send_direct_message("bob", &json!({"text": "hi"})));
    let heard = visit.acks("chat", json!({"messageId": "m9"})).await;
    assert_eq!(heard["payload"], json!({"to": "bob", "message": {"text": "hi"}}));
    assert_eq!(sending.await.unwrap().unwrap().message_id.as_deref(), Some("m9"));
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_is_acked_before_the_goodbye() {
    let (_house, client, mut visit) = connected(|it| it).await;
    let mut inbox = client.inbox();
    says(&mut visit, "m1", "hello").await;
    drop(next(&mut inbox).await.unwrap());
    let closing = tokio::spawn(async move { client.close().await });
    assert_eq!(visit.hears_type("ack").await["messageId"], "m1");
    assert_eq!(visit.hears_close().await, 1000);
    closing.await.unwrap();
}
