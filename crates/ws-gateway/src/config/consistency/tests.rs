//! A line for each thing that must fit to another.

mod channels;
mod drain;
mod tls;
mod tunnels;

use std::ffi::OsString;
use std::io;
use std::path::Path;

use crate::config::{Command, LoadError, load};

const SECRET: (&str, &str) =
    ("JWT_SECRET_KEY", "a-secret-of-sixty-four-bytes-for-tests-and-for-nothing-else-ever");
const PUBLIC: (&str, &str) = ("JWT_PUBLIC_KEY_FILE", "public.pem");

fn read_file(path: &Path) -> io::Result<String> {
    match path.to_str() {
        Some("public.pem") => Ok("-----BEGIN PUBLIC KEY-----\nAAAA\n".to_owned()),
        Some("private.pem") => Ok("-----BEGIN PRIVATE KEY-----\nAAAA\n".to_owned()),
        Some("text.pem") => Ok("AAAA".to_owned()),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

/// The faults and the warnings of these flags and variables.
fn findings(flags: &[&str], variables: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
    let arguments = ["ws-gateway"].iter().chain(flags).map(OsString::from);
    let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
    match load(arguments, variables, read_file) {
        Ok(Command::Serve(loaded)) => (Vec::new(), loaded.warnings),
        Err(LoadError::Faults(faults)) => {
            (faults.0.iter().map(ToString::to_string).collect(), Vec::new())
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn check_refused(flags: &[&str], variables: &[(&str, &str)], name: &str, accepted: &str) {
    let (faults, _) = findings(flags, variables);
    assert_eq!(faults.len(), 1, "{variables:?}: {faults:?}");
    assert!(faults[0].starts_with(name) && faults[0].contains(accepted), "{}", faults[0]);
}

/// A warning that contains `part`, or no fault and no such warning when it is empty. That there are
/// no upstream and no rules is left out, being no matter of these tests.
#[track_caller]
fn check_accepted(flags: &[&str], variables: &[(&str, &str)], part: &str) {
    let (faults, warnings) = findings(flags, variables);
    assert_eq!(faults, Vec::<String>::new(), "{variables:?}");
    let is_usual = |line: &String| {
        line.starts_with("UPSTREAM is not set") || line.starts_with("no [[channels]]: ")
    };
    let warnings: Vec<String> = warnings.into_iter().filter(|line| !is_usual(line)).collect();
    assert_eq!(warnings.len(), usize::from(!part.is_empty()), "{variables:?}: {warnings:?}");
    assert!(warnings.iter().all(|line| line.contains(part)), "{warnings:?}");
}

#[test]
fn nobody_is_let_in_by_accident() {
    check_refused(&[], &[], "JWT_SECRET_KEY is not set", "AUTH_MODE=none lets anybody in");
    check_refused(&[], &[("AUTH_MODE", "upgrade")], "JWT_SECRET_KEY is not set", "--dev");
    check_refused(&[], &[("AUTH_MODE", "")], "JWT_SECRET_KEY is not set", "JWKS_URL");
    check_accepted(&["--dev"], &[], "");
    // Spelled out, in any of the sources, it is meant.
    check_accepted(&[], &[("AUTH_MODE", "none")], "anybody is let in");
    check_accepted(&["--auth-mode=none"], &[], "anybody is let in");
    check_accepted(&["--dev"], &[("AUTH_MODE", "none")], "");
    for keys in [SECRET, PUBLIC, ("SUPABASE_AUTH_DOMAIN", "abc.supabase.co")] {
        check_accepted(&[], &[keys], "");
    }
    let keys = [("JWKS_URL", "https://issuer.example/keys"), ("JWT_AUDIENCE", "gateway")];
    check_accepted(&[], &keys, "");
    check_accepted(&[], &keys[..1], "tokens that name an audience are refused");
}

#[test]
fn a_fault_in_a_key_is_not_reported_as_a_missing_key_too() {
    check_refused(&[], &[("JWKS_URL", "http://issuer.example/")], "JWKS_URL", "https");
    check_refused(&[], &[("AUTH_MODE", "nobody")], "AUTH_MODE", "one of");
}

#[test]
fn a_secret_that_is_short_or_published_is_refused() {
    let secret = |text| [("JWT_SECRET_KEY", text)];
    let name = "JWT_SECRET_KEY = \"***\"";
    check_refused(&[], &secret("0123456789012345678901234567890"), name, "at least 32 bytes");
    check_accepted(&[], &secret("01234567890123456789012345678901"), "");
    check_refused(&["--dev"], &secret("short"), name, "at least 32 bytes for HS256");
    let published = secret("your-secret-key-change-in-production");
    check_refused(&[], &published, name, "published as an example");
    check_accepted(&["--dev"], &published, "");
    check_refused(&[], &secret("your-secret-key"), name, "published as an example");
    check_refused(&[], &secret("-----BEGIN PUBLIC KEY-----"), name, "JWT_PUBLIC_KEY_FILE");
    for (algorithms, length, accepted) in [
        ("HS256,HS384", 47, false),
        ("HS256,HS384", 48, true),
        ("HS512", 63, false),
        ("HS512", 64, true),
    ] {
        let text = "x".repeat(length);
        let variables = [("JWT_SECRET_KEY", text.as_str()), ("JWT_ALGORITHMS", algorithms)];
        assert_eq!(findings(&[], &variables).0.is_empty(), accepted, "{algorithms} {length}");
    }
}

#[test]
fn algorithms_need_keys_that_can_have_them() {
    let algorithms = |names| ("JWT_ALGORITHMS", names);
    check_refused(
        &[],
        &[SECRET, algorithms("RS256")],
        "JWT_ALGORITHMS",
        "HS512 with JWT_SECRET_KEY",
    );
    check_refused(&[], &[PUBLIC, algorithms("HS256")], "JWT_ALGORITHMS", "unless JWT_SECRET_KEY");
    check_refused(&["--dev"], &[algorithms("ES256")], "JWT_ALGORITHMS", "with JWT_SECRET_KEY");
    check_accepted(&[], &[SECRET, algorithms("HS256,ES256")], "ES256, for which there is no key");
    check_accepted(&[], &[SECRET, PUBLIC, algorithms("HS256,ES256")], "");
    check_accepted(&["--dev"], &[algorithms("HS256")], "");
}

#[test]
fn public_keys_are_read_with_everything_else() {
    let file = |path| [("JWT_PUBLIC_KEY_FILE", path)];
    check_refused(&[], &file("missing.pem"), "JWT_PUBLIC_KEY_FILE = \"missing.pem\"", "be read");
    check_refused(&[], &file("private.pem"), "JWT_PUBLIC_KEY_FILE", "holds a private key");
    check_refused(&[], &file("text.pem"), "JWT_PUBLIC_KEY_FILE", "a file in PEM");
    let arguments = ["ws-gateway"].map(OsString::from);
    let variables = [("JWT_PUBLIC_KEY_FILE".into(), "public.pem".into())];
    let Ok(Command::Serve(loaded)) = load(arguments, variables, read_file) else {
        panic!("it is good")
    };
    assert!(loaded.config.auth.public_key.unwrap().contains("AAAA"));
}

#[test]
fn a_project_is_nothing_without_its_domain() {
    let audience = ("SUPABASE_AUTH_AUDIENCE", "authenticated");
    check_refused(
        &[],
        &[SECRET, audience],
        "SUPABASE_AUTH_DOMAIN is not set",
        "mean nothing without",
    );
    let bad = [SECRET, audience, ("SUPABASE_AUTH_DOMAIN", "a b")];
    check_refused(&[], &bad, "SUPABASE_AUTH_DOMAIN = \"a b\"", "a host such as");
}

#[test]
fn a_cookie_wants_a_list_of_origins() {
    let cookie = ("AUTH_COOKIE", "session");
    check_refused(&[], &[SECRET, cookie], "AUTH_COOKIE", "only with ALLOWED_ORIGINS");
    check_refused(&[], &[SECRET, cookie, ("ALLOWED_ORIGINS", "*")], "AUTH_COOKIE", "not `*`");
    check_accepted(&[], &[SECRET, cookie, ("ALLOWED_ORIGINS", "https://app.example")], "");
}

#[test]
fn proxies_are_believed_within_reason() {
    let proxy = ("PROXY_PROTOCOL", "on");
    check_refused(&[], &[SECRET, proxy], "PROXY_PROTOCOL", "only with TRUSTED_PROXIES");
    check_accepted(&[], &[SECRET, proxy, ("TRUSTED_PROXIES", "10.0.0.0/8")], "");
    check_accepted(&[], &[SECRET, ("TRUSTED_PROXIES", "::/0")], "anybody can claim any address");
}

#[test]
fn sizes_and_times_fit_together() {
    let warn = ("FRAME_WARN_THRESHOLD", "2MiB");
    check_refused(&[], &[SECRET, warn], "FRAME_WARN_THRESHOLD = \"2MiB\"", "which is 1048576");
    // The limit being wrong by itself, the warning is not measured by its default.
    check_refused(&[], &[SECRET, warn, ("MAX_FRAME_SIZE", "big")], "MAX_FRAME_SIZE", "1GiB");
    check_accepted(
        &[],
        &[SECRET, warn, ("MAX_FRAME_SIZE", "2MiB"), ("OUTBOX_BYTES_MAX", "4MiB")],
        "",
    );
    check_accepted(&[], &[SECRET, ("OUTBOX_BYTES_MAX", "64KiB")], "may not fit when it goes out");
    check_accepted(&[], &[SECRET, ("PING_INTERVAL", "1s")], "a dead peer is found after 16s");
    check_accepted(&[], &[SECRET, ("PING_INTERVAL", "5s")], "");
}
