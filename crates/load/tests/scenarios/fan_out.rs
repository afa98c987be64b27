//! Publishers, receivers, and topics that do it wrong.

use crate::{
    load, number,
    servers::{Behaviour, Fault, Server},
};

fn topic(fault: Fault) -> (Server, String) {
    let server = Server::start(Behaviour::Topic(fault));
    let urls = format!("ws://{0}/sub --publisher-url ws://{0}/pub", server.address);
    (server, urls)
}

#[test]
fn each_publish_comes_to_each_receiver_once() {
    let (_server, urls) = topic(Fault::None);
    for options in
        ["", "--burst 16", "--publishers 3 --burst 2", "--threads 2", "--size 1000 --binary"]
    {
        let (code, report) =
            load(&format!("fan-out {urls} -c 10 --messages 240 --warmup 50ms {options}"));
        assert_eq!(code, 0, "{options}");
        assert_eq!(number(&report, "/messages/sent"), 240.0, "{options}");
        assert_eq!(number(&report, "/messages/received"), 2400.0, "{options}: {report:#}");
        assert_eq!(number(&report, "/latency_us/count"), 2400.0, "{options}");
        for fault in ["lost", "doubled", "reordered"] {
            let found = number(&report, &format!("/deliveries/{fault}"));
            assert_eq!(found, 0.0, "{options}: {fault} {report:#}");
        }
    }
}

#[test]
fn an_envelope_around_the_payload_does_no_harm() {
    let (_server, urls) = topic(Fault::None);
    let message = r#"{"t":"publish","at":{time},"data":"{payload}"}"#;
    let (_, report) = load(&format!("fan-out {urls} -c 3 --messages 50 --message {message}"));
    assert_eq!(number(&report, "/messages/received"), 150.0, "{report:#}");
}

#[test]
fn what_is_lost_or_doubled_is_found() {
    for (fault, path, share) in [
        (Fault::LosesTenth, "/deliveries/lost", 0.1),
        (Fault::DoublesTenth, "/deliveries/doubled", 0.1),
    ] {
        let (_server, urls) = topic(fault);
        let (_, report) =
            load(&format!("fan-out {urls} -c 4 --rate 200 --duration 1s --warmup 0s"));
        let found = number(&report, path);
        let expected = number(&report, "/messages/sent") * 4.0 * share;
        assert!((found - expected).abs() <= 4.0, "{fault:?}: {found} of {expected}: {report:#}");
        assert!(report["notes"].to_string().contains("deliveries were lost"), "{report:#}");
    }
}

#[test]
fn slow_readers_are_reported_apart_and_do_not_hold_up_the_fast_ones() {
    let (_server, urls) = topic(Fault::ClosesSlow);
    let (_, report) = load(&format!(
        "slow {urls} -c 8 --slow-share 0.25 --rate 60 --size 100k --duration 2s --warmup 0s"
    ));
    assert_eq!(number(&report, "/slow/connections"), 2.0);
    assert_eq!(number(&report, "/slow/closed"), 2.0, "{report:#}");
    let received = number(&report, "/messages/received");
    let expected = number(&report, "/messages/sent") * 6.0;
    assert!(received > expected / 2.0, "{received} of {expected}: {report:#}");
    assert_eq!(number(&report, "/deliveries/lost"), 0.0, "{report:#}");
}

#[test]
fn slow_readers_read_what_opens_them() {
    let server = Server::start(Behaviour::Echo);
    let hello = "--on-open hello --publisher-on-open hello --until-text hello";
    let (_, report) = load(&format!(
        "slow {} -c 4 --slow-share 0.5 {hello} --connect-timeout 1s --duration 100ms --warmup 0s",
        server.url()
    ));
    assert_eq!(number(&report, "/open"), 5.0, "{report:#}");
    assert_eq!(number(&report, "/connects/failed"), 0.0, "{report:#}");
}

#[test]
fn a_share_reads_at_its_rate() {
    let (_server, urls) = topic(Fault::None);
    let (_, report) = load(&format!(
        "slow {urls} -c 2 --slow-share 0.5 --slow-rate 10k --rate 100 --size 1k --duration 1s \
         --warmup 0s"
    ));
    let (fast, slow) = (number(&report, "/messages/received"), number(&report, "/slow/received"));
    assert!(fast > 80.0 && slow > 0.0 && slow < fast / 2.0, "{fast} and {slow}: {report:#}");
}
