//! DESIGN §4.5: keys that somebody else publishes. (What a hostile issuer may try is told in the tests
//! of `ws-auth`.)

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use axum::{Router, routing::get};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{
    client::Client,
    exchange::{fetch, upgrade},
    house::House,
};

/// An identity provider on loopback with one key.
struct Issuer {
    origin: String,
    pair: EcdsaKeyPair,
    fetches: Arc<AtomicUsize>,
}

impl Issuer {
    /// Publishes its key at this path.
    async fn open(path: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key pair");
        let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
        let [x, y] = [x, y].map(|half| URL_SAFE_NO_PAD.encode(half));
        let key = json!({ "kty": "EC", "crv": "P-256", "kid": "key-1", "x": x, "y": y });
        let keys = json!({ "keys": [key] }).to_string();
        let fetches = Arc::<AtomicUsize>::default();
        let counted = fetches.clone();
        let publish = move || async move {
            counted.fetch_add(1, Ordering::SeqCst);
            keys
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let origin = format!("http://{}", listener.local_addr().expect("bound"));
        let router = Router::new().route(path, get(publish));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { origin, pair, fetches }
    }

    /// A token with these claims, good for an hour.
    fn token(&self, mut claims: Value) -> String {
        #[expect(clippy::disallowed_methods, reason = "the gateway's clock is the system's")]
        let now = std::time::SystemTime::now();
        let now = now.duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
        claims["exp"] = (now + 3600).into();
        let header = json!({ "alg": "ES256", "typ": "JWT", "kid": "key-1" });
        let [header, claims] =
            [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = format!("{header}.{claims}");
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).expect("signs");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

async fn status(house: &House, token: &str) -> u16 {
    fetch(house.address, upgrade(&format!("/ws?token={token}"), "")).await.status
}

#[tokio::test]
async fn section_4_5_keys_are_fetched_from_jwks_url_once_for_all_who_come() {
    let issuer = Issuer::open("/keys.json").await;
    let url = format!("{}/keys.json", issuer.origin);
    let house = House::open(&[
        ("JWT_SECRET_KEY", ""),
        ("JWKS_URL", &url),
        ("JWT_ISSUER", "https://issuer.example"),
        ("JWT_AUDIENCE", "gateway"),
        ("MAX_CONNECTIONS_PER_USER", "0"),
    ]);
    let claims = json!({ "iss": "https://issuer.example", "aud": "gateway", "sub": "ada" });
    let token = issuer.token(claims);
    let target = format!("/ws?token={token}");
    let all = std::iter::repeat_with(|| Client::connect(house.address, &target)).take(10);
    for mut client in futures_util::future::join_all(all).await {
        assert_eq!(client.next().await["userId"], "ada");
    }
    let mut by_message = Client::connect(house.address, "/ws").await;
    assert_eq!(by_message.next().await["type"], "connected");
    by_message.send(json!({ "token": token })).await;
    assert_eq!(by_message.next().await["type"], "authenticated");
    assert_eq!(issuer.fetches.load(Ordering::SeqCst), 1);
    // The right key, and something else that is wrong.
    for claims in [
        json!({ "iss": "https://evil.example", "aud": "gateway", "sub": "ada" }),
        json!({ "iss": "https://issuer.example", "aud": "another", "sub": "ada" }),
        json!({ "iss": "https://issuer.example", "aud": "gateway" }),
    ] {
        assert_eq!(status(&house, &issuer.token(claims)).await, 401);
    }
    // Somebody else's key under the same name.
    let other = Issuer::open("/keys.json").await;
    let claims = json!({ "iss": "https://issuer.example", "aud": "gateway", "sub": "ada" });
    assert_eq!(status(&house, &other.token(claims)).await, 401);
}

#[tokio::test]
async fn section_4_5_a_supabase_project_is_named_by_its_domain() {
    let issuer = Issuer::open("/auth/v1/.well-known/jwks.json").await;
    let house = House::open(&[("JWT_SECRET_KEY", ""), ("SUPABASE_AUTH_DOMAIN", &issuer.origin)]);
    let iss = format!("{}/auth/v1", issuer.origin);
    let token = issuer.token(json!({ "iss": iss, "aud": "authenticated", "sub": "ada" }));
    let mut client = Client::connect(house.address, &format!("/ws?token={token}")).await;
    assert_eq!(client.next().await["userId"], "ada");
    let token = issuer.token(json!({ "iss": iss, "aud": "anon", "sub": "ada" }));
    assert_eq!(status(&house, &token).await, 401);
}

#[tokio::test]
async fn section_4_5_an_issuer_that_does_not_publish_its_keys_is_our_fault_and_503() {
    let issuer = Issuer::open("/keys.json").await;
    let url = format!("{}/not-there-yet.json", issuer.origin);
    let house = House::open(&[("JWT_SECRET_KEY", ""), ("JWKS_URL", &url)]);
    let response = fetch(
        house.address,
        upgrade(&format!("/ws?token={}", issuer.token(json!({ "sub": "a" }))), ""),
    );
    let response = response.await;
    assert_eq!((response.status, response.header("retry-after")), (503, Some("1")));
    assert_eq!(response.json()["code"], "keys_unavailable");
    assert_eq!(house.rejected("keys_unavailable"), 1);
}
