//! `[[channels]]` and `[[connection_types]]`, good and bad, each fault with its line.

use std::time::Duration;

use ws_channels::{ConnectionTypeSpec, HistorySpec, OnLimit, OnOutage, RuleSpec, SlowConsumer};

use super::*;

/// All faults of the text, in the order of the file.
#[track_caller]
fn check_faults(text: &str, expect: &[&str]) {
    let faults: Vec<String> = read_text(text).faults.iter().map(ToString::to_string).collect();
    assert_eq!(faults.len(), expect.len(), "{text}\n{faults:#?}");
    for (fault, expect) in faults.iter().zip(expect) {
        assert!(fault.starts_with(expect), "{text}\n{fault}\n{expect}");
    }
}

#[test]
fn a_rule_says_what_is_allowed_and_what_it_does_not_say_is_not() {
    let raw = read_text(
        "[[channels]]\npattern = \"chat:*\"\nsubscribe = true\npublish = true\npresence = true\n\
         allowed_events = [\"user_message\", \"typing\"]\nrate_limit = 10\n\
         slow_consumer = \"drop-oldest\"\nhistory = { size = 1_000, ttl = 5000 }\n\
         on_outage = \"queue\"\n\n[[channels]]\npattern = \"orders\"\n",
    );
    assert_eq!(raw.faults, []);
    let full = RuleSpec {
        pattern: "chat:*".to_owned(),
        subscribe: true,
        publish: true,
        presence: true,
        allowed_events: Some(vec!["user_message".to_owned(), "typing".to_owned()]),
        rate_limit_per_second: Some(10),
        history: Some(HistorySpec { size: 1000, ttl: Duration::from_secs(5) }),
        slow_consumer: SlowConsumer::DropOldest,
        on_outage: Some(OnOutage::Queue),
    };
    let bare = RuleSpec { pattern: "orders".to_owned(), ..RuleSpec::default() };
    let line = |line| Origin::File { path: "f".into(), line };
    assert_eq!(raw.rules, [(full, line(1)), (bare, line(12))]);
    assert_eq!(raw.types, None);
}

#[test]
fn a_connection_type_is_read_and_an_empty_array_means_none() {
    let raw = read_text(
        "\n[[connection_types]]\npath = \"/ws/u/{user_id}\"\nmax = 2\nper = \"user_id\"\n\
         owner = true\nchannels = [\"user:{user_id}\", \"news\"]\non_limit = \"close-oldest\"\n",
    );
    assert_eq!(raw.faults, []);
    let full = ConnectionTypeSpec {
        path: "/ws/u/{user_id}".to_owned(),
        max: Some(2),
        per: Some("user_id".to_owned()),
        owner: true,
        channels: vec!["user:{user_id}".to_owned(), "news".to_owned()],
        on_limit: OnLimit::CloseOldest,
        tunnel: None,
    };
    let line_2 = Origin::File { path: "f".into(), line: 2 };
    assert_eq!(raw.types, Some(vec![(full, line_2)]));
    let none = read_text("connection_types = []");
    assert_eq!((none.faults, none.types), (vec![], Some(vec![])));
}

#[track_caller]
fn check_rules(rules: &[(&str, &str)]) {
    for (rule, expect) in rules {
        check_faults(&format!("[[channels]]\n{rule}\n"), &[expect]);
    }
}

#[test]
fn a_value_of_a_rule_in_a_wrong_form_is_a_fault_with_its_line() {
    check_rules(&[
        ("", "channels[1].pattern (f:1): missing: channels such as orders, chat:* or user:{"),
        ("pattern = 7", "channels[1].pattern = \"7\" (f:2): a string in quotes: channels such as"),
        (
            "pattern = \"a\"\nsubscribe = \"yes\"",
            "channels[1].subscribe = \"yes\" (f:3): true or false without quotes",
        ),
        ("pattern = \"a\"\npublish = 1", "channels[1].publish = \"1\" (f:3): true or false"),
        (
            "pattern = \"a\"\nallowed_events = \"x\"",
            "channels[1].allowed_events = \"x\" (f:3): an array of strings: the names of events",
        ),
        (
            "pattern = \"a\"\npublish = true\nallowed_events = [\"x\",\n  7]",
            "channels[1].allowed_events = \"[\\\"x\\\",\\n  7]\" (f:4): an array of strings",
        ),
        (
            "pattern = \"a\"\npublish = true\nallowed_events = []",
            "channels[1].allowed_events = \"[]\" (f:4): at least one event; leave it out for any",
        ),
        (
            "pattern = \"a\"\nrate_limit = \"10\"",
            "channels[1].rate_limit = \"10\" (f:3): a whole number without quotes: publishes a s",
        ),
        ("pattern = \"a\"\nrate_limit = 1.5", "channels[1].rate_limit = \"1.5\" (f:3): a whole n"),
        ("pattern = \"a\"\nrate_limit = -1", "channels[1].rate_limit = \"-1\" (f:3): a whole n"),
        (
            "pattern = \"a\"\nslow_consumer = \"drop_oldest\"",
            "channels[1].slow_consumer = \"drop_oldest\" (f:3): one of disconnect, drop-oldest, \
             drop-newest, conflate; did you mean drop-oldest?",
        ),
        (
            "pattern = \"a\"\nslow_consumer = 7",
            "channels[1].slow_consumer = \"7\" (f:3): one of disconnect, drop-oldest,",
        ),
        (
            "pattern = \"a\"\non_outage = \"Local\"",
            "channels[1].on_outage = \"Local\" (f:3): one of refuse, local, queue; did you mean l",
        ),
    ]);
    for history in [
        "100",
        "{ size = 100 }",
        "{ ttl = \"5m\" }",
        "{ size = \"100\", ttl = \"5m\" }",
        "{ size = 100, ttl = \"soon\" }",
        "{ size = -1, ttl = 1 }",
        "{ size = 100, ttl = \"5m\", max = 1 }",
    ] {
        check_rules(&[(
            &format!("pattern = \"a\"\nhistory = {history}"),
            &format!("channels[1].history = {history:?} (f:3): how many messages are kept and for"),
        )]);
    }
}

#[test]
fn a_history_that_cannot_be_meant_is_a_fault_with_its_line() {
    check_rules(&[
        (
            "pattern = \"a\"\nhistory = { size = 0, ttl = 1 }",
            "channels[1].history = \"{ size = 0, ttl = 1 }\" (f:3): a history of no messages, or of",
        ),
        (
            "pattern = \"a\"\nhistory = { size = 5_000_000_000, ttl = 1 }",
            "channels[1].history = \"{ size = 5_000_000_000, ttl = 1 }\" (f:3): a history has at mo",
        ),
        (
            "pattern = \"a\"\nhistory = { size = 1, ttl = 1 }\non_outage = \"local\"",
            "channels[1].on_outage = \"local\" (f:4): what has a history cannot stay on one node",
        ),
    ]);
}

#[test]
fn a_key_of_a_rule_that_is_not_known_is_a_fault_with_its_line() {
    check_rules(&[
        (
            "pattern = \"a\"\nsubscibe = true",
            "channels[1].subscibe (f:3): not a setting; did you mean subscribe?",
        ),
        (
            "pattern = \"a\"\nevents = [\"x\"]",
            "channels[1].events (f:3): not a setting; did you mean allowed_events?",
        ),
        (
            "pattern = \"a\"\ncolour = \"red\"",
            "channels[1].colour (f:3): not a setting here; there are pattern, subscribe, publish, ",
        ),
    ]);
}

#[test]
fn a_rule_that_cannot_be_meant_is_a_fault_with_its_line() {
    check_rules(&[
        (
            "pattern = \"\"",
            "channels[1].pattern = \"\" (f:2): channels such as orders, chat:* or user:{user_id}:*; \
             a pattern must not be empty",
        ),
        ("pattern = \"a*b\"", "channels[1].pattern = \"a*b\" (f:2): channels such as"),
        ("pattern = \"{user}:x\"", "channels[1].pattern = \"{user}:x\" (f:2): channels such as"),
        ("pattern = \"$SYS:*\"", "channels[1].pattern = \"$SYS:*\" (f:2): channels that begin wi"),
        (
            "pattern = \"a\"\npublish = true\nrate_limit = 0",
            "channels[1].rate_limit = \"0\" (f:4): 1 or more publishes a second; leave `publish` out",
        ),
        (
            "pattern = \"a\"\npublish = true\nallowed_events = [\"x\", \"\"]",
            "channels[1].allowed_events = \"[\\\"x\\\", \\\"\\\"]\" (f:4): an allowed event must have",
        ),
    ]);
}

#[test]
fn a_connection_type_that_cannot_be_meant_is_a_fault_with_its_line() {
    for (kind, expect) in [
        ("", "connection_types[1].path (f:1): missing: a path such as /ws/chat/{session_id}"),
        ("path = 7", "connection_types[1].path = \"7\" (f:2): a string in quotes: a path such as"),
        (
            "path = \"/a\"\nmax = \"1\"",
            "connection_types[1].max = \"1\" (f:3): a whole number without quotes: how many conn",
        ),
        ("path = \"/a\"\nper = 1", "connection_types[1].per = \"1\" (f:3): a string in quotes"),
        ("path = \"/a\"\nowner = 1", "connection_types[1].owner = \"1\" (f:3): true or false"),
        (
            "path = \"/a\"\nchannels = \"a\"",
            "connection_types[1].channels = \"a\" (f:3): an array of strings",
        ),
        (
            "path = \"/a\"\non_limit = \"close_oldest\"",
            "connection_types[1].on_limit = \"close_oldest\" (f:3): one of reject, close-oldest; did",
        ),
        (
            "path = \"/a\"\non_limits = 1",
            "connection_types[1].on_limits (f:3): not a setting; did you mean on_limit?",
        ),
        (
            "path = \"/a\"\nmax_connections = 1",
            "connection_types[1].max_connections (f:3): not a setting; did you mean max?",
        ),
        ("path = \"ws\"", "connection_types[1].path = \"ws\" (f:2): a path such as /ws/chat/{s"),
        ("path = \"/a/x{b}\"", "connection_types[1].path = \"/a/x{b}\" (f:2): a path such as"),
        ("path = \"/{a}/{a}\"", "connection_types[1].path = \"/{a}/{a}\" (f:2): a path such as"),
        (
            "path = \"/a\"\nmax = 0",
            "connection_types[1].max = \"0\" (f:3): 1 or more connections; leave it out for any n",
        ),
        (
            "path = \"/{a}\"\nper = \"a\"",
            "connection_types[1].per = \"a\" (f:3): only with max: it says by what",
        ),
        (
            "path = \"/{a}/{b}\"\nmax = 1\nper = \"{a}\"",
            "connection_types[1].per = \"{a}\" (f:4): a parameter of the path, which has {a}, {b}",
        ),
        (
            "path = \"/a\"\nowner = true",
            "connection_types[1].owner = \"true\" (f:3): only with {user_id} in the path, which has n",
        ),
        (
            "path = \"/{a}\"\nchannels = [\"chat:{b}\"]",
            "connection_types[1].channels = \"[\\\"chat:{b}\\\"]\" (f:3): parameters of the path, \
             which has {a} and no {b}",
        ),
        (
            "path = \"/{a}\"\nchannels = [\"chat:*\"]",
            "connection_types[1].channels = \"[\\\"chat:*\\\"]\" (f:3): channels such as",
        ),
        (
            "path = \"/{a}\"\nchannels = [\"$SYS\"]",
            "connection_types[1].channels = \"[\\\"$SYS\\\"]\" (f:3): channels such as",
        ),
    ] {
        check_faults(&format!("[[connection_types]]\n{kind}\n"), &[expect]);
    }
}

#[test]
fn what_is_no_array_of_tables_is_told_how_to_be_one() {
    for (text, expect) in [
        ("[channels]\npattern = \"a\"", "channels (f:1): [[channels]] on a line of its own"),
        ("channels = \"a\"", "channels (f:1): [[channels]] on a line of its own"),
        ("channels = [\"a\",\n \"b\"]", "channels[1] (f:1): [[channels]] on a line of its own"),
        ("\nchannels = []", "channels = \"[]\" (f:2): at least one rule; leave it out, and who"),
        ("[connection_types]", "connection_types (f:1): [[connection_types]] on a line of its"),
    ] {
        let faults = read_text(text).faults;
        assert!(faults[0].to_string().starts_with(expect), "{text}\n{faults:?}");
    }
}

const MANY_FAULTS: &str = r#"[server]
websocket_prot = 1

[[channels]]
pattern = "chat:*"

[[channels]] # the same again
publish = "no"
allowed_events = ["x"]
pattern = "chat:*"
rate_limit = 0

[[channels]]
subscribe = true

[[channels]]
subscribe = true

[[channels]]
pattern = "$x"
rate_limit = 0

[[connection_types]]
path = "/u/{id}"
max = 1
per = "user_id"
owner = true
channels = ["a:{user_id}"]

[[connection_types]]
path = "/u/{name}"

[[connection_types]]
path = 7
max = 0
owner = true
"#;

#[test]
fn all_faults_of_all_rules_are_told_at_once_and_none_of_them_twice() {
    check_faults(
        MANY_FAULTS,
        &[
            "server.websocket_prot (f:2): not a setting; did you mean websocket_port?",
            // That events want `publish = true` is not told: nobody knows what it is.
            "channels[2].publish = \"no\" (f:8): true or false",
            "channels[2].pattern = \"chat:*\" (f:10): a pattern that is there once; channels[1] (f:4)",
            "channels[2].rate_limit = \"0\" (f:11): 1 or more",
            // These two have no pattern, which is not the same pattern.
            "channels[3].pattern (f:13): missing",
            "channels[4].pattern (f:16): missing",
            "channels[5].pattern = \"$x\" (f:20): channels that begin with `$` are reserved",
            "channels[5].rate_limit = \"0\" (f:21): 1 or more",
            "connection_types[1].per = \"user_id\" (f:26): a parameter of the path, which has {id}",
            "connection_types[1].owner = \"true\" (f:27): only with {user_id} in the path",
            "connection_types[1].channels = \"[\\\"a:{user_id}\\\"]\" (f:28): parameters of the path",
            "connection_types[2].path = \"/u/{name}\" (f:31): paths of its own; \
             connection_types[1] (f:23) means the same",
            "connection_types[3].path = \"7\" (f:34): a string in quotes",
            "connection_types[3].max = \"0\" (f:35): 1 or more",
        ],
    );
}
