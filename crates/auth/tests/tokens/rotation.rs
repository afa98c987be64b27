//! Published keys that come and go, on virtual time and without a socket.

use std::time::{Duration, SystemTime};

use serde_json::json;
use ws_auth::{
    AuthError, Authenticator, FetchError, Issuer, KeyDocument, KeyFetch, VerifyError, Want,
};

use crate::signer::{OTHER_P256, P256, RSA, SECRET, Signer, at, claims_with, good_claims, jwks};

struct Story {
    authenticator: Authenticator,
}

impl Story {
    fn new() -> Self {
        let issuer = Issuer::new("remote")
            .jwks_url("https://issuer.example/jwks")
            .iss("https://issuer.example")
            .audience("gateway");
        let authenticator = Authenticator::builder().issuer(issuer).build().expect("valid");
        Self { authenticator }
    }

    /// One whose issuer published these keys at 0.
    fn with(keys: &[(&str, &Signer)]) -> Self {
        let story = Self::new();
        story.publish(keys, 0);
        story
    }

    #[track_caller]
    fn fetch(&self, now: i64) -> KeyFetch {
        self.authenticator.poll_fetch(at(now)).expect("a fetch is wanted or due")
    }

    #[track_caller]
    fn publish(&self, keys: &[(&str, &Signer)], now: i64) {
        let document = KeyDocument { body: jwks(keys).into_bytes(), max_age: None };
        let fetch = self.fetch(now);
        self.authenticator.handle_keys(&fetch, Ok(document), at(now)).expect("a key set");
    }

    #[track_caller]
    fn fail(&self, now: i64) {
        let fetch = self.fetch(now);
        let outcome = self.authenticator.handle_keys(&fetch, Err(FetchError::Timeout), at(now));
        assert_eq!(outcome, Err(FetchError::Timeout));
    }

    fn verify(&self, token: &str, now: i64) -> Result<(), AuthError> {
        self.authenticator.verify(token, at(now)).map(drop).map_err(AuthError::from)
    }

    /// What becomes of a token whose key is not known.
    #[track_caller]
    fn want(&self, token: &str, now: i64) -> Want {
        match self.authenticator.verify(token, at(now)) {
            Err(VerifyError::KeyUnknown(wanted)) => self.authenticator.want_keys(wanted, at(now)),
            other => panic!("the key is unknown, and not: {other:?}"),
        }
    }
}

fn token(signer: &Signer, key_id: &str) -> String {
    let claims = claims_with(json!({ "exp": crate::signer::NOW + 1_000_000 }));
    signer.plain_token(signer.algorithms()[0], key_id, &claims)
}

#[test]
fn the_first_token_waits_for_the_first_keys() {
    let story = Story::new();
    let token = token(&P256, "a");
    assert_eq!(story.want(&token, 0), Want::Wait);
    story.publish(&[("a", &P256)], 1);
    assert_eq!(story.verify(&token, 1), Ok(()));
    let stats = story.authenticator.stats();
    assert_eq!((stats.fetches, stats.refused_total(), stats.issuers[0].keys), (1, 0, 1));
}

#[test]
fn keys_rotate_with_overlap_and_nobody_waits() {
    let story = Story::with(&[("a", &P256)]);
    let (old, new) = (token(&P256, "a"), token(&OTHER_P256, "b"));
    assert_eq!(story.verify(&old, 0), Ok(()));
    story.publish(&[("b", &OTHER_P256), ("a", &P256)], 480);
    assert_eq!((story.verify(&old, 481), story.verify(&new, 481)), (Ok(()), Ok(())));
    assert_eq!(story.authenticator.stats().cache_hits, 1, "no key was lost: nothing is forgotten");
}

#[test]
fn keys_rotate_without_overlap_and_the_old_ones_are_forgotten() {
    let story = Story::with(&[("a", &P256)]);
    let (old, new) = (token(&P256, "a"), token(&OTHER_P256, "b"));
    assert_eq!(story.verify(&old, 0), Ok(()));
    assert_eq!(story.want(&new, 100), Want::Wait);
    story.publish(&[("b", &OTHER_P256)], 100);
    assert_eq!(story.verify(&new, 100), Ok(()));
    assert_eq!(story.verify(&old, 100), Err(AuthError::UnknownKey), "remembered or not");
    assert_eq!(story.want(&old, 100), Want::Unknown);
}

#[test]
fn a_key_that_is_replaced_under_its_id_is_another_key() {
    let story = Story::with(&[("a", &P256)]);
    let (old, new) = (token(&P256, "a"), token(&OTHER_P256, "a"));
    assert_eq!(story.verify(&old, 0), Ok(()));
    assert_eq!(story.verify(&new, 0), Err(AuthError::BadSignature));
    story.publish(&[("a", &OTHER_P256)], 480);
    assert_eq!(story.verify(&old, 480), Err(AuthError::BadSignature));
    assert_eq!(story.verify(&new, 480), Ok(()));
}

#[test]
fn two_keys_under_one_id_are_both_tried() {
    let story = Story::with(&[("a", &P256), ("a", &OTHER_P256), ("a", &RSA)]);
    for signer in [&P256, &OTHER_P256, &RSA] {
        assert_eq!(story.verify(&token(signer, "a"), 0), Ok(()));
    }
}

#[test]
fn tokens_without_a_key_id_survive_a_rotation() {
    let story = Story::with(&[("a", &P256)]);
    let bare = |signer: &Signer| signer.token("ES256", &json!({ "alg": "ES256" }), &good_claims());
    assert_eq!(story.verify(&bare(&P256), 0), Ok(()));
    assert_eq!(story.want(&bare(&OTHER_P256), 100), Want::Wait);
    story.publish(&[("b", &OTHER_P256)], 100);
    assert_eq!(story.verify(&bare(&OTHER_P256), 100), Ok(()));
}

#[test]
fn keys_that_arrive_between_two_calls_are_not_missed() {
    let story = Story::new();
    let token = token(&P256, "a");
    let Err(VerifyError::KeyUnknown(wanted)) = story.authenticator.verify(&token, at(0)) else {
        panic!("no keys yet");
    };
    story.publish(&[("a", &P256)], 0);
    assert_eq!(story.authenticator.want_keys(wanted, at(0)), Want::Retry);
    assert_eq!(story.verify(&token, 0), Ok(()));
}

#[test]
fn an_issuer_that_is_down_is_told_from_a_key_that_is_unknown() {
    let story = Story::new();
    let token = token(&P256, "a");
    assert_eq!(story.want(&token, 0), Want::Wait);
    story.fail(0);
    let refused = story.want(&token, 1);
    assert_eq!(refused.refusal(), Some(AuthError::KeysUnavailable));
    assert_eq!(AuthError::KeysUnavailable.fault(), ws_auth::Fault::Keys);
    let stats = story.authenticator.stats();
    assert_eq!((stats.fetch_failures, stats.refused_with("keys_unavailable")), (1, 1));
    assert!(stats.issuers[0].is_failing);
    assert!(stats.to_string().contains("the keys of remote cannot be fetched"), "{stats}");
}

#[test]
fn stale_keys_serve_while_the_issuer_is_down_and_not_for_ever() {
    let story = Story::with(&[("a", &P256)]);
    let day = 24 * 60 * 60;
    assert_eq!(story.verify(&token(&P256, "a"), 600), Ok(()));
    story.fail(600);
    assert_eq!(story.verify(&token(&P256, "a"), 600 + day), Ok(()), "remembered");
    let claims = claims_with(json!({ "exp": crate::signer::NOW + 1_000_000, "n": 1 }));
    let fresh = P256.plain_token("ES256", "a", &claims);
    assert_eq!(story.verify(&fresh, 600 + day - 1), Ok(()), "verified with a stale key");
    assert_eq!(story.verify(&fresh, 600 + day + 1), Err(AuthError::UnknownKey), "and not for ever");
}

#[test]
fn garbage_does_not_replace_keys_and_an_empty_set_does() {
    let story = Story::with(&[("a", &P256)]);
    let token = token(&P256, "a");
    let mut now = 480;
    for body in ["", "{}", "<html>", "{\"keys\":7}", "\u{0}"] {
        let fetch = story.fetch(now);
        let document = KeyDocument { body: body.into(), max_age: None };
        let outcome = story.authenticator.handle_keys(&fetch, Ok(document), at(now));
        assert!(matches!(outcome, Err(FetchError::Document(_))), "{body:?}: {outcome:?}");
        assert_eq!(story.verify(&token, now), Ok(()));
        now += 60;
    }
    let fetch = story.fetch(now);
    let body = vec![b' '; fetch.document_bytes_max + 1];
    let outcome =
        story.authenticator.handle_keys(&fetch, Ok(KeyDocument { body, max_age: None }), at(now));
    assert_eq!(outcome, Err(FetchError::TooLarge));
    now += 60;
    story.publish(&[], now);
    assert_eq!(story.verify(&token, now), Err(AuthError::UnknownKey));
}

#[test]
fn a_published_secret_verifies_nothing() {
    let secret = Signer::Secret(SECRET.into());
    let story = Story::with(&[("s", &secret), ("a", &P256)]);
    assert_eq!(story.verify(&token(&secret, "s"), 0), Err(AuthError::AlgorithmNotAllowed));
    assert_eq!(story.authenticator.stats().issuers[0].keys, 1);
}

#[test]
fn a_token_that_admits_to_be_over_costs_no_fetch() {
    let story = Story::with(&[("a", &P256)]);
    let claims = claims_with(json!({ "exp": crate::signer::NOW - 100 }));
    let over = OTHER_P256.plain_token("ES256", "b", &claims);
    assert_eq!(story.verify(&over, 100), Err(AuthError::Expired));
    assert!(story.authenticator.poll_fetch(at(100)).is_none());
}

#[test]
fn each_of_several_issuers_has_its_own_keys_and_says_nothing_for_others() {
    let issuer = |name: &str| {
        Issuer::new(name)
            .jwks_url(format!("https://{name}.example/jwks"))
            .iss(format!("https://{name}.example"))
            .any_audience()
    };
    let authenticator = Authenticator::builder()
        .issuer(issuer("one"))
        .issuer(issuer("two"))
        .issuer(Issuer::new("own").secret(SECRET).iss("own").any_audience())
        .build()
        .expect("valid");
    let signers = [("one", &P256), ("two", &OTHER_P256)];
    while let Some(fetch) = authenticator.poll_fetch(at(0)) {
        let (_, signer) =
            signers.iter().find(|(name, _)| **name == *fetch.issuer).expect("one of both");
        let body = jwks(&[("same-id", signer)]).into_bytes();
        authenticator
            .handle_keys(&fetch, Ok(KeyDocument { body, max_age: None }), at(0))
            .expect("keys");
    }
    let verify = |iss: &str, signer: &Signer, algorithm: &str| {
        let claims = claims_with(json!({ "iss": iss }));
        let token = signer.plain_token(algorithm, "same-id", &claims);
        authenticator
            .verify(&token, at(0))
            .map(|identity| identity.issuer.to_string())
            .map_err(AuthError::from)
    };
    assert_eq!(verify("https://one.example", &P256, "ES256"), Ok("one".into()));
    assert_eq!(verify("https://two.example", &OTHER_P256, "ES256"), Ok("two".into()));
    assert_eq!(verify("own", &crate::signer::HMAC, "HS256"), Ok("own".into()));
    assert_eq!(verify("https://one.example", &OTHER_P256, "ES256"), Err(AuthError::BadSignature));
    assert_eq!(verify("own", &P256, "ES256"), Err(AuthError::AlgorithmNotAllowed));
    let forged = verify("https://one.example", &crate::signer::HMAC, "HS256");
    assert_eq!(forged, Err(AuthError::AlgorithmNotAllowed));
    assert_eq!(verify("https://three.example", &P256, "ES256"), Err(AuthError::WrongIssuer));
    let next: Option<SystemTime> = authenticator.poll_timeout();
    assert_eq!(next, Some(at(0) + Duration::from_secs(480)));
}
