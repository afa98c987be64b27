//! Counts allocations on the path of each message. A test binary of its own, with one test: the counter is
//! the allocator's.

#![expect(unsafe_code, reason = "an allocator that counts cannot be written without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

use ws_protocol::{ChannelMessage, ClientMessage, ErrorCode, ServerMessage};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: everything is passed on to the system's allocator as it came. The counter is a constant-initialized
// thread local without a destructor, so that touching it allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise is ours.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is ours.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise is ours.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(action: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    action();
    ALLOCATIONS.get() - before
}

fn allocations_to_parse(text: &str) -> u64 {
    allocations(|| assert!(black_box(ClientMessage::parse(black_box(text))).is_ok()))
}

#[test]
fn the_path_of_a_message_allocates_nothing() {
    assert_eq!(allocations(|| drop(black_box(Box::new(1)))), 1, "the counter counts");

    let long = "x".repeat(100_000);
    for text in [
        r#"{"type":"ping","id":1}"#.to_owned(),
        r#"{"type":"heartbeat"}"#.to_owned(),
        r#"{"type":"request","requestId":"123","payload":{"action":"test"},"timestamp":1}"#
            .to_owned(),
        r#"{"requestId":"123","payload":"escapes \" in payloads \u00fc","type":"request"}"#
            .to_owned(),
        format!(r#"{{"type":"publish","channel":"c","event":"e","eventId":"1","data":"{long}"}}"#),
        r#"{"type":"publish","channel":"c","data":[1,2,"three",null]}"#.to_owned(),
        r#"{"type":"subscribe","channel":"c","presence":true}"#.to_owned(),
        r#"{"type":"ack","messageId":"m"}"#.to_owned(),
    ] {
        assert_eq!(allocations_to_parse(&text), 0, "{text:.80}");
    }

    // serde_json keeps a byte for each level but the innermost, in a buffer that starts with eight.
    let nested = r#"{"type":"request","requestId":1,"payload":{"a":{"b":[{"c":[1]}]},"d":[[]]}}"#;
    assert_eq!(allocations_to_parse(nested), 1);

    let incoming = ClientMessage::parse(nested).unwrap();
    let ClientMessage::Request { request_id, payload } = incoming.message else {
        panic!("expected a request");
    };
    let mut out = Vec::with_capacity(1024);
    for message in [
        ServerMessage::Response { request_id, payload },
        ServerMessage::Message(ChannelMessage {
            channel: Some("c\n"),
            subject: None,
            event: Some("e"),
            data: payload,
            from: Some("ü"),
            offset: Some(u64::MAX),
            event_id: None,
            message_id: None,
        }),
        ServerMessage::PresenceChange {
            channel: "room:1",
            count: 3,
            joined: &["a", "b"],
            joined_more: 1,
            left: &["c"],
            left_more: 0,
        },
        ServerMessage::RoomMessage { from: "a", room_id: "1", message: payload, offset: None },
        ServerMessage::Chat { from: "a", message: payload, message_id: "m" },
        ServerMessage::error(ErrorCode::RateLimited),
        ServerMessage::Pong,
    ] {
        out.clear();
        let count = allocations(|| message.encode(Some(request_id), u64::MAX, black_box(&mut out)));
        assert_eq!(count, 0, "{message:?}");
    }
}
