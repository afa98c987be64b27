//! Letters.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;
use ws_client::{Inbox, Letter};

use crate::house::{LONG, Visit, connected};

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

#[tokio::test(start_paused = true)]
async fn whoever_waits_at_one_of_two_inboxes_is_served_or_told_of_the_end() {
    let (_house, client, mut visit) = connected(|it| it).await;
    let wait = |mut inbox: Inbox| {
        tokio::spawn(async move { (next_or_end(&mut inbox).await, next_or_end(&mut inbox).await) })
    };
    let (one, other) = (wait(client.inbox()), wait(client.inbox()));
    assert!(visit.hears_within(MOMENT).await.is_none(), "both wait");
    says(&mut visit, "m1", "hello").await;
    visit.hears_type("ack").await;
    let began = Instant::now();
    client.close().await;
    let taken = [one.await.unwrap(), other.await.unwrap()];
    assert!(began.elapsed() < LONG / 2, "one of them was not told");
    let letters = taken.iter().filter(|(first, _)| first.as_deref() == Some("m1")).count();
    assert_eq!(letters, 1);
}

/// The name of the next letter.
async fn next_or_end(inbox: &mut Inbox) -> Option<String> {
    let letter = tokio::time::timeout(LONG, inbox.next()).await.expect("a letter, or the end");
    letter.and_then(|it| it.message_id().map(str::to_owned))
}
