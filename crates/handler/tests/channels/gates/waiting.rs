//! While a verdict is awaited: order, and ends.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;
use ws_close_manager::{CloseOptions, SendableCode};

use super::{after, as_it_says, house_kept_by};
use crate::{
    house::{PATH, settle},
    talk::{
        NOTHING, SECOND, acked, join, message, publish, subscribe, subscribed, undated,
        unsubscribe, unsubscribed, with_id,
    },
};

#[tokio::test(start_paused = true)]
async fn what_is_said_behind_a_question_waits_for_its_verdict_and_keeps_its_order() {
    let (house, asked) = house_kept_by(|_| {}, as_it_says);
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    bob.enter("later-yes").await;
    asked.lock().clear();
    let opened = Instant::now();
    for request in [
        publish("later-yes:before", 0),
        with_id(subscribe("later-yes"), 1),
        with_id(publish("orders", 2), 2),
        with_id(publish("later-yes", 3), 3),
        with_id(publish("later-yes", 4), 4),
        with_id(unsubscribe("later-yes"), 5),
        json!({ "type": "ping", "id": 6 }),
    ] {
        ada.feed(&request).await;
    }
    ada.flush().await;
    settle().await;
    assert_eq!(asked.lock().len(), 1, "one question at a time");
    let mut heard = Vec::new();
    while heard.last().is_none_or(|it: &serde_json::Value| it["type"] != "pong") {
        heard.push(undated(ada.next().await));
    }
    let answers: Vec<_> = heard.iter().filter(|it| it["id"].is_number()).cloned().collect();
    let expect = [
        with_id(subscribed("later-yes"), 1),
        acked(2),
        acked(3),
        acked(4),
        with_id(unsubscribed("later-yes"), 5),
        json!({ "type": "pong", "id": 6 }),
    ];
    assert_eq!(answers, expect);
    let own: Vec<_> = heard.iter().filter(|it| it["type"] == "message").cloned().collect();
    let both = [message("later-yes", "ada", 3), message("later-yes", "ada", 4)];
    assert_eq!(own, both, "between the two: {heard:?}");
    let last = heard.iter().rposition(|it| it["type"] == "message");
    let left = heard.iter().position(|it| it["type"] == "unsubscribed");
    assert!(last < left, "{heard:?}");
    assert_eq!(bob.heard().await, both);
    // The publishes into `later-yes…` and the subscription took a second each.
    assert_eq!(opened.elapsed().as_secs(), 4);
}

#[tokio::test(start_paused = true)]
async fn what_was_published_before_a_question_is_not_held_up_by_it() {
    let (house, _) = house_kept_by(|_| {}, as_it_says);
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    bob.enter("orders").await;
    for n in 0..3 {
        ada.feed(&publish("orders", n)).await;
    }
    ada.feed(&publish("orders", "later-yes")).await;
    ada.feed(&publish("orders", 4)).await;
    ada.flush().await;
    let told = |data: serde_json::Value| message("orders", "ada", data);
    assert_eq!(bob.heard().await, [0, 1, 2].map(|n| told(n.into())));
    tokio::time::sleep(SECOND).await;
    assert_eq!(bob.heard().await, [told("later-yes".into()), told(4.into())]);
}

#[tokio::test(start_paused = true)]
async fn others_are_served_meanwhile() {
    let (house, _) = house_kept_by(|_| {}, as_it_says);
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    ada.enter("orders").await;
    ada.send(subscribe("later-yes")).await;
    assert_eq!(bob.say(with_id(publish("orders", 1), 1)).await, [acked(1)]);
    // What is sent to who waits reaches it; only what it says waits.
    assert_eq!(undated(ada.next().await), message("orders", "bob", 1));
    assert_eq!(undated(ada.next().await), subscribed("later-yes"));
}

#[tokio::test(start_paused = true)]
async fn a_long_verdict_is_no_silence_of_the_client() {
    let (house, _) = house_kept_by(
        |_| {},
        |question| match question {
            "subscribe ada slow" => after(240 * SECOND, Ok(())),
            _ => as_it_says(question),
        },
    );
    let mut ada = house.visit("ada").await;
    ada.send(subscribe("slow")).await;
    ada.quiet_for(239 * SECOND).await;
    assert_eq!(undated(ada.next().await), subscribed("slow"));
    ada.quiet_for(40 * SECOND).await;
}

/// The ends that a connection may come to while `subscribe later-yes` is judged.
#[derive(Clone, Copy, Debug)]
enum End {
    Vanishes,
    Disconnected,
    Killed,
}

#[tokio::test(start_paused = true)]
async fn who_ends_while_it_is_judged_leaves_nothing_behind() {
    for end in [End::Vanishes, End::Disconnected, End::Killed] {
        for request in [subscribe("later-yes"), join("later-yes"), publish("orders", "later-yes")] {
            let (house, _) = house_kept_by(|_| {}, as_it_says);
            let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
            bob.enter("orders").await;
            ada.enter("news").await;
            ada.feed(&request).await;
            ada.feed(&subscribe("behind")).await;
            ada.flush().await;
            settle().await;
            let client = house.handler.connections_by_user_id("ada").remove(0);
            match end {
                End::Vanishes => drop(ada),
                End::Disconnected => {
                    house.handler.disconnect_user("ada", SendableCode::POLICY, "Enough");
                    drop(ada);
                }
                End::Killed => client.outbox().kill(),
            }
            drop(client);
            bob.quiet_for_or_news(3 * SECOND).await;
            assert!(house.handler.connections_by_user_id("ada").is_empty(), "{end:?} {request}");
            assert_eq!(house.holds()[2], 1, "bob's alone: {end:?} {request}");
            tokio::time::sleep(16 * SECOND).await;
            assert_eq!(house.holds(), [1, 1, 1, 1, 0, 0], "{end:?} {request}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_expires_while_its_bearer_is_judged_ends_the_connection_all_the_same() {
    let (house, _) = house_kept_by(
        |_| {},
        |question| match question {
            "subscribe ada slow" => after(60 * SECOND, Ok(())),
            _ => as_it_says(question),
        },
    );
    let target = format!("{PATH}?token={}", house.token_for("ada", 40));
    let mut ada = house.connect(&target, &[]).await;
    assert_eq!(ada.next().await["type"], "connected");
    ada.send(subscribe("slow")).await;
    assert_eq!(ada.next().await["type"], "token_expiring");
    assert_eq!(ada.next().await["code"], "token_expired");
    assert_eq!(ada.closed().await, (3000, "Token expired".to_owned()));
    tokio::time::sleep(60 * SECOND).await;
    house.emptied().await;
    assert_eq!(house.holds(), [0; 6]);
    assert_eq!(house.bulletin("slow", "secret").receivers, 0);
}

#[tokio::test(start_paused = true)]
async fn a_drain_does_not_wait_for_verdicts() {
    let (house, _) = house_kept_by(
        |_| {},
        |question| match question {
            "subscribe ada slow" | "connect eve" => after(600 * SECOND, Ok(())),
            _ => as_it_says(question),
        },
    );
    let mut ada = house.visit("ada").await;
    ada.send(subscribe("slow")).await;
    let target = format!("{PATH}?token={}", house.token("eve"));
    let mut eve = house.connect(&target, &[]).await;
    settle().await;
    let begun = Instant::now();
    let options = CloseOptions::new(SendableCode::RESTART).timeout(Duration::from_secs(5));
    let handler = house.handler.clone();
    let drain = tokio::spawn(async move { handler.drain(&options).await });
    assert_eq!(ada.closed().await.0, 1012);
    assert_eq!(eve.closed().await.0, 1012, "and it was told nothing before");
    drop((ada, eve));
    drain.await.expect("drains");
    assert!(begun.elapsed() <= 6 * SECOND, "{:?}", begun.elapsed());
    house.emptied().await;
    tokio::time::sleep(601 * SECOND).await;
    assert_eq!(house.holds(), [0; 6]);
}

impl crate::house::Peer {
    /// Lets time pass, and answers pings meanwhile; whatever comes is no matter.
    async fn quiet_for_or_news(&mut self, time: Duration) {
        let all = async { while self.next_message().await.is_some() {} };
        let _ = tokio::time::timeout(time, all).await;
    }
}

#[tokio::test(start_paused = true)]
async fn orders_of_the_application_wait_behind_a_question() {
    let (house, _) = house_kept_by(|_| {}, as_it_says);
    let mut ada = house.visit("ada").await;
    let client = house.handler.connections().remove(0);
    ada.send(subscribe("later-yes")).await;
    settle().await;
    client.subscribe(&crate::talk::name("ordered"));
    client.unsubscribe(&crate::talk::name("later-yes"));
    assert_eq!(ada.heard_before_any_answer().await, NOTHING);
    for expect in [subscribed("later-yes"), subscribed("ordered"), unsubscribed("later-yes")] {
        assert_eq!(undated(ada.next().await), expect);
    }
}

impl crate::house::Peer {
    /// What has come to who cannot be answered: nothing that it says is read.
    async fn heard_before_any_answer(&mut self) -> Vec<serde_json::Value> {
        settle().await;
        let mut heard = Vec::new();
        while let Ok(Some(tungstenite::Message::Text(text))) =
            tokio::time::timeout(Duration::ZERO, self.next_message()).await
        {
            heard.push(serde_json::from_str(&text).expect("JSON"));
        }
        heard
    }
}
