//! From a client to all who are subscribed.

use std::slice::from_ref;

use serde_json::{Value, json};
use ws_channels::RuleSpec;

use crate::{
    house::House,
    talk::{NOTHING, acked, anonymous, error, house_with, message, publish, rule, with_id},
};

#[tokio::test(start_paused = true)]
async fn a_publish_reaches_every_subscriber_once_its_publisher_too_and_nobody_else() {
    let house = House::open(|_| {});
    let [mut ada, mut bob, mut eve] = house.visit_all(["ada", "bob", "eve"]).await;
    ada.enter("orders").await;
    bob.enter("orders").await;
    eve.enter("others").await;
    let request = json!({ "type": "publish", "channel": "orders", "event": "new", "data": [1] });
    let news = json!({
        "type": "message", "channel": "orders", "event": "new", "data": [1], "from": "ada",
    });
    assert_eq!(ada.say(request).await, from_ref(&news));
    assert_eq!(bob.heard().await, [news]);
    assert_eq!(eve.heard().await, NOTHING);
}

#[tokio::test(start_paused = true)]
async fn a_publish_is_acknowledged_if_it_has_an_id_which_nobody_else_sees() {
    let house = House::open(|_| {});
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    bob.enter("orders").await;
    assert_eq!(ada.say(publish("orders", 1)).await, NOTHING);
    assert_eq!(ada.say(with_id(publish("orders", 2), "p-2")).await, [acked("p-2")]);
    // Nobody is there to hear it, and it is taken on all the same.
    assert_eq!(ada.say(with_id(publish("empty", 3), 3)).await, [acked(3)]);
    assert_eq!(bob.heard().await, [message("orders", "ada", 1), message("orders", "ada", 2)]);
    assert_eq!(house.tallied("published"), 3);
    assert_eq!(house.tallied("delivered"), 2);
}

#[tokio::test(start_paused = true)]
async fn data_is_handed_on_as_it_was_written() {
    let house = House::open(|_| {});
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    bob.enter("orders").await;
    for data in [
        "{ \"b\" : 1,  \"a\":[1.0 , 1e3,12345678901234567890123] }",
        "null",
        "\"\\u00e9 \\/ \u{1f980}\"",
    ] {
        ada.send_text(&format!("{{\"type\":\"publish\",\"channel\":\"orders\",\"data\":{data}}}"))
            .await;
        let Some(tungstenite::Message::Text(text)) = bob.next_message().await else {
            panic!("no text came");
        };
        assert!(text.contains(&format!("\"data\":{data},")), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_denied_publish_names_the_rule_and_reaches_nobody() {
    let event = |name: &str| RuleSpec {
        allowed_events: Some(vec![name.to_owned()]),
        ..rule("deeds", "subscribe publish")
    };
    let house =
        house_with(&[rule("news", "subscribe"), event("done"), rule("room:*", "subscribe")]);
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    for channel in ["news", "deeds"] {
        ada.enter(channel).await;
        bob.enter(channel).await;
    }
    for (channel, event, why) in [
        ("news", None, "news: publish is not allowed by the rule news"),
        ("deeds", None, "deeds: the event is not allowed by the rule deeds"),
        ("deeds", Some("undone"), "deeds: the event is not allowed by the rule deeds"),
        ("nowhere", None, "nowhere: no rule allows this channel"),
        ("$presence:news", None, "$presence:news: the channel's prefix is reserved"),
        ("user:bob", None, "user:bob: the channel's prefix is reserved"),
    ] {
        let mut request = publish(channel, "forbidden");
        request["event"] = event.into();
        let answer = ada.say(with_id(request, 1)).await;
        assert_eq!(answer, [with_id(error("forbidden", why), 1)]);
        assert_eq!(bob.heard().await, NOTHING, "{channel} {event:?}");
    }
    assert_eq!((house.tallied("published"), house.tallied("delivered")), (0, 0));
    let request =
        json!({ "type": "publish", "channel": "deeds", "event": "done", "data": 1, "id": 2 });
    let heard = ada.say(request).await;
    assert!(heard.contains(&acked(2)) && heard.len() == 2, "{heard:?}");
    assert_eq!(bob.heard().await.len(), 1);
    // The rule asks clients, and no back-end.
    assert_eq!(house.bulletin("news", 1).receivers, 2);
}

#[tokio::test(start_paused = true)]
async fn a_denied_publish_between_others_takes_none_of_them_with_it() {
    let house = house_with(&[rule("a", "subscribe publish"), rule("b", "subscribe")]);
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    bob.enter("a").await;
    bob.enter("b").await;
    for request in [publish("a", 1), with_id(publish("b", 2), 2), publish("a", 3)] {
        ada.feed(&request).await;
    }
    let why = "b: publish is not allowed by the rule b";
    assert_eq!(ada.heard().await, [with_id(error("forbidden", why), 2)]);
    assert_eq!(bob.heard().await, [message("a", "ada", 1), message("a", "ada", 3)]);
}

#[tokio::test(start_paused = true)]
async fn what_one_client_publishes_in_many_channels_keeps_its_order() {
    let house = House::open(|_| {});
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    for channel in ["a", "b", "c"] {
        bob.enter(channel).await;
    }
    let mut expect: Vec<Value> = Vec::new();
    for n in 0..300 {
        // Runs of the same channel, and changes from one to the next.
        let channel = ["a", "a", "a", "b", "c", "b", "b"][n % 7];
        let mut request = publish(channel, n);
        let mut news = message(channel, "ada", n);
        if n % 11 == 0 {
            request["eventId"] = format!("event-{n}").into();
            news["eventId"] = format!("event-{n}").into();
        }
        ada.feed(&request).await;
        expect.push(news);
    }
    assert_eq!(ada.heard().await, NOTHING);
    assert_eq!(bob.heard().await, expect);
    assert_eq!((house.tallied("published"), house.tallied("delivered")), (300, 300));
}

#[tokio::test(start_paused = true)]
async fn all_subscribers_see_the_messages_of_all_publishers_in_the_same_order() {
    let house = House::open(|_| {});
    let [mut ada, mut bob, mut eve] = house.visit_all(["ada", "bob", "eve"]).await;
    for peer in [&mut ada, &mut bob, &mut eve] {
        peer.enter("orders").await;
    }
    for round in 0..30 {
        for peer in [&mut ada, &mut bob, &mut eve] {
            peer.feed(&publish("orders", round)).await;
            peer.flush().await;
        }
        for _ in 0..round % 3 {
            tokio::task::yield_now().await;
        }
    }
    let heard = ada.heard().await;
    assert_eq!(heard.len(), 90);
    assert_eq!(bob.heard().await, heard);
    assert_eq!(eve.heard().await, heard);
    for user in ["ada", "bob", "eve"] {
        let own: Vec<&Value> = heard.iter().filter(|it| it["from"] == user).collect();
        assert!(own.iter().map(|it| it["data"].as_i64()).eq((0..30).map(Some)), "{user}");
    }
}

#[tokio::test(start_paused = true)]
async fn where_nobody_says_who_it_is_a_publish_is_from_its_connection() {
    let house = House::open(anonymous);
    let mut one = house.stand_in_line().await;
    let mut other = house.stand_in_line().await;
    one.enter("orders").await;
    other.send(publish("orders", 1)).await;
    let news = one.heard().await.remove(0);
    let ids: Vec<_> = house.handler.connections().iter().map(|it| it.id().to_string()).collect();
    let from = news["from"].as_str().expect("a name: it is no back-end").to_owned();
    assert!(ids.contains(&from));
    assert_eq!(news, message("orders", &from, 1));
    one.send(crate::talk::join("r")).await;
    let joined = one.next().await;
    let clients = house.handler.subscribers("room:r");
    assert_eq!(joined["user_id"], clients[0].id().to_string());
    other.say(crate::talk::join("r")).await;
    assert_eq!(one.heard().await.len(), 1);
    other.say(crate::talk::say("r", "hi")).await;
    let said = &one.heard().await[0];
    assert_eq!((&said["type"], &said["message"]), (&json!("room_message"), &json!("hi")));
    assert_eq!(said["from"], from);
    let chat = json!({ "type": "chat", "payload": { "to": joined["user_id"], "message": "hi" } });
    assert_eq!(other.say(chat).await, [error("user_offline", "The user is not connected")]);
    let auth = json!({ "type": "auth", "token": house.token("ada") });
    assert_eq!(one.say(auth).await[0]["code"], "unsupported");
}
