//! The commands, and that each setting has its flag.

use std::time::Duration;

use super::*;

const KEYED: Given<'_> = Given { flags: &[], variables: &[("JWT_SECRET_KEY", SECRET)], files: &[] };

#[test]
fn the_command_line_is_one() {
    command().debug_assert();
}

#[test]
fn without_a_command_it_serves() {
    assert!(matches!(KEYED.load(), Ok(Command::Serve(_))));
    let check = Given { flags: &["check-config"], ..KEYED };
    assert!(matches!(check.load(), Ok(Command::CheckConfig(_))));
    let show = Given { flags: &["config"], ..KEYED };
    assert!(matches!(show.load(), Ok(Command::ShowConfig(_))));
}

#[test]
fn flags_may_stand_before_the_command_and_after_it() {
    let flags = &["--dev", "--ping-interval=1s", "config", "--pong-timeout", "500ms"];
    let given = Given { flags, ..Given::default() };
    let Ok(Command::ShowConfig(loaded)) = given.load() else { panic!("it is good") };
    assert!(loaded.config.dev);
    assert_eq!(loaded.config.heartbeat.ping_interval, Duration::from_secs(1));
    assert_eq!(loaded.config.heartbeat.pong_timeout, Duration::from_millis(500));
}

#[test]
fn a_token_is_for_a_user_and_for_a_day() {
    let given = Given { flags: &["token", "--user", "user-123"], ..KEYED };
    let Ok(Command::Token(arguments, loaded)) = given.load() else { panic!("it is good") };
    let day = Duration::from_secs(24 * 60 * 60);
    assert_eq!(arguments, TokenArgs { user: "user-123".to_owned(), ttl: day, tier: None });
    assert_eq!(loaded.config.auth.secret.unwrap().expose(), SECRET);

    let given = Given { flags: &["token", "--user=u", "--ttl=90s", "--tier=pro"], ..KEYED };
    let Ok(Command::Token(arguments, _)) = given.load() else { panic!("it is good") };
    assert_eq!(arguments.ttl, Duration::from_secs(90));
    assert_eq!(arguments.tier.as_deref(), Some("pro"));
}

#[test]
fn a_token_cannot_be_signed_without_the_secret() {
    for flags in [&["token", "--user=u"][..], &["--dev", "token", "--user=u"]] {
        let faults = Given { flags, ..Given::default() }.faults();
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].starts_with("JWT_SECRET_KEY is not set: a token can only be signed"));
    }
}

#[test]
fn a_token_without_a_user_or_for_no_time_is_a_wrong_command_line() {
    for flags in [
        &["token"][..],
        &["token", "--user="],
        &["token", "--user=u", "--ttl=0"],
        &["token", "--user=u", "--ttl=forever"],
        &["token", "--user=u", "--tier="],
    ] {
        let error = Given { flags, ..KEYED }.load().unwrap_err();
        assert!(matches!(error, LoadError::Usage(_)), "{flags:?}: {error}");
    }
}

#[test]
fn a_switch_needs_no_value() {
    for (flags, on) in [
        (&["--json-ping"][..], true),
        (&["--json-ping=on"], true),
        (&["--json-ping", "false"], false),
        (&["--json-ping", "--dev"], true),
    ] {
        assert_eq!(Given { flags, ..KEYED }.config().heartbeat.json_ping, on, "{flags:?}");
    }
}

#[test]
fn every_setting_has_its_flag_in_the_long_help_and_none_in_the_short() {
    let mut command = command();
    let (short, long) = (command.render_help().to_string(), command.render_long_help().to_string());
    for setting in SETTINGS {
        let flag = format!("--{} ", setting.flag());
        assert!(long.contains(&flag), "{flag}");
        assert!(long.contains(&format!("[env: {}]", setting.env)), "{}", setting.env);
        assert!(!short.contains(&flag), "{flag}");
    }
    for section in Section::ALL {
        assert!(long.contains(&format!("{}:\n", section.title())), "{}", section.title());
    }
    for flag in ["--dev", "--config <FILE>", "token", "check-config"] {
        assert!(short.contains(flag), "{flag}");
    }
}
