//! What was said to a user who was away.

use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;
use ws_client::{Client, Inbox, Letter};

use crate::{
    proxy::Fault,
    site::{Site, until},
};

const PATIENCE: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_millis(400);

async fn next(inbox: &mut Inbox) -> Letter {
    timeout(PATIENCE, inbox.next()).await.expect("a letter").expect("the client lives")
}

fn text(letter: &Letter) -> String {
    letter.json().expect("a text")
}

async fn is_silent(inbox: &mut Inbox) {
    if let Ok(letter) = timeout(SILENCE, inbox.next()).await {
        panic!("{letter:?}");
    }
}

async fn arrives(site: &Site, user: &str) -> (Client, Inbox) {
    let client = site.client(user).connect().expect("an address");
    let inbox = client.inbox();
    client.ready().await.expect("connected");
    (client, inbox)
}

#[tokio::test]
async fn a_letter_is_acked_after_the_application_took_it() {
    let site = Site::open("letters", &[]).await;
    let (alice, _) = arrives(&site, "alice").await;
    for n in 1..=3 {
        alice.send_direct_message("bob", &format!("letter {n}")).await.expect("it is kept");
    }
    let (bob, mut inbox) = arrives(&site, "bob").await;
    for n in 1..=3 {
        assert_eq!(text(&next(&mut inbox).await), format!("letter {n}"));
    }
    // Neither with the next connection of this client, nor to the next client.
    let came = site.proxy.came();
    site.proxy.befall(Fault::Cut);
    until("both are back", async || site.proxy.came() >= came + 2).await;
    bob.ready().await.expect("connected");
    is_silent(&mut inbox).await;
    bob.close().await;
    let (_bob, mut inbox) = arrives(&site, "bob").await;
    is_silent(&mut inbox).await;
    // What comes while somebody is there comes at once.
    alice.send_direct_message("bob", "letter 4").await.expect("it is taken");
    assert_eq!(text(&next(&mut inbox).await), "letter 4");
}

#[tokio::test]
async fn a_letter_that_was_not_taken_comes_again() {
    let site = Site::open("kept-letters", &[]).await;
    let body = json!({ "event": "unread", "data": "from the back-end" });
    site.order("/api/users/bob/send", &body).await;
    let (bob, mut inbox) = arrives(&site, "bob").await;
    let letter = next(&mut inbox).await;
    assert_eq!((letter.event.as_deref(), &*text(&letter)), (Some("unread"), "from the back-end"));
    letter.keep();
    site.proxy.befall(Fault::Reset);
    assert_eq!(text(&next(&mut inbox).await), "from the back-end");
    // What is closed says that it was taken before it goes.
    bob.close().await;
    let (_bob, mut inbox) = arrives(&site, "bob").await;
    is_silent(&mut inbox).await;
}
