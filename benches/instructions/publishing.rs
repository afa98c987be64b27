//! Channels: into one and out of it, and from a publish in JSON to the wires of all subscribers.
//!
//! What is done among ten thousand channels, a thousand connections or a thousand members is to take what
//! it takes among few: whatever walks through the others shows here.

use bytes::Bytes;

use crate::{
    Case,
    crowd::{Crowd, frames, publish, subscribe, unsubscribe},
    house::Connected,
};

const CHANNEL: &str = "news:today";

pub(crate) fn cases(count: &mut dyn FnMut(Case)) {
    count(subscribing("alone", 0));
    count(subscribing("among 1,000", 1_000));
    for (name, receivers, pending, rounds) in [
        ("1 receiver", 1, 1, 300),
        ("100 receivers", 100, 1, 30),
        ("100 receivers, 16 in a read", 100, 16, 20),
    ] {
        count(publishing(name, Crowd::new(), receivers, pending, rounds));
    }
    let mut crowded = Crowd::new();
    crowded.grow_channels(10_000);
    crowded.grow_connections(1_000, None);
    count(publishing("100 receivers, 10,000 channels elsewhere", crowded, 100, 1, 30));
}

/// One that comes into a channel and leaves it.
fn subscribing(name: &str, members: usize) -> Case {
    let mut crowd = Crowd::new();
    crowd.grow_connections(members, Some(CHANNEL));
    let mut visitor = crowd.connect("visitor");
    let wire = frames([subscribe(CHANNEL), unsubscribe(CHANNEL)]);
    let mut kept = crowd;
    Case::new(format!("subscribe and leave: {name}"), 300, 1, move || {
        assert!(visitor.exchange(&wire) > 0);
        // It lives as long as the case.
        let _ = &mut kept;
    })
}

/// For each receiver and message: its share of the publish, and its delivery.
fn publishing(name: &str, mut crowd: Crowd, receivers: u32, pending: u32, rounds: u32) -> Case {
    let mut receivers: Vec<Connected> =
        (0..receivers).map(|n| crowd.subscriber(&format!("receiver-{n}"), CHANNEL)).collect();
    let mut publisher = crowd.connect("publisher");
    let wire: Bytes = frames((0..pending).map(|_| publish(CHANNEL)));
    let messages = receivers.len() as u32 * pending;
    Case::new(format!("publish: {name}"), rounds, messages, move || {
        assert_eq!(publisher.exchange(&wire), 0, "it is not subscribed, and asked for no ack");
        for receiver in &mut receivers {
            assert!(receiver.turn() > 0);
        }
        let _ = &mut crowd;
    })
}
