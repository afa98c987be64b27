//! What is not accepted, and how that is said.

use super::*;

/// One bad value of each form, and what its line must say.
#[test]
fn each_kind_of_value_is_refused_with_what_would_be_accepted() {
    for (env, value, accepted) in [
        ("PING_INTERVAL", "soon", "1ms to 1h, as milliseconds or with a unit"),
        ("PING_INTERVAL", "0", "1ms to 1h"),
        ("PING_INTERVAL", "2h", "1ms to 1h"),
        ("PING_INTERVAL", "-5", "1ms to 1h"),
        ("PING_INTERVAL", "30000  # 30 seconds", "the comment is part of the value"),
        ("IDLE_TIMEOUT", "25h", "0 to 1d"),
        ("MAX_FRAME_SIZE", "1MB", "KiB, MiB, GiB"),
        ("MAX_FRAME_SIZE", "0", "1B to 1GiB"),
        ("MAX_FRAME_SIZE", "2GiB", "1B to 1GiB"),
        ("WEBSOCKET_PORT", "65536", "a whole number from 0 to 65535"),
        ("WEBSOCKET_PORT", "http", "a whole number from 0 to 65535"),
        ("WEBSOCKET_PORT", "tcp://10.0.0.1:80", "Kubernetes"),
        ("COMPRESSION_LEVEL", "10", "from 0 to 9"),
        ("MAX_MISSED_PONGS", "0", "from 1 to 1000"),
        ("MAX_CONNECTIONS", "4294967296", "from 0 to 4294967295"),
        ("COMPRESSION_ENABLED", "maybe", "true or false"),
        ("COMPRESSION_PROFILE", "best", "one of default, high, fast, disabled"),
        ("AUTH_MODE", "off", "one of message, upgrade, none"),
        ("LOG_LEVEL", "verbose", "one of error, warn, info, debug, trace"),
        ("LOG_FORMAT", "xml", "one of auto, human, json"),
        ("WEBSOCKET_HOST", "example.com", "an IP address"),
        ("WEBSOCKET_PATH", "ws", "a path such as /ws"),
        ("WEBSOCKET_PATH", "/ws?x=1", "a path such as /ws"),
        ("WEBSOCKET_PATH", "/w s", "a path such as /ws"),
        ("TRUSTED_PROXIES", "10.0.0.0/33", "networks such as"),
        ("TRUSTED_PROXIES", "10.0.0.0/8,proxy", "\"proxy\" is not accepted"),
        ("ALLOWED_ORIGINS", "app.example", "origins such as"),
        ("ALLOWED_ORIGINS", "https://app.example/", "origins such as"),
        ("ALLOWED_ORIGINS", "https://*.example", "origins such as"),
        ("ALLOWED_ORIGINS", "https://me@app.example", "origins such as"),
        ("ALLOWED_ORIGINS", "https://app.example:99999", "origins such as"),
        ("AUTH_COOKIE", "to ken", "the name of a cookie"),
        ("JWKS_URL", "http://issuer.example/keys", "an https address"),
        ("JWKS_URL", "http://localhost.evil.example/keys", "an https address"),
        ("JWKS_URL", "https://me:word@issuer.example/keys", "without user and password"),
        ("JWKS_URL", "file:///keys", "an https address"),
        ("JWT_ALGORITHMS", "HS256,none", "\"none\" is not accepted"),
        ("JWT_ALGORITHMS", "hs256", "HS256, HS384"),
        ("TIER_CLAIM", "a b", "the name of a claim"),
        ("SUPABASE_AUTH_DOMAIN", "abc supabase", "a host such as"),
        ("UPSTREAM", "ftp://backend/", "echo, an http or https address, or nats://"),
        ("UPSTREAM", "backend:8080", "echo, an http or https address, or nats://"),
        ("UPSTREAM", "nats://backend", "or nats://host/subject"),
        ("UPSTREAM", "nats://backend/rpc.*", "or nats://host/subject"),
        ("UPSTREAM", "nats://me:word@backend/rpc", "without user and password"),
        ("DEFAULT_TIER", "pro", "[tiers.NAME]"),
        ("MAX_CHANNELS_PER_CONNECTION", "0", "from 1 to 1000000"),
        ("EVENT_CACHE_SIZE", "65536", "from 0 to 65535"),
        ("EVENT_WINDOW", "two minutes", "0 to 1d"),
        ("PRESENCE_BATCH_INTERVAL", "0", "1ms to 1h"),
        ("HOOK_CONNECT", "backend:8080/connect", "an http or https address"),
        ("HOOK_SUBSCRIBE", "ftp://backend/subscribe", "an http or https address"),
        ("HOOK_PUBLISH", "https://me:word@backend/publish", "without user and password"),
        ("HOOK_DISCONNECTED", "https://backend/x#y", "an http or https address"),
        ("HOOK_TIMEOUT", "0", "1ms to 1m"),
        ("HOOK_CONCURRENCY", "0", "from 1 to 65536"),
        ("HOOK_FAILURE", "ignore", "one of refuse, allow"),
        ("API_KEY", "fifteen bytes..", "visible ASCII without spaces"),
        ("API_KEY", "fifteen-bytes..", "at least 16 bytes outside --dev, and this has 15"),
    ] {
        check_refused(env, value, accepted);
    }
}

#[test]
fn each_kind_of_value_about_traces_is_refused_with_what_would_be_accepted() {
    for (env, value, accepted) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "an http or https address"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:b@collector", "without user, password and query"),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "http://collector/?key=1",
            "without user, password and query",
        ),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key", "headers of HTTP as name=value"),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote", "one of parentbased_always_on"),
        ("OTEL_TRACES_SAMPLER_ARG", "1.5", "a share from 0 to 1"),
        ("OTEL_RESOURCE_ATTRIBUTES", "live", "pairs such as"),
        ("OTEL_SERVICE_NAME", " ", "a name"),
        ("TRACES_PER_SECOND_MAX", "0", "from 1 to 1000000"),
    ] {
        check_refused(env, value, accepted);
    }
}

#[test]
fn each_kind_of_value_about_the_engine_is_refused_with_what_would_be_accepted() {
    for (env, value, accepted) in [
        ("BROKER", "kafka", "one of memory, disk, redis, nats"),
        ("BROKER_PREFIX", "a.b", "1 to 32 letters, digits, - and _"),
        ("BROKER_START", "wait", "one of retry, fail"),
        ("BROKER_QUEUE_BYTES", "0", "1KiB to 64GiB"),
        ("REDIS_URL", "http://cache", "addresses such as redis://host:6379"),
        ("REDIS_URL", "redis://cache/first", "addresses such as redis://host:6379"),
        ("REDIS_HOST", "ca che", "a host name or an address"),
        ("NATS_URL", "nats://bus/subject", "addresses such as nats://host:4222"),
        ("INBOX_COUNT", "0", "from 1 to 100000"),
        ("INBOX_TTL", "1ms", "1s to 365d"),
    ] {
        check_refused(env, value, accepted);
    }
}

#[track_caller]
fn check_refused(env: &str, value: &str, accepted: &str) {
    let faults = faults_of(&[(env, value)]);
    assert_eq!(faults.len(), 1, "{env} = {value}: {faults:?}");
    let line = &faults[0];
    assert!(line.starts_with(&format!("{env} = ")), "{line}");
    assert!(line.contains(&format!("(variable {env})")), "{line}");
    assert!(line.contains(accepted), "{line}");
}

#[test]
fn values_at_the_edges_are_accepted() {
    for (env, value) in [
        ("PING_INTERVAL", "1ms"),
        ("PING_INTERVAL", "1h"),
        ("IDLE_TIMEOUT", "0"),
        ("MAX_FRAME_SIZE", "1GiB"),
        ("WEBSOCKET_PORT", "0"),
        ("WEBSOCKET_HOST", "::"),
        ("WEBSOCKET_HOST", "[::1]"),
        ("WEBSOCKET_HOST", "localhost"),
        ("WEBSOCKET_PATH", "/"),
        ("COMPRESSION_ENABLED", "Off"),
        ("COMPRESSION_LEVEL", "0"),
        ("LOG_LEVEL", "DEBUG"),
        ("TRUSTED_PROXIES", " 10.0.0.0/8 , 192.168.1.1,fd00::/8,"),
        ("ALLOWED_ORIGINS", "http://localhost:3000,https://yourdomain.com,https://[::1]:8443,null"),
        ("ALLOWED_ORIGINS", "*"),
        ("JWKS_URL", "http://127.0.0.1:8080/keys"),
        ("JWKS_URL", "http://[::1]/keys"),
        ("JWKS_URL", "https://issuer.example/keys?v=1"),
        ("JWT_ALGORITHMS", "HS512"),
        ("UPSTREAM", "http://backend:8080/rpc"),
        ("UPSTREAM", "nats://backend:4222/rpc.echo"),
        ("REDIS_URL", "rediss://me:p%40ss@cache:6380/3"),
        ("REDIS_HOST", "::1"),
        ("NATS_URL", "nats://a:4222, nats://b:4222"),
        ("DATA_DIR", "/var/lib/gateway"),
        ("EVENT_CACHE_SIZE", "65535"),
        ("PRESENCE_GRACE", "0"),
        ("HOOK_CONNECT", "http://backend:8080/connect?v=1"),
        ("HOOK_FAILURE", "Allow"),
        ("API_KEY", "sixteen-bytes-16"),
    ] {
        assert_eq!(faults_of(&[(env, value)]), Vec::<String>::new(), "{env} = {value}");
    }
}

#[test]
fn all_faults_of_all_sources_are_told_at_once() {
    let given = Given {
        flags: &["--config=gateway.toml", "--close-timeout=never"],
        variables: &[
            ("PONG_TIMEOUT", "late"),
            ("AUTH_COOKIE", "session"),
            ("REDIS_HOST", "a redis"),
        ],
        files: &[(
            "gateway.toml",
            "[heartbeat]\nping_intervall = 1\n[frames]\nmax_frame_size = 1024\n\
             frame_warn_threshold = \"2KiB\"\nmax_fragments = \"many\"\n",
        )],
    };
    let faults = given.faults();
    let starts = [
        "heartbeat.ping_intervall (gateway.toml:2): not a setting; did you mean ping_interval?",
        "MAX_FRAGMENTS = \"\\\"many\\\"\" (gateway.toml:6): a number without quotes",
        "PONG_TIMEOUT = \"late\" (variable PONG_TIMEOUT): 1ms to 1h",
        "CLOSE_TIMEOUT = \"never\" (flag --close-timeout): 1ms to 1h",
        "REDIS_HOST = \"a redis\" (variable REDIS_HOST): a host name or an address",
        "FRAME_WARN_THRESHOLD = \"2KiB\" (gateway.toml:5): at most MAX_FRAME_SIZE, which is 1024",
        "AUTH_COOKIE = \"session\" (variable AUTH_COOKIE): only with ALLOWED_ORIGINS",
        "JWT_SECRET_KEY is not set: nobody could be let in; set JWT_SECRET_KEY",
    ];
    assert_eq!(faults.len(), starts.len(), "{faults:#?}");
    for (fault, start) in faults.iter().zip(starts) {
        assert!(fault.starts_with(start), "{fault}\n{start}");
    }
}

#[test]
fn a_bad_configuration_is_status_2_and_so_is_a_bad_command_line() {
    let status = |flags| Given { flags, ..Given::default() }.load().unwrap_err().exit_code();
    assert_eq!(status(&[]), EXIT_BAD_CONFIGURATION);
    assert_eq!(status(&["--no-such-flag"]), 2);
    assert_eq!(status(&["no-such-command"]), 2);
    assert_eq!(status(&["--help"]), 0);
    assert_eq!(status(&["--version"]), 0);
}

#[test]
fn a_file_that_cannot_be_read_is_one_fault_and_hides_no_other() {
    let given = Given {
        flags: &["--config=missing.toml"],
        variables: &[("PING_INTERVAL", "soon")],
        ..Given::default()
    };
    let faults = given.faults();
    // That there is no secret is not told: it may be in the file.
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(
        faults[0]
            .starts_with("WS_GATEWAY_CONFIG = \"missing.toml\" (flag --config): a file that can"),
        "{faults:?}"
    );
}

#[cfg(unix)]
#[test]
fn a_value_that_is_not_utf_8_is_a_fault() {
    use std::os::unix::ffi::OsStringExt;

    let bytes = OsString::from_vec(vec![b'/', 0xFF]);
    let by_variable = [("WEBSOCKET_PATH".into(), bytes.clone())];
    let flags = ["ws-gateway".into(), "--dev".into(), "--websocket-path".into(), bytes];
    let no_files = |_: &Path| Err(io::ErrorKind::NotFound.into());
    for loaded in [
        load(["ws-gateway".into(), "--dev".into()], by_variable, no_files),
        load(flags, [], no_files),
    ] {
        let fault = loaded.unwrap_err().to_string();
        assert!(fault.starts_with("WEBSOCKET_PATH = ") && fault.ends_with("UTF-8"), "{fault}");
    }
}
