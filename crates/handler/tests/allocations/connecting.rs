//! What a connection costs to admit, and what it holds on to while it says nothing.

use std::sync::Arc;

use crate::{
    counting::{allocations, live_bytes},
    house::{Connected, House, masked},
    wire::{Bell, Wire},
};

const CONNECTIONS: usize = 500;

/// From the bytes of the request to the greeting, with a token never seen before, with one that was
/// verified a moment ago, and what it adds to negotiate compression.
const ALLOCATIONS_OF_A_CONNECT_MAX: usize = 38;
const ALLOCATIONS_OF_A_RECONNECT_MAX: usize = 19;
const ALLOCATIONS_OF_A_NEGOTIATION_MAX: usize = 7;
/// What a connection of its own user holds, greeted or silent: its task, its identity, its token's
/// place in the cache, what the registry and the limiters know of it. Not what the kernel and the
/// runtime add for its socket and its task.
const BYTES_OF_A_CONNECTION_MAX: isize = 1280;
/// What its first message adds: its user's place in the message limiter.
const BYTES_OF_HAVING_TALKED_MAX: isize = 64;

struct Cost {
    /// Those of the middle one of all connects, for the tables of many grow now and then.
    allocations: usize,
    /// On average, those tables included.
    bytes: isize,
}

/// Connects all but the first, which warms what they share, and counts.
fn connect(house: &House, requests: &[Vec<u8>]) -> (Cost, Vec<Connected>) {
    // One wire for all: it belongs to the test, and one is served at a time.
    let (wire, bell) = (Wire::new(), Arc::new(Bell::default()));
    let mut connections = Vec::with_capacity(requests.len());
    let mut counts = Vec::with_capacity(requests.len());
    let mut before = 0;
    for (index, request) in requests.iter().enumerate() {
        if index == 1 {
            before = live_bytes();
        }
        wire.deliver(request);
        let calls = allocations();
        let mut connection = Connected::new(house.accept(&wire), wire.clone(), bell.clone());
        let turn = connection.turn();
        counts.push(allocations() - calls);
        assert_eq!((turn.writes, turn.slices, turn.wakes), (1, 1, 0), "response and greeting");
        assert!(wire.forget_written() > 0);
        connections.push(connection);
    }
    counts.sort_unstable();
    let bytes = (live_bytes() - before) / (requests.len() as isize - 1);
    (Cost { allocations: counts[counts.len() / 2], bytes }, connections)
}

#[tokio::test]
async fn a_connect_is_admitted_with_few_allocations_and_little_memory() {
    for with_deflate in [false, true] {
        let house = House::open();
        let strangers: Vec<_> =
            (0..CONNECTIONS).map(|n| house.upgrade(&format!("user-{n}"), with_deflate)).collect();
        let (cold, _held) = connect(&house, &strangers);
        let regulars = vec![strangers[0].clone(); CONNECTIONS];
        let (cached, _held) = connect(&house, &regulars);
        for (name, cost, allocations_max) in [
            ("token never seen", cold, ALLOCATIONS_OF_A_CONNECT_MAX),
            ("token known", cached, ALLOCATIONS_OF_A_RECONNECT_MAX),
        ] {
            let Cost { allocations, bytes } = cost;
            let negotiation = if with_deflate { ALLOCATIONS_OF_A_NEGOTIATION_MAX } else { 0 };
            let case = format!(
                "{name}, deflate negotiated: {with_deflate}: {allocations} allocations, {bytes} bytes held"
            );
            println!("{case}");
            assert!(allocations <= allocations_max + negotiation, "{case}");
            assert!(bytes <= BYTES_OF_A_CONNECTION_MAX, "{case}");
        }
    }
}

#[tokio::test]
async fn a_connection_that_has_talked_holds_hardly_more_than_one_that_was_greeted() {
    for with_deflate in [false, true] {
        let house = House::open();
        let requests: Vec<_> =
            (0..CONNECTIONS).map(|n| house.upgrade(&format!("user-{n}"), with_deflate)).collect();
        let (greeted, mut connections) = connect(&house, &requests);
        let note = "long enough to be deflated; ".repeat(100);
        let request = format!(r#"{{"type":"request","requestId":1,"payload":"{note}"}}"#);
        let talk = [
            house.frame(&request, with_deflate),
            masked(0x01, br#"{"type":"#),
            masked(0x89, b"there?"),
            masked(0x80, br#""ping"}"#),
        ]
        .concat();
        let mut before = 0;
        for (index, connection) in connections.iter_mut().enumerate() {
            // In two parts, so that half a frame has to be kept for a while.
            let (start, rest) = talk.split_at(talk.len() - 20);
            let (_, written) = connection.exchange(start);
            assert!(written > 0, "the request was answered");
            connection.exchange(rest);
            for client in house.handler.connections_by_user_id(&format!("user-{index}")) {
                client.send_text("a word").expect("room");
                client.send_text(&note).expect("room");
            }
            connection.turn();
            connection.wire.forget_written();
            if index == 0 {
                before = live_bytes();
            }
        }
        let kept = (live_bytes() - before) / (CONNECTIONS as isize - 1);
        let case = format!(
            "deflate negotiated: {with_deflate}: {} bytes held when greeted, {kept} more when silent",
            greeted.bytes
        );
        println!("{case}");
        assert!(kept <= BYTES_OF_HAVING_TALKED_MAX, "{case}");
    }
}
