//! Echo and request, each message answered before the next.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use crate::{
    load, load_until, number,
    servers::{Behaviour, Server},
    time,
};

#[test]
fn a_number_of_messages_is_sent_exactly_and_answered() {
    let server = Server::start(Behaviour::Echo);
    for options in
        ["", "--window 16", "--binary --size 70000", "--threads 2 --window 3", "--size 0"]
    {
        let url = server.url();
        let (code, report) =
            load(&format!("echo {url} -c 4 --messages 1003 --warmup 50ms {options}"));
        assert_eq!(code, 0, "{options}: {report:#}");
        assert_eq!(number(&report, "/messages/sent"), 1003.0, "{options}");
        assert_eq!(number(&report, "/messages/received"), 1003.0, "{options}");
        assert_eq!(number(&report, "/latency_us/count"), 1003.0, "{options}");
        assert_eq!(report["errors"], serde_json::json!([]), "{options}");
    }
}

#[test]
fn the_latency_is_the_delay_of_the_server() {
    let server = Server::start(Behaviour::Delay(Duration::from_millis(40)));
    let (code, report) = load(&format!("echo {} -c 5 --messages 30 --warmup 0s", server.url()));
    assert_eq!(code, 0);
    assert!(time(&report, "/latency_us/p50") >= Duration::from_millis(40), "{report:#}");
    assert!(time(&report, "/latency_us/p50") < Duration::from_millis(400), "{report:#}");
}

#[test]
fn templates_differ_from_message_to_message_and_come_back() {
    let server = Server::start(Behaviour::Echo);
    let message = r#"{"id":"{conn}-{seq}","user":"{user}","data":"{payload}"}"#;
    let (code, report) = load(&format!(
        "request {} -c 3 --window 2 --messages 200 --message {message} --expect \"user\":\"user-",
        server.url()
    ));
    assert_eq!((code, number(&report, "/messages/received")), (0, 200.0), "{report:#}");
}

#[test]
fn a_greeting_is_no_answer() {
    let server = Server::start(Behaviour::Greet);
    for options in ["", "--until-text connected", "--ignore connected"] {
        let (code, report) =
            load(&format!("echo {} -c 3 --messages 90 --warmup 50ms {options}", server.url()));
        assert_eq!(code, 0, "{options}");
        assert_eq!(number(&report, "/messages/received"), 90.0, "{options}");
        assert_eq!(number(&report, "/messages/other"), 3.0, "{options}: {report:#}");
    }
}

#[test]
fn messages_that_are_no_answers_are_shown_and_measure_nothing() {
    let server = Server::start(Behaviour::Echo);
    let (code, report) = load(&format!(
        "request {} -c 2 --duration 300ms --warmup 0s --message limited --expect response",
        server.url()
    ));
    assert_eq!(code, 1);
    assert_eq!(report["messages"]["other_example"], "limited");
    let notes = report["notes"].to_string();
    assert!(notes.contains("no answer was measured") && notes.contains("`limited`"), "{notes}");
}

#[test]
fn what_is_deflated_comes_back() {
    let server = Server::start(Behaviour::Ours);
    for options in ["", "--message {payload}{seq}"] {
        let (code, report) = load(&format!(
            "echo {} -c 3 --window 4 --messages 500 --size 2000 --warmup 0s --compress {options}",
            server.url()
        ));
        assert_eq!((code, number(&report, "/messages/received")), (0, 500.0), "{report:#}");
        let bytes = number(&report, "/messages/bytes_sent");
        assert!(bytes < 500.0 * 2000.0 / 2.0, "{options}: {bytes} bytes are not deflated");
    }
}

#[test]
fn a_server_that_closes_is_reported_with_its_code() {
    let server = Server::start(Behaviour::CloseAfter(5));
    let (code, report) = load(&format!("echo {} -c 3 --duration 10s --warmup 0s", server.url()));
    assert_eq!(code, 0, "there were answers before");
    assert_eq!(report["closes"], serde_json::json!([{ "code": 1013, "count": 3 }]));
    assert_eq!(number(&report, "/messages/received"), 15.0);
    assert!(number(&report, "/seconds") < 9.0, "nobody was left, so it ended");
}

#[test]
fn a_server_that_is_killed_is_an_error_with_a_name() {
    let server = Server::start(Behaviour::Delay(Duration::from_millis(20)));
    let url = server.url();
    let killer = std::thread::spawn(move || {
        while server.accepted.load(std::sync::atomic::Ordering::Relaxed) < 2 {
            std::thread::yield_now();
        }
        drop(server);
    });
    let (_, report) = load(&format!("echo {url} -c 2 --duration 10s --warmup 0s"));
    killer.join().unwrap();
    assert!(number(&report, "/seconds") < 9.0, "{report:#}");
    assert!(!report["errors"].as_array().unwrap().is_empty(), "{report:#}");
}

#[test]
fn an_interrupted_run_reports_what_it_has() {
    let server = Server::start(Behaviour::Echo);
    let interrupted = Arc::new(AtomicBool::new(false));
    let url = server.url();
    let flag = interrupted.clone();
    let stopper = std::thread::spawn(move || {
        while server.accepted.load(std::sync::atomic::Ordering::Relaxed) < 2 {
            std::thread::yield_now();
        }
        flag.store(true, std::sync::atomic::Ordering::Relaxed);
        server
    });
    let (_, report) = load_until(&format!("echo {url} -c 2 --duration 1m"), &interrupted);
    drop(stopper.join().unwrap());
    assert_eq!(report["interrupted"], true);
    assert!(number(&report, "/seconds") < 30.0);
}
