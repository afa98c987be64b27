//! Peers that mean harm: floods, lies about lengths, and what they cost us.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use ws_connection::{Connection, ConnectionConfig, ProtocolError, Workspace};
use ws_rate_limiter::TokenBucket;

use crate::{
    pair::{Seen, base, keep},
    wire::{feed, feed_chunked, frame},
};

#[test]
fn a_flood_of_pings_is_ended_with_1008_and_pongs_are_never_limited() {
    let rate = TokenBucket::per_second(NonZeroU32::new(10).expect("ten"));
    let config = ConnectionConfig::server().with_ping_rate(Some(rate));
    let fed = feed_chunked(config.clone(), &frame(0x89, b"p").repeat(10), usize::MAX);
    assert_eq!(fed.failure(), None);
    let fed = feed_chunked(config.clone(), &frame(0x89, b"p").repeat(11), usize::MAX);
    assert_eq!(fed.failure(), Some(ProtocolError::PingFlood));
    assert_eq!(fed.close(), Some((1008, "Too many pings".to_owned())));
    let fed = feed_chunked(config, &frame(0x8a, b"p").repeat(10_000), usize::MAX);
    assert_eq!(fed.failure(), None);
}

#[test]
fn pings_within_the_rate_go_on_for_ever() {
    let rate = TokenBucket::per_second(NonZeroU32::new(10).expect("ten"));
    let config = ConnectionConfig::server().with_ping_rate(Some(rate));
    let mut now = base();
    let mut connection = Connection::new(Arc::new(config), None, 1, now);
    let (mut workspace, mut out) = (Workspace::new(), Vec::new());
    for _ in 0..1000 {
        now += Duration::from_millis(100);
        workspace.load(&frame(0x89, b""));
        let event = connection.poll_event(&mut workspace, &mut out, now).map(keep);
        assert_eq!(event, Some(Seen::Ping(vec![])));
        assert!(connection.poll_event(&mut workspace, &mut out, now).is_none());
    }
}

#[test]
fn bytes_after_the_end_cost_nothing_and_say_nothing() {
    let mut wire = frame(0x88, &1000u16.to_be_bytes());
    wire.extend(std::iter::repeat_n(0xaa, 100_000));
    let fed = feed(&wire);
    assert_eq!(fed.seen.len(), 1);
}

#[test]
fn a_connection_is_small() {
    // What an idle connection costs beside its task and its socket.
    assert!(size_of::<Connection>() <= 336, "{} bytes", size_of::<Connection>());
}
