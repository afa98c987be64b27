//! Rules with placeholders, and what tokens leave of what rules allow.

use std::slice::from_ref;

use serde_json::{Value, json};
use ws_auth::TokenRequest;

use crate::{
    house::{House, PATH, Peer},
    talk::{
        NOTHING, acked, bulletin, error, house_with, publish, rule, subscribe, subscribed, undated,
        with_id,
    },
};

#[tokio::test(start_paused = true)]
async fn a_placeholder_stands_for_the_user_and_for_nobody_else() {
    let house = house_with(&[
        rule("user:{user_id}:*", "subscribe publish"),
        rule("team:*", "subscribe"),
        rule("team:{user_id}", "subscribe publish"),
    ]);
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    ada.enter("user:ada:mail").await;
    let reserved = error("forbidden", "user:ada:mail: the channel's prefix is reserved");
    assert_eq!(bob.say(subscribe("user:ada:mail")).await, from_ref(&reserved));
    assert_eq!(bob.say(publish("user:ada:mail", "forged")).await, [reserved]);
    // The more specific rule is about ada alone; to bob, the other one is said.
    let why = "team:ada: publish is not allowed by the rule team:*";
    assert_eq!(bob.say(publish("team:ada", 1)).await, [error("forbidden", why)]);
    assert_eq!(ada.say(with_id(publish("team:ada", 1), 1)).await, [acked(1)]);
    assert_eq!(ada.heard().await, NOTHING);
    house.bulletin("user:ada:mail", "for ada");
    assert_eq!(ada.heard().await, [bulletin("user:ada:mail", "for ada")]);
    assert_eq!(bob.heard().await, NOTHING);
}

#[tokio::test(start_paused = true)]
async fn a_user_whose_name_looks_like_more_than_one_part_gets_nowhere_by_it() {
    let house = house_with(&[rule("user:{user_id}:*", "subscribe")]);
    let mut odd = house.visit("ada:mail").await;
    for channel in ["user:ada:mail", "user:ada:x", "user:ada:mail:x"] {
        assert_eq!(odd.say(subscribe(channel)).await[0]["code"], "forbidden", "{channel}");
        assert_eq!(house.bulletin(channel, "secret").receivers, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_is_what_the_token_says_and_not_what_the_client_says() {
    let house = house_with(&[rule("chat:{session_id}", "subscribe")]);
    let mut ada = house.visit_with(TokenRequest::new("ada").claim("session_id", "s-1")).await;
    ada.enter("chat:s-1").await;
    assert_eq!(ada.say(subscribe("chat:s-2")).await[0]["code"], "forbidden");

    let mut eve = house.stand_in_line().await;
    eve.send(json!({ "token": house.token("eve"), "sessionId": "s-1" })).await;
    let answer = eve.next().await;
    assert_eq!((&answer["type"], &answer["sessionId"]), (&json!("authenticated"), &json!("s-1")));
    assert_eq!(eve.say(subscribe("chat:s-1")).await[0]["code"], "forbidden");
    house.bulletin("chat:s-1", "secret");
    assert_eq!(eve.heard().await, NOTHING);
}

#[tokio::test(start_paused = true)]
async fn a_token_narrows_the_channels_and_never_widens_them() {
    let house = house_with(&[
        rule("a:*", "subscribe publish"),
        rule("b", "subscribe publish"),
        rule("c", "publish"),
    ]);
    let token = TokenRequest::new("ada").claim("channels", json!(["a:1*", "c", "d"]));
    let mut ada = house.visit_with(token).await;
    ada.enter("a:1").await;
    ada.enter("a:17").await;
    for (channel, why) in [
        ("a:2", "a:2: the token does not cover this channel"),
        ("b", "b: the token does not cover this channel"),
        ("c", "c: subscribe is not allowed by the rule c"),
        ("d", "d: no rule allows this channel"),
    ] {
        assert_eq!(ada.say(subscribe(channel)).await, [error("forbidden", why)]);
        house.bulletin(channel, "secret");
        assert_eq!(ada.heard().await, NOTHING);
    }
    let mut bob = house.visit("bob").await;
    bob.enter("b").await;
    let why = "b: the token does not cover this channel";
    assert_eq!(ada.say(publish("b", 1)).await, [error("forbidden", why)]);
    assert_eq!(bob.heard().await, NOTHING);
    assert_eq!(ada.say(with_id(publish("c", 1), 1)).await, [acked(1)]);
}

#[tokio::test(start_paused = true)]
async fn a_token_narrows_what_may_be_done() {
    let house = House::open(|_| {});
    let [mut reader, mut writer, mut neither] = [
        house.visit_with(TokenRequest::new("reader").claim("permissions", json!(["read"]))).await,
        house.visit_with(TokenRequest::new("writer").claim("permissions", json!(["write"]))).await,
        house.visit_with(TokenRequest::new("neither").claim("permissions", json!([]))).await,
    ];
    reader.enter("orders").await;
    let may_not = |action: &str| {
        error("forbidden", &format!("orders: the token does not permit to {action}"))
    };
    assert_eq!(writer.say(subscribe("orders")).await, [may_not("subscribe")]);
    assert_eq!(neither.say(subscribe("orders")).await, [may_not("subscribe")]);
    assert_eq!(reader.say(publish("orders", 1)).await, [may_not("publish")]);
    assert_eq!(neither.say(publish("orders", 1)).await, [may_not("publish")]);
    let presence = json!({ "type": "presence", "channel": "orders" });
    assert_eq!(reader.say(presence.clone()).await[0]["count"], 1);
    assert_eq!(writer.say(presence).await, [may_not("presence")]);
    assert_eq!(reader.heard().await, NOTHING);
    assert_eq!(writer.say(with_id(publish("orders", 1), 1)).await, [acked(1)]);
    assert_eq!(reader.heard().await.len(), 1);
    assert_eq!(writer.heard().await, NOTHING);
}

async fn authenticate(house: &House, token: &TokenRequest, channels: Value) -> (Peer, Value) {
    let mut peer = house.stand_in_line().await;
    let auth = json!({ "token": house.mint(token), "channels": channels, "id": 1 });
    peer.send(auth).await;
    let mut answer = undated(peer.next().await);
    let fields = answer.as_object_mut().expect("an object");
    assert!(fields.remove("sessionId").is_some() && fields.remove("expiresAt").is_some());
    (peer, answer)
}

#[tokio::test(start_paused = true)]
async fn who_authenticates_is_told_which_of_its_channels_are_open_and_is_in_those() {
    let house = house_with(&[rule("a:*", "subscribe"), rule("b", "publish")]);
    let wishes = json!(["a:1", "b", "a:2", "no name", "$x", "a:1"]);
    let (mut ada, answer) = authenticate(&house, &TokenRequest::new("ada"), wishes).await;
    let expect = json!({
        "type": "authenticated", "success": true, "userId": "ada", "id": 1,
        "availableChannels": ["a:1", "a:2", "a:1"], "permissions": ["read", "write"],
    });
    assert_eq!(answer, expect);
    let heard = ada.heard().await;
    assert_eq!(heard, [subscribed("a:1"), subscribed("a:2"), subscribed("a:1")]);
    assert_eq!(house.holds()[2], 2);
    house.bulletin("a:2", 2);
    house.bulletin("b", "secret");
    assert_eq!(ada.heard().await, [bulletin("a:2", 2)]);
}

#[tokio::test(start_paused = true)]
async fn who_authenticates_is_told_what_its_token_permits() {
    let house = House::open(|_| {});
    let token = TokenRequest::new("ada")
        .claim("channels", json!(["a", "b:*"]))
        .claim("permissions", json!(["read", "admin"]));
    let (mut ada, answer) = authenticate(&house, &token, json!(["a", "c"])).await;
    assert_eq!(answer["permissions"], json!(["read", "admin"]));
    assert_eq!(answer["availableChannels"], json!(["a"]));
    assert_eq!(ada.heard().await, [subscribed("a")]);
    // Who wishes for nothing is told what it could have, and is in none of it.
    let (mut again, answer) = authenticate(&house, &token, json!([])).await;
    assert_eq!(answer["availableChannels"], json!(["a", "b:*"]));
    assert_eq!(again.heard().await, NOTHING);
}

#[tokio::test(start_paused = true)]
async fn a_token_whose_channels_cannot_be_meant_opens_none() {
    let house = House::open(|_| {});
    let token = TokenRequest::new("ada").claim("channels", json!(["a", "*x"]));
    let target = format!("{PATH}?token={}", house.mint(&token));
    let mut ada = house.connect(&target, &[]).await;
    assert_eq!(ada.next().await["type"], "connected");
    let why = "a: the token does not cover this channel";
    let answer = ada.say(subscribe("a")).await;
    assert_eq!(answer[0]["code"], "forbidden", "{why}: {answer:?}");
    house.bulletin("a", "secret");
    assert_eq!(ada.heard().await, NOTHING);
}
