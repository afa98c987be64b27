use super::*;
use crate::plan::{Drive, Drop, Dropping, Reading, Role, When};

fn parsed(line: &str) -> Result<Plan, Vec<String>> {
    let words = std::iter::once("ws-load").chain(line.split_ascii_whitespace());
    match command().try_get_matches_from(words) {
        Ok(matches) => plan(&matches),
        Err(error) => Err(vec![error.to_string()]),
    }
}

fn roles(line: &str) -> Vec<(Role, usize)> {
    let plan = parsed(line).unwrap();
    plan.groups.iter().map(|group| (group.role, group.count)).collect()
}

#[test]
fn each_scenario_has_its_people() {
    let url = "ws://127.0.0.1:1";
    let drop = Drop { how: Dropping::Close, backoff: Duration::from_secs(2) };
    let publish = |burst| Role::Publish { burst, drive: Drive::Window(1) };
    for (line, expected) in [
        (format!("echo {url}"), vec![(Role::Ask(Drive::Window(1)), 1)]),
        (format!("request {url} -c 5 --window 16"), vec![(Role::Ask(Drive::Window(16)), 5)]),
        (format!("idle {url} -c 9"), vec![(Role::Idle, 9)]),
        (
            format!("fan-out {url} -c 9 --burst 4 --publishers 2"),
            vec![(Role::Receive, 9), (publish(4), 2)],
        ),
        (
            format!("slow {url} -c 10 --slow-share 0.25"),
            vec![(Role::Receive, 7), (Role::Receive, 3), (publish(1), 1)],
        ),
        (format!("connect {url} -c 3 --and-close"), vec![(Role::Leave, 3)]),
        (format!("churn {url} -c 3 --visit 7"), vec![(Role::Visit { messages: 7 }, 3)]),
        (
            format!("reconnect {url} -c 4 --drop close --backoff 2s --drop-share 0.5"),
            vec![(Role::Idle, 2), (Role::Return(drop), 2)],
        ),
    ] {
        assert_eq!(roles(&line), expected, "{line}");
    }
}

#[test]
fn a_storm_is_dialled_while_the_background_is_there() {
    let plan =
        parsed("connect ws://127.0.0.1:1 -c 100 --background 5 --background-rate 50").unwrap();
    let [background, storm] = &plan.groups[..] else { panic!("{:?}", plan.groups) };
    assert!(background.background && background.when == When::Before);
    assert_eq!((storm.when, storm.first, storm.role), (When::Measured, 5, Role::Idle));
}

#[test]
fn the_slow_ones_read_at_their_rate() {
    let plan = parsed("slow ws://127.0.0.1:1 -c 10 --slow-rate 4KiB").unwrap();
    let readings: Vec<Reading> = plan.groups.iter().map(|group| group.reading).collect();
    assert_eq!(readings, [Reading::Full, Reading::Slow(4096), Reading::Full]);
}

#[test]
fn each_fault_is_a_sentence_with_the_option_and_what_would_be_right() {
    for (options, complaint) in [
        ("-c 0", "--connections: 0 is too few; 1 is the least"),
        ("-c many", "--connections: `many` is no whole number such as 10000"),
        ("--rate 0", "--rate: `0` is no rate a second above 0, such as 500 or 0.5"),
        ("--rate 5 --window 2", "--window and --rate exclude each other"),
        ("--size 1furlong", "--size: `1furlong` is no size such as 300, 4KiB or 1MiB"),
        ("--duration soon", "--duration: `soon` is no duration such as 500ms, 2s or 1m"),
        ("--message {what}", "--message: `{what}` is no place; there are `{payload}`"),
        ("--source here", "--source: `here` is no address such as 127.0.0.2"),
        ("--server-pid 4294967295", "--server-pid: there is no process 4294967295"),
        ("--header Origin", "--header: `Origin` is no header such as Origin:https://example.com"),
        ("--token-secret short", "--token-secret: "),
        ("--token-file /nowhere/at/all", "--token-file: `/nowhere/at/all`: "),
        ("--token-in pocket", "--token-in: `pocket` is none of header, query"),
        ("--token x --token-in message", "--token-in message: no --on-open has the place {token}"),
        ("--preset fancy", "--preset: `fancy` is neither plain nor gateway"),
        ("--window", "a value is required for '--window <N>'"),
        ("--frobnicate", "unexpected argument '--frobnicate'"),
    ] {
        let faults = parsed(&format!("echo ws://127.0.0.1:1 {options}")).unwrap_err();
        assert!(faults.len() == 1 && faults[0].contains(complaint), "{options}: {faults:?}");
    }
}

#[test]
fn all_faults_are_told_at_once_and_each_once() {
    let faults = parsed("fan-out wss://127.0.0.1:1 -c 0 --duration x").unwrap_err();
    assert_eq!(faults.len(), 3, "{faults:?}");
    let faults = parsed("fan-out ws://127.0.0.1:1 --size 5 --header x").unwrap_err();
    assert_eq!(faults.len(), 2, "{faults:?}");
}

#[test]
fn fan_out_needs_a_payload_to_stamp() {
    let faults = parsed("fan-out ws://127.0.0.1:1 --message hello").unwrap_err();
    assert!(faults[0].contains("needs {payload}"), "{faults:?}");
}

#[test]
fn our_vocabulary_is_a_preset() {
    let plan = parsed("request ws://127.0.0.1:1 --preset gateway").unwrap();
    let group = &plan.groups[0];
    assert!(group.expectation.holds(br#"{"type":"response","requestId":"7"}"#));
    assert!(!group.expectation.holds(br#"{"type":"connected"}"#));
    assert_eq!(group.opening.until.as_deref(), Some(r#""type":"connected""#));
}

#[test]
fn a_receiver_of_our_vocabulary_counts_once_it_is_subscribed() {
    let plan = parsed("fan-out ws://127.0.0.1:1 --preset gateway").unwrap();
    let [receivers, publishers] = &plan.groups[..] else { panic!("{:?}", plan.groups) };
    assert_eq!(receivers.opening.on_open.len(), 1);
    assert_eq!(receivers.opening.until.as_deref(), Some(r#""type":"subscribed""#));
    assert!(publishers.opening.on_open.is_empty(), "it hears nothing of what it publishes");
    assert_eq!(publishers.opening.until.as_deref(), Some(r#""type":"connected""#));
}

#[test]
fn messages_that_are_counted_apart_have_one_of_some_texts() {
    let plan = parsed("connect ws://127.0.0.1:1 --count joined --count left").unwrap();
    let expectation = &plan.groups[0].expectation;
    for (message, counts) in [("a joined", true), ("b left", true), ("c stayed", false)] {
        assert_eq!(expectation.counts(message.as_bytes()), counts, "{message}");
    }
    assert!(plan.counts() && !parsed("connect ws://127.0.0.1:1").unwrap().counts());
}

#[test]
fn the_help_can_be_drawn() {
    command().debug_assert();
}

#[test]
fn sizes_durations_and_shares_are_read() {
    for (text, size) in
        [("20", 20), ("4KiB", 4096), ("4k", 4096), ("1MiB", 1 << 20), ("1_000", 1000)]
    {
        assert_eq!(values::bytes(text), Ok(size), "{text}");
    }
    for (text, millis) in [("500ms", 500), ("2s", 2_000), ("1.5s", 1_500), ("1m", 60_000), ("0", 0)]
    {
        assert_eq!(values::duration(text), Ok(Duration::from_millis(millis)), "{text}");
    }
    for text in ["", "5", "s", "-1s", "1 fortnight"] {
        assert!(values::duration(text).is_err(), "{text}");
    }
    assert_eq!([0.0, 0.1, 0.5, 1.0].map(|share| values::share_of(5, share)), [0, 1, 3, 5]);
    assert!(values::share("1.1").is_err() && values::bytes("65MiB").is_err());
}

#[test]
fn a_filler_has_its_size_and_needs_no_escape() {
    for size in [0, 1, 20, 1000] {
        let filler = values::filler(size);
        assert_eq!(filler.len(), size);
        assert!(filler.iter().all(|byte| byte.is_ascii_lowercase() || *byte == b' '));
    }
}
