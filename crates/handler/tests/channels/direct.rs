//! From one user to another, and messages of the application's own.

use std::slice::from_ref;

use serde_json::{Value, json};
use ws_auth::TokenRequest;

use crate::{
    house::House,
    talk::{NOTHING, error, house_with, rule, undated, with_id},
};

fn chat(to: &str, message: impl Into<Value>) -> Value {
    json!({ "type": "chat", "payload": { "to": to, "message": message.into() } })
}

#[tokio::test(start_paused = true)]
async fn a_chat_reaches_every_connection_of_its_user_and_nobody_else() {
    let house = House::open(|_| {});
    let [mut ada, mut bob, mut again, mut eve] =
        house.visit_all(["ada", "bob", "bob", "eve"]).await;
    let answer = ada.say(with_id(chat("bob", "hi"), 1)).await;
    let message_id = answer[0]["messageId"].clone();
    assert!(message_id.as_str().is_some_and(|id| id.len() == 36), "{answer:?}");
    assert_eq!(answer, [json!({ "type": "ack", "messageId": message_id, "id": 1 })]);
    let told = json!({ "type": "chat", "from": "ada", "message": "hi", "messageId": message_id });
    assert_eq!(bob.heard().await, from_ref(&told));
    assert_eq!(again.heard().await, [told]);
    assert_eq!(eve.heard().await, NOTHING);
    // Without an `id` nothing is answered; any JSON may be said; each has a name of its own.
    assert_eq!(ada.say(chat("bob", json!({ "a": [1] }))).await, NOTHING);
    let heard = bob.heard().await;
    assert_eq!(heard[0]["message"], json!({ "a": [1] }));
    assert_ne!(heard[0]["messageId"], message_id);
}

#[tokio::test(start_paused = true)]
async fn a_chat_with_oneself_reaches_all_of_ones_own_connections() {
    let house = House::open(|_| {});
    let [mut ada, mut again] = house.visit_all(["ada", "ada"]).await;
    let heard = ada.say(chat("ada", "note")).await;
    assert_eq!((&heard[0]["type"], heard.len()), (&json!("chat"), 1));
    assert_eq!(again.heard().await, heard);
}

#[tokio::test(start_paused = true)]
async fn a_chat_with_somebody_who_is_not_there_is_answered_so() {
    let house = House::open(|_| {});
    let [mut ada, bob] = house.visit_all(["ada", "bob"]).await;
    let offline = error("user_offline", "The user is not connected");
    for to in ["nobody", ""] {
        assert_eq!(ada.say(with_id(chat(to, "hi"), 1)).await, [with_id(offline.clone(), 1)]);
    }
    bob.vanish().await;
    assert_eq!(ada.say(chat("bob", "hi")).await, [offline]);
    let mut bob = house.visit("bob").await;
    assert_eq!(bob.heard().await, NOTHING, "nothing is kept for those who come back");
}

#[tokio::test(start_paused = true)]
async fn rules_of_channels_are_not_asked_for_a_chat_and_strangers_have_none() {
    let house = house_with(&[rule("a", "subscribe")]);
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    ada.say(chat("bob", "hi")).await;
    assert_eq!(bob.heard().await.len(), 1);
    let mut stranger = house.stand_in_line().await;
    stranger.send(chat("bob", "hi")).await;
    assert_eq!(stranger.next().await["code"], "unauthorized");
    assert_eq!(stranger.closed().await.0, 1008);
    assert_eq!(bob.heard().await, NOTHING);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_leaves_no_publishing_leaves_no_chat() {
    let house = House::open(|_| {});
    let request = TokenRequest::new("reader").claim("permissions", json!(["read"]));
    let [mut reader, mut bob] = [house.visit_with(request).await, house.visit("bob").await];
    let refusal = error("forbidden", "the token does not permit to publish");
    assert_eq!(reader.say(with_id(chat("bob", "hi"), 1)).await, [with_id(refusal, 1)]);
    assert_eq!(bob.heard().await, NOTHING);
    bob.say(chat("reader", "hi")).await;
    assert_eq!(reader.heard().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_of_a_client_has_no_answer() {
    let house = House::open(|_| {});
    let mut ada = house.visit("ada").await;
    let ack = json!({ "type": "ack", "messageId": "m-1" });
    assert_eq!(ada.say(ack.clone()).await, NOTHING);
    assert_eq!(ada.say(with_id(ack, 1)).await, NOTHING);
}

#[tokio::test(start_paused = true)]
async fn a_type_of_the_applications_own_is_served_by_it_and_any_other_is_unknown() {
    let house = House::open(|_| {});
    let mut ada = house.visit("ada").await;
    let order = json!({ "type": "order", "item": 7, "id": 1 });
    ada.send(order.clone()).await;
    assert_eq!(ada.next().await, order);
    for unknown in ["custom", "Order", "publish ", ""] {
        ada.send(json!({ "type": unknown, "id": 2 })).await;
        let answer = undated(ada.next().await);
        assert_eq!((&answer["code"], &answer["id"]), (&json!("unknown_type"), &json!(2)));
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_vocabulary_asks_of_strangers_goes_for_all_of_it() {
    for request in [
        crate::talk::subscribe("a"),
        crate::talk::publish("a", 1),
        crate::talk::join("r"),
        crate::talk::leave("r"),
        crate::talk::say("r", "hi"),
        json!({ "type": "typing", "payload": { "room_id": "r" } }),
        json!({ "type": "presence", "channel": "a" }),
        json!({ "type": "unsubscribe", "channel": "a" }),
        json!({ "type": "ack", "messageId": "m" }),
        json!({ "type": "order" }),
    ] {
        let house = House::open(|_| {});
        let mut ada = house.visit("ada").await;
        ada.enter("a").await;
        ada.say(crate::talk::join("r")).await;
        let mut stranger = house.stand_in_line().await;
        stranger.send(with_id(request.clone(), 1)).await;
        let answer = undated(stranger.next().await);
        assert_eq!(answer["code"], "unauthorized", "{request}");
        house.bulletin("a", 1);
        assert_eq!(stranger.closed().await, (1008, "Authentication required".to_owned()));
        assert_eq!(ada.heard().await.len(), 1, "{request}");
        assert_eq!(house.holds()[2], 2);
    }
}
