//! DESIGN §4.4: each way in which a connection ends has its code. (Codes that must not travel cannot
//! be made: `ws_close_manager::SendableCode`.)

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tungstenite::protocol::frame::coding::CloseCode;
use ws_close_manager::{CloseOptions, SendableCode};
use ws_connection::ConnectionConfig;
use ws_frame_validator::SizeLimits;

use crate::{
    house::{House, settle},
    raw::{CLOSE, Frame, TEXT, frame},
};

/// The close frame that answers these bytes of an authenticated client.
async fn answer_to(bytes: &[u8]) -> (u16, String) {
    let house = House::open(|config| {
        let sizes = SizeLimits::new(1024, 0).expect("sound");
        config.policy.connection = Arc::new(ConnectionConfig::server().with_sizes(sizes));
    });
    let mut raw = house.visit_raw("ada").await;
    raw.send_bytes(bytes).await;
    let close = raw.next().await.expect("a close frame").close();
    drop(raw);
    settle().await;
    house.emptied().await;
    close
}

#[tokio::test(start_paused = true)]
async fn section_4_4_a_line_for_each_broken_rule() {
    for (bytes, code, reason) in [
        (b"\x81\x02hi".to_vec(), 1002, "Wrong masking"),
        (frame(0xc1, b"compressed, but nothing was negotiated"), 1002, "Reserved bits"),
        (frame(0x83, b""), 1002, "Reserved opcode"),
        (frame(0x80, b"of nothing"), 1002, "Fragments out of order"),
        (frame(0x09, b""), 1002, "Malformed control frame"),
        (frame(CLOSE, &[3]), 1002, "Malformed close frame"),
        (frame(CLOSE, &1005u16.to_be_bytes()), 1002, "Malformed close frame"),
        (frame(TEXT, b"\xff"), 1007, "Invalid UTF-8"),
        (frame(TEXT, &[b'x'; 1025]), 1009, "Message too large"),
    ] {
        assert_eq!(answer_to(&bytes).await, (code, reason.to_owned()), "{bytes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn section_4_4_a_clients_close_is_echoed_with_its_own_code() {
    for code in [1000, 1001, 1003, 1011, 3999, 4000, 4999] {
        assert_eq!(answer_to(&frame(CLOSE, &u16::to_be_bytes(code))).await, (code, String::new()));
    }
}

#[tokio::test(start_paused = true)]
async fn section_4_4_an_oversized_message_is_told_with_1009_before_its_payload_came_and_counted() {
    let house = House::open(|_| {});
    let mut raw = house.visit_raw("ada").await;
    // A header that declares one byte more than a mebibyte, and nothing behind it.
    let declared = frame(TEXT, &vec![b'x'; 1024 * 1024 + 1]);
    raw.send_bytes(&declared[..14]).await;
    let close = raw.next().await.expect("a close frame");
    assert_eq!(close.close(), (1009, "Message too large".to_owned()));
    assert_eq!(close.at, Duration::ZERO);
    let validator = &house.handler.config().validator;
    assert_eq!(validator.stats().violations, 1);
    let violations = validator.recent_violations();
    assert_eq!(violations.len(), 1, "{violations:?}");
    drop(raw);
    settle().await;
    house.emptied().await;
}

#[tokio::test(start_paused = true)]
async fn section_4_4_a_restart_is_1012_for_everybody() {
    let house = House::open(|_| {});
    let mut peers = vec![house.visit("ada").await, house.visit("bob").await];
    peers.push(house.stand_in_line().await);
    let options = CloseOptions::new(SendableCode::RESTART).reason("Server restart");
    let closed = async {
        for peer in &mut peers {
            assert_eq!(peer.closed().await, (1012, "Server restart".to_owned()));
        }
    };
    let (report, ()) = tokio::join!(house.handler.drain(&options), closed);
    assert_eq!((report.total, report.acknowledged), (3, 3), "{report}");
    house.emptied().await;
}

#[tokio::test(start_paused = true)]
async fn section_4_10_a_client_that_does_not_read_its_answers_is_closed_with_1013() {
    let house = House::open(|config| config.policy.limits.outbox_bytes_max = 32 * 1024);
    let mut raw = house.visit_raw("ada").await;
    let payload = json!({ "type": "request", "requestId": 1, "payload": "keep" }).to_string();
    let requests = 100;
    for _ in 0..requests {
        raw.send(TEXT, payload.as_bytes()).await;
    }
    settle().await;
    let kept = std::mem::take(&mut house.handler.application().notes.lock().kept);
    assert_eq!(kept.len(), requests);
    let large = serde_json::value::to_raw_value(&"x".repeat(4000)).expect("JSON");
    for responder in kept {
        responder.respond(&large);
        settle().await;
    }
    let frames = raw.rest().await;
    let (answers, close): (Vec<Frame>, Vec<Frame>) =
        frames.into_iter().partition(|frame| frame.first == TEXT);
    assert!(answers.len() < requests, "all {requests} fit");
    assert_eq!(close.last().expect("a close frame").close(), (1013, "Slow consumer".to_owned()));
    house.emptied().await;
}

#[tokio::test(start_paused = true)]
async fn section_4_4_a_reason_is_cut_at_123_bytes_on_a_character_boundary() {
    let house = House::open(|_| {});
    let mut peer = house.visit("ada").await;
    house.handler.connections()[0].close(SendableCode::NORMAL, &"ß".repeat(100));
    assert_eq!(peer.closed().await, (1000, "ß".repeat(61)));
}

#[test]
fn section_4_4_codes_that_must_not_travel_cannot_be_sent() {
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000] {
        assert!(SendableCode::try_from(CloseCode::from(code)).is_err(), "{code}");
    }
}
