//! Whoever holds keys and can write whatever they like: issuers, and those who forge.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair};
use aws_lc_rs::{hmac, signature::RsaPublicKeyComponents};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

pub(crate) const SECRET: &str = "a secret of our own, of sixty-four bytes or more, for HS512 also.";
/// The time at which these tests are set.
pub(crate) const NOW: u64 = 1_700_000_000;

pub(crate) fn at(offset: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW.saturating_add_signed(offset))
}

/// A key pair or a secret.
pub(crate) enum Signer {
    Secret(Vec<u8>),
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// Ours and somebody else's, made once: RSA keys take a while.
pub(crate) static RSA: LazyLock<Signer> = LazyLock::new(Signer::rsa);
pub(crate) static OTHER_RSA: LazyLock<Signer> = LazyLock::new(Signer::rsa);
pub(crate) static P256: LazyLock<Signer> = LazyLock::new(Signer::p256);
pub(crate) static OTHER_P256: LazyLock<Signer> = LazyLock::new(Signer::p256);
pub(crate) static P384: LazyLock<Signer> = LazyLock::new(Signer::p384);
pub(crate) static OTHER_P384: LazyLock<Signer> = LazyLock::new(Signer::p384);
pub(crate) static ED25519: LazyLock<Signer> = LazyLock::new(Signer::ed25519);
pub(crate) static OTHER_ED25519: LazyLock<Signer> = LazyLock::new(Signer::ed25519);
pub(crate) static HMAC: LazyLock<Signer> = LazyLock::new(|| Signer::Secret(SECRET.into()));
pub(crate) static OTHER_HMAC: LazyLock<Signer> = LazyLock::new(|| {
    Signer::Secret(b"the secret of somebody else, of sixty-four bytes and some".into())
});

impl Signer {
    pub(crate) fn rsa() -> Self {
        Self::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).expect("RSA keys can be made"))
    }

    pub(crate) fn p256() -> Self {
        let algorithm = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
        Self::P256(EcdsaKeyPair::generate(algorithm).expect("P-256 keys can be made"))
    }

    pub(crate) fn p384() -> Self {
        let algorithm = &signature::ECDSA_P384_SHA384_FIXED_SIGNING;
        Self::P384(EcdsaKeyPair::generate(algorithm).expect("P-384 keys can be made"))
    }

    pub(crate) fn ed25519() -> Self {
        Self::Ed25519(Ed25519KeyPair::generate().expect("Ed25519 keys can be made"))
    }

    /// The algorithms that this signer can sign with.
    pub(crate) fn algorithms(&self) -> &'static [&'static str] {
        match self {
            Self::Secret(_) => &["HS256", "HS384", "HS512"],
            Self::Rsa(_) => &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
            Self::P256(_) => &["ES256"],
            Self::P384(_) => &["ES384"],
            Self::Ed25519(_) => &["EdDSA"],
        }
    }

    pub(crate) fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Secret(secret) => {
                let algorithm = match algorithm {
                    "HS256" => hmac::HMAC_SHA256,
                    "HS384" => hmac::HMAC_SHA384,
                    "HS512" => hmac::HMAC_SHA512,
                    _ => panic!("a secret cannot sign {algorithm}"),
                };
                hmac::sign(&hmac::Key::new(algorithm, secret), message).as_ref().to_vec()
            }
            Self::Rsa(pair) => {
                let padding: &'static dyn signature::RsaEncoding = match algorithm {
                    "RS256" => &signature::RSA_PKCS1_SHA256,
                    "RS384" => &signature::RSA_PKCS1_SHA384,
                    "RS512" => &signature::RSA_PKCS1_SHA512,
                    "PS256" => &signature::RSA_PSS_SHA256,
                    "PS384" => &signature::RSA_PSS_SHA384,
                    "PS512" => &signature::RSA_PSS_SHA512,
                    _ => panic!("an RSA key cannot sign {algorithm}"),
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, message, &mut signature).expect("RSA signs");
                signature
            }
            Self::P256(pair) | Self::P384(pair) => {
                pair.sign(&random, message).expect("ECDSA signs").as_ref().to_vec()
            }
            Self::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    /// The public key as a JWK without `alg`, so that one RSA key serves all six.
    pub(crate) fn jwk(&self, id: &str) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let point = |curve: &str, pair: &EcdsaKeyPair| {
            let (x, y) = {
                let point = &pair.public_key().as_ref()[1..];
                point.split_at(point.len() / 2)
            };
            json!({ "kty": "EC", "crv": curve, "x": text(x), "y": text(y) })
        };
        let mut jwk = match self {
            Self::Secret(secret) => json!({ "kty": "oct", "k": text(secret) }),
            Self::Rsa(pair) => {
                let key = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({ "kty": "RSA", "n": text(&key.n), "e": text(&key.e) })
            }
            Self::P256(pair) => point("P-256", pair),
            Self::P384(pair) => point("P-384", pair),
            Self::Ed25519(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": text(pair.public_key().as_ref()) })
            }
        };
        jwk["kid"] = id.into();
        jwk["use"] = "sig".into();
        jwk
    }

    /// The public key in DER and in PEM.
    pub(crate) fn public_der(&self) -> Vec<u8> {
        match self {
            Self::Secret(_) => panic!("a secret has no public half"),
            Self::Rsa(pair) => pair.public_key().as_der().expect("encodes").as_ref().to_vec(),
            Self::P256(pair) | Self::P384(pair) => {
                pair.public_key().as_der().expect("encodes").as_ref().to_vec()
            }
            Self::Ed25519(pair) => pair.public_key().as_der().expect("encodes").as_ref().to_vec(),
        }
    }

    pub(crate) fn public_pem(&self) -> String {
        let body = STANDARD.encode(self.public_der());
        let lines: Vec<&str> = (0..body.len())
            .step_by(64)
            .map(|start| &body[start..(start + 64).min(body.len())])
            .collect();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
    }

    /// A token with this header and these claims.
    pub(crate) fn token(&self, algorithm: &str, header: &Value, claims: &Value) -> String {
        let signed = unsigned(header, claims);
        let signature = self.sign(algorithm, signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// An ordinary token by the algorithm, with a key id and these claims.
    pub(crate) fn plain_token(&self, algorithm: &str, key_id: &str, claims: &Value) -> String {
        self.token(algorithm, &json!({ "alg": algorithm, "typ": "JWT", "kid": key_id }), claims)
    }
}

/// The first two segments of a token.
pub(crate) fn unsigned(header: &Value, claims: &Value) -> String {
    let text = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", text(header), text(claims))
}

/// A JWK set.
pub(crate) fn jwks(keys: &[(&str, &Signer)]) -> String {
    let keys: Vec<Value> = keys.iter().map(|(id, signer)| signer.jwk(id)).collect();
    json!({ "keys": keys }).to_string()
}

/// Claims that every authenticator of these tests accepts at [`NOW`].
pub(crate) fn good_claims() -> Value {
    json!({
        "iss": "https://issuer.example",
        "aud": "gateway",
        "sub": "user-123",
        "iat": NOW - 10,
        "exp": NOW + 600,
    })
}

/// The good claims with some members replaced; a member that becomes null is taken out.
pub(crate) fn claims_with(changes: Value) -> Value {
    let mut claims = good_claims();
    let (Some(members), Value::Object(changes)) = (claims.as_object_mut(), changes) else {
        panic!("claims are objects");
    };
    for (name, value) in changes {
        if value.is_null() {
            members.remove(&name);
        } else {
            members.insert(name, value);
        }
    }
    claims
}
