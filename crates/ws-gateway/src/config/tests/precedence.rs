//! Flag over variable over file over default, and telling which it was.

use std::time::Duration;

use super::*;

const FILE: &[(&str, &str)] = &[(
    "gateway.toml",
    "[heartbeat]\nping_interval = 10_000\npong_timeout = \"2s\"\n\n[server]\nwebsocket_port = 4001\n\
     [auth]\njwt_secret_key = \"a-secret-of-at-least-thirty-two-bytes\"\n",
)];

#[test]
fn a_flag_wins_over_a_variable_over_the_file_over_the_default() {
    let all = Given {
        flags: &["--config", "gateway.toml", "--ping-interval=30s"],
        variables: &[("PING_INTERVAL", "20000"), ("PONG_TIMEOUT", "3s")],
        files: FILE,
    };
    let loaded = all.loaded();
    let heartbeat = &loaded.config.heartbeat;
    assert_eq!(heartbeat.ping_interval, Duration::from_secs(30));
    assert_eq!(heartbeat.pong_timeout, Duration::from_secs(3));
    assert_eq!(loaded.config.server.address.port(), 4001);
    assert_eq!(heartbeat.missed_pongs_max, 3);
    for (env, value, origin) in [
        ("PING_INTERVAL", "30s", "flag --ping-interval"),
        ("PONG_TIMEOUT", "3s", "variable PONG_TIMEOUT"),
        ("WEBSOCKET_PORT", "4001", "gateway.toml:6"),
        ("MAX_MISSED_PONGS", "3", "default"),
    ] {
        let effective = loaded.effective(env).unwrap();
        assert_eq!(
            (effective.value.as_str(), effective.origin.to_string().as_str()),
            (value, origin)
        );
    }
}

#[test]
fn the_file_is_named_by_a_flag_or_else_by_a_variable() {
    let by_variable = Given {
        variables: &[("WS_GATEWAY_CONFIG", "gateway.toml")],
        files: FILE,
        ..Given::default()
    };
    assert_eq!(by_variable.config().server.address.port(), 4001);

    let other = [("other.toml", "[server]\nwebsocket_port = 4002\n[auth]\nauth_mode = \"none\"\n")];
    let files = [FILE, &other].concat();
    let both = Given { flags: &["--config=other.toml"], files: &files, ..by_variable };
    assert_eq!(both.config().server.address.port(), 4002);
}

#[test]
fn an_empty_variable_is_one_that_is_not_set() {
    let loaded =
        with_variables(&[("PING_INTERVAL", ""), ("WS_GATEWAY_CONFIG", ""), ("JWKS_URL", "")]);
    assert_eq!(loaded.effective("PING_INTERVAL").unwrap().origin, Origin::Default);
}

#[test]
fn an_empty_flag_takes_away_what_may_be_absent() {
    let given = Given {
        flags: &["--auth-mode=none", "--jwt-secret-key=", "--upstream", ""],
        variables: &[("JWT_SECRET_KEY", SECRET), ("UPSTREAM", "echo")],
        ..Given::default()
    };
    let config = given.config();
    assert_eq!(config.auth.secret, None);
    assert_eq!(config.upstream.target, UpstreamTarget::Unset);
}

#[test]
fn every_source_takes_units_and_lists() {
    let file = "[limits]\noutbox_bytes_max = \"2MiB\"\n\
                [server]\ntrusted_proxies = [\"10.0.0.0/8\", \"::1\"]\nidle = 1\n"
        .replace("idle = 1\n", "");
    let given = Given {
        flags: &[
            "--config=f",
            "--idle-timeout",
            "1h",
            "--jwt-audience=a",
            "--jwt-audience=b,c",
            "--max-frame-size=64KiB",
        ],
        variables: &[
            ("JWT_SECRET_KEY", SECRET),
            ("CLOSE_TIMEOUT", "7s"),
            ("COMPRESSION_THRESHOLD", "2KiB"),
        ],
        files: &[("f", &file)],
    };
    let config = given.config();
    assert_eq!(config.limits.outbox_bytes_max, 2 * 1024 * 1024);
    assert_eq!(config.heartbeat.idle_timeout, Some(Duration::from_secs(3600)));
    assert_eq!(config.close.timeout, Duration::from_secs(7));
    assert_eq!(config.compression.threshold_bytes, 2048);
    assert_eq!(config.auth.audiences, ["a", "b", "c"]);
    let proxies: Vec<String> =
        config.server.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(proxies, ["10.0.0.0/8", "::1/128"]);
}

#[test]
fn config_prints_each_value_and_where_it_came_from() {
    let given = Given {
        flags: &["config", "--config=gateway.toml", "--json-ping"],
        variables: &[("MAX_CONNECTIONS_PER_USER", "9")],
        files: FILE,
    };
    let Ok(Command::ShowConfig(loaded)) = given.load() else { panic!("it is good") };
    let printed = loaded.to_string();
    for (name, value, origin) in [
        ("JSON_PING", "true", "flag --json-ping"),
        ("MAX_CONNECTIONS_PER_USER", "9", "variable MAX_CONNECTIONS_PER_USER"),
        ("PONG_TIMEOUT", "2s", "gateway.toml:3"),
        ("JWT_SECRET_KEY", "***", "gateway.toml:8"),
        ("JWKS_URL", "(not set)", "default"),
    ] {
        let line = printed.lines().find(|line| line.split_whitespace().next() == Some(name));
        let rest = line.unwrap().strip_prefix(name).unwrap().trim();
        let (shown, place) = rest.split_once("  ").unwrap();
        assert_eq!((shown, place.trim()), (value, origin), "{name}");
    }
    let settings = printed.split("[[channels]]").next().unwrap();
    let rows = settings.lines().filter(|line| !line.is_empty() && !line.starts_with('['));
    assert_eq!(rows.count(), SETTINGS.len());
}
