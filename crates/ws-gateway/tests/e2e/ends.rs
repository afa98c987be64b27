//! What is told of connections that are over, and of orders for who is away.

use serde_json::json;
use ws_broker::MemoryCluster;

use crate::{back_end::KEY, house::House};

#[tokio::test]
async fn the_last_ends_of_a_user_are_told_when_the_user_is_gone() {
    let house = House::with_api(&[]);
    house.visit("a/da").await.leave().await;
    house.until("she is gone", |house| house.handler.connection_count() == 0).await;
    let answer = house.look("/api/users/a%2Fda/ends").await.json();
    assert_eq!(answer["userId"], "a/da");
    let [end] = &answer["ends"].as_array().expect("a list")[..] else { panic!("{answer}") };
    assert_eq!((&end["reason"], &end["rule"]), (&json!("peer_closed"), &json!(null)));
    let (from, to) = (end["connectedAt"].as_u64(), end["endedAt"].as_u64());
    assert!(from.zip(to).is_some_and(|(from, to)| to - from == end["livedMs"]), "{end}");
    let nobody = house.look("/api/users/bob/ends").await.json();
    assert_eq!(nobody, json!({ "userId": "bob", "ends": [], "nodes": [] }));
}

#[tokio::test]
async fn ends_on_another_gateway_are_told_and_where_the_user_is_now() {
    let cluster = MemoryCluster::new();
    let [a, b] =
        std::array::from_fn(|_| House::open_beside(cluster.node(), &[("API_KEY", KEY)], ""));
    let [here, there] = [&a, &b].map(|house| format!("{:016x}", house.handler.node()));
    a.visit("ada").await.leave().await;
    a.until("she is gone", |house| house.handler.connection_count() == 0).await;
    let _stays = a.visit("ada").await;
    let path = "/api/users/ada/ends";
    // They have to find each other, and what was written of her has to be there.
    let mut answer = b.look(path).await.json();
    for _ in 0..500 {
        if answer["nodes"] == json!([{ "node": here, "connections": 1 }])
            && answer["ends"].as_array().is_some_and(|ends| ends.len() == 1)
        {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        answer = b.look(path).await.json();
    }
    let end = &answer["ends"][0];
    assert_eq!((&end["node"], &end["reason"]), (&json!(here), &json!("peer_closed")), "{answer}");
    assert_eq!(answer["nodes"], json!([{ "node": here, "connections": 1 }]));
    assert_eq!(answer["complete"], json!(null), "all have answered");
    assert_ne!(here, there);
}

#[tokio::test]
async fn an_order_for_somebody_whose_inbox_is_full_is_a_conflict() {
    let house = House::with_api(&[("INBOX_COUNT", "1")]);
    let send = async |n: u32| house.post("/api/users/bob/send", json!({ "data": n })).await;
    assert_eq!(send(1).await.status, 200);
    let full = send(2).await;
    assert_eq!((full.status, &full.json()["code"]), (409, &json!("inbox_full")), "{full:?}");
}
