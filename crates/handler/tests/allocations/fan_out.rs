//! One message for many: made once, pushed by reference, one wake and one write at each receiver.

use std::sync::Arc;

use ws_connection::Prepared;
use ws_handler::Client;

use crate::{
    counting::allocations,
    house::{Connected, House, Turn},
};

const RECEIVERS: usize = 64;
const WARM_UP: usize = 20;
const ROUNDS: usize = 20;

/// Of a message, however many are to have it: its payload and the handle that they share.
const ALLOCATIONS_OF_A_MESSAGE_MAX: usize = 2;
/// What makes its frame a shared one, for the first receiver; its deflated frame likewise, or the note
/// that it does not pay to have one.
const ALLOCATIONS_OF_FRAMING_MAX: usize = 1;
const ALLOCATIONS_OF_DEFLATING_MAX: usize = 3;
/// Of a receiver for whom several wait: the queue behind the first one.
const ALLOCATIONS_OF_A_QUEUE_MAX: usize = 1;
/// Messages that are larger are not copied for each receiver.
const COPIED_BYTES_MAX: usize = 4096;

/// What the dearest of many rounds cost.
#[derive(Debug, Default)]
struct Dearest {
    /// To make one message.
    message: usize,
    /// To push all that are pending to one receiver.
    pushes: usize,
    /// At the receiver that is first to write them, and at each of the others.
    first: Turn,
    others: Turn,
}

fn fan_out(house: &House, receivers: &mut [Connected], text: &str, pending: usize) -> Dearest {
    let clients = house.handler.connections();
    let mut dearest = Dearest::default();
    for round in 0..WARM_UP + ROUNDS {
        if round == WARM_UP {
            dearest = Dearest::default();
        }
        let pushes = publish(&clients, text, pending, &mut dearest);
        dearest.pushes = dearest.pushes.max(pushes.div_ceil(clients.len()));
        for (index, receiver) in receivers.iter_mut().enumerate() {
            let rings = receiver.bell.take_rings();
            let turn = receiver.turn();
            assert!(receiver.wire.forget_written() > 0, "it was for everyone");
            assert_eq!(turn.wakes, 0, "who writes does not ask for another turn");
            let so_far = if index == 0 { &mut dearest.first } else { &mut dearest.others };
            *so_far = so_far.max(Turn { wakes: rings, ..turn });
        }
    }
    dearest
}

/// Allocations of all pushes.
fn publish(clients: &[Arc<Client>], text: &str, pending: usize, dearest: &mut Dearest) -> usize {
    let mut pushes = 0;
    for _ in 0..pending {
        let before = allocations();
        let message = Arc::new(Prepared::text(text));
        let made = allocations();
        dearest.message = dearest.message.max(made - before);
        for client in clients {
            client.send(message.clone()).expect("room");
        }
        pushes += allocations() - made;
    }
    pushes
}

#[tokio::test]
async fn a_message_for_many_wakes_each_receiver_once_and_is_written_once() {
    for with_deflate in [false, true] {
        let house = House::open();
        let mut receivers: Vec<_> =
            (0..RECEIVERS).map(|n| house.connect(&format!("user-{n}"), with_deflate)).collect();
        for (len, pending) in [(20, 1), (20, 16), (1024, 1), (1024, 16), (16_384, 1), (16_384, 16)]
        {
            let text = note(len);
            let cost = fan_out(&house, &mut receivers, &text, pending);
            let case = format!("{pending} of {len} bytes, deflate negotiated: {with_deflate}");
            println!("{case}: {cost:?}");
            assert!(cost.message <= ALLOCATIONS_OF_A_MESSAGE_MAX, "{case}: {cost:?}");
            let queue = if pending > 1 { ALLOCATIONS_OF_A_QUEUE_MAX } else { 0 };
            assert!(cost.pushes <= queue, "{case}: {cost:?}");

            let is_deflated = with_deflate && len >= 1024;
            let is_copied = len <= COPIED_BYTES_MAX || is_deflated;
            for turn in [cost.first, cost.others] {
                let calls = (turn.wakes, turn.reads, turn.writes);
                assert_eq!(calls, (1, 0, 1), "{case}: {turn:?}");
                assert_eq!(turn.slices, if is_copied { 1 } else { pending }, "{case}: {turn:?}");
            }
            assert_eq!(cost.others.allocations, 0, "{case}: {cost:?}");
            let deflating = if with_deflate { ALLOCATIONS_OF_DEFLATING_MAX } else { 0 };
            let framing = pending * (ALLOCATIONS_OF_FRAMING_MAX + deflating);
            assert!(cost.first.allocations <= framing, "{case}: {cost:?}");
        }
    }
}

/// Text that a deflater makes much smaller.
fn note(len: usize) -> String {
    "between here and there, 12.5 km; ".chars().cycle().take(len).collect()
}
