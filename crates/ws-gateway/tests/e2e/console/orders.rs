//! What viewers do: connections and users are closed.

use serde_json::json;
use ws_broker::MemoryCluster;

use super::KEY;
use crate::house::House;

#[tokio::test]
async fn one_connection_is_closed_with_the_code_and_the_reason_that_are_given() {
    let house = House::with_console(&[]);
    let (mut viewer, _) = house.look_in().await;
    let mut eve = house.visit("eve").await;
    for (user, asked, expect) in [
        ("ada", json!({ "code": 4001, "reason": "Enough" }), (4001, "Enough")),
        ("bob", json!({}), (1000, "Closed by an operator")),
    ] {
        let mut client = house.visit(user).await;
        let id = house.handler.connections_by_user_id(user)[0].id().to_string();
        let mut order = asked;
        order["type"] = "close".into();
        order["connection"] = id.clone().into();
        let closed = viewer.ask_console(order.clone()).await;
        assert_eq!(closed, json!({ "type": "closed", "connection": id, "found": true }));
        let told = client.closed().await;
        assert_eq!((told.0, &*told.1), expect);
        house.until("it is gone", |house| house.handler.connection_count() == 1).await;
        assert_eq!(viewer.ask_console(order).await["found"], false);
    }
    eve.has_heard_all().await;
}

#[tokio::test]
async fn a_user_is_disconnected_everywhere() {
    let cluster = MemoryCluster::new();
    let open = || House::open_beside(cluster.node(), &[("ADMIN_KEY", KEY)], "");
    let [house, other] = [open(), open()];
    let (mut viewer, _) = house.look_in().await;
    let [mut here, mut there, mut bob] =
        [house.visit("ada").await, other.visit("ada").await, other.visit("bob").await];
    let order = json!({ "type": "disconnect", "user": "ada", "reason": "Signed out" });
    let answer = viewer.ask_console(order.clone()).await;
    assert_eq!((&answer["type"], &answer["user"]), (&json!("disconnected"), &json!("ada")));
    assert_eq!(here.closed().await, (1008, "Signed out".to_owned()));
    house.emptied().await;
    // Until the two have found each other only those who are here are reached.
    let mut elsewhere = 0;
    while elsewhere == 0 {
        let answer = viewer.ask_console(order.clone()).await;
        elsewhere = answer["count"].as_u64().expect("a number");
        assert_eq!(answer.get("complete"), None, "{answer}");
    }
    assert_eq!((elsewhere, there.closed().await), (1, (1008, "Signed out".to_owned())));
    bob.has_heard_all().await;
    let nobody = viewer.ask_console(json!({ "type": "disconnect", "user": "eve" })).await;
    assert_eq!(nobody, json!({ "type": "disconnected", "user": "eve", "count": 0 }));
}
