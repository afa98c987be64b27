//! DESIGN §4.1 and §4.3 told on virtual time.

use std::time::Duration;

use ws_connection::{Cause, ConnectionConfig, Timeout};

use crate::pair::{Pair, Seen, client};

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn silent_client() -> ConnectionConfig {
    client().with_heartbeat(None)
}

#[test]
fn a_peer_that_answers_pings_lives_and_its_round_trip_is_known() {
    let server = ConnectionConfig::server().with_idle_timeout(None);
    let mut pair = Pair::new(server, silent_client());
    pair.run(seconds(3600));
    assert!(!pair.server.connection.is_closing());
    assert!(pair.server.connection.is_healthy());
    let stats = pair.server.connection.heartbeat_stats(pair.now).expect("on by default");
    assert_eq!(stats.latency.map(|it| it.max), Some(pair.latency * 2));
}

#[test]
fn a_dead_peer_is_noticed_within_45_seconds_of_its_last_frame_once() {
    let server = ConnectionConfig::server().with_idle_timeout(None);
    let mut pair = Pair::new(server, silent_client());
    pair.run(seconds(100));
    let last_frame = pair.server.seen.last().expect("a pong").0;
    pair.cut = true;
    pair.run(seconds(600));
    let dead = Seen::Timeout(Timeout::Dead);
    let noticed = pair.server.when(&dead).expect("dead") - last_frame;
    assert!(noticed <= seconds(45), "noticed after {noticed:?}");
    assert!(noticed >= seconds(15), "not before three pongs were missed: {noticed:?}");
    assert_eq!(pair.server.seen().iter().filter(|seen| **seen == dead).count(), 1);
    let end = pair.server.connection.ended().expect("over");
    assert!(matches!(end.cause, Cause::PongTimeout { last_round_trip: Some(_) }));
}

#[test]
fn a_peer_that_never_spoke_is_noticed_within_45_seconds() {
    let mut pair = Pair::new(ConnectionConfig::server(), silent_client());
    pair.cut = true;
    pair.run(seconds(45));
    assert!(pair.server.when(&Seen::Timeout(Timeout::Dead)).is_some());
}

#[test]
fn traffic_spares_the_pings() {
    let mut pair = Pair::new(ConnectionConfig::server(), silent_client());
    for _ in 0..60 {
        let now = pair.now;
        pair.client.connection.send_text("x", &mut pair.client.out, now).expect("open");
        pair.run(seconds(1));
    }
    let pings =
        pair.server.seen().iter().filter(|it| **it == Seen::Timeout(Timeout::PingSent)).count();
    assert_eq!(pings, 0, "a peer that speaks each second need not be asked");
}

#[test]
fn the_idle_timeout_ends_a_connection_without_messages_whatever_the_control_frames() {
    let mut pair = Pair::new(ConnectionConfig::server(), silent_client());
    pair.run(seconds(299));
    assert!(!pair.server.connection.is_closing(), "pings and pongs went on");
    pair.run(seconds(2));
    let closed = Seen::Close(Some((1001, "Idle timeout".to_owned())));
    assert!(pair.client.when(&closed).is_some());
    let end = pair.server.connection.ended().expect("over");
    assert_eq!((end.cause, end.acknowledged), (Cause::Idle, true));
}

#[test]
fn a_message_in_either_direction_puts_off_the_idle_timeout() {
    for from_server in [false, true] {
        let mut pair = Pair::new(ConnectionConfig::server(), silent_client());
        for _ in 0..4 {
            pair.run(seconds(200));
            let now = pair.now;
            let end = if from_server { &mut pair.server } else { &mut pair.client };
            end.connection.send_binary(b"x", &mut end.out, now).expect("still open");
        }
        pair.run(seconds(299));
        assert!(!pair.server.connection.is_closing());
        pair.run(seconds(2));
        assert!(pair.server.when(&Seen::Timeout(Timeout::Idle)).is_some());
    }
}

#[test]
fn zero_idle_timeout_means_never() {
    let server = ConnectionConfig::server().with_idle_timeout(None);
    let mut pair = Pair::new(server, silent_client());
    pair.run(seconds(24 * 3600));
    assert!(!pair.server.connection.is_closing());
}

#[test]
fn first_pings_are_spread() {
    let mut firsts: Vec<_> = (0..100u64)
        .map(|entropy| {
            let now = crate::pair::base();
            let config = ConnectionConfig::server().with_idle_timeout(None).into();
            let connection = ws_connection::Connection::new(
                config,
                None,
                entropy.wrapping_mul(0x9e37_79b9_7f4a_7c15),
                now,
            );
            connection.poll_timeout().expect("a ping is due") - now
        })
        .collect();
    firsts.sort_unstable();
    assert!(firsts[99] <= seconds(30), "never later than the interval");
    assert!(firsts[99] - firsts[0] > seconds(10), "spread over {:?}", firsts[99] - firsts[0]);
}
