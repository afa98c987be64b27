//! Peers that are silent, half-open, or only slow (DESIGN §4.1 and §4.3).

use std::time::Duration;

use tokio::time::Instant;
use ws_connection::{Cause, ConnectionConfig, Timeout};
use ws_transport::Wake;

use crate::peer::{Notes, Setup, Told, close_code, frame, pass, prepared, settle, text};

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn alive() -> Setup {
    let config = ConnectionConfig::server().with_idle_timeout(None);
    Setup { config, ..Setup::default() }
}

fn count(told: &[Told], wanted: Wake) -> usize {
    told.iter().filter(|it| **it == Told::Wake(wanted)).count()
}

#[tokio::test(start_paused = true)]
async fn a_half_open_connection_is_noticed_within_45_seconds_and_dropped() {
    let driven = alive().spawn(|_| {});
    driven.wire.send(text("my last words"));
    settle().await;
    let last = Instant::now();
    // Neither data nor an end comes any more.
    let end = loop {
        pass(seconds(1)).await;
        if let Some(end) = driven.end() {
            break end;
        }
        assert!(last.elapsed() <= seconds(46), "not noticed");
    };
    assert!(last.elapsed() <= seconds(45), "{:?}", last.elapsed());
    assert!(driven.is_dropped(), "there is nobody to wait for");
    assert!(matches!(end.cause, Cause::PongTimeout { last_round_trip: None }));
    assert_eq!(driven.wire.with(|script| close_code(&script.written)), Some(1001));
    let told = driven.told();
    assert_eq!(count(&told, Wake::Connection(Timeout::PingSent)), 3);
    assert_eq!(count(&told, Wake::Connection(Timeout::Dead)), 1);
}

#[tokio::test(start_paused = true)]
async fn a_dead_peer_is_noticed_though_its_socket_takes_nothing() {
    let driven = alive().spawn(|wire| wire.with(|script| script.room = 0));
    driven.outbox.send(prepared(&"never read".repeat(1000))).expect("room");
    let began = Instant::now();
    driven.task.await.expect("no panic");
    assert!(began.elapsed() <= seconds(45), "{:?}", began.elapsed());
    assert!(driven.wire.with(|script| script.dropped));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_pings_lives_for_ever() {
    let driven = alive().spawn(|_| {});
    let mut answered = 0;
    for _ in 0..600 {
        pass(seconds(1)).await;
        let frames = driven.frames();
        for (first, payload) in &frames[answered..] {
            assert_eq!(*first, 0x89);
            driven.wire.send(frame(0x8a, payload));
        }
        answered = frames.len();
    }
    settle().await;
    assert!((18..=21).contains(&answered), "{answered} pings in ten minutes");
    assert!(driven.end().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_data_slowly_is_alive() {
    let driven = alive().spawn(|wire| wire.with(|script| script.room = 0));
    driven.outbox.send(prepared(&"a long read".repeat(10_000))).expect("room");
    for _ in 0..30 {
        pass(seconds(10)).await;
        driven.wire.make_room(1000);
    }
    settle().await;
    assert!(driven.end().is_none(), "{:?}", driven.end());
    assert_eq!(driven.written(), 30_000);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_and_the_peer_told_why() {
    let config = ConnectionConfig::server().with_heartbeat(None);
    let driven = Setup { config, ..Setup::default() }.spawn(|_| {});
    pass(seconds(200)).await;
    driven.wire.send(text("still here"));
    pass(seconds(299)).await;
    assert_eq!(driven.frames().len(), 1, "five minutes after the last message, not before");
    pass(seconds(2)).await;
    let idle = (0x88, b"\x03\xe9Idle timeout".to_vec());
    assert_eq!(driven.frames().last(), Some(&idle));
    pass(seconds(5)).await;
    let end = driven.end().expect("nobody answered");
    assert_eq!((end.cause, end.acknowledged), (Cause::Idle, false));
}

#[tokio::test(start_paused = true)]
async fn a_fan_out_message_puts_off_the_idle_timeout() {
    let config = ConnectionConfig::server().with_heartbeat(None);
    let driven = Setup { config, ..Setup::default() }.spawn(|_| {});
    for _ in 0..5 {
        pass(seconds(200)).await;
        driven.outbox.send(prepared("tick")).expect("open");
    }
    pass(seconds(299)).await;
    assert_eq!(driven.frames().len(), 5);
    assert!(driven.end().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_deadlines_is_never_woken() {
    let notes = Notes::default();
    let driven = Setup { notes, ..Setup::default() }.spawn(|_| {});
    pass(seconds(30 * 24 * 3600)).await;
    assert_eq!(driven.told(), []);
    driven.wire.send(text("hello again"));
    settle().await;
    assert_eq!(driven.texts(), ["hello again"]);
}

#[tokio::test(start_paused = true)]
async fn what_arrived_in_time_counts_however_late_the_driver_comes_to_read_it() {
    let driven = alive().spawn(|_| {});
    while count(&driven.told(), Wake::Connection(Timeout::PingSent)) < 3 {
        pass(seconds(1)).await;
    }
    // The frame lies in the socket while the worker is busy elsewhere, beyond the last deadline.
    driven.wire.send(text("still here"));
    tokio::time::advance(seconds(6)).await;
    settle().await;
    assert_eq!(count(&driven.told(), Wake::Connection(Timeout::Dead)), 0);
    assert_eq!(driven.texts(), ["still here"]);
    assert_eq!(driven.end(), None);
}
