//! Whether a connection is let in.

use serde_json::json;
use ws_handler::HandlerConfig;

use super::{after, as_it_says, house_kept_by, no};
use crate::{
    house::{PATH, settle},
    talk::{NOTHING, SECOND, anonymous, error, join, raw_json, undated, with_id},
};

fn as_it_says_of_users(question: &str) -> ws_handler::Judgement {
    // Of those who connect, and of nothing else.
    if question.starts_with("connect") { as_it_says(question) } else { as_it_says("") }
}

#[tokio::test(start_paused = true)]
async fn who_is_let_in_later_is_greeted_later_and_is_nobody_until_then() {
    let (house, asked) = house_kept_by(|_| {}, as_it_says_of_users);
    let mut ada = house.visit("ada").await;
    let target = format!("{PATH}?token={}", house.token("later-yes"));
    let mut late = house.connect(&target, &[]).await;
    late.send(with_id(join("r"), 1)).await;
    late.quiet_for(SECOND * 9 / 10).await;
    let data = raw_json(&json!(1));
    assert_eq!(house.handler.broadcast(None, &data), 1, "ada alone");
    assert_eq!(house.handler.send_to_user("later-yes", None, &data), 0);
    let chat = json!({ "type": "chat", "payload": { "to": "later-yes", "message": "psst" } });
    assert_eq!(ada.say(chat).await.last().expect("answered")["code"], "user_offline");
    assert_eq!(house.handler.application().notes.lock().connected.len(), 1);
    let greeting = late.next().await;
    assert_eq!(
        (&greeting["type"], &greeting["userId"]),
        (&json!("connected"), &json!("later-yes"))
    );
    assert_eq!(late.next().await["type"], "user_joined");
    assert_eq!(house.handler.application().notes.lock().connected.len(), 2);
    assert_eq!(house.handler.broadcast(None, &data), 2);
    assert_eq!(late.heard().await.len(), 1);
    assert_eq!(asked.lock()[..2], ["connect ada", "connect later-yes"]);
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_is_told_why_and_never_greeted() {
    for user in ["now-no", "later-no"] {
        let (house, _) = house_kept_by(|_| {}, as_it_says_of_users);
        let target = format!("{PATH}?token={}", house.token(user));
        let mut peer = house.connect(&target, &[]).await;
        peer.send(join("r")).await;
        assert_eq!(undated(peer.next().await), error("forbidden", "Not on Sundays"));
        assert_eq!(peer.closed().await, (1008, "Not on Sundays".to_owned()));
        drop(peer);
        house.emptied().await;
        assert_eq!(house.holds(), [0; 6]);
        let notes = house.handler.application().notes.lock();
        assert!(notes.connected.is_empty() && notes.disconnected.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_with_its_first_message_is_not_told_that_it_is_authenticated() {
    for user in ["now-no", "later-no"] {
        let (house, _) = house_kept_by(|_| {}, as_it_says_of_users);
        let mut peer = house.stand_in_line().await;
        let auth = json!({ "token": house.token(user), "channels": ["orders"], "id": 7 });
        peer.send(auth).await;
        let why = with_id(error("forbidden", "Not on Sundays"), 7);
        assert_eq!(undated(peer.next().await), why);
        assert_eq!(peer.closed().await, (1008, "Not on Sundays".to_owned()));
        assert_eq!(house.bulletin("orders", "secret").receivers, 0);
        drop(peer);
        house.emptied().await;
        assert_eq!(house.handler.application().notes.lock().connected.len(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_let_in_with_its_first_message_is_told_later() {
    let (house, _) = house_kept_by(|_| {}, as_it_says_of_users);
    let mut peer = house.stand_in_line().await;
    peer.send(json!({ "token": house.token("later-yes"), "channels": ["orders"], "id": 7 })).await;
    peer.quiet_for(SECOND / 2).await;
    assert_eq!(house.handler.stats().pending_authentications, 0);
    let answer = peer.next().await;
    assert_eq!((&answer["type"], &answer["id"]), (&json!("authenticated"), &json!(7)));
    assert_eq!(peer.heard().await, [crate::talk::subscribed("orders")]);
}

#[tokio::test(start_paused = true)]
async fn who_cannot_be_judged_now_is_sent_away_to_come_again() {
    let (house, _) = house_kept_by(|_| {}, as_it_says_of_users);
    let target = format!("{PATH}?token={}", house.token("out-of-reach"));
    let mut peer = house.connect(&target, &[]).await;
    assert_eq!(peer.next().await["code"], "hook_unavailable");
    assert_eq!(peer.closed().await, (1013, "The decision cannot be had now".to_owned()));
    let target = format!("{PATH}?token={}", house.token("panic"));
    let mut peer = house.connect(&target, &[]).await;
    assert_eq!(peer.next().await["code"], "internal");
    peer.closed().await;
}

#[tokio::test(start_paused = true)]
async fn strangers_are_judged_where_nobody_says_who_it_is() {
    let (house, asked) = house_kept_by(anonymous, |_| after(SECOND, Err(no())));
    let mut peer = house.connect(PATH, &[]).await;
    assert_eq!(undated(peer.next().await), error("forbidden", "Not on Sundays"));
    assert_eq!(peer.closed().await.0, 1008);
    assert_eq!(*asked.lock(), ["connect -"]);
}

#[tokio::test(start_paused = true)]
async fn who_vanishes_while_it_is_judged_leaves_nothing_behind() {
    let place = |config: &mut HandlerConfig| {
        let types = ws_channels::ConnectionTypeSpec::default_table();
        let types = ws_channels::ConnectionTypes::compile(&types).expect("sound");
        config.policy.types = types.into();
    };
    let (house, _) = house_kept_by(place, as_it_says_of_users);
    let target = format!("/ws/chat/7?token={}", house.token("later-yes"));
    let peer = house.connect(&target, &[]).await;
    settle().await;
    assert_eq!(house.holds(), [0; 6], "no place before it is let in");
    drop(peer);
    tokio::time::sleep(2 * SECOND).await;
    house.emptied().await;
    assert_eq!(house.holds()[5], 0);
    tokio::time::sleep(16 * SECOND).await;
    assert_eq!(house.holds(), [0; 6]);
    // Somebody else may have it.
    let mut next = house.connect(&target, &[]).await;
    assert_eq!(next.next().await["type"], "connected");
    assert_eq!(next.heard().await, [crate::talk::subscribed("chat:7")]);
    assert_eq!(next.heard().await, NOTHING);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_expires_while_its_bearer_waits_at_the_door_ends_it_there() {
    let (house, _) = house_kept_by(|_| {}, |_| after(60 * SECOND, Ok(())));
    let target = format!("{PATH}?token={}", house.token_for("ada", 40));
    let mut ada = house.connect(&target, &[]).await;
    let mut last = ada.next().await;
    if last["type"] == "token_expiring" {
        last = ada.next().await;
    }
    assert_eq!(last["code"], "token_expired");
    assert_eq!(ada.closed().await.0, 3000);
    drop(ada);
    tokio::time::sleep(60 * SECOND).await;
    house.emptied().await;
    assert!(house.handler.application().notes.lock().connected.is_empty());
}

#[tokio::test(start_paused = true)]
async fn nobody_is_displaced_for_somebody_who_is_refused() {
    let place = |config: &mut HandlerConfig| {
        let desk = ws_channels::ConnectionTypeSpec {
            path: "/ws/desk".to_owned(),
            max: Some(1),
            on_limit: ws_channels::OnLimit::CloseOldest,
            ..ws_channels::ConnectionTypeSpec::default()
        };
        let types = ws_channels::ConnectionTypes::compile(&[desk]).expect("sound");
        config.policy.types = types.into();
    };
    let (house, _) = house_kept_by(place, as_it_says_of_users);
    let target = |user: &str| format!("/ws/desk?token={}", house.token(user));
    let mut ada = house.connect(&target("ada"), &[]).await;
    assert_eq!(ada.next().await["type"], "connected");
    for user in ["now-no", "later-no"] {
        let mut eve = house.connect(&target(user), &[]).await;
        assert_eq!(eve.next().await["code"], "forbidden");
        assert_eq!(eve.closed().await.0, 1008);
        assert_eq!(ada.heard().await, NOTHING, "and is there as before");
    }
    let mut late = house.connect(&target("later-yes"), &[]).await;
    ada.quiet_for(SECOND / 2).await;
    assert_eq!(late.next().await["type"], "connected");
    assert_eq!(ada.closed().await, (1008, "Replaced by another connection".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_path_into_whose_channel_one_is_not_let_is_closed() {
    for (desk, code) in
        [("now-no", "forbidden"), ("later-no", "forbidden"), ("full", "channel_full")]
    {
        let (house, _) = house_kept_by(
            |config| {
                let desk = ws_channels::ConnectionTypeSpec {
                    path: "/ws/desks/{desk}".to_owned(),
                    max: Some(2),
                    channels: vec!["desk:{desk}".to_owned()],
                    ..ws_channels::ConnectionTypeSpec::default()
                };
                let types = ws_channels::ConnectionTypes::compile(&[desk]).expect("sound");
                config.policy.types = types.into();
                let one = std::num::NonZeroU32::MIN;
                config.policy.subscriptions.subscribers_per_channel_max = one;
            },
            as_it_says,
        );
        let mut first = house.visit("bob").await;
        if desk == "full" {
            first.enter("desk:full").await;
        }
        let held = house.holds();
        let target = format!("/ws/desks/{desk}?token={}", house.token("ada"));
        let mut peer = house.connect(&target, &[]).await;
        assert_eq!(peer.next().await["type"], "connected");
        assert_eq!(peer.next().await["code"], code, "{desk}");
        assert_eq!(peer.closed().await.0, 1008, "{desk}");
        drop(peer);
        settle().await;
        assert_eq!(house.holds(), held, "{desk}: neither in the channel nor at the desk");
    }
}
