//! Values that follow from others, and what only a file can say.

use std::num::NonZeroUsize;

use super::*;

#[test]
fn a_profile_sets_three_settings_and_each_overrides_it() {
    for (variables, enabled, level, threshold) in [
        (&[("COMPRESSION_PROFILE", "default")][..], true, 6, 1024),
        (&[("COMPRESSION_PROFILE", "high")], true, 9, 512),
        (&[("COMPRESSION_PROFILE", "Fast")], true, 1, 2048),
        (&[("COMPRESSION_PROFILE", "disabled")], false, 6, 1024),
        (&[("COMPRESSION_PROFILE", "high"), ("COMPRESSION_LEVEL", "7")], true, 7, 512),
        (&[("COMPRESSION_PROFILE", "disabled"), ("COMPRESSION_ENABLED", "on")], true, 6, 1024),
    ] {
        let compression = with_variables(variables).config.compression;
        assert_eq!(
            (compression.enabled, compression.level, compression.threshold_bytes),
            (enabled, level, threshold),
            "{variables:?}"
        );
    }
    let high = with_variables(&[("COMPRESSION_PROFILE", "high")]);
    let level = high.effective("COMPRESSION_LEVEL").unwrap();
    assert_eq!(
        (level.value.as_str(), level.origin.to_string().as_str()),
        ("9", "from COMPRESSION_PROFILE")
    );
}

#[test]
fn the_warning_follows_the_largest_message_unless_it_is_set() {
    for (variables, warn) in [
        (&[][..], 524_288),
        (&[("MAX_FRAME_SIZE", "256KiB")], 131_072),
        (&[("MAX_FRAME_SIZE", "10MiB")], 5_242_880),
        (&[("MAX_FRAME_SIZE", "10MiB"), ("FRAME_WARN_THRESHOLD", "1MiB")], 1_048_576),
        (&[("FRAME_WARN_THRESHOLD", "0")], 0),
    ] {
        assert_eq!(with_variables(variables).config.frames.warn_bytes, warn, "{variables:?}");
    }
    let derived = with_variables(&[("MAX_FRAME_SIZE", "256KiB")]);
    let warn = derived.effective("FRAME_WARN_THRESHOLD").unwrap();
    assert_eq!(
        (warn.value.as_str(), warn.origin.to_string().as_str()),
        ("128KiB", "from MAX_FRAME_SIZE")
    );
}

#[test]
fn zero_switches_off_what_can_be_off() {
    let config = with_variables(&[
        ("IDLE_TIMEOUT", "0"),
        ("CLOSE_RATE", "0"),
        ("MAX_CONNECTIONS", "0"),
        ("MAX_CONNECTIONS_PER_USER", "0"),
        ("MESSAGE_RATE_LIMIT", "0"),
        ("MESSAGE_BURST", "0"),
        ("CONNECTION_RATE_LIMIT", "0"),
        ("PING_RATE_LIMIT", "0"),
        ("WORKER_THREADS", "0"),
    ])
    .config;
    let expect = LimitSettings {
        connections_per_user_max: None,
        messages_per_minute: None,
        pings_per_minute: None,
        ..LimitSettings::default()
    };
    assert_eq!(config.limits, expect);
    assert_eq!(config.heartbeat.idle_timeout, None);
    assert_eq!(config.close.per_second, None);
    assert_eq!(config.server.worker_threads, None);
    let two = with_variables(&[("WORKER_THREADS", "2")]).config;
    assert_eq!(two.server.worker_threads, NonZeroUsize::new(2));
}

#[test]
fn a_supabase_project_is_complete_with_its_domain() {
    let project = |variables: &[(&str, &str)]| {
        let given = Given { variables, ..Given::default() };
        given.config().auth.supabase.unwrap()
    };
    assert_eq!(
        project(&[("SUPABASE_AUTH_DOMAIN", "abc.supabase.co")]),
        Supabase {
            domain: "abc.supabase.co".to_owned(),
            audience: "authenticated".to_owned(),
            issuer: "https://abc.supabase.co/auth/v1".to_owned(),
        }
    );
    let told = project(&[
        ("SUPABASE_AUTH_DOMAIN", "http://127.0.0.1:54321/"),
        ("SUPABASE_AUTH_AUDIENCE", "mobile"),
    ]);
    assert_eq!(
        (told.audience.as_str(), told.issuer.as_str()),
        ("mobile", "http://127.0.0.1:54321/auth/v1")
    );
    let told =
        project(&[("SUPABASE_AUTH_DOMAIN", "abc.supabase.co"), ("SUPABASE_AUTH_ISSUER", "me")]);
    assert_eq!(told.issuer, "me");
}

#[test]
fn any_origin_is_no_list() {
    let origins = |text| with_variables(&[("ALLOWED_ORIGINS", text)]).config.server.allowed_origins;
    assert_eq!(origins(""), None);
    assert_eq!(origins("https://a.example,*"), None);
    assert_eq!(
        origins("https://a.example, null"),
        Some(vec!["https://a.example".to_owned(), "null".to_owned()])
    );
}

#[test]
fn tiers_come_from_the_file() {
    let file = "[tiers.free]\nmessages_per_minute = 60\n\n[tiers.pro]\nmessages_per_minute = 1_000\n\
                burst = 100\n[tiers.\"house account\"]\nmessages_per_minute = 0\n[limits]\n\
                default_tier = \"free\"\n";
    let given = Given {
        flags: &["--config=f"],
        variables: &[("JWT_SECRET_KEY", SECRET)],
        files: &[("f", file)],
    };
    let loaded = given.loaded();
    let limits = &loaded.config.limits;
    let tier = |messages_per_minute, burst| Tier { messages_per_minute, burst, is_shadow: None };
    assert_eq!(limits.tiers["free"], tier(Some(60), None));
    assert_eq!(limits.tiers["pro"], tier(Some(1000), Some(100)));
    assert_eq!(limits.tiers["house account"], tier(None, None));
    assert_eq!(limits.default_tier.as_deref(), Some("free"));
    let printed = loaded.to_string();
    assert!(
        printed.contains("[tiers.pro]\nmessages_per_minute  1000\nburst                100\n"),
        "{printed}"
    );
}

#[test]
fn a_near_miss_of_a_variable_is_a_warning_and_no_fault() {
    let loaded = with_variables(&[("PING_INTERVALL", "1"), ("HOME", "x"), ("LANG", "C")]);
    let near: Vec<&String> =
        loaded.warnings.iter().filter(|line| line.contains("did you mean")).collect();
    assert_eq!(near, ["variable PING_INTERVALL is not known; did you mean PING_INTERVAL?"]);
}
