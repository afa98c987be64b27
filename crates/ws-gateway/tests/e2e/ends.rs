//! What is told of connections that are over, and of orders for who is away.

use serde_json::json;

use crate::house::House;

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
    assert_eq!(nobody, json!({ "userId": "bob", "ends": [] }));
}

#[tokio::test]
async fn an_order_for_somebody_whose_inbox_is_full_is_a_conflict() {
    let house = House::with_api(&[("INBOX_COUNT", "1")]);
    let send = async |n: u32| house.post("/api/users/bob/send", json!({ "data": n })).await;
    assert_eq!(send(1).await.status, 200);
    let full = send(2).await;
    assert_eq!((full.status, &full.json()["code"]), (409, &json!("inbox_full")), "{full:?}");
}
