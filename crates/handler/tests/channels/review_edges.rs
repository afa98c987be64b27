//! What an application can do with a handler that nobody would expect of it.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use serde_json::json;
use tokio::runtime::Builder;
use ws_channels::{ConnectionTypeSpec, ConnectionTypes};

use crate::{
    house::{House, settle},
    talk::{NOTHING, name, subscribed, unsubscribed},
};

#[test]
fn a_connection_that_is_dropped_outside_of_a_runtime_leaves_its_channels_all_the_same() {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
    let (house, driver) = runtime.expect("a runtime").block_on(async {
        let house = House::open(|config| {
            let types = ConnectionTypes::compile(&ConnectionTypeSpec::default_table());
            config.policy.types = Arc::new(types.expect("sound"));
        });
        let request = Request::get(format!("/ws/chat/7?token={}", house.token("ada")))
            .header("Host", "gateway.test")
            .header("Upgrade", "websocket")
            .header("Connection", "Upgrade")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
            .body(())
            .expect("a request");
        let peer = "192.0.2.1:40000".parse().expect("an address");
        let admission = house.handler.admit(&request, peer).await.expect("admitted");
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let mut driver = Box::pin(house.handler.serve(theirs, admission, Bytes::new()));
        tokio::select! {
            () = &mut driver => panic!("it is over"),
            () = settle() => {}
        }
        drop(ours);
        assert_eq!(house.holds(), [1, 1, 1, 1, 0, 1]);
        (house, driver)
    });
    drop(driver);
    assert_eq!(house.holds(), [0, 1, 0, 1, 1, 0], "perhaps it comes back");
    assert_eq!(house.handler.connection_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_put_into_a_channel_of_the_gateways_own() {
    let house = House::open(|_| {});
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    let client = house.handler.connections_by_user_id("ada").remove(0);
    client.subscribe(&name("$presence:orders"));
    client.subscribe(&name("news"));
    assert_eq!(ada.heard().await, [subscribed("news")]);
    let watch = json!({ "type": "subscribe", "channel": "orders", "presence": true });
    bob.say(watch).await;
    assert_eq!(ada.heard().await, NOTHING, "who is there is told to those who may know");
    client.unsubscribe(&name("$presence:orders"));
    client.unsubscribe(&name("news"));
    assert_eq!(ada.heard().await, [unsubscribed("news")]);
}
