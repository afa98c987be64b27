//! The adapter that fetches keys, against an issuer that rotates, fails, hangs and lies.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use serde_json::json;
use tokio::time::{Instant, timeout};
use ws_auth::{AuthError, Authenticator, Identity, Issuer, JwksSettings};

use crate::issuer::{Behaviour, Server};
use crate::signer::{OTHER_P256, P256, Signer, at, claims_with, good_claims, jwks};

const PATIENCE: Duration = Duration::from_secs(10);

fn settings() -> JwksSettings {
    JwksSettings { fetch_timeout: Duration::from_millis(400), ..JwksSettings::default() }
}

fn authenticator(server: &Server, settings: JwksSettings) -> Authenticator {
    let issuer = Issuer::new("hostile")
        .jwks_url(server.url())
        .jwks_settings(settings)
        .iss("https://issuer.example")
        .audience("gateway");
    Authenticator::builder().issuer(issuer).build().expect("valid")
}

fn token(signer: &Signer, key_id: &str) -> String {
    signer.plain_token("ES256", key_id, &good_claims())
}

/// A clock that starts where these tests are set and goes on as tokio's does.
struct Clock(Instant);

impl Clock {
    fn start() -> Self {
        Self(Instant::now())
    }

    fn now(&self) -> SystemTime {
        at(0) + self.0.elapsed()
    }
}

async fn authenticate(
    authenticator: &Authenticator,
    token: &str,
    now: SystemTime,
) -> Result<Arc<Identity>, AuthError> {
    timeout(PATIENCE, authenticator.authenticate(token, now)).await.expect("an answer in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thundering_herd_costs_one_request() {
    let server = Server::publishing(&[("a", &P256)]).await;
    let authenticator = authenticator(&server, settings());
    let tasks = (0..1000).map(|index| {
        let authenticator = authenticator.clone();
        let claims = claims_with(json!({ "sub": format!("user-{index}") }));
        tokio::spawn(async move {
            let token = P256.plain_token("ES256", "a", &claims);
            authenticator.authenticate(&token, at(0)).await.map(|identity| identity.user_id.clone())
        })
    });
    let outcomes = timeout(PATIENCE, join_all(tasks)).await.expect("all answered");
    for (index, outcome) in outcomes.into_iter().enumerate() {
        assert_eq!(outcome.expect("no panic"), Ok(format!("user-{index}").into()));
    }
    assert_eq!(server.requests(), 1);
    let stats = authenticator.stats();
    assert_eq!((stats.verified, stats.fetches, stats.refused_total()), (1000, 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_made_up_key_ids_costs_one_request_per_cool_down() {
    let server = Server::publishing(&[("a", &P256)]).await;
    let cool_down = Duration::from_millis(250);
    let authenticator = authenticator(&server, JwksSettings { cool_down, ..settings() });
    let clock = Clock::start();
    let mut flood = 0;
    while clock.0.elapsed() < Duration::from_secs(1) {
        let tokens: Vec<String> =
            (0..50).map(|index| token(&OTHER_P256, &format!("{flood}-{index}"))).collect();
        let attempts = tokens.iter().map(|token| authenticate(&authenticator, token, clock.now()));
        for outcome in join_all(attempts).await {
            assert_eq!(outcome.err(), Some(AuthError::UnknownKey));
        }
        assert!(authenticate(&authenticator, &token(&P256, "a"), clock.now()).await.is_ok());
        flood += 1;
    }
    let spent = clock.0.elapsed();
    let bound = 2 + usize::try_from(spent.as_millis() / cool_down.as_millis()).expect("small");
    assert!((2..=bound).contains(&server.requests()), "{} in {spent:?}", server.requests());
    assert!(flood > 1);
}

#[tokio::test]
async fn keys_rotate_with_and_without_overlap() {
    let server = Server::publishing(&[("a", &P256)]).await;
    let settings = JwksSettings { cool_down: Duration::ZERO, ..settings() };
    let authenticator = authenticator(&server, settings);
    let clock = Clock::start();
    let (old, new) = (token(&P256, "a"), token(&OTHER_P256, "b"));
    let third = Signer::p256();
    assert!(authenticate(&authenticator, &old, clock.now()).await.is_ok());
    server.publish(&[("a", &P256), ("b", &OTHER_P256)]);
    assert!(authenticate(&authenticator, &new, clock.now()).await.is_ok());
    assert!(authenticate(&authenticator, &old, clock.now()).await.is_ok());
    assert_eq!(server.requests(), 2);
    server.publish(&[("c", &third)]);
    assert!(authenticate(&authenticator, &token(&third, "c"), clock.now()).await.is_ok());
    for gone in [&old, &new] {
        let outcome = authenticate(&authenticator, gone, clock.now()).await;
        assert_eq!(outcome.err(), Some(AuthError::UnknownKey));
    }
}

#[tokio::test]
async fn whatever_goes_wrong_is_the_issuers_fault_and_ends_in_time() {
    let elsewhere = Server::publishing(&[("a", &P256)]).await;
    let misbehaviours = [
        Behaviour::Status("500 Internal Server Error"),
        Behaviour::Status("404 Not Found"),
        Behaviour::Status("204 No Content"),
        Behaviour::Status("401 Unauthorized"),
        Behaviour::Hang,
        Behaviour::HangHalfway,
        Behaviour::Drip,
        Behaviour::Close,
        Behaviour::Garbage,
        Behaviour::Endless,
        Behaviour::Huge,
        Behaviour::Redirect(elsewhere.url()),
        Behaviour::Redirect("https://evil.example/jwks.json".into()),
        Behaviour::Redirect("file:///etc/passwd".into()),
        Behaviour::Answer("<html>login</html>".into(), ""),
        Behaviour::Answer(String::new(), ""),
        Behaviour::Answer("{\"keys\":null}".into(), ""),
        Behaviour::Answer(format!("{{\"keys\":[{}1]}}", "1,".repeat(1000)), ""),
    ];
    for behaviour in misbehaviours {
        let server = Server::start(behaviour.clone()).await;
        let settings = JwksSettings { document_bytes_max: 64 * 1024, ..settings() };
        let authenticator = authenticator(&server, settings);
        let started = Instant::now();
        let outcome = authenticate(&authenticator, &token(&P256, "a"), at(0)).await;
        assert_eq!(outcome.err(), Some(AuthError::KeysUnavailable), "{behaviour:?}");
        assert!(started.elapsed() < Duration::from_secs(2), "{behaviour:?}");
        assert_eq!(server.requests(), 1, "{behaviour:?}");
        let stats = authenticator.stats();
        assert_eq!((stats.fetches, stats.fetch_failures), (1, 1), "{behaviour:?}");
        // A cool-down follows: nobody waits again for what just failed.
        let outcome = authenticate(&authenticator, &token(&P256, "a"), at(1)).await;
        assert_eq!(outcome.err(), Some(AuthError::KeysUnavailable), "{behaviour:?}");
        assert_eq!(server.requests(), 1, "{behaviour:?}");
        // And when it is well again, so are we.
        server.publish(&[("a", &P256)]);
        assert!(
            authenticate(&authenticator, &token(&P256, "a"), at(3)).await.is_ok(),
            "{behaviour:?}"
        );
        // What the sockets of both ends hold is all that an endless body gets rid of.
        assert!(server.sent() < 16 * 1024 * 1024, "{behaviour:?}");
    }
    assert_eq!(elsewhere.requests(), 0, "a redirect is not followed");
}

#[tokio::test]
async fn an_issuer_that_nobody_listens_for_is_unavailable() {
    let server = Server::publishing(&[("a", &P256)]).await;
    let authenticator = authenticator(&server, settings());
    drop(server);
    tokio::task::yield_now().await;
    let outcome = authenticate(&authenticator, &token(&P256, "a"), at(0)).await;
    assert_eq!(outcome.err(), Some(AuthError::KeysUnavailable));
}

#[tokio::test]
async fn an_issuer_that_does_not_prove_who_it_is_gets_no_request() {
    let server = Server::publishing(&[("a", &P256)]).await;
    let issuer = Issuer::new("plain").jwks_url(server.url().replace("http://", "https://"));
    let authenticator = Authenticator::builder().issuer(issuer.any_audience()).build();
    let authenticator = authenticator.expect("valid");
    let outcome = authenticate(&authenticator, &token(&P256, "a"), at(0)).await;
    assert_eq!(outcome.err(), Some(AuthError::KeysUnavailable));
    assert_eq!(server.requests(), 0);
    assert_eq!(authenticator.stats().fetch_failures, 1);
}

#[tokio::test]
async fn a_caller_who_leaves_does_not_take_the_fetch_along() {
    let server = Server::publishing(&[("a", &P256)]).await;
    let authenticator = authenticator(&server, settings());
    let token = token(&P256, "a");
    // Polled once, which starts the fetch, and dropped.
    let hurried = timeout(Duration::ZERO, authenticator.authenticate(&token, at(0))).await;
    assert!(hurried.is_err(), "it waits for keys");
    assert!(authenticate(&authenticator, &token, at(0)).await.is_ok());
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn stale_keys_serve_while_the_issuer_is_down() {
    let server = Server::publishing(&[("a", &P256)]).await;
    let authenticator = authenticator(&server, settings());
    let fresh = |number: u64| {
        let claims = claims_with(json!({ "exp": crate::signer::NOW + 100_000, "n": number }));
        P256.plain_token("ES256", "a", &claims)
    };
    assert!(authenticate(&authenticator, &fresh(1), at(0)).await.is_ok());
    server.behave(Behaviour::Status("503 Service Unavailable"));
    assert!(authenticate(&authenticator, &fresh(2), at(601)).await.is_ok(), "after one failed try");
    assert_eq!(server.requests(), 2);
    assert!(authenticate(&authenticator, &fresh(3), at(602)).await.is_ok(), "without another");
    assert_eq!(server.requests(), 2);
    assert!(authenticator.stats().issuers[0].is_failing);
}

#[tokio::test]
async fn a_refresh_happens_behind_the_callers_back() {
    let body = jwks(&[("a", &P256)]);
    let server = Server::start(Behaviour::Answer(body, "cache-control: max-age=100\r\n")).await;
    let authenticator = authenticator(&server, settings());
    let token = token(&P256, "a");
    assert!(authenticate(&authenticator, &token, at(0)).await.is_ok());
    assert!(authenticate(&authenticator, &token, at(79)).await.is_ok());
    assert_eq!(server.requests(), 1);
    // Hanging does not matter: the keys at hand are good for another twenty seconds.
    server.behave(Behaviour::Hang);
    let started = Instant::now();
    assert!(authenticate(&authenticator, &token, at(81)).await.is_ok());
    assert!(started.elapsed() < Duration::from_millis(200), "{:?}", started.elapsed());
    let asked = async {
        while server.requests() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, asked).await.expect("the refresh was asked for");
}

#[tokio::test]
async fn kept_fresh_keys_are_there_before_the_first_token() {
    let server = Server::publishing(&[("a", &P256)]).await;
    let authenticator = authenticator(&server, settings());
    let clock = Clock::start();
    let keeper = authenticator.clone();
    let keeping = tokio::spawn(async move { keeper.keep_keys_fresh(|| clock.now()).await });
    let fetched = async {
        while authenticator.stats().issuers[0].keys == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, fetched).await.expect("fetched without a token");
    assert!(authenticator.verify(&token(&P256, "a"), at(1)).is_ok());
    keeping.abort();
    let own = Issuer::new("own").secret(crate::signer::SECRET);
    let local = Authenticator::builder().issuer(own).build().expect("valid");
    timeout(PATIENCE, local.keep_keys_fresh(|| at(0))).await.expect("nothing to keep");
}
