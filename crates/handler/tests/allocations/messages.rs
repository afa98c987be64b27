//! A message through the session: parsed, limited, routed, answered.

use std::time::Duration;

use crate::house::{Connected, House, Turn, masked, pass};

/// Rounds before the counting, in which buffers find their sizes, and rounds that are counted.
const WARM_UP: usize = 200;
const ROUNDS: usize = 200;

/// One read that finds everything, one write that answers it.
const ONE_READ_ONE_WRITE: Turn = Turn { allocations: 0, reads: 1, writes: 1, slices: 1, wakes: 0 };
const ONE_READ: Turn = Turn { writes: 0, slices: 0, ..ONE_READ_ONE_WRITE };

fn note(len: usize) -> String {
    "between here and there, 12.5 km; ".chars().cycle().take(len).collect()
}

/// The dearest of many turns, each of which finds `wire` and must write as much as the others.
fn dearest(connected: &mut Connected, wire: &[u8]) -> Turn {
    for _ in 0..WARM_UP {
        connected.exchange(wire);
    }
    let mut dearest = Turn::default();
    for _ in 0..ROUNDS {
        let (turn, _) = connected.exchange(wire);
        dearest = dearest.max(turn);
    }
    dearest
}

#[tokio::test]
async fn a_request_is_answered_with_one_read_one_write_and_no_allocation() {
    let house = House::open();
    for with_deflate in [false, true] {
        let mut connected = house.connect("user-123", with_deflate);
        for (name, len) in [("small", 0), ("of 1 KiB", 1024), ("of 2 KiB", 2048)] {
            let note = note(len);
            let text = format!(
                r#"{{"type":"request","requestId":"123","id":7,"payload":{{"action":"test","note":"{note}"}}}}"#
            );
            for window in [1, 16] {
                let wire = house.frame(&text, with_deflate).repeat(window);
                let turn = dearest(&mut connected, &wire);
                let case = format!("{window} {name}, deflate negotiated: {with_deflate}");
                assert_eq!(turn, ONE_READ_ONE_WRITE, "{case}");
                let (_, written) = connected.exchange(&wire);
                let deflates = with_deflate && len > 0;
                assert_eq!(written < window * text.len(), deflates, "{case}: {written} bytes");
            }
        }
    }
}

#[tokio::test]
async fn what_is_answered_without_the_application_allocates_nothing_either() {
    let house = House::open();
    let mut connected = house.connect("user-123", true);
    for (text, expected) in [
        (r#"{"type":"ping"}"#, ONE_READ_ONE_WRITE),
        (r#"{"type":"ping","id":"7"}"#, ONE_READ_ONE_WRITE),
        (r#"{"type":"pong"}"#, ONE_READ),
        (r#"{"type":"heartbeat","timestamp":1700000000000}"#, ONE_READ),
        (r#"{"type":"ack","messageId":"m-1"}"#, ONE_READ),
        (r#"{"type":"unsubscribe","channel":"trips:4711","id":"7"}"#, ONE_READ_ONE_WRITE),
    ] {
        for window in [1, 16] {
            let wire = masked(0x81, text.as_bytes()).repeat(window);
            assert_eq!(dearest(&mut connected, &wire), expected, "{window} of {text}");
        }
    }
    let ping = dearest(&mut connected, &masked(0x89, b"there?").repeat(16));
    assert_eq!(ping, ONE_READ_ONE_WRITE, "pings of the protocol");
}

/// The sentence that says what was wrong and what was expected.
const ALLOCATIONS_OF_A_COMPLAINT_MAX: usize = 4;

#[tokio::test]
async fn nonsense_is_answered_with_one_write_and_few_allocations() {
    let house = House::open();
    let mut connected = house.connect("user-123", true);
    for text in [r#"{"type":"request","payload":1}"#, r#"{"type":"no such"}"#, "no JSON", "{}"] {
        for window in [1, 16] {
            let wire = masked(0x81, text.as_bytes()).repeat(window);
            let turn = dearest(&mut connected, &wire);
            println!("{window} of {text}: {turn:?}");
            let allocations = turn.allocations;
            assert_eq!(Turn { allocations: 0, ..turn }, ONE_READ_ONE_WRITE, "{window} of {text}");
            let allocations_max = window * ALLOCATIONS_OF_A_COMPLAINT_MAX;
            assert!(allocations <= allocations_max, "{window} of {text}: {allocations}");
        }
    }
}

/// The request's name, the text of the answer, its frame and the handle that the outbox takes.
const ALLOCATIONS_OF_A_LATE_ANSWER_MAX: usize = 4;
/// The queue of those behind the first.
const ALLOCATIONS_OF_A_QUEUE_MAX: usize = 1;

#[tokio::test]
async fn an_answer_from_elsewhere_is_written_with_what_else_is_there() {
    let house = House::open();
    let mut connected = house.connect("user-123", false);
    let text = r#"{"type":"request","requestId":"123","payload":"later"}"#;
    for window in [1, 16] {
        let wire = masked(0x81, text.as_bytes()).repeat(window);
        let turn = dearest(&mut connected, &wire);
        println!("{window} answered later: {turn:?}");
        assert_eq!((turn.reads, turn.writes, turn.slices), (1, 1, 1), "{window}");
        // The first of them wakes the task, which is at it already and finds nothing more.
        assert!(turn.wakes <= 1, "{window}: {turn:?}");
        let queue = if window > 1 { ALLOCATIONS_OF_A_QUEUE_MAX } else { 0 };
        let allocations_max = window * ALLOCATIONS_OF_A_LATE_ANSWER_MAX + queue;
        assert!(turn.allocations <= allocations_max, "{window}: {turn:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_is_one_wake_and_one_write_and_then_one_read() {
    let house = House::open();
    let mut connected = house.connect("user-123", true);
    let mut counted = 0;
    // Not longer: after five minutes without a message the connection is closed for it.
    for cycle in 0..9 {
        let mut pings = Vec::new();
        // A second at a time: an hour would be one jump over many pings.
        for _ in 0..60 {
            pass(Duration::from_secs(1)).await;
            let rings = connected.bell.take_rings();
            assert!(rings <= 1, "one timer rings once, not {rings} times");
            if rings == 0 {
                continue;
            }
            let turn = connected.turn();
            pings = connected.wire.take_written();
            // A deadline that traffic has moved is only armed again.
            let expected = Turn { writes: 1, slices: 1, ..Turn::default() };
            let expected = if pings.is_empty() { Turn::default() } else { expected };
            if cycle > 1 {
                assert_eq!(turn, expected, "cycle {cycle}");
                counted += usize::from(!pings.is_empty());
            }
            if !pings.is_empty() {
                break;
            }
        }
        assert_eq!(pings.first(), Some(&0x89), "one ping: {pings:?}");
        let (turn, written) = connected.exchange(&masked(0x8a, &pings[2..]));
        if cycle > 1 {
            assert_eq!(turn, ONE_READ, "cycle {cycle}");
        }
        assert_eq!(written, 0);
    }
    assert_eq!(counted, 7);
    assert_eq!(house.handler.stats().round_trips.count, 9, "each pong was taken for one");
}
