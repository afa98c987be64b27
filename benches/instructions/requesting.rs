//! A request through the whole gateway, and its response back out.

use crate::material::{client_frame, client_frames, json};
use bytes::Bytes;
use ws_compression::{Outcome, Role};

use crate::{
    Case,
    house::{Minter, connect, handler},
};

pub(crate) fn cases(count: &mut dyn FnMut(Case)) {
    let (handler, request) = (handler(), Minter::new().upgrade("user-123"));
    let small = r#"{"type":"request","requestId":"123","payload":{"action":"test"}}"#.to_owned();
    let note = json(1024, 1).replace('"', "'");
    let large = format!(r#"{{"type":"request","requestId":"123","payload":"{note}"}}"#);
    let ping = r#"{"type":"ping"}"#.to_owned();
    let compression = &handler.config().compression;
    let params = compression.accept_offer(["permessage-deflate; client_max_window_bits"]);
    let mut codec = compression.codec(Role::Client, params.unwrap().params);
    let mut deflated = Vec::new();
    assert_eq!(codec.compress(large.as_bytes(), &mut deflated), Outcome::Compressed);
    for (name, wire, messages, rounds) in [
        ("request: 1 small", client_frame(0x81, small.as_bytes(), 1), 1, 1000),
        ("request: 16 small", client_frames(0x81, small.as_bytes(), 16), 16, 200),
        // Answers of a kibibyte are deflated, whether the question was or not.
        ("request: 1 of 1 KiB, deflated", client_frame(0xc1, &deflated, 1), 1, 50),
        ("request: 16 JSON pings", client_frames(0x81, ping.as_bytes(), 16), 16, 200),
    ] {
        let mut connected = connect(&handler, &request);
        let wire = Bytes::from(wire);
        count(Case::new(name, rounds, messages, move || {
            assert!(connected.exchange(&wire) > 0);
        }));
    }
}
