//! Connection types: what the path of an upgrade means.

use std::sync::Arc;

use serde_json::json;
use ws_channels::{ConnectionTypeSpec, ConnectionTypes, OnLimit, RuleSpec};
use ws_handler::HandlerConfig;

use crate::{
    house::{House, Peer, settle},
    talk::{
        NOTHING, SECOND, anonymous, bulletin, compiled, error, joined, rule, subscribed, undated,
        unsubscribe, unsubscribed, with_id,
    },
};

fn spec(path: &str, channel: &str) -> ConnectionTypeSpec {
    ConnectionTypeSpec {
        path: path.to_owned(),
        channels: vec![channel.to_owned()],
        ..ConnectionTypeSpec::default()
    }
}

fn with_types(
    types: Vec<ConnectionTypeSpec>,
    rules: Vec<RuleSpec>,
) -> impl FnOnce(&mut HandlerConfig) {
    move |config| {
        config.policy.limits.connections_per_user_max = None;
        config.policy.types = Arc::new(ConnectionTypes::compile(&types).expect("sound"));
        config.policy.rules = compiled(&rules);
    }
}

/// Two at once for each desk; the third is rejected, or takes the place of the first.
fn desks(on_limit: OnLimit) -> ConnectionTypeSpec {
    ConnectionTypeSpec {
        max: Some(2),
        per: Some("desk".to_owned()),
        on_limit,
        ..spec("/ws/desks/{desk}", "desk:{desk}")
    }
}

impl House {
    async fn visit_at(&self, path: &str, user: &str) -> Peer {
        self.connect(&format!("{path}?token={}", self.token(user)), &[]).await
    }

    /// Connects, and is in the channel of the path.
    async fn sit_down(&self, path: &str, user: &str, channel: &str) -> Peer {
        let mut peer = self.visit_at(path, user).await;
        let greeting = peer.next().await;
        assert_eq!((&greeting["type"], &greeting["userId"]), (&json!("connected"), &json!(user)));
        assert_eq!(peer.heard().await, [subscribed(channel)]);
        peer
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_in_the_channels_of_its_path_by_itself() {
    let house = House::open(with_types(vec![spec("/ws/chat/{id}", "chat:{id}")], vec![]));
    let mut ada = house.sit_down("/ws/chat/abc", "ada", "chat:abc").await;
    house.bulletin("chat:abc", 1);
    house.bulletin("chat:def", "secret");
    assert_eq!(ada.heard().await, [bulletin("chat:abc", 1)]);
    // It may leave it, and any other path is as any other.
    assert_eq!(ada.say(unsubscribe("chat:abc")).await, [unsubscribed("chat:abc")]);
    let mut bob = house.visit("bob").await;
    assert_eq!(bob.heard().await, NOTHING);
    assert_eq!(house.holds(), [0, 0, 0, 0, 0, 0], "no limit, and so no place");
    assert!(house.handler.is_connection_path("/ws/chat/abc"));
    assert!(!house.handler.is_connection_path("/ws/chat/abc/def"));
}

#[tokio::test(start_paused = true)]
async fn who_authenticates_with_its_first_message_is_in_them_from_then_on() {
    let types = vec![spec("/ws/chat/{id}", "chat:{id}"), spec("/ws/rooms/{id}", "room:{id}")];
    let house = House::open(with_types(types, vec![]));
    let mut ada = house.connect("/ws/chat/abc", &[]).await;
    assert_eq!(ada.next().await["type"], "connected");
    assert_eq!(ada.heard().await, NOTHING);
    assert_eq!(house.bulletin("chat:abc", "secret").receivers, 0);
    ada.send(json!({ "token": house.token("ada"), "channels": ["orders"] })).await;
    assert_eq!(ada.next().await["type"], "authenticated");
    assert_eq!(ada.heard().await, [subscribed("chat:abc"), subscribed("orders")]);
    // A room of a path is a room.
    let mut bob = house.sit_down("/ws/rooms/r", "bob", "room:r").await;
    let _eve = house.sit_down("/ws/rooms/r", "eve", "room:r").await;
    assert_eq!(bob.heard().await, [joined("r", "eve")]);
    // A refresh changes nothing about it.
    let auth = json!({ "type": "auth", "token": house.token("ada") });
    assert_eq!(ada.say(auth).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_more_than_there_may_be_of_a_key_is_rejected_and_hears_nothing() {
    let house = House::open(with_types(vec![desks(OnLimit::Reject)], vec![]));
    let mut first = house.sit_down("/ws/desks/1", "ada", "desk:1").await;
    let second = house.sit_down("/ws/desks/1", "bob", "desk:1").await;
    let mut third = house.visit_at("/ws/desks/1", "eve").await;
    let full = error("too_many_connections", "Too many connections");
    assert_eq!(undated(third.next().await), full);
    assert_eq!(house.bulletin("desk:1", 1).receivers, 2);
    assert_eq!(third.closed().await, (1008, "Too many connections".to_owned()));
    assert_eq!(first.heard().await, [bulletin("desk:1", 1)]);
    // Another key has places of its own.
    let _other = house.sit_down("/ws/desks/2", "eve", "desk:2").await;
    // By first message as well, with the id of that.
    let mut late = house.connect("/ws/desks/1", &[]).await;
    assert_eq!(late.next().await["type"], "connected");
    late.send(json!({ "token": house.token("eve"), "id": 5 })).await;
    assert_eq!(undated(late.next().await), with_id(full, 5));
    assert_eq!(late.closed().await.0, 1008);
    // A place is free once somebody has gone.
    second.vanish().await;
    let _next = house.sit_down("/ws/desks/1", "eve", "desk:1").await;
    assert_eq!(house.holds()[5], 3);
}

#[tokio::test(start_paused = true)]
async fn one_more_than_there_may_be_of_a_key_takes_the_place_of_the_oldest() {
    let house = House::open(with_types(vec![desks(OnLimit::CloseOldest)], vec![]));
    let mut first = house.sit_down("/ws/desks/1", "ada", "desk:1").await;
    let mut second = house.sit_down("/ws/desks/1", "ada", "desk:1").await;
    let mut other = house.sit_down("/ws/desks/2", "ada", "desk:2").await;
    let mut third = house.sit_down("/ws/desks/1", "ada", "desk:1").await;
    assert_eq!(first.closed().await, (1008, "Replaced by another connection".to_owned()));
    drop(first);
    settle().await;
    assert_eq!(house.bulletin("desk:1", 1).receivers, 2);
    let mut fourth = house.sit_down("/ws/desks/1", "ada", "desk:1").await;
    assert_eq!(second.next().await["type"], "message");
    assert_eq!(second.closed().await, (1008, "Replaced by another connection".to_owned()));
    for peer in [&mut third, &mut fourth, &mut other] {
        assert!(peer.heard().await.iter().all(|it| it["type"] == "message"));
    }
    drop(second);
    settle().await;
    assert_eq!(house.holds()[5], 3);
}

#[tokio::test(start_paused = true)]
async fn only_the_owner_of_a_path_gets_in_there() {
    let mails = ConnectionTypeSpec { owner: true, ..spec("/ws/mail/{user_id}", "mail:{user_id}") };
    let house = House::open(with_types(vec![mails], vec![]));
    let mut ada = house.sit_down("/ws/mail/ada", "ada", "mail:ada").await;
    let why = error("forbidden", "This path belongs to another user");
    let mut bob = house.visit_at("/ws/mail/ada", "bob").await;
    assert_eq!(undated(bob.next().await), why);
    assert_eq!(house.bulletin("mail:ada", "for ada").receivers, 1);
    assert_eq!(bob.closed().await, (1008, "This path belongs to another user".to_owned()));
    let mut late = house.connect("/ws/mail/ada", &[]).await;
    assert_eq!(late.next().await["type"], "connected");
    late.send(json!({ "token": house.token("bob"), "id": 5 })).await;
    assert_eq!(undated(late.next().await), with_id(why.clone(), 5));
    assert_eq!(late.closed().await.0, 1008);
    assert_eq!(ada.heard().await, [bulletin("mail:ada", "for ada")]);

    // Where nobody says who it is, nobody is the owner.
    let mails = ConnectionTypeSpec { owner: true, ..spec("/ws/mail/{user_id}", "mail:{user_id}") };
    let house = House::open(|config| {
        with_types(vec![mails], vec![])(config);
        anonymous(config);
    });
    let mut nobody = house.connect("/ws/mail/ada", &[]).await;
    assert_eq!(undated(nobody.next().await), why);
    assert_eq!(nobody.closed().await.0, 1008);
}

#[tokio::test(start_paused = true)]
async fn a_path_whose_channel_is_closed_by_the_rules_is_closed() {
    let desk = ConnectionTypeSpec { max: Some(1), ..desks(OnLimit::Reject) };
    let rules = vec![rule("desk:1", "subscribe"), rule("desk:*", "publish")];
    let house = House::open(with_types(vec![desk], rules));
    let mut ada = house.visit_at("/ws/desks/2", "ada").await;
    let mut heard = Vec::new();
    loop {
        match ada.next_message().await {
            Some(tungstenite::Message::Text(text)) => {
                heard.push(undated(serde_json::from_str(&text).expect("JSON")));
            }
            Some(tungstenite::Message::Close(Some(frame))) => {
                assert_eq!(u16::from(frame.code), 1008);
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    let denial = heard.last().expect("an error");
    assert_eq!(denial["code"], "forbidden");
    let why = "subscribe is not allowed by the rule desk:*";
    assert!(denial["message"].as_str().is_some_and(|it| it.ends_with(why)), "{denial}");
    assert_eq!(house.bulletin("desk:2", "secret").receivers, 0);
    drop(ada);
    house.emptied().await;
    assert_eq!(house.holds(), [0; 6], "the place is free again");
    let _bob = house.sit_down("/ws/desks/1", "bob", "desk:1").await;
}

#[tokio::test(start_paused = true)]
async fn a_path_that_makes_no_channel_name_is_refused() {
    let house = House::open(with_types(vec![spec("/ws/chat/{id}", "chat:{id}")], vec![]));
    for path in ["/ws/chat/a%20b", "/ws/chat/%2A", "/ws/chat/%7Buser_id%7D"] {
        let mut ada = house.visit_at(path, "ada").await;
        let refusal = ada.next().await;
        assert_eq!(refusal["code"], "invalid_field", "{path}: {refusal}");
        assert_eq!(ada.closed().await.0, 1008);
    }
    house.emptied().await;
    assert_eq!(house.holds(), [0; 6]);
}

#[tokio::test(start_paused = true)]
async fn a_place_is_held_until_its_connection_is_gone_and_not_for_its_grace() {
    let desk = ConnectionTypeSpec { max: Some(1), ..desks(OnLimit::Reject) };
    let house = House::open(with_types(vec![desk], vec![]));
    for _ in 0..5 {
        let ada = house.sit_down("/ws/desks/1", "ada", "desk:1").await;
        assert_eq!(house.holds()[5], 1);
        ada.vanish().await;
        assert_eq!(house.holds()[5], 0);
    }
    tokio::time::sleep(16 * SECOND).await;
    assert_eq!(house.holds(), [0; 6]);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_displaced_for_somebody_who_may_not_be_there_itself() {
    let desk = ConnectionTypeSpec { max: Some(1), ..desks(OnLimit::CloseOldest) };
    let mails = ConnectionTypeSpec {
        max: Some(1),
        per: Some("user_id".to_owned()),
        owner: true,
        on_limit: OnLimit::CloseOldest,
        ..spec("/ws/mail/{user_id}", "mail:{user_id}")
    };
    let rules = vec![rule("desk:1", "subscribe"), rule("mail:*", "subscribe")];
    let house = House::open(with_types(vec![desk, mails], rules));
    let mut ada = house.sit_down("/ws/desks/1", "ada", "desk:1").await;
    let mut own = house.sit_down("/ws/mail/ada", "ada", "mail:ada").await;
    let narrow = ws_auth::TokenRequest::new("eve").claim("channels", json!(["other"]));
    for target in [
        format!("/ws/desks/1?token={}", house.mint(&narrow)),
        format!("/ws/mail/ada?token={}", house.token("eve")),
    ] {
        let mut eve = house.connect(&target, &[]).await;
        assert_eq!(eve.next().await["code"], "forbidden", "{target}");
        assert_eq!(eve.closed().await.0, 1008);
    }
    assert_eq!(ada.heard().await, NOTHING, "and is there as before");
    assert_eq!(own.heard().await, NOTHING);
    assert_eq!(house.holds()[5], 2);
}
