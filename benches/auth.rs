//! A token verified: cold, from the cache, and forged, beside jsonwebtoken as anyone would call it.

#![expect(clippy::unwrap_used, reason = "a bench says what is wrong by panicking")]

use std::{
    hint::black_box,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use criterion::BenchmarkId;
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode,
    jwk::{Jwk, JwkSet},
};
use serde::{Deserialize, Serialize};
use ws_auth::{Authenticator, Issuer};

mod measured;

use measured::Criterion;

const ISSUER: &str = "https://issuer.example";
const AUDIENCE: &str = "gateway";
const KEY_ID: &str = "2026-01";
const SECRET: &[u8] = b"a secret for benches alone, of more than thirty-two bytes";

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    tier: String,
    channels: Vec<String>,
    permissions: Vec<String>,
    iat: u64,
    exp: u64,
}

/// One algorithm with a key that was made for this run.
struct Case {
    name: &'static str,
    algorithm: Algorithm,
    key: EncodingKey,
}

fn cases() -> [Case; 4] {
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let rsa: Pkcs8V1Der<'_> = rsa.as_der().unwrap();
    let rsa = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(rsa.as_ref())
    );
    let p256 = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let p256 = p256.to_pkcs8v1().unwrap();
    let ed25519 = Ed25519KeyPair::generate().unwrap().to_pkcs8v1().unwrap();
    [
        Case { name: "HS256", algorithm: Algorithm::HS256, key: EncodingKey::from_secret(SECRET) },
        Case {
            name: "RS256",
            algorithm: Algorithm::RS256,
            key: EncodingKey::from_rsa_pem(rsa.as_bytes()).unwrap(),
        },
        Case {
            name: "ES256",
            algorithm: Algorithm::ES256,
            key: EncodingKey::from_ec_der(p256.as_ref()),
        },
        Case {
            name: "EdDSA",
            algorithm: Algorithm::EdDSA,
            key: EncodingKey::from_ed_der(ed25519.as_ref()),
        },
    ]
}

impl Case {
    fn token(&self, wall: SystemTime) -> String {
        let iat = wall.duration_since(UNIX_EPOCH).unwrap().as_secs();
        let strings = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let claims = Claims {
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
            sub: "user-123".into(),
            tier: "pro".into(),
            channels: strings(&["chat:*", "notifications:user-123"]),
            permissions: strings(&["read", "write"]),
            iat,
            exp: iat + 3600,
        };
        let header = Header { kid: Some(KEY_ID.into()), ..Header::new(self.algorithm) };
        encode(&header, &claims, &self.key).unwrap()
    }

    fn authenticator(&self, cached_tokens_max: usize) -> Authenticator {
        let issuer = Issuer::new("issuer").iss(ISSUER).audience(AUDIENCE);
        let issuer = match self.algorithm {
            Algorithm::HS256 => issuer.secret(std::str::from_utf8(SECRET).unwrap()),
            _ => issuer.jwks(serde_json::to_string(&JwkSet { keys: vec![self.jwk()] }).unwrap()),
        };
        let builder = Authenticator::builder().issuer(issuer);
        builder.cached_tokens_max(cached_tokens_max).build().unwrap()
    }

    fn jwk(&self) -> Jwk {
        let mut jwk = Jwk::from_encoding_key(&self.key, self.algorithm).unwrap();
        jwk.common.key_id = Some(KEY_ID.into());
        jwk
    }

    fn decoding_key(&self) -> DecodingKey {
        match self.algorithm {
            Algorithm::HS256 => DecodingKey::from_secret(SECRET),
            _ => DecodingKey::from_jwk(&self.jwk()).unwrap(),
        }
    }
}

fn verify(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("jwt");
    let wall = wall();
    for case in cases() {
        let token = case.token(wall);
        // The last character holds no more than a few bits; the one in the middle changes the
        // signature for certain.
        let forged = {
            let (at, mut bytes) = (token.len() - 20, token.clone().into_bytes());
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            String::from_utf8(bytes).unwrap()
        };
        let forgery = format!("{}, forged", case.name);

        let cold = case.authenticator(0);
        group.bench_function(BenchmarkId::new("ours", case.name), |bencher| {
            bencher.iter(|| assert!(cold.verify(black_box(&token), wall).is_ok()));
        });
        group.bench_function(BenchmarkId::new("ours", &forgery), |bencher| {
            bencher.iter(|| assert!(cold.verify(black_box(&forged), wall).is_err()));
        });
        let cached = case.authenticator(1000);
        group.bench_function(BenchmarkId::new("ours, cached", case.name), |bencher| {
            bencher.iter(|| assert!(cached.verify(black_box(&token), wall).is_ok()));
        });

        let key = case.decoding_key();
        let mut validation = Validation::new(case.algorithm);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        let decoded = |token: &str| decode::<Claims>(token, &key, &validation).map(black_box);
        group.bench_function(BenchmarkId::new("jsonwebtoken", case.name), |bencher| {
            bencher.iter(|| assert!(decoded(black_box(&token)).is_ok()));
        });
        group.bench_function(BenchmarkId::new("jsonwebtoken", &forgery), |bencher| {
            bencher.iter(|| assert!(decoded(black_box(&forged)).is_err()));
        });
    }
}

/// A wave of clients that come back: as many tokens as the cache holds, none asked for twice in a
/// row.
fn verify_a_wave(criterion: &mut Criterion) {
    const TOKENS: usize = 20_000;
    let mut group = criterion.benchmark_group("jwt, wave of 20,000");
    let wall = wall();
    let [hs256, ..] = cases();
    let tokens: Vec<_> =
        (0..TOKENS as u64).map(|i| hs256.token(wall + Duration::from_secs(i))).collect();
    let authenticator = hs256.authenticator(TOKENS * 2);
    for token in &tokens {
        assert!(authenticator.verify(token, wall).is_ok());
    }
    let mut i = 0;
    group.bench_function(BenchmarkId::new("ours, cached", "HS256"), |bencher| {
        bencher.iter(|| {
            i = (i + 7919) % TOKENS;
            assert!(authenticator.verify(black_box(&tokens[i]), wall).is_ok());
        });
    });
}

#[expect(
    clippy::disallowed_methods,
    reason = "jsonwebtoken reads the clock, so tokens are of today"
)]
fn wall() -> SystemTime {
    SystemTime::now()
}

fn main() {
    measured::run(&[verify, verify_a_wave]);
}
