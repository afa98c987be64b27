//! Configurations that are refused, with all their faults at once, and none of their secrets.

use std::time::Duration;

use serde_json::json;
use ws_auth::{Algorithm, Authenticator, AuthenticatorBuilder, ConfigFault, Issuer, KeyFault};

use crate::signer::{HMAC, P256, RSA, SECRET, jwks};

fn faults(issuers: impl IntoIterator<Item = Issuer>) -> Vec<ConfigFault> {
    let builder = issuers.into_iter().fold(Authenticator::builder(), AuthenticatorBuilder::issuer);
    builder.build().err().map_or_else(Vec::new, |error| error.faults)
}

#[track_caller]
fn check(issuer: Issuer, expect: &[ConfigFault]) {
    assert_eq!(faults([issuer]), expect);
}

fn key(what: &'static str, fault: KeyFault) -> ConfigFault {
    ConfigFault::Key { issuer: "t".into(), what, fault }
}

#[test]
fn nobody_configured_nobody_let_in() {
    assert_eq!(faults([]), [ConfigFault::NoIssuer]);
    check(Issuer::new("t"), &[ConfigFault::NoKeys { issuer: "t".into() }]);
    let many = (0..65).map(|index| Issuer::new(index.to_string()).secret(SECRET));
    assert_eq!(faults(many), [ConfigFault::TooManyIssuers]);
}

#[test]
fn keys_that_would_not_protect_are_refused() {
    let issuer = || Issuer::new("t");
    check(issuer().secret(SECRET), &[]);
    check(issuer().secret("secret"), &[key("secret", KeyFault::SecretTooShort(32))]);
    check(issuer().secret(&SECRET[..40]).algorithms([Algorithm::Hs256]), &[]);
    check(
        issuer().secret(&SECRET[..40]).algorithms([Algorithm::Hs256, Algorithm::Hs512]),
        &[key("secret", KeyFault::SecretTooShort(64))],
    );
    // A public key where the secret belongs: anybody could sign with it.
    check(issuer().secret(&*P256.public_pem()), &[key("secret", KeyFault::Malformed)]);
    check(issuer().pem(P256.public_pem()), &[]);
    check(issuer().pem(RSA.public_pem() + &P256.public_pem()), &[]);
    check(issuer().pem("no key"), &[key("PEM key", KeyFault::Malformed)]);
    check(
        issuer().pem(P256.public_pem()).algorithms([Algorithm::Rs256]),
        &[key("PEM key", KeyFault::AlgorithmNotAllowed)],
    );
    check(issuer().jwks(jwks(&[("a", &RSA), ("b", &P256)])), &[]);
    check(
        issuer().jwks(jwks(&[("a", &RSA), ("b", &HMAC)])),
        &[key("key in the JWK set", KeyFault::Symmetric)],
    );
    check(issuer().jwks(r#"{"keys":[]}"#), &[ConfigFault::KeySet { issuer: "t".into() }]);
    check(issuer().jwks("{}"), &[ConfigFault::KeySet { issuer: "t".into() }]);
    let mut weak = RSA.jwk("weak");
    weak["n"] = json!("A".repeat(160) + "gAAB");
    let weak = json!({ "keys": [weak] }).to_string();
    assert!(matches!(
        faults([issuer().jwks(weak)])[..],
        [ConfigFault::Key { fault: KeyFault::RsaSize(_), .. }]
    ));
}

#[test]
fn algorithms_without_a_key_are_named() {
    let useless = |algorithms: &str| ConfigFault::UselessAlgorithms {
        issuer: "t".into(),
        algorithms: algorithms.into(),
    };
    check(
        Issuer::new("t").secret(SECRET).algorithms([Algorithm::Hs256, Algorithm::Rs256]),
        &[useless("RS256")],
    );
    check(
        Issuer::new("t")
            .jwks_url("https://issuer.example/jwks")
            .algorithms([Algorithm::Hs256, Algorithm::Es256]),
        &[useless("HS256")],
    );
}

#[test]
fn keys_are_fetched_over_https_only() {
    for url in ["http://issuer.example/jwks", "issuer.example", "https://u:p@issuer.example/"] {
        check(
            Issuer::new("t").jwks_url(url),
            &[ConfigFault::Url { issuer: "t".into(), url: url.into() }],
        );
    }
    for domain in ["abc.supabase.co", "https://abc.supabase.co/", "http://127.0.0.1:54321"] {
        assert_eq!(faults([Issuer::supabase(domain, "authenticated", "i")]), [], "{domain}");
    }
    assert_eq!(faults([Issuer::supabase("http://abc.supabase.co", "a", "i")]).len(), 1);
}

#[test]
fn all_faults_come_at_once_and_show_no_secret() {
    let bad = Issuer::new("t")
        .secret("hunter2")
        .pem("hunter3")
        .iss("")
        .audience(" ")
        .leeway(Duration::from_secs(601));
    let error = Authenticator::builder().issuer(bad.clone()).issuer(Issuer::new("u")).build();
    let error = error.expect_err("nearly everything is wrong");
    assert_eq!(error.faults.len(), 6, "{error}");
    let said = format!("{error} {error:?} {:?}", bad.clone());
    assert!(said.contains("shorter than 32 bytes") && said.contains("\"u\""), "{said}");
    assert!(!error.to_string().contains("hunter"), "{error}");
    assert!(!format!("{bad:?}").contains("hunter2"));
}
