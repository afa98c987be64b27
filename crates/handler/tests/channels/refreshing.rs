//! A fresh token allows less than the one before.

use serde_json::{Value, json};
use ws_auth::TokenRequest;

use crate::{
    house::House,
    talk::{
        NOTHING, SECOND, bulletin, house_with, join, joined, left, rule, subscribe, subscribed,
        unsubscribed,
    },
};

fn auth(house: &House, token: &TokenRequest) -> Value {
    json!({ "type": "auth", "token": house.mint(token), "id": "a" })
}

/// Without the answer to the token.
fn besides(heard: Vec<Value>) -> Vec<Value> {
    let len = heard.len();
    let rest: Vec<_> = heard.into_iter().filter(|it| it["type"] != "authenticated").collect();
    assert_eq!(rest.len(), len - 1, "authenticated once");
    rest
}

#[tokio::test(start_paused = true)]
async fn what_a_fresh_token_does_not_cover_is_left_at_once() {
    let house = House::open(|_| {});
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    for channel in ["a", "b", "c"] {
        ada.enter(channel).await;
    }
    ada.say(join("r")).await;
    bob.say(join("r")).await;
    ada.heard().await;
    let narrow = TokenRequest::new("ada").claim("channels", json!(["b"]));
    let mut heard = besides(ada.say(auth(&house, &narrow)).await);
    heard.sort_by_key(|it| it["channel"].to_string());
    assert_eq!(heard, [unsubscribed("a"), unsubscribed("c"), unsubscribed("room:r")]);
    assert_eq!(bob.heard().await, [left("r", "ada")], "the room is told at once");
    for channel in ["a", "c", "room:r"] {
        house.bulletin(channel, "secret");
    }
    house.bulletin("b", "news");
    assert_eq!(ada.heard().await, [bulletin("b", "news")]);
    assert_eq!(house.holds()[2], 2);
    // A wider token brings nothing back by itself.
    assert_eq!(besides(ada.say(auth(&house, &TokenRequest::new("ada"))).await), NOTHING);
    ada.enter("a").await;
}

#[tokio::test(start_paused = true)]
async fn a_fresh_token_that_permits_no_reading_leaves_every_channel() {
    let house = House::open(|_| {});
    let mut ada = house.visit("ada").await;
    ada.enter("a").await;
    ada.enter("b").await;
    let writes = TokenRequest::new("ada").claim("permissions", json!(["write"]));
    let mut heard = besides(ada.say(auth(&house, &writes)).await);
    heard.sort_by_key(|it| it["channel"].to_string());
    assert_eq!(heard, [unsubscribed("a"), unsubscribed("b")]);
    assert_eq!(house.holds(), [0; 6]);
}

#[tokio::test(start_paused = true)]
async fn a_fresh_token_that_permits_no_presence_ends_what_is_told_of_it() {
    let house = House::open(|_| {});
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    let watch = json!({ "type": "subscribe", "channel": "a", "presence": true });
    assert_eq!(ada.say(watch).await[0], subscribed("a"));
    let narrow = TokenRequest::new("ada").claim("permissions", json!(["subscribe"]));
    assert_eq!(besides(ada.say(auth(&house, &narrow)).await), NOTHING);
    bob.enter("a").await;
    house.bulletin("a", "news");
    assert_eq!(ada.heard().await, [bulletin("a", "news")], "of the channel, not of who is in it");
    ada.vanish().await;
    bob.vanish().await;
    tokio::time::sleep(16 * SECOND).await;
    assert_eq!(house.holds(), [0; 6]);
}

#[tokio::test(start_paused = true)]
async fn a_fresh_token_of_another_session_leaves_the_channels_of_the_one_before() {
    let house = house_with(&[rule("chat:{session_id}", "subscribe presence")]);
    let token = |session: &str| TokenRequest::new("ada").claim("session_id", session);
    let mut ada = house.visit_with(token("s-1")).await;
    ada.enter("chat:s-1").await;
    assert_eq!(house.holds(), [1, 1, 1, 1, 0, 0]);
    assert_eq!(besides(ada.say(auth(&house, &token("s-2"))).await), [unsubscribed("chat:s-1")]);
    assert_eq!(house.holds(), [0; 6], "nobody is there any more");
    house.bulletin("chat:s-1", "secret");
    assert_eq!(ada.heard().await, NOTHING);
}

#[tokio::test(start_paused = true)]
async fn a_fresh_token_may_ask_for_channels_as_the_first_one() {
    let house = House::open(|_| {});
    let mut ada = house.visit("ada").await;
    ada.enter("a").await;
    let token = TokenRequest::new("ada").claim("channels", json!(["a", "b"]));
    let mut wish = auth(&house, &token);
    wish["channels"] = json!(["a", "b", "c"]);
    let heard = ada.say(wish).await;
    assert_eq!(heard[0]["availableChannels"], json!(["a", "b"]));
    assert_eq!(heard[1..], [subscribed("a"), subscribed("b")]);
    assert_eq!(ada.say(subscribe("c")).await[0]["code"], "forbidden");
}

#[tokio::test(start_paused = true)]
async fn a_bad_fresh_token_changes_nothing() {
    let house = House::open(|_| {});
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    ada.say(join("r")).await;
    let forged = json!({ "type": "auth", "token": house.forged("ada"), "id": 1 });
    assert_eq!(ada.say(forged).await[0]["code"], "invalid_token");
    assert_eq!(bob.say(join("r")).await, [joined("r", "bob")]);
    assert_eq!(ada.heard().await, [joined("r", "bob")]);
}

#[tokio::test(start_paused = true)]
async fn a_fresh_token_of_another_user_ends_the_connection_and_shows_it_nothing() {
    let house = house_with(&[rule("user:{user_id}:*", "subscribe")]);
    let mut ada = house.visit("ada").await;
    let mut wish = auth(&house, &TokenRequest::new("bob"));
    wish["channels"] = json!(["user:bob:mail"]);
    ada.send(wish).await;
    assert_eq!(ada.next().await["code"], "user_mismatch");
    assert_eq!(ada.closed().await.0, 1008);
    house.bulletin("user:bob:mail", "secret");
    house.emptied().await;
    assert_eq!(house.holds(), [0; 6]);
}

#[tokio::test(start_paused = true)]
async fn a_fresh_token_takes_nobody_out_of_what_the_application_put_it_into() {
    let house = house_with(&[rule("open", "subscribe")]);
    let mut ada = house.visit("ada").await;
    let client = house.handler.connections().remove(0);
    client.subscribe(&crate::talk::name("ordered"));
    assert_eq!(ada.heard().await, [subscribed("ordered")]);
    assert_eq!(besides(ada.say(auth(&house, &TokenRequest::new("ada"))).await), NOTHING);
    house.bulletin("ordered", 1);
    assert_eq!(ada.heard().await, [bulletin("ordered", 1)]);
    // Once left, it is as closed as ever.
    client.unsubscribe(&crate::talk::name("ordered"));
    assert_eq!(ada.heard().await, [unsubscribed("ordered")]);
    assert_eq!(ada.say(subscribe("ordered")).await[0]["code"], "forbidden");
}

#[tokio::test(start_paused = true)]
async fn who_left_what_it_was_put_into_and_came_back_by_itself_is_there_by_its_token_alone() {
    let house = House::open(|_| {});
    let mut ada = house.visit("ada").await;
    let client = house.handler.connections().remove(0);
    client.subscribe(&crate::talk::name("orders"));
    assert_eq!(ada.heard().await, [subscribed("orders")]);
    assert_eq!(ada.say(crate::talk::unsubscribe("orders")).await, [unsubscribed("orders")]);
    ada.enter("orders").await;
    let narrow = TokenRequest::new("ada").claim("channels", json!(["others"]));
    assert_eq!(besides(ada.say(auth(&house, &narrow)).await), [unsubscribed("orders")]);
    house.bulletin("orders", "secret");
    assert_eq!(ada.heard().await, NOTHING);
}
