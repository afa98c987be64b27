//! Secrets are printed by nothing.

use super::*;

const HUNTER: &str = "hunter2-hunter2-hunter2-hunter2-hunter2";

const BRIDGED: &str = "[[bridges]]\nsubject = \"orders.*\"\nchannel = \"orders\"";

#[track_caller]
fn check_silent(what: &str, printed: &str) {
    assert!(!printed.contains("hunter2"), "{what}: {printed}");
}

#[test]
fn a_good_configuration_prints_no_secret() {
    let given = Given {
        flags: &["--admin-key", HUNTER, "--api-key", HUNTER, "--config=f"],
        variables: &[
            ("JWT_SECRET_KEY", HUNTER),
            ("REDIS_URL", "rediss://me:hunter2@cache"),
            ("NATS_URL", "nats://localhost"),
            ("NATS_CREDENTIALS_FILE", "nats.creds"),
            ("BROKER", "redis"),
        ],
        files: &[("f", BRIDGED), ("nats.creds", "-----BEGIN USER NKEY SEED-----\nhunter2\n")],
    };
    let loaded = given.loaded();
    assert_eq!(loaded.config.auth.secret.as_ref().unwrap().expose(), HUNTER);
    assert_eq!(loaded.config.admin.key.as_ref().unwrap().expose(), HUNTER);
    assert_eq!(loaded.config.redis.password.as_ref().unwrap().expose(), "hunter2");
    assert!(loaded.config.nats.credentials.as_ref().unwrap().expose().contains("hunter2"));
    assert_eq!(loaded.config.api.key.as_ref().unwrap().expose(), HUNTER);
    check_silent("config", &loaded.to_string());
    check_silent("debug", &format!("{loaded:?} {loaded:#?}"));
    check_silent("warnings", &loaded.warnings.join(" "));
    // A flag is seen by everybody who can list processes, so that one is warned about.
    assert!(loaded.warnings.iter().any(|line| line.contains("--admin-key shows its secret")));
    assert!(loaded.warnings.iter().any(|line| line.contains("--api-key shows its secret")));
    assert!(loaded.warnings.iter().any(|line| line.starts_with("API_KEY is ADMIN_KEY")));
}

#[test]
fn no_fault_prints_a_secret() {
    let files = |text| [("f", text)];
    for (what, variables, text) in [
        ("too short", &[("JWT_SECRET_KEY", "hunter2")][..], ""),
        ("a key", &[("JWT_SECRET_KEY", "-----BEGIN hunter2-----")], ""),
        ("a password in an address", &[("UPSTREAM", "ftp://me:hunter2@host/")], ""),
        ("the same without a scheme", &[("UPSTREAM", "me:hunter2@host:80")], ""),
        ("of a wrong type", &[], "[auth]\njwt_secret_key = [\"hunter2\"]"),
        ("under a mistyped name", &[], "[auth]\njwt_secret_kye = \"hunter2\""),
        ("too short for the API", &[], "[api]\napi_key = \"hunter2\""),
        ("in no header", &[("API_KEY", "hunter2 hunter2 hunter2")], ""),
        ("in a section of another", &[], "[server]\napi_key = \"hunter2\""),
        ("of nobody", &[], "[nats]\npassword = \"hunter2\""),
        ("in the address of a server", &[("REDIS_URL", "redis://:hunter2@host/x")], ""),
        ("in one of several", &[("NATS_URL", "nats://me:hunter2@a,tls://me:hunter2@b")], ""),
        ("a password in a hook", &[("HOOK_CONNECT", "https://me:hunter2@host/")], ""),
        ("under an unknown key of a rule", &[], "[[channels]]\npassword = \"hunter2\""),
        ("in a line that is no TOML", &[], "[auth]\njwt_secret_key = \"hunter2"),
        ("without quotes", &[], "[auth]\njwt_secret_key = hunter2"),
    ] {
        let files = files(text);
        let given = Given { flags: &["--config=f"], variables, files: &files };
        let faults = given.faults();
        assert!(!faults.is_empty(), "{what}");
        check_silent(what, &faults.join("\n"));
        check_silent(what, &format!("{:?}", given.load().unwrap_err()));
    }
}
