//! What well-signed claims must say, and the identity that they make.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use ws_auth::AuthError::{
    self, Expired, InvalidClaim, MissingClaim, NotYetValid, WrongAudience, WrongIssuer,
};
use ws_auth::{Authenticator, Identity, Issuer};

use crate::signer::{HMAC, NOW, SECRET, at, claims_with, good_claims};

fn build(issuer: Issuer) -> Authenticator {
    Authenticator::builder().issuer(issuer).build().expect("a valid configuration")
}

fn ours() -> Issuer {
    Issuer::new("ours").secret(SECRET).iss("https://issuer.example").audience("gateway")
}

fn verify(
    authenticator: &Authenticator,
    claims: &Value,
    now: SystemTime,
) -> Result<Identity, AuthError> {
    let token = HMAC.plain_token("HS256", "any", claims);
    authenticator.verify(&token, now).map(|identity| (*identity).clone()).map_err(AuthError::from)
}

fn invalid(name: &str) -> Option<AuthError> {
    Some(InvalidClaim(name.into()))
}

fn missing(name: &str) -> Option<AuthError> {
    Some(MissingClaim(name.into()))
}

#[test]
fn claims_are_checked_strictly() {
    let authenticator = build(ours());
    let check = |changes: Value, expect: Option<AuthError>| {
        let outcome = verify(&authenticator, &claims_with(changes.clone()), at(0));
        assert_eq!(outcome.err(), expect, "{changes}");
    };
    check(json!({}), None);
    // Times that are not numbers.
    for name in ["exp", "nbf", "iat"] {
        for value in
            [json!("1900000000"), json!(true), json!([1_900_000_000]), json!({}), json!("")]
        {
            check(json!({ name: value }), invalid(name));
        }
    }
    check(json!({ "exp": null }), missing("exp"));
    check(json!({ "exp": -1 }), Some(Expired));
    check(json!({ "exp": 0 }), Some(Expired));
    check(json!({ "exp": u64::MAX }), None);
    check(json!({ "exp": 1e300 }), None);
    check(json!({ "nbf": u64::MAX }), Some(NotYetValid));
    check(json!({ "nbf": -1e300 }), None);
    check(json!({ "iat": u64::MAX }), None);
    // Issuers.
    check(json!({ "iss": null }), Some(WrongIssuer));
    check(json!({ "iss": "https://issuer.example/" }), Some(WrongIssuer));
    check(json!({ "iss": "HTTPS://issuer.example" }), Some(WrongIssuer));
    check(json!({ "iss": ["https://issuer.example"] }), invalid("iss"));
    check(json!({ "iss": 7 }), invalid("iss"));
    // Audiences.
    check(json!({ "aud": null }), missing("aud"));
    check(json!({ "aud": "other" }), Some(WrongAudience));
    check(json!({ "aud": [] }), Some(WrongAudience));
    check(json!({ "aud": ["other", "gateway"] }), None);
    check(json!({ "aud": [["gateway"]] }), invalid("aud"));
    // Users.
    check(json!({ "sub": null }), missing("sub"));
    check(json!({ "sub": null, "user_id": "user-123" }), None);
    check(json!({ "sub": "" }), invalid("sub"));
    check(json!({ "sub": "a\u{0}b" }), invalid("sub"));
    check(json!({ "sub": 42 }), invalid("sub"));
    check(json!({ "sub": ["user-123"] }), invalid("sub"));
    check(json!({ "jti": 7 }), invalid("jti"));
    check(json!({ "tier": 7 }), invalid("tier"));
    check(json!({ "channels": { "chat:*": true } }), invalid("channels"));
    check(json!({ "permissions": [1] }), invalid("permissions"));
}

#[test]
fn a_null_expiry_is_not_an_absent_one() {
    let mut claims = good_claims();
    claims["exp"] = Value::Null;
    assert_eq!(verify(&build(ours()), &claims, at(0)).err(), invalid("exp"));
}

#[test]
fn expiry_and_start_have_the_leeway_and_not_a_second_more() {
    let authenticator = build(ours());
    let claims = claims_with(json!({ "exp": NOW + 100, "nbf": NOW + 50 }));
    let check = |now: i64, expect: Option<AuthError>| {
        assert_eq!(verify(&authenticator, &claims, at(now)).err(), expect, "{now}");
    };
    check(44, Some(NotYetValid));
    check(45, None);
    check(104, None);
    check(105, Some(Expired));
    let strict = build(ours().leeway(Duration::ZERO));
    assert!(verify(&strict, &claims, at(99)).is_ok());
    assert_eq!(verify(&strict, &claims, at(100)).err(), Some(Expired));
}

#[test]
fn expired_is_only_said_of_tokens_that_would_be_good_otherwise() {
    let authenticator = build(ours());
    let check = |changes: Value, expect: AuthError| {
        let mut changes = changes;
        changes["exp"] = json!(NOW - 100);
        assert_eq!(verify(&authenticator, &claims_with(changes), at(0)), Err(expect));
    };
    check(json!({}), Expired);
    check(json!({ "aud": "other" }), WrongAudience);
    check(json!({ "iss": "other" }), WrongIssuer);
    check(json!({ "sub": null }), MissingClaim("sub".into()));
    check(json!({ "nbf": NOW + 100 }), NotYetValid);
}

#[test]
fn an_identity_has_what_the_claims_say() {
    let claims = claims_with(json!({
        "session_id": "s-1",
        "tier": "pro",
        "jti": "t-1",
        "channels": ["chat:session-123", "agent:*"],
        "permissions": "read write",
    }));
    let identity = verify(&build(ours()), &claims, at(0)).expect("good");
    assert_eq!(&*identity.user_id, "user-123");
    assert_eq!(&*identity.issuer, "ours");
    assert_eq!(identity.session_id.as_deref(), Some("s-1"));
    assert_eq!(identity.tier.as_deref(), Some("pro"));
    assert_eq!(identity.token_id.as_deref(), Some("t-1"));
    let names = |names: &Option<ws_auth::Names>| {
        names.as_ref().map(|names| names.iter().map(str::to_owned).collect::<Vec<_>>())
    };
    assert_eq!(names(&identity.channels), Some(vec!["chat:session-123".into(), "agent:*".into()]));
    assert_eq!(names(&identity.permissions), Some(vec!["read".into(), "write".into()]));
    assert_eq!(identity.issued_at, Some(at(0) - Duration::from_secs(10)));
    assert_eq!(identity.expires_at, Some(at(600)));
    assert_eq!(identity.valid_until, Some(at(605)));
    let bare = verify(&build(ours()), &good_claims(), at(0)).expect("good");
    assert_eq!((bare.session_id, bare.tier, bare.token_id), (None, None, None));
    assert_eq!((bare.channels, bare.permissions), (None, None));
}

#[test]
fn a_lifetime_that_is_bounded_has_a_beginning_and_an_end() {
    let lifetime = Duration::from_secs(600);
    let authenticator = build(ours().expiry_optional().lifetime_max(lifetime));
    let check = |changes: Value, expect: Option<AuthError>| {
        let outcome = verify(&authenticator, &claims_with(changes.clone()), at(0));
        assert_eq!(outcome.err(), expect, "{changes}");
    };
    check(json!({ "iat": NOW, "exp": NOW + 600 }), None);
    check(json!({ "iat": NOW, "exp": NOW + 601 }), Some(AuthError::LivesTooLong));
    check(json!({ "iat": NOW, "exp": null }), Some(AuthError::LivesTooLong));
    check(json!({ "iat": null, "exp": NOW + 600 }), missing("iat"));
    // Clocks may differ by the leeway; a token that is dated further ahead does not live longer by that.
    check(json!({ "iat": NOW + 5, "exp": NOW + 605 }), None);
    check(json!({ "iat": NOW + 100, "exp": NOW + 605 }), None);
    check(json!({ "iat": NOW + 6, "exp": NOW + 606 }), Some(AuthError::LivesTooLong));
    let mut bare = good_claims();
    bare.as_object_mut().expect("an object").remove("iat");
    assert_eq!(verify(&authenticator, &bare, at(0)).err(), missing("iat"));
    assert_eq!(verify(&build(ours()), &bare, at(0)).expect("unbounded").issued_at, None);
}

#[test]
fn a_refreshed_token_may_not_change_the_user_or_the_issuer() {
    let other = Issuer::new("other").secret(SECRET).iss("https://other.example").any_audience();
    let authenticator =
        Authenticator::builder().issuer(ours()).issuer(other).build().expect("valid");
    let identity =
        |changes: Value| verify(&authenticator, &claims_with(changes), at(0)).expect("good");
    let first = identity(json!({}));
    assert!(first.is_same_user(&identity(json!({ "exp": NOW + 1000, "tier": "pro" }))));
    assert!(!first.is_same_user(&identity(json!({ "sub": "user-456" }))));
    assert!(!first.is_same_user(&identity(json!({ "iss": "https://other.example" }))));
}

#[test]
fn optional_and_required_claims_are_a_matter_of_configuration() {
    let check = |issuer: Issuer, changes: Value, expect: Option<AuthError>| {
        assert_eq!(
            verify(&build(issuer), &claims_with(changes.clone()), at(0)).err(),
            expect,
            "{changes}"
        );
    };
    check(ours().expiry_optional(), json!({ "exp": null }), None);
    check(ours().expiry_optional(), json!({ "exp": NOW - 100 }), Some(Expired));
    check(ours().required_claim("tier"), json!({}), missing("tier"));
    check(ours().required_claim("tier"), json!({ "tier": "pro" }), None);
    check(ours().required_claim("a.b"), json!({ "a": { "b": 0 } }), None);
    check(ours().required_claim("a.b"), json!({ "a": { "b": null } }), missing("a.b"));
    check(ours().any_audience(), json!({ "aud": "other" }), None);
    check(ours().any_audience(), json!({ "aud": null }), None);
    let anyone = || Issuer::new("anyone").secret(SECRET);
    check(anyone(), json!({ "aud": null, "iss": null }), None);
    check(anyone(), json!({ "aud": null, "iss": "whoever" }), None);
    // RFC 7519 §4.1.3: who is not named in an audience must refuse the token.
    check(anyone(), json!({}), Some(WrongAudience));
    check(anyone().user_claims(["email"]), json!({ "aud": null }), missing("email"));
}

#[test]
fn supabase_tokens_are_read_as_supabase_writes_them() {
    let issuer =
        Issuer::supabase("abc.supabase.co", "authenticated", "https://abc.supabase.co/auth/v1")
            .secret(SECRET)
            .algorithms([ws_auth::Algorithm::Hs256, ws_auth::Algorithm::Es256]);
    let authenticator = build(issuer);
    let claims = json!({
        "iss": "https://abc.supabase.co/auth/v1",
        "aud": "authenticated",
        "sub": "3f1c8d6e-0000-4000-8000-000000000000",
        "exp": NOW + 3600,
        "iat": NOW,
        "email": "",
        "phone": "",
        "role": "authenticated",
        "aal": "aal1",
        "session_id": "s-1",
        "is_anonymous": false,
        "amr": [{ "method": "password", "timestamp": NOW }],
        "app_metadata": { "provider": "email", "tier": "pro", "channels": ["chat:*"] },
        "user_metadata": { "tier": "admin" },
    });
    let identity = verify(&authenticator, &claims, at(0)).expect("good");
    assert_eq!(identity.tier.as_deref(), Some("pro"));
    assert_eq!(identity.session_id.as_deref(), Some("s-1"));
    assert!(identity.channels.is_some_and(|names| names.contains("chat:*")));
    // The anonymous key of a project is a good token of nobody.
    let nobody = json!({ "iss": "https://abc.supabase.co/auth/v1", "aud": "authenticated", "role": "anon", "exp": NOW + 3600 });
    assert_eq!(verify(&authenticator, &nobody, at(0)).err(), missing("sub"));
    let fetch = authenticator.poll_fetch(at(0)).expect("the keys are remote");
    assert_eq!(&*fetch.url, "https://abc.supabase.co/auth/v1/.well-known/jwks.json");
}

#[test]
fn verified_tokens_are_remembered_until_they_expire() {
    let authenticator = build(ours());
    let token = HMAC.plain_token("HS256", "any", &good_claims());
    let first = authenticator.verify(&token, at(0)).expect("good");
    let again = authenticator.verify(&token, at(604)).expect("known");
    assert!(std::sync::Arc::ptr_eq(&first, &again), "one identity for all connections");
    let stats = authenticator.stats();
    assert_eq!((stats.verified, stats.cache_hits, stats.cached_tokens), (1, 1, 1));
    assert_eq!(authenticator.verify(&token, at(605)).map_err(AuthError::from), Err(Expired));
    assert_eq!(authenticator.stats().cached_tokens, 0);
    let forgetful = Authenticator::builder().issuer(ours()).cached_tokens_max(0).build();
    let forgetful = forgetful.expect("valid");
    for _ in 0..3 {
        forgetful.verify(&token, at(0)).expect("good");
    }
    assert_eq!((forgetful.stats().verified, forgetful.stats().cache_hits), (3, 0));
}

#[test]
fn a_token_that_differs_in_one_letter_is_not_the_remembered_one() {
    let authenticator = build(ours());
    let token = HMAC.plain_token("HS256", "any", &good_claims());
    authenticator.verify(&token, at(0)).expect("good");
    for index in [5, token.len() / 2, token.len() - 1] {
        let mut letters = token.clone().into_bytes();
        letters[index] = if letters[index] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(letters).expect("ASCII");
        assert!(authenticator.verify(&forged, at(0)).is_err(), "{index}");
    }
}
