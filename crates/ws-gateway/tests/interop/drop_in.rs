//! The quick start's use of its class, served by the class of our own client.

use serde_json::json;

use crate::{
    process::{Process, token},
    script::Script,
};

#[tokio::test]
async fn our_class_takes_its_place_and_loses_nothing_that_was_said_too_early() {
    let [port] = ws_test_servers::free_ports().expect("a free port").map(|port| port.to_string());
    let gateway = Process::start(&[], &[("WEBSOCKET_PORT", &port)]).await;
    let host = gateway.address.to_string();
    let mut script = Script::start("quick_start/drop_in.mjs", &[&host, &token("user-123")]);
    // That one is in the room is known by an answer, what is said there by a message; both may come at once.
    let mut first = [script.line().await, script.line().await].map(Option::unwrap_or_default);
    first.sort();
    assert_eq!(first, ["user-123 is there", "user-123: Hello!"]);
    script.prints(&["user-123 to me: Hi there!"]).await;
    let mut other = gateway.visit("user-456").await;
    let join = |kind: &str| json!({ "type": kind, "payload": { "room_id": "room-123" } });
    other.send(join("join_room")).await;
    script.prints(&["user-456 is there"]).await;
    other.send(join("typing")).await;
    script.prints(&["user-456 is typing"]).await;
    gateway.signal("TERM").await;
    drop(other);
    gateway.ended().await;

    // Said while nobody is there to hear it.
    script.types("Is it over?").await;
    let _gateway = Process::start(&[], &[("WEBSOCKET_PORT", &port)]).await;
    script.prints(&["user-123: Is it over?"]).await;
}
