//! Files, good and bad, each fault with its line.

mod channels;

use super::*;
use crate::config::resolved::{BridgeSpec, Direction};

fn read_text(text: &str) -> Raw {
    read(Path::new("f"), text)
}

#[test]
fn values_are_read_as_a_variable_would_say_them() {
    for (text, env, value, line) in [
        ("[heartbeat]\nping_interval = 5_000", "PING_INTERVAL", "5000", 2),
        ("heartbeat.ping_interval = \"5s\"", "PING_INTERVAL", "5s", 1),
        ("heartbeat = { ping_interval = 0x10 }", "PING_INTERVAL", "16", 1),
        ("\n\n[server]\n\n# a comment\nwebsocket_port = 80", "WEBSOCKET_PORT", "80", 6),
        ("[heartbeat]\r\nmax_missed_pongs = -1\r\n", "MAX_MISSED_PONGS", "-1", 2),
        ("[compression]\ncompression_enabled = false", "COMPRESSION_ENABLED", "false", 2),
        ("[server]\nallowed_origins = [\"a\",\n  \"b\"]", "ALLOWED_ORIGINS", "a,b", 2),
        ("[server]\nallowed_origins = \"a, b\"", "ALLOWED_ORIGINS", "a, b", 2),
        ("[auth]\njwt_secret_key = '''two\nlines'''", "JWT_SECRET_KEY", "two\nlines", 2),
        ("[log]\nlog_level = \"debug\"", "LOG_LEVEL", "debug", 2),
        ("[hooks]\nconnect = \"http://x\"", "HOOK_CONNECT", "http://x", 2),
        ("hooks.timeout = 500", "HOOK_TIMEOUT", "500", 1),
    ] {
        let raw = read_text(text);
        assert_eq!(raw.faults, [], "{text}");
        let written = &raw.written[env];
        let origin = Origin::File { path: "f".into(), line };
        assert_eq!((written.text.as_str(), &written.origin), (value, &origin), "{text}");
    }
}

#[track_caller]
fn check_fault(text: &str, expect: &str) {
    let faults: Vec<String> = read_text(text).faults.iter().map(ToString::to_string).collect();
    assert_eq!(faults.len(), 1, "{text}: {faults:?}");
    assert!(faults[0].starts_with(expect), "{}\n{expect}", faults[0]);
}

#[test]
fn an_unknown_key_is_a_fault_that_guesses_what_was_meant() {
    for (text, expect) in [
        (
            "[heartbeat]\nping_intervall = 1",
            "heartbeat.ping_intervall (f:2): not a setting; did you mean ping_interval?",
        ),
        (
            "[heartbeat]\nPING_INTERVAL = 1",
            "heartbeat.PING_INTERVAL (f:2): not a setting; did you mean ping_interval?",
        ),
        (
            "[heartbeat]\nping-interval = 1",
            "heartbeat.ping-interval (f:2): not a setting; did you mean ping_interval?",
        ),
        (
            "[compression]\nlevel = 1",
            "compression.level (f:2): not a setting; did you mean compression_level?",
        ),
        ("[server]\nport = 1", "server.port (f:2): not a setting; did you mean websocket_port?"),
        (
            "[server]\nping_interval = 1",
            "server.ping_interval (f:2): not a setting; did you mean ping_interval under [heartbeat]?",
        ),
        (
            "ping_interval = 1",
            "ping_interval (f:1): not a setting; did you mean ping_interval under [heartbeat]?",
        ),
        ("[heartbeats]", "heartbeats (f:1): not a setting; did you mean [heartbeat]?"),
        ("[tier.pro]\nburst = 1", "tier (f:1): not a setting; did you mean [tiers]?"),
        ("[channel]\nx = 1", "channel (f:1): not a setting; did you mean [[channels]]?"),
        (
            "[[connection_type]]",
            "connection_type (f:1): not a setting; did you mean [[connection_types]]?",
        ),
        (
            "[hooks]\nhook_connect = \"x\"",
            "hooks.hook_connect (f:2): not a setting; did you mean connect?",
        ),
        (
            "[hooks]\ndisconnect = \"x\"",
            "hooks.disconnect (f:2): not a setting; did you mean disconnected?",
        ),
        (
            "[server]\nhook_timeout = 1",
            "server.hook_timeout (f:2): not a setting; did you mean timeout under [hooks]?",
        ),
        (
            "[upstream]\ntimeout = 1",
            "upstream.timeout (f:2): not a setting; did you mean upstream_timeout?",
        ),
        ("[api]\nkey = \"x\"", "api.key (f:2): not a setting; did you mean api_key?"),
        ("[cluster]\nx = 1", "cluster (f:1): neither a section nor a setting"),
        ("[server]\ncolour = 1", "server.colour (f:2): not a setting of [server]"),
    ] {
        check_fault(text, expect);
    }
}

#[test]
fn a_value_of_the_wrong_type_is_a_fault_with_its_line() {
    for (text, expect) in [
        (
            "[heartbeat]\nping_interval = 1.5",
            "PING_INTERVAL = \"1.5\" (f:2): a number, or a string in quotes: 1ms to 1h",
        ),
        (
            "[heartbeat]\n\njson_ping = \"on\"",
            "JSON_PING = \"\\\"on\\\"\" (f:3): true or false without quotes",
        ),
        (
            "[server]\nwebsocket_port = \"80\"",
            "WEBSOCKET_PORT = \"\\\"80\\\"\" (f:2): a number without quotes",
        ),
        ("[server]\nwebsocket_path = 7", "WEBSOCKET_PATH = \"7\" (f:2): a string in quotes"),
        (
            "[server]\ntrusted_proxies = [1]",
            "TRUSTED_PROXIES = \"[1]\" (f:2): an array of strings, or one string",
        ),
        ("[auth]\njwt_secret_key = 12345", "JWT_SECRET_KEY = \"***\" (f:2): a string in quotes"),
        ("heartbeat = 5", "heartbeat (f:1): a section: [heartbeat] on a line of its own"),
        ("[[heartbeat]]", "heartbeat (f:1): a section"),
        ("tiers = 5", "tiers (f:1): one section for each tier"),
        ("costs = 5", "costs (f:1): a section: [costs] on a line of its own"),
        (
            "[costs]\npublisch = 5",
            "costs.publisch (f:2): not a type of message; did you mean publish?",
        ),
        ("[costs]\npublish = \"5\"", "costs.publish = \"\\\"5\\\"\" (f:2): a whole number"),
        (
            "[tiers.pro]\nmessages_per_minute = 1\nmode = \"off\"",
            "tiers.pro.mode = \"\\\"off\\\"\" (f:3): \"enforce\" or \"shadow\"",
        ),
        ("[tiers]\npro = 5", "tiers.pro (f:2): one section for each tier"),
        (
            "[tiers.pro]\nmessages_per_minute = \"5\"",
            "tiers.pro.messages_per_minute = \"\\\"5\\\"\" (f:2): a whole number",
        ),
        (
            "[tiers.pro]\nmessages_per_minute = 1\nburst = -1",
            "tiers.pro.burst = \"-1\" (f:3): a whole number",
        ),
        ("[tiers.pro]\nbrust = 1", "tiers.pro.brust (f:2): not a setting; did you mean burst?"),
        ("[tiers.pro]\nspeed = 1", "tiers.pro.speed (f:2): not a setting of a tier"),
    ] {
        check_fault(text, expect);
    }
}

#[test]
fn a_bridge_is_read_and_what_is_wrong_with_one_is_told_with_its_line() {
    let raw = read_text(
        "[[bridges]]\nsubject = \"orders.*\"\nchannel = \"orders\"\n\n[[bridges]]\n\
         subject = \"chat.eu\"\nchannel = \"chat:eu\"\ndirection = \"both\"\n",
    );
    assert_eq!(raw.faults, []);
    let bridge = |subject: &str, channel: &str, direction| BridgeSpec {
        subject: subject.to_owned(),
        channel: channel.to_owned(),
        direction,
    };
    let read: Vec<BridgeSpec> = raw.bridges.into_iter().map(|(bridge, _)| bridge).collect();
    assert_eq!(
        read,
        [
            bridge("orders.*", "orders", Direction::In),
            bridge("chat.eu", "chat:eu", Direction::Both)
        ]
    );
    for (text, expect) in [
        ("channel = \"a\"", "bridges[1].subject (f:1): missing: a subject such as orders.new"),
        ("subject = \"a\"", "bridges[1].channel (f:1): missing: one channel, such as orders"),
        (
            "subject = \"a b\"\nchannel = \"a\"",
            "bridges[1].subject = \"a b\" (f:2): a subject such",
        ),
        (
            "subject = \"a\"\nchannel = \"a*\"",
            "bridges[1].channel = \"a*\" (f:3): one channel, such",
        ),
        (
            "subject = \"a\"\nchannel = \"$a\"",
            "bridges[1].channel = \"$a\" (f:3): what begins with",
        ),
        (
            "subject = \"a.*\"\nchannel = \"a\"\ndirection = \"out\"",
            "bridges[1].subject = \"a.*\" (f:2): one subject, without * and >",
        ),
        (
            "subject = \"a\"\nchannel = \"a\"\ndirection = \"inout\"",
            "bridges[1].direction = \"inout\" (f:4): one of in, out, both",
        ),
        (
            "subject = \"a\"\nchannel = \"a\"\nsubjects = 1",
            "bridges[1].subjects (f:4): not a setting; did you mean subject?",
        ),
        (
            "subject = \"a\"\nchannel = \"a\"\n[[bridges]]\nsubject = \"a\"\nchannel = \"a\"",
            "bridges[2].subject = \"a\" (f:5): a subject and a channel that are not together in f:1",
        ),
    ] {
        check_fault(&format!("[[bridges]]\n{text}\n"), expect);
    }
}

#[test]
fn what_is_no_toml_is_told_line_by_line() {
    let raw = read_text("[server]\nwebsocket_port = \n[heartbeat\nping_interval = 1\n");
    let lines: Vec<&Origin> = raw.faults.iter().map(|fault| &fault.source).collect();
    let line = |line| Origin::File { path: "f".into(), line };
    assert!(lines.contains(&&line(2)) && lines.contains(&&line(3)), "{:?}", raw.faults);
    assert!(raw.is_incomplete && raw.written.is_empty());
    check_fault(
        "[server]\nwebsocket_port = 1\nwebsocket_port = 2\n",
        "the file (f:3): duplicate key",
    );
}

#[test]
fn faults_stand_in_the_order_of_the_file() {
    let raw = read_text("[server]\nz = 1\na = 2\n[heartbeat]\nx = 3\n[close]\nb = 4\n");
    let names: Vec<&str> = raw.faults.iter().map(|fault| fault.name.as_str()).collect();
    assert_eq!(names, ["server.z", "server.a", "heartbeat.x", "close.b"]);
}

#[test]
fn a_tier_without_a_limit_is_a_warning() {
    let raw = read_text("[tiers.pro]\nburst = 5\n");
    assert_eq!(raw.warnings, ["[tiers.pro] has no messages_per_minute: no limit"]);
    assert_eq!(raw.tiers["pro"], Tier { burst: Some(5), ..Tier::default() });
}
