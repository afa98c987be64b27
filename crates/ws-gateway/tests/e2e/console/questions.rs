//! What is no question, and what is too long for one.

use serde_json::json;
use tungstenite::Message;

use crate::{client::Client, house::House};

#[tokio::test]
async fn what_is_no_question_is_answered_with_what_is_wrong_with_it() {
    let house = House::with_console(&[]);
    let (mut viewer, _) = house.look_in().await;
    for (text, code, sentence) in [
        ("nonsense", "bad_json", "expected"),
        ("[1]", "bad_json", "An object is expected"),
        ("{}", "missing_field", "type is missing"),
        (r#"{"type":7}"#, "invalid_field", "type: a text"),
        (r#"{"type":"nope"}"#, "unknown_type", "\"nope\" is not known here"),
        (r#"{"type":"connections","limit":201}"#, "invalid_field", "limit: a number from 1 to 200"),
        (r#"{"type":"connections","limit":0}"#, "invalid_field", "limit: a number"),
        (r#"{"type":"connections","after":"x"}"#, "invalid_field", "after: a connection's id"),
        (r#"{"type":"connection"}"#, "missing_field", "connection is missing"),
        (r#"{"type":"close","connection":"x"}"#, "invalid_field", "connection: a connection's id"),
        (r#"{"type":"disconnect"}"#, "missing_field", "user is missing"),
        (r#"{"type":"disconnect","user":"a","code":1005}"#, "invalid_field", "code: "),
        (r#"{"type":"token","user":"a"}"#, "forbidden", "with --dev"),
    ] {
        viewer.send_message(Message::text(text)).await;
        let answer = loop {
            let message = viewer.next().await;
            if message["type"] != "sample" {
                break message;
            }
        };
        assert_eq!((&answer["type"], &answer["code"]), (&json!("error"), &json!(code)), "{text}");
        let said = answer["message"].as_str().expect("a sentence");
        assert!(said.contains(sentence), "{text}: {said}");
    }
}

#[tokio::test]
async fn what_is_too_long_is_answered_and_what_is_far_too_long_ends_the_connection() {
    let house = House::with_console(&[]);
    let (mut viewer, _) = house.look_in().await;
    viewer.sample().await;
    viewer.send_message(Message::text("x".repeat(9000))).await;
    let next = async |viewer: &mut Client| loop {
        match viewer.next_message().await {
            Some(Message::Text(text)) if text.contains("\"sample\"") => {}
            other => break other,
        }
    };
    let Some(Message::Text(text)) = next(&mut viewer).await else { panic!("an answer") };
    assert!(text.contains("too_large") && text.contains("8192 bytes"), "{text}");
    viewer.send_message(Message::binary(vec![1, 2])).await;
    let Some(Message::Text(text)) = next(&mut viewer).await else { panic!("an answer") };
    assert!(text.contains("A text message of JSON is expected"), "{text}");
    viewer.send_message(Message::text("x".repeat(70_000))).await;
    let Some(Message::Close(Some(frame))) = next(&mut viewer).await else { panic!("the end") };
    assert_eq!(u16::from(frame.code), 1009);
}
