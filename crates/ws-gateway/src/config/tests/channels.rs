//! Channels, hooks and the API for back-ends, from all sources to the configuration and back to what
//! is printed of it.

use std::time::Duration;

use ws_channels::ConnectionTypeSpec;

use super::*;

const FILE: &str = r#"
[[channels]]
pattern = "chat:*"
subscribe = true
publish = true
allowed_events = ["user_message", "typing"]
rate_limit = 10
slow_consumer = "drop-oldest"
history = { size = 100, ttl = "5m" }

[[channels]]
pattern = "user:{user_id}:*"
subscribe = true
presence = true

[[channels]]
pattern = "*"

[[connection_types]]
path = "/ws/chat/{session_id}"
max = 1
per = "session_id"
channels = ["chat:{session_id}"]

[[connection_types]]
path = "/ws/news"
owner = false

[hooks]
connect = "https://backend.example/connect"
timeout = "500ms"
failure = "allow"

[api]
api_key = "a-key-of-the-file-for-back-ends"

[subscriptions]
max_channels_per_connection = 20
event_window = 0
"#;

fn given<'a>(flags: &'a [&'a str], variables: &'a [(&'a str, &'a str)]) -> Given<'a> {
    Given { flags, variables, files: &[("f", FILE)] }
}

#[test]
fn a_flag_wins_over_a_variable_over_the_file_for_hooks_and_keys_too() {
    let loaded = given(
        &["--config=f", "--hook-timeout=1s"],
        &[
            ("JWT_SECRET_KEY", SECRET),
            ("HOOK_TIMEOUT", "700ms"),
            ("HOOK_FAILURE", "refuse"),
            ("HOOK_PUBLISH", "http://127.0.0.1:8080/publish"),
            ("MAX_CHANNELS", "7"),
        ],
    )
    .loaded();
    let Config { hooks, api, channels, .. } = &loaded.config;
    assert_eq!(hooks.timeout, Duration::from_secs(1));
    assert_eq!(hooks.failure, HookFailure::Refuse);
    let addresses: Vec<String> =
        hooks.addresses().map(|(env, address)| format!("{env} {address}")).collect();
    assert_eq!(
        addresses,
        [
            "HOOK_CONNECT https://backend.example/connect",
            "HOOK_PUBLISH http://127.0.0.1:8080/publish"
        ]
    );
    assert_eq!(api.key.as_ref().unwrap().expose(), "a-key-of-the-file-for-back-ends");
    assert_eq!((channels.per_connection_max, channels.channels_max), (20, 7));
    assert_eq!(channels.event_window, None);
    for (env, value, origin) in [
        ("HOOK_CONNECT", "https://backend.example/connect", "f:30"),
        ("HOOK_TIMEOUT", "1s", "flag --hook-timeout"),
        ("HOOK_FAILURE", "refuse", "variable HOOK_FAILURE"),
        ("API_KEY", "***", "f:35"),
        ("MAX_CHANNELS", "7", "variable MAX_CHANNELS"),
        ("HOOK_CONCURRENCY", "256", "default"),
    ] {
        let effective = loaded.effective(env).unwrap();
        assert_eq!(
            (effective.value.as_str(), effective.origin.to_string().as_str()),
            (value, origin)
        );
    }
}

/// What is printed from the heading on, each line as its words.
fn printed(loaded: &Loaded, heading: &str) -> Vec<String> {
    let printed = loaded.to_string();
    let (_, after) = printed.split_once(heading).unwrap();
    let lines = after.lines().skip(1).take_while(|line| !line.is_empty());
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn config_prints_rules_in_the_order_in_which_they_are_asked_and_types() {
    let loaded = given(&["--dev", "--config=f"], &[]).loaded();
    assert_eq!(
        printed(&loaded, "\n[[channels]]"),
        [
            "user:{user_id}:* subscribe,presence – – disconnect no history local f:11",
            "chat:* subscribe,publish user_message,typing 10 a second drop-oldest 100 for 5m refuse f:2",
            "* nothing – – – no history local f:16",
        ]
    );
    assert_eq!(
        printed(&loaded, "\n[[connection_types]]"),
        [
            "/ws/chat/{session_id} 1 a session_id anybody chat:{session_id} reject f:19",
            "/ws/news no limit anybody no channel reject f:25",
        ]
    );
    let with_defaults = Given { flags: &["--dev"], ..Given::default() }.loaded();
    let types = printed(&with_defaults, "\n[[connection_types]]");
    assert_eq!(types.len(), ConnectionTypeSpec::default_table().len());
    assert_eq!(
        types[1],
        "/ws/agent-status/{user_id} 1 a user_id owner agent:{user_id} reject default"
    );
    assert!(
        with_defaults.to_string().contains("\n[[channels]]: none, any channel but the reserved")
    );
}

#[test]
fn a_file_may_say_that_there_are_no_connection_types() {
    let files = &[("f", "connection_types = []")];
    let loaded = Given { flags: &["--dev", "--config=f"], files, ..Given::default() }.loaded();
    assert_eq!(loaded.config.channels.types, []);
    assert!(loaded.to_string().contains("\n[[connection_types]]: none\n"));
}

#[test]
fn a_bad_rule_and_a_bad_variable_are_told_together() {
    let files = &[("f", "[[channels]]\npattern = \"a b\"\nhistory = 5\n")];
    let variables = &[("HOOK_CONNECT", "back-end"), ("API_KEY", "short")];
    let faults = Given { flags: &["--config=f"], variables, files }.faults();
    let starts = [
        "channels[1].pattern = \"a b\" (f:2): channels such as orders, chat:* or user:{user_id}:*; ' '",
        "channels[1].history = \"5\" (f:3): how many messages are kept and for how long: { size = 100,",
        "HOOK_CONNECT = \"back-end\" (variable HOOK_CONNECT): an http or https address",
        "JWT_SECRET_KEY is not set",
        "API_KEY = \"***\" (variable API_KEY): at least 16 bytes",
    ];
    assert_eq!(faults.len(), starts.len(), "{faults:#?}");
    for (fault, start) in faults.iter().zip(starts) {
        assert!(fault.starts_with(start), "{fault}\n{start}");
    }
}
