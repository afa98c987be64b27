//! Storms, visits, waves, and doors that stay shut.

use std::{sync::atomic::Ordering, time::Duration};

use crate::{
    load, number,
    servers::{Behaviour, Server},
    time,
};

#[test]
fn a_storm_is_counted_and_those_who_were_there_before_are_reported_apart() {
    let server = Server::start(Behaviour::Echo);
    let (code, report) = load(&format!(
        "connect {} -c 200 --connect-window 16 --background 3 --background-rate 200",
        server.url()
    ));
    assert_eq!(code, 0);
    assert_eq!(number(&report, "/connects/attempted"), 200.0);
    assert_eq!(number(&report, "/connects/succeeded"), 200.0);
    assert_eq!(number(&report, "/connect_us/count"), 200.0);
    assert_eq!(number(&report, "/messages/received"), 0.0);
    assert!(report["established"].is_object(), "{report:#}");
    assert_eq!(server.accepted.load(Ordering::Relaxed), 203);
}

#[test]
fn handshakes_have_intended_times_at_a_rate() {
    let server = Server::start(Behaviour::Echo);
    let (_, report) =
        load(&format!("connect {} -c 60 --connect-rate 200 --and-close", server.url()));
    assert_eq!(number(&report, "/connects/succeeded"), 60.0);
    assert!((0.25..2.0).contains(&number(&report, "/seconds")), "{report:#}");
}

#[test]
fn connections_that_are_held_are_quiet_and_open() {
    let server = Server::start(Behaviour::Echo);
    let (code, report) =
        load(&format!("idle {} -c 100 --hold 200ms --source 127.0.0.2,127.0.0.3", server.url()));
    assert_eq!((code, number(&report, "/open")), (0, 100.0));
    assert_eq!(number(&report, "/server/pid"), f64::from(std::process::id()));
    assert!(number(&report, "/server/rss_after") > 0.0);
    assert!(report.pointer("/server/rss_per_connection").is_some_and(serde_json::Value::is_number));
}

#[test]
fn visitors_come_ask_go_and_come_again() {
    let server = Server::start(Behaviour::Echo);
    let (code, report) =
        load(&format!("churn {} -c 4 --visit 3 --duration 500ms --warmup 0s", server.url()));
    assert_eq!(code, 0);
    let visits = number(&report, "/connects/succeeded");
    assert!(visits > 8.0, "{report:#}");
    let asked = number(&report, "/messages/received");
    assert!(asked >= visits * 2.0 && asked <= (visits + 8.0) * 3.0, "{report:#}");
    assert_eq!(report["errors"], serde_json::json!([]));
}

#[test]
fn all_that_are_dropped_come_back() {
    for how in ["reset", "close"] {
        let server = Server::start(Behaviour::Echo);
        let (code, report) = load(&format!(
            "reconnect {} -c 40 --drop {how} --drop-share 0.5 --backoff 100ms",
            server.url()
        ));
        assert_eq!(code, 0);
        assert_eq!(number(&report, "/connects/succeeded"), 20.0, "{how}: {report:#}");
        assert_eq!(number(&report, "/open"), 40.0, "{how}");
        assert_eq!(report["errors"], serde_json::json!([]), "{how}");
        assert_eq!(server.accepted.load(Ordering::Relaxed), 60, "{how}");
    }
}

#[test]
fn what_goes_wrong_has_a_cause_and_the_exit_code_1() {
    let refusing = Server::start(Behaviour::Refuse);
    let silent = Server::start(Behaviour::Silent);
    // A port that was free a moment ago.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (url, options, cause) in [
        (refusing.url(), "", "handshake: the server answered 401 Unauthorized"),
        (silent.url(), "--connect-timeout 200ms", "handshake: not finished within 200ms"),
        (format!("ws://{closed}/"), "", "connect: refused; nothing listens there"),
    ] {
        let (code, report) = load(&format!("echo {url} -c 2 --duration 1s {options}"));
        assert_eq!(code, 1, "{cause}");
        assert_eq!(report["errors"], serde_json::json!([{ "cause": cause, "count": 2 }]));
    }
}

#[test]
fn a_greeting_can_be_part_of_the_connect() {
    let server = Server::start(Behaviour::Greet);
    let (_, report) = load(&format!("connect {} -c 5 --until-text \"connected\"", server.url()));
    assert_eq!(number(&report, "/connects/succeeded"), 5.0, "{report:#}");
    let echo = Server::start(Behaviour::Echo);
    let (code, report) = load(&format!(
        "connect {} -c 5 --until-text connected --connect-timeout 200ms",
        echo.url()
    ));
    assert_eq!((code, number(&report, "/connects/failed")), (1, 5.0), "{report:#}");
}

#[test]
fn what_comes_after_a_storm_is_counted_while_it_is_held() {
    let server = Server::start(Behaviour::Greet);
    let (_, report) = load(&format!(
        "connect {} -c 5 --on-open one --on-open two --count one --count two --hold 300ms",
        server.url()
    ));
    assert_eq!(number(&report, "/messages/counted/messages"), 10.0, "{report:#}");
    assert_eq!(number(&report, "/messages/counted/bytes"), 30.0, "{report:#}");
    assert!(number(&report, "/seconds") >= 0.3, "{report:#}");
    assert!(number(&report, "/connects/per_second") > 5.0 / 0.3, "{report:#}");
}

#[test]
fn bad_arguments_have_the_exit_code_2() {
    for arguments in ["", "echo", "dance ws://127.0.0.1:1", "echo ws://127.0.0.1:1 -c 0"] {
        assert_eq!(load(arguments).0, 2, "{arguments}");
    }
    let (code, _) = load("idle ws://127.0.0.1:1 -c 100000000");
    assert_eq!(code, 2, "no process may have so many files");
}

#[test]
fn a_slow_server_shows_in_the_time_of_a_connect() {
    let server = Server::start(Behaviour::Delay(Duration::from_millis(50)));
    let (_, report) = load(&format!("churn {} -c 1 --duration 400ms --warmup 0s", server.url()));
    assert!(time(&report, "/latency_us/p50") >= Duration::from_millis(50), "{report:#}");
    assert!(time(&report, "/connect_us/p50") < Duration::from_millis(50), "{report:#}");
}
