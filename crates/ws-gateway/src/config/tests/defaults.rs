//! What holds when nothing is written.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::config::settings::{COMPRESSION_PROFILES, DEV_DEFAULTS, setting};

#[test]
fn the_defaults_of_the_table_are_those_of_the_config() {
    let mut applied = Config::default();
    for setting in SETTINGS.iter().filter(|setting| !setting.default.is_empty()) {
        assert!(setting.apply(&mut applied, setting.default), "{}", setting.env);
        assert_eq!(applied, Config::default(), "{} changed something", setting.env);
    }
}

#[test]
fn each_setting_goes_to_a_place_of_its_own() {
    let other = |setting: &Setting| -> &'static str {
        match setting.env {
            "WEBSOCKET_HOST" => "::1",
            "WEBSOCKET_PATH" => "/other",
            "TRUSTED_PROXIES" => "10.0.0.0/8",
            "ALLOWED_ORIGINS" => "https://app.example",
            "JWKS_URL"
            | "UPSTREAM"
            | "HOOK_CONNECT"
            | "HOOK_SUBSCRIBE"
            | "HOOK_PUBLISH"
            | "HOOK_DISCONNECTED"
            | "OTEL_EXPORTER_OTLP_ENDPOINT" => "https://other.example/x",
            "HOOK_FAILURE" => "allow",
            "TUNNEL_TARGETS" => "other:22",
            "TLS_CLIENT_AUTH" => "required",
            "TLS_MIN_VERSION" => "1.3",
            "BROKER" => "disk",
            "BROKER_START" => "fail",
            "REDIS_URL" => "redis://other",
            "NATS_URL" => "nats://other",
            "NATS_STORAGE" => "memory",
            "NATS_REPLICAS" => "3",
            "JWT_ALGORITHMS" => "ES256",
            "AUTH_MODE" => "upgrade",
            "RATE_LIMIT_MODE" | "CONNECTION_RATE_LIMIT_MODE" => "shadow",
            "LIMITS_SCOPE" => "cluster",
            "LOG_LEVEL" => "debug",
            "LOG_FORMAT" => "json",
            "OTEL_RESOURCE_ATTRIBUTES" => "a=other",
            "OTEL_TRACES_SAMPLER" => "always_on",
            "OTEL_TRACES_SAMPLER_ARG" => "0.5",
            _ => match setting.kind {
                Kind::Switch(_) if setting.default == "true" => "false",
                Kind::Switch(_) => "true",
                Kind::Duration(..) | Kind::Size(..) | Kind::Integer(..) => "7",
                _ => "other",
            },
        }
    };
    let mut seen = BTreeSet::new();
    for setting in SETTINGS.iter().filter(|setting| setting.env != "COMPRESSION_PROFILE") {
        let mut config = Config::default();
        let text = match setting.env {
            "OUTBOX_BYTES_MAX" | "MAX_HEADER_BYTES" | "INBOX_BYTES" | "BROKER_QUEUE_BYTES" => {
                "7KiB"
            }
            "TUNNEL_BUFFER_BYTES" => "7KiB",
            "INBOX_TTL" => "7s",
            "DATA_BYTES_MAX" => "1GiB",
            _ => other(setting),
        };
        assert!(setting.apply(&mut config, text), "{} = {text}", setting.env);
        assert_ne!(config, Config::default(), "{} changes nothing", setting.env);
        let shape = format!("{config:?}");
        assert!(seen.insert(shape), "{} goes where another one goes", setting.env);
    }
}

#[test]
fn the_defaults_are_those_that_the_documents_promise() {
    let config = with_variables(&[]).config;
    assert_eq!(config.server.address.to_string(), "0.0.0.0:3001");
    assert_eq!(config.server.path, "/ws");
    assert_eq!(config.heartbeat.ping_interval, Duration::from_millis(30_000));
    assert_eq!(config.heartbeat.pong_timeout, Duration::from_millis(5_000));
    assert_eq!(config.heartbeat.missed_pongs_max, 3);
    assert!(!config.heartbeat.json_ping);
    assert_eq!(config.heartbeat.idle_timeout, Some(Duration::from_secs(5 * 60)));
    assert_eq!(config.heartbeat.write_timeout, Some(Duration::from_secs(60)));
    assert!(config.compression.enabled && !config.compression.context_takeover);
    assert_eq!((config.compression.level, config.compression.threshold_bytes), (6, 1024));
    assert_eq!((config.frames.bytes_max, config.frames.warn_bytes), (1_048_576, 524_288));
    assert_eq!(config.close.timeout, Duration::from_millis(5_000));
    assert_eq!(config.auth.mode, AuthMode::Message);
    assert_eq!(config.auth.timeout, Duration::from_secs(5));
    assert_eq!(config.auth.leeway, Duration::from_secs(5));
    assert_eq!(config.limits.connections_per_user_max, Some(5));
    assert_eq!(config.limits.outbox_bytes_max, 1024 * 1024);
    assert_eq!(config.upstream.target, UpstreamTarget::Unset);
    assert_eq!(config.channels.rules, []);
    assert_eq!(config.channels.types, ws_channels::ConnectionTypeSpec::default_table());
    assert_eq!(config.channels.event_window, Some(Duration::from_secs(120)));
    assert_eq!(config.broker.engine, EngineKind::Memory);
    assert_eq!((config.broker.start, config.broker.ready_needs_engine), (StartMode::Retry, false));
    assert_eq!(config.inbox, InboxSettings::default());
    assert_eq!(config.api.key, None);
    assert_eq!(config.hooks.addresses().count(), 0);
    assert_eq!(config.hooks.failure, HookFailure::Refuse);
    assert!(!config.dev);
}

#[test]
fn dev_listens_on_loopback_echoes_and_needs_no_secret() {
    let dev = Given { flags: &["--dev"], ..Given::default() }.loaded();
    assert!(dev.config.dev && !dev.config.auth.has_keys());
    assert_eq!(dev.config.server.address.to_string(), "127.0.0.1:3001");
    assert_eq!(dev.config.upstream.target, UpstreamTarget::Echo);
    assert_eq!(dev.effective("UPSTREAM").unwrap().origin, Origin::DevDefault);
    assert_eq!(dev.warnings.len(), 1, "{:?}", dev.warnings);
    assert!(dev.warnings[0].starts_with("no [[channels]]: "), "{:?}", dev.warnings);

    let told = Given {
        flags: &["--dev", "--websocket-host", "0.0.0.0"],
        variables: &[("UPSTREAM", "http://127.0.0.1:8080/rpc")],
        ..Given::default()
    };
    let told = told.loaded();
    assert_eq!(told.config.server.address.to_string(), "0.0.0.0:3001");
    assert!(matches!(told.config.upstream.target, UpstreamTarget::Http(_)));
    assert_eq!(told.warnings.len(), 2, "{:?}", told.warnings);
}

#[test]
fn names_are_unique_and_what_refers_to_them_finds_them() {
    let names: BTreeSet<&str> = SETTINGS.iter().map(|setting| setting.env).collect();
    assert_eq!(names.len(), SETTINGS.len());
    let profiled = COMPRESSION_PROFILES.iter().flat_map(|(_, changes)| changes.iter());
    for (env, value) in DEV_DEFAULTS.iter().chain(profiled) {
        assert!(setting(env).unwrap().apply(&mut Config::default(), value), "{env} = {value}");
    }
    let Kind::Word(profiles) = &setting("COMPRESSION_PROFILE").unwrap().kind else {
        panic!("a profile is a word")
    };
    assert!(
        profiles.iter().map(|(name, _)| name).eq(COMPRESSION_PROFILES.iter().map(|(name, _)| name))
    );
}

#[test]
fn settings_stand_section_by_section() {
    assert!(SETTINGS.is_sorted_by_key(|setting| setting.section));
    let sections: BTreeSet<Section> = SETTINGS.iter().map(|setting| setting.section).collect();
    assert!(sections.into_iter().eq(Section::ALL));
}
