//! The closing handshake of RFC 6455 §7 and DESIGN §4.4 on virtual time.

use std::time::Duration;

use ws_close_manager::SendableCode;
use ws_connection::{Cause, Closed, ConnectionConfig, Teardown, Timeout};

use crate::{
    pair::{Pair, Seen, client},
    wire::{feed, frame},
};

#[test]
fn a_close_is_acknowledged_and_the_server_ends_the_transport_first() {
    let mut pair = Pair::new(ConnectionConfig::server(), client());
    let now = pair.now;
    assert!(pair.client.connection.start_close(
        SendableCode::NORMAL,
        "bye",
        &mut pair.client.out,
        now
    ));
    pair.run(Duration::from_millis(11));
    assert_eq!(pair.server.seen(), [Seen::Close(Some((1000, "bye".to_owned())))]);
    assert_eq!(pair.server.connection.teardown(), Teardown::Close);
    assert_eq!(pair.client.connection.teardown(), Teardown::KeepOpen, "waits for the server");
    pair.run(Duration::from_millis(20));
    let end = pair.client.connection.ended().expect("over");
    assert_eq!(end.cause, Cause::ClosedByUs { code: SendableCode::NORMAL });
    assert!(end.acknowledged);
    let end = pair.server.connection.ended().expect("over");
    assert_eq!(end.cause, Cause::ClosedByPeer { code: Some(1000) });
}

#[test]
fn a_peer_that_does_not_answer_is_dropped_at_the_deadline() {
    let mut pair = Pair::new(ConnectionConfig::server(), client());
    pair.cut = true;
    let now = pair.now;
    pair.server.connection.start_close(
        SendableCode::RESTART,
        "Server restart",
        &mut pair.server.out,
        now,
    );
    pair.run(Duration::from_millis(4_999));
    assert_eq!(pair.server.connection.teardown(), Teardown::KeepOpen);
    pair.run(Duration::from_millis(2));
    assert_eq!(pair.server.seen(), [Seen::Timeout(Timeout::CloseOverdue)]);
    assert_eq!(pair.server.connection.teardown(), Teardown::Abandon);
    assert!(!pair.server.connection.ended().expect("over").acknowledged);
}

#[test]
fn nothing_is_sent_after_a_close_frame() {
    let mut pair = Pair::new(ConnectionConfig::server(), client());
    let now = pair.now;
    let end = &mut pair.server;
    assert!(end.connection.start_close(SendableCode::NORMAL, "", &mut end.out, now));
    let sent = end.out.len();
    assert!(!end.connection.start_close(SendableCode::POLICY, "", &mut end.out, now), "only once");
    assert_eq!(end.connection.send_text("late", &mut end.out, now), Err(Closed));
    assert_eq!(end.out.len(), sent);
}

#[test]
fn messages_that_come_after_our_close_frame_are_not_listened_to() {
    let mut pair = Pair::new(ConnectionConfig::server(), client());
    let now = pair.now;
    pair.client.connection.send_text("late", &mut pair.client.out, now).expect("open");
    pair.server.connection.start_close(SendableCode::POLICY, "", &mut pair.server.out, now);
    pair.run(Duration::from_secs(1));
    assert!(pair.server.messages().is_empty());
    assert!(pair.server.connection.ended().expect("over").acknowledged);
}

#[test]
fn a_client_that_has_said_its_last_word_still_hears_the_answers() {
    let mut pair = Pair::new(ConnectionConfig::server(), client());
    let now = pair.now;
    pair.server.connection.send_text("answer", &mut pair.server.out, now).expect("open");
    pair.client.connection.start_close(SendableCode::NORMAL, "", &mut pair.client.out, now);
    pair.run(Duration::from_secs(1));
    let closed = Seen::Close(Some((1000, String::new())));
    assert_eq!(pair.client.seen(), [Seen::Text("answer".to_owned()), closed]);

    let mut pair = Pair::new(ConnectionConfig::server(), client().with_late_messages(false));
    pair.server.connection.send_text("answer", &mut pair.server.out, now).expect("open");
    pair.client.connection.start_close(SendableCode::NORMAL, "", &mut pair.client.out, now);
    pair.run(Duration::from_secs(1));
    assert!(pair.client.messages().is_empty());
}

#[test]
fn a_close_frame_between_fragments_ends_the_connection_cleanly() {
    let wire =
        [frame(0x01, b"begun"), frame(0x88, &1000u16.to_be_bytes()), frame(0x80, b"x")].concat();
    let fed = feed(&wire);
    assert_eq!(fed.seen, [Seen::Close(Some((1000, String::new())))]);
    assert_eq!(fed.close().expect("echoed").0, 1000);
}

#[test]
fn a_close_frame_without_a_code_is_echoed_without_one() {
    let fed = feed(&frame(0x88, b""));
    assert_eq!(fed.seen, [Seen::Close(None)]);
    assert_eq!(fed.out, [0x88, 0]);
}

#[test]
fn both_sides_closing_at_once_is_a_clean_close_for_both() {
    let mut pair = Pair::new(ConnectionConfig::server(), client());
    let now = pair.now;
    pair.client.connection.start_close(SendableCode::NORMAL, "", &mut pair.client.out, now);
    pair.server.connection.start_close(SendableCode::RESTART, "", &mut pair.server.out, now);
    pair.run(Duration::from_secs(1));
    for end in [&pair.client, &pair.server] {
        assert!(end.connection.ended().expect("over").acknowledged);
    }
}

#[test]
fn a_transport_that_ends_without_a_close_frame_is_told_apart() {
    let mut fed = feed(&frame(0x81, b"hi"));
    fed.connection.handle_eof(fed.now);
    let end = fed.connection.ended().expect("over");
    assert_eq!((end.cause, end.acknowledged), (Cause::EndOfStream, false));
    assert_eq!(fed.connection.teardown(), Teardown::Close);
}

#[test]
fn a_reason_is_cut_at_123_bytes_on_a_character_boundary() {
    let mut pair = Pair::new(ConnectionConfig::server(), client());
    let now = pair.now;
    let reason = "é".repeat(100);
    pair.server.connection.start_close(SendableCode::NORMAL, &reason, &mut pair.server.out, now);
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.client.seen(), [Seen::Close(Some((1000, "é".repeat(61))))]);
}

#[test]
fn a_failed_connection_shuts_its_half_and_listens_no_more() {
    let mut wire = frame(0x83, b"");
    wire.extend(frame(0x81, b"too late"));
    let fed = feed(&wire);
    assert_eq!(fed.seen.len(), 1);
    assert_eq!(fed.connection.teardown(), Teardown::ShutdownWrite);
    assert_eq!(fed.close().expect("told").0, 1002);
}
