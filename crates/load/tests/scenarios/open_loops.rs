//! Rates that are kept whatever the server does, and latencies that tell it.

use std::time::Duration;

use crate::{
    load, number,
    servers::{Behaviour, Server},
    time,
};

#[test]
fn the_rate_is_kept() {
    let server = Server::start(Behaviour::Echo);
    let (code, report) =
        load(&format!("echo {} -c 7 --rate 500 --duration 1s --warmup 100ms", server.url()));
    assert_eq!(code, 0);
    let sent = number(&report, "/messages/sent") / number(&report, "/seconds");
    assert!((450.0..550.0).contains(&sent), "{sent} a second: {report:#}");
    assert!(number(&report, "/load/lag_us/count") > 0.0);
}

/// The classic of coordinated omission: while the server stands still for half a second, ten messages
/// of a mebibyte are due. Its socket takes only the first few, the others leave once it reads again.
/// Counted from their actual departure these would look fast.
#[test]
fn a_stall_of_the_server_is_in_the_latency_of_each_message_that_was_due() {
    let stall =
        Behaviour::Stall { after: Duration::from_millis(200), length: Duration::from_millis(500) };
    let server = Server::start(stall);
    let (code, report) = load(&format!(
        "echo {} -c 1 --rate 20 --size 1MiB --duration 1500ms --warmup 0s",
        server.url()
    ));
    assert_eq!(code, 0);
    assert!(time(&report, "/latency_us/max") >= Duration::from_millis(400), "{report:#}");
    // Ten of thirty were due within the stall, on average for a quarter of a second.
    assert!(time(&report, "/latency_us/mean") >= Duration::from_millis(65), "{report:#}");
    assert!(time(&report, "/latency_us/p90") >= Duration::from_millis(250), "{report:#}");
    assert!(number(&report, "/messages/sent") >= 23.0, "late is not skipped: {report:#}");
}

#[test]
fn a_ramp_brings_half_as_many() {
    let server = Server::start(Behaviour::Echo);
    let (code, report) =
        load(&format!("echo {} -c 2 --rate 400 --ramp 1s --duration 1s --warmup 0s", server.url()));
    assert_eq!(code, 0);
    let sent = number(&report, "/messages/sent");
    assert!((150.0..260.0).contains(&sent), "{sent}");
}
