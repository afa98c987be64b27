//! DESIGN §5: requests reach the application and answers come back; what is not understood is
//! answered, and the connection lives.

use std::time::Duration;

use futures_util::SinkExt;
use serde_json::json;
use tungstenite::Message;

use crate::house::{House, settle};

#[tokio::test(start_paused = true)]
async fn a_request_is_answered_with_its_own_names() {
    let house = House::open(|_| {});
    let mut peer = house.visit("ada").await;
    for (request_id, id) in
        [(json!("r-1"), json!("i-1")), (json!(1), json!(2)), (json!("ü\n"), json!(9.5))]
    {
        let payload = json!({ "deep": [1, { "a": null }], "text": "\u{1f600}" });
        peer.send(json!({
            "type": "request", "requestId": request_id, "id": id, "payload": payload,
        }))
        .await;
        let mut answer = peer.next().await;
        assert!(answer["timestamp"].take().is_u64());
        assert_eq!(
            answer,
            json!({ "type": "response", "requestId": request_id, "id": id, "payload": payload,
                    "timestamp": null })
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_application_answers_now_later_with_an_error_or_by_forgetting() {
    let house = House::open(|_| {});
    let mut peer = house.visit("ada").await;
    assert_eq!(peer.ask("now").await["payload"], "now");
    assert_eq!(peer.ask("later").await["payload"], "later");
    let failed = peer.ask("fail").await;
    assert_eq!((&failed["code"], &failed["message"]), (&json!("forbidden"), &json!("Not allowed")));
    assert_eq!(failed["requestId"], "r");
    assert_eq!(peer.ask("say why").await["message"], "Not on Sundays");
    let forgotten = peer.ask("forget").await;
    assert_eq!((&forgotten["code"], &forgotten["requestId"]), (&json!("internal"), &json!("r")));
    assert_eq!(peer.ask("and on").await["payload"], "and on");
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_ready_do_not_wait_for_those_that_are_not() {
    let house = House::open(|_| {});
    let mut peer = house.visit("ada").await;
    for (n, payload) in ["later", "now", "later", "now"].into_iter().enumerate() {
        peer.send(json!({ "type": "request", "requestId": n, "payload": payload })).await;
    }
    let mut order = Vec::new();
    for _ in 0..4 {
        order.push(peer.next().await["requestId"].as_u64().expect("a number"));
    }
    assert_eq!(order, [1, 3, 0, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_requests_of_one_write_are_answered_in_order() {
    let house = House::open(|_| {});
    let mut peer = house.visit("ada").await;
    let (mut sink, stream) = futures_util::StreamExt::split(peer.stream);
    let sending = async move {
        for n in 0..1000 {
            let request = json!({ "type": "request", "requestId": n, "payload": n });
            sink.feed(Message::text(request.to_string())).await.expect("queued");
        }
        sink.flush().await.expect("sent");
        sink
    };
    let receiving = async move {
        let mut stream = stream;
        for n in 0..1000 {
            let message = futures_util::StreamExt::next(&mut stream).await.expect("an answer");
            let text = message.expect("sound").into_text().expect("text");
            let answer: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            assert_eq!((&answer["requestId"], &answer["payload"]), (&json!(n), &json!(n)));
        }
        stream
    };
    let (sink, stream) = tokio::join!(sending, receiving);
    peer.stream = sink.reunite(stream).expect("of one stream");
    peer.leave().await;
    house.emptied().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_understood_is_answered_with_a_code_and_what_was_expected() {
    let house = House::open(|_| {});
    let mut peer = house.visit("ada").await;
    for (text, code, part, id) in [
        ("{", "bad_json", "expected one JSON object", json!(null)),
        ("[]", "bad_json", "expected one JSON object", json!(null)),
        ("", "bad_json", "expected one JSON object", json!(null)),
        (r#"{"id":1}"#, "missing_field", "`type`", json!(1)),
        (
            r#"{"type":"dance","id":"x"}"#,
            "unknown_type",
            "expected one of auth, request",
            json!("x"),
        ),
        (r#"{"type":"request","id":3,"payload":1}"#, "missing_field", "`requestId`", json!(3)),
        (
            r#"{"type":"request","requestId":[],"payload":1}"#,
            "invalid_field",
            "`requestId`",
            json!(null),
        ),
        (r#"{"type":"order!","id":4}"#, "unknown_type", "expected one of auth", json!(4)),
    ] {
        peer.send_text(text).await;
        let error = peer.next().await;
        assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!(code)), "{text}");
        assert!(error["message"].as_str().is_some_and(|it| it.contains(part)), "{error}");
        assert_eq!(error["id"], id, "{text}");
    }
    peer.stream.send(Message::binary(b"bytes".as_slice())).await.expect("the server reads");
    assert_eq!(peer.next().await["code"], "bad_json");
    assert_eq!(peer.ask("alive").await["payload"], "alive");
    let stats = house.handler.stats();
    assert_eq!(crate::house::counted(&stats.errors, "bad_json"), 4);
    assert_eq!(crate::house::counted(&stats.messages, "request"), 1);
}

#[tokio::test(start_paused = true)]
async fn types_of_its_own_are_for_the_application_that_knows_them() {
    let house = House::open(|_| {});
    let mut peer = house.visit("ada").await;
    let order = json!({ "type": "order", "symbol": "BTCUSDT", "side": "buy" });
    peer.send(order.clone()).await;
    assert_eq!(peer.next().await, order);
    peer.send(json!({ "type": "orders" })).await;
    assert_eq!(peer.next().await["code"], "unknown_type");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_gone_before_its_answer_harms_nobody() {
    let house = House::open(|_| {});
    let mut gone = house.visit("ada").await;
    gone.send(json!({ "type": "request", "requestId": 1, "payload": "later" })).await;
    gone.send(json!({ "type": "request", "requestId": 2, "payload": "keep" })).await;
    settle().await;
    gone.vanish().await;
    let mut other = house.visit("bob").await;
    let kept = house.handler.application().notes.lock().kept.remove(0);
    kept.respond(serde_json::value::to_raw_value(&1).as_deref().expect("JSON"));
    other.quiet_for(Duration::from_secs(5)).await;
    assert_eq!(other.ask("hello").await["payload"], "hello");
    other.leave().await;
    house.emptied().await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_the_application_overlooks_is_answered_all_the_same() {
    let house = House::open(|_| {});
    let mut peer = house.visit("ada").await;
    assert_eq!(peer.ask("overlook").await["code"], "internal");
}
