//! However a connection ends, nothing of it stays behind.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tokio::io::AsyncWriteExt;
use ws_channels::{ConnectionTypeSpec, ConnectionTypes};
use ws_close_manager::{CloseOptions, SendableCode};

use crate::{
    house::{House, Peer, settle},
    talk::{SECOND, join, joined, left, subscribe, subscribed},
};

/// The ways in which a connection can end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    ItCloses,
    ItVanishes,
    ItIsSilent,
    ItBreaksTheProtocol,
    ItSaysTooMuch,
    ItReadsTooSlowly,
    ItsTokenExpires,
    ItsTaskIsAborted,
    TheApplicationPanics,
    TheApplicationCloses,
    TheApplicationKills,
    ABackEndDisconnects,
    TheServerDrains,
}

const WAYS: [Way; 13] = [
    Way::ItCloses,
    Way::ItVanishes,
    Way::ItIsSilent,
    Way::ItBreaksTheProtocol,
    Way::ItSaysTooMuch,
    Way::ItReadsTooSlowly,
    Way::ItsTokenExpires,
    Way::ItsTaskIsAborted,
    Way::TheApplicationPanics,
    Way::TheApplicationCloses,
    Way::TheApplicationKills,
    Way::ABackEndDisconnects,
    Way::TheServerDrains,
];

fn house() -> House {
    House::open(|config| {
        config.policy.limits.outbox_bytes_max = 4096;
        let desk = ConnectionTypeSpec {
            path: "/ws/desks/{desk}".to_owned(),
            max: Some(1),
            channels: vec!["desk:{desk}".to_owned()],
            ..ConnectionTypeSpec::default()
        };
        config.policy.types = Arc::new(ConnectionTypes::compile(&[desk]).expect("sound"));
    })
}

/// A connection that has everything that a connection can have.
async fn settled(house: &House, token: &str) -> Peer {
    let mut ada = house.connect(&format!("/ws/desks/1?token={token}"), &[]).await;
    assert_eq!(ada.next().await["type"], "connected");
    assert_eq!(ada.heard().await, [subscribed("desk:1")]);
    ada.enter("orders").await;
    let watch = json!({ "type": "subscribe", "channel": "watched", "presence": true });
    assert_eq!(ada.say(watch).await[0], subscribed("watched"));
    assert_eq!(ada.say(join("r")).await, [joined("r", "ada")]);
    // One event is remembered of it, and one order is on its way.
    house.publish_event("orders", 1, Some("e"));
    house.handler.connections_by_user_id("ada")[0].subscribe(&crate::talk::name("ordered"));
    assert!(ada.heard().await.contains(&subscribed("ordered")));
    ada
}

async fn end(house: &House, mut ada: Peer, way: Way) {
    let client = house.handler.connections_by_user_id("ada").remove(0);
    match way {
        Way::ItCloses => {
            ada.heard().await;
            return ada.leave().await;
        }
        Way::ItVanishes => return ada.vanish().await,
        Way::ItIsSilent | Way::ItsTokenExpires => tokio::time::sleep(120 * SECOND).await,
        Way::ItBreaksTheProtocol => {
            ada.stream.get_mut().write_all(&[0x83, 0x80, 0, 0, 0, 0]).await.expect("reads");
        }
        Way::ItSaysTooMuch => {
            let long = "x".repeat(2 * 1024 * 1024);
            let request = json!({ "type": "publish", "channel": "orders", "data": long });
            // Ends while it is written.
            let message = tungstenite::Message::text(request.to_string());
            let _ = futures_util::SinkExt::send(&mut ada.stream, message).await;
        }
        Way::ItReadsTooSlowly => {
            let news = "x".repeat(1000);
            for _ in 0..100 {
                house.bulletin("orders", &*news);
                settle().await;
            }
        }
        Way::ItsTaskIsAborted => ada.task.abort(),
        Way::TheApplicationPanics => {
            ada.send(json!({ "type": "request", "requestId": 1, "payload": "panic" })).await;
        }
        Way::TheApplicationCloses => client.close(SendableCode::NORMAL, "Good night"),
        Way::TheApplicationKills => client.outbox().kill(),
        Way::ABackEndDisconnects => {
            house.handler.disconnect_user("ada", SendableCode::POLICY, "Enough");
        }
        Way::TheServerDrains => {
            let options = CloseOptions::new(SendableCode::RESTART).timeout(Duration::from_secs(1));
            house.handler.drain(&options).await;
        }
    }
    // Whoever does not answer a close frame is waited for no longer than this.
    tokio::time::sleep(10 * SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn however_a_connection_ends_nothing_of_it_stays_behind() {
    for way in WAYS {
        let house = house();
        let token = match way {
            Way::ItsTokenExpires => house.token_for("ada", 40),
            _ => house.token("ada"),
        };
        let ada = settled(&house, &token).await;
        assert_eq!(house.holds(), [6, 5, 6, 5, 0, 1], "{way:?}");
        end(&house, ada, way).await;
        house.emptied().await;
        let [channels, _, subscriptions, _, _, places] = house.holds();
        assert_eq!([channels, subscriptions, places], [0; 3], "{way:?}");
        assert!(house.handler.channels("", 10).is_empty(), "{way:?}");
        tokio::time::sleep(16 * SECOND).await;
        assert_eq!(house.holds(), [0; 6], "{way:?}");
        assert_eq!(house.handler.presence("room:r", 10).count, 0, "{way:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn however_a_connection_ends_the_others_go_on_and_are_told_after_its_grace() {
    for way in WAYS {
        if matches!(way, Way::TheServerDrains | Way::ItIsSilent | Way::ItsTokenExpires) {
            // The others would not be there.
            continue;
        }
        let house = house();
        let ada = settled(&house, &house.token("ada")).await;
        let mut bob = house.visit("bob").await;
        assert_eq!(bob.say(join("r")).await, [joined("r", "bob")]);
        end(&house, ada, way).await;
        assert!(bob.heard().await.is_empty(), "{way:?}");
        assert_eq!(crate::talk::undated(bob.next().await), left("r", "ada"), "{way:?}");
        assert_eq!(bob.say(subscribe("orders")).await, [subscribed("orders")]);
        assert_eq!(house.holds(), [2, 2, 2, 2, 0, 0], "{way:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_connections_that_come_and_go_leave_nothing_behind() {
    let house = house();
    for round in 0..100 {
        let token = house.token("ada");
        let ada = settled(&house, &token).await;
        let way = WAYS[round % 2];
        end(&house, ada, way).await;
        settle().await;
        assert_eq!(house.holds()[2], 0);
    }
    tokio::time::sleep(16 * SECOND).await;
    assert_eq!(house.holds(), [0; 6]);
    house.emptied().await;
}
