//! Every forged token that we can think of, against every kind of configuration.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};
use ws_auth::AuthError::{self, AlgorithmNotAllowed, BadSignature, Malformed, UnknownKey};
use ws_auth::{Authenticator, Issuer};

use crate::signer::{
    ED25519, HMAC, OTHER_ED25519, OTHER_HMAC, OTHER_P256, OTHER_P384, OTHER_RSA, P256, P384, RSA,
    SECRET, Signer, at, good_claims, jwks, unsigned,
};

/// An authenticator, and a key that it trusts under the id `ours`.
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) authenticator: Authenticator,
    pub(crate) algorithm: &'static str,
    pub(crate) signer: &'static Signer,
    other: &'static Signer,
    takes_hmac: bool,
}

/// Made when first used.
type Lazy = std::sync::LazyLock<Signer>;

const PAIRS: [(&Lazy, &Lazy); 4] =
    [(&RSA, &OTHER_RSA), (&P256, &OTHER_P256), (&P384, &OTHER_P384), (&ED25519, &OTHER_ED25519)];

fn build(issuer: Issuer) -> Authenticator {
    let issuer = issuer.iss("https://issuer.example").audience("gateway");
    Authenticator::builder().issuer(issuer).build().expect("a valid configuration")
}

/// Each algorithm as a PEM, in an inline JWK set, beside a secret, and with all others together.
pub(crate) fn targets() -> Vec<Target> {
    let mut targets = Vec::new();
    let all = jwks(&[("rsa", &RSA), ("ours", &P256), ("p384", &P384), ("ed", &ED25519)]);
    targets.push(Target {
        name: "ES256 among others".into(),
        authenticator: build(Issuer::new("t").jwks(all)),
        algorithm: "ES256",
        signer: &P256,
        other: &OTHER_P256,
        takes_hmac: false,
    });
    for algorithm in HMAC.algorithms().iter().copied() {
        let pinned = algorithm.parse().expect("an algorithm");
        targets.push(Target {
            name: format!("{algorithm} alone"),
            authenticator: build(Issuer::new("t").secret(SECRET).algorithms([pinned])),
            algorithm,
            signer: &HMAC,
            other: &OTHER_HMAC,
            takes_hmac: true,
        });
    }
    for (signer, other) in PAIRS {
        for algorithm in signer.algorithms().iter().copied() {
            let pinned = algorithm.parse().expect("an algorithm");
            let kinds = [
                ("PEM", Issuer::new("t").pem(signer.public_pem()), false),
                ("JWKS", Issuer::new("t").jwks(jwks(&[("ours", signer)])), false),
                (
                    "JWKS, pinned",
                    Issuer::new("t").jwks(jwks(&[("ours", signer)])).algorithms([pinned]),
                    false,
                ),
                (
                    "JWKS beside a secret",
                    Issuer::new("t").jwks(jwks(&[("ours", signer)])).secret(SECRET),
                    true,
                ),
            ];
            targets.extend(kinds.map(|(kind, issuer, takes_hmac)| Target {
                name: format!("{algorithm} by {kind}"),
                authenticator: build(issuer),
                algorithm,
                signer,
                other,
                takes_hmac,
            }));
        }
    }
    targets
}

impl Target {
    #[track_caller]
    pub(crate) fn refuses(&self, what: &str, token: &str, expect: &[AuthError]) {
        let error = match self.authenticator.verify(token, at(0)) {
            Ok(_) => panic!("{}: {what} was taken for good", self.name),
            Err(error) => AuthError::from(error),
        };
        assert!(expect.contains(&error), "{}: {what}: {error:?} instead of {expect:?}", self.name);
        let said = format!("{error} {error:?} {} {}", error.code(), error.public_reason());
        for segment in token.split('.').filter(|segment| segment.len() > 8) {
            assert!(!said.contains(segment), "{}: {what}: the error shows the token", self.name);
        }
    }

    pub(crate) fn header(&self) -> Value {
        json!({ "alg": self.algorithm, "typ": "JWT", "kid": "ours" })
    }

    pub(crate) fn header_with(&self, name: &str, value: Value) -> Value {
        let mut header = self.header();
        header[name] = value;
        header
    }

    pub(crate) fn good_token(&self) -> String {
        self.signer.token(self.algorithm, &self.header(), &good_claims())
    }

    /// What a secret's authenticator says to the algorithm of an HMAC, and others to having it.
    fn on_hmac(&self) -> &'static [AuthError] {
        if self.takes_hmac { &[BadSignature, AlgorithmNotAllowed] } else { &[AlgorithmNotAllowed] }
    }
}

fn with_signature(token: &str, signature: &str) -> String {
    let (signed, _) = token.rsplit_once('.').expect("three segments");
    format!("{signed}.{signature}")
}

fn signature_of(token: &str) -> Vec<u8> {
    let (_, signature) = token.rsplit_once('.').expect("three segments");
    URL_SAFE_NO_PAD.decode(signature).expect("base64url")
}

#[test]
fn the_targets_take_what_is_good() {
    for target in targets() {
        let identity = target.authenticator.verify(&target.good_token(), at(0));
        let identity = identity.unwrap_or_else(|error| panic!("{}: {error}", target.name));
        assert_eq!(&*identity.user_id, "user-123");
    }
}

#[test]
fn unsigned_tokens_are_refused_however_none_is_spelled() {
    for target in targets() {
        let real = target.good_token();
        let (_, signature) = real.rsplit_once('.').expect("three segments");
        for none in ["none", "None", "NONE", "nOnE", "none ", "\u{0}none", "", "null"] {
            let signed = unsigned(&target.header_with("alg", none.into()), &good_claims());
            target.refuses(none, &format!("{signed}."), &[AlgorithmNotAllowed]);
            target.refuses(none, &format!("{signed}.{signature}"), &[AlgorithmNotAllowed]);
        }
        let escaped = URL_SAFE_NO_PAD.encode(r#"{"alg":"\u006eone"}"#);
        let (_, payload) = unsigned(&json!({}), &good_claims())
            .split_once('.')
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .expect("two");
        target.refuses("an escaped none", &format!("{escaped}.{payload}."), &[AlgorithmNotAllowed]);
        let twice =
            URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{}","alg":"none"}}"#, target.algorithm));
        target.refuses("alg twice", &format!("{twice}.{payload}."), &[Malformed]);
        for value in [json!(null), json!(["none"]), json!(0), json!({}), json!(true)] {
            let signed = unsigned(&target.header_with("alg", value), &good_claims());
            target.refuses("an alg that is no string", &format!("{signed}."), &[Malformed]);
        }
    }
}

#[test]
fn the_public_key_is_not_a_secret() {
    for target in targets().iter().filter(|target| !matches!(target.signer, Signer::Secret(_))) {
        let signer = target.signer;
        let jwk = signer.jwk("ours");
        let numbers = ["n", "e", "x", "y"].iter().filter_map(|name| jwk[name].as_str());
        let mut guesses = vec![
            signer.public_pem().into_bytes(),
            signer.public_pem().trim().as_bytes().to_vec(),
            signer.public_der(),
            STANDARD.encode(signer.public_der()).into_bytes(),
            jwk.to_string().into_bytes(),
            jwks(&[("ours", signer)]).into_bytes(),
            b"ours".to_vec(),
            Vec::new(),
            vec![0; 32],
        ];
        for number in numbers {
            guesses.push(number.as_bytes().to_vec());
            guesses.push(URL_SAFE_NO_PAD.decode(number).expect("base64url"));
        }
        for guess in guesses {
            let forger = Signer::Secret(guess);
            for algorithm in forger.algorithms() {
                let header = target.header_with("alg", (*algorithm).into());
                let token = forger.token(algorithm, &header, &good_claims());
                target.refuses("HMAC keyed with public material", &token, target.on_hmac());
            }
        }
    }
}

#[test]
fn a_token_cannot_bring_its_own_key() {
    for target in targets() {
        let own = target.other.jwk("ours");
        let own_set = json!({ "keys": [own] });
        let certificate = STANDARD.encode([0x30; 300]);
        let additions = [
            ("jwk", own.clone()),
            ("jwk", target.other.jwk("mine")),
            ("jku", json!("https://evil.example/jwks.json")),
            ("jku", json!(format!("data:application/json,{own_set}"))),
            ("x5u", json!("https://evil.example/cert.pem")),
            ("x5c", json!([certificate])),
            ("x5t", json!("AQAB")),
            ("x5t#S256", json!("AQAB")),
            ("keys", own_set["keys"].clone()),
        ];
        for (name, value) in additions {
            let header = target.header_with(name, value.clone());
            let token = target.other.token(target.algorithm, &header, &good_claims());
            target.refuses(name, &token, &[BadSignature]);
            let mut header = json!({ "alg": target.algorithm, "kid": "mine" });
            header[name] = value;
            let token = target.other.token(target.algorithm, &header, &good_claims());
            target.refuses(name, &token, &[BadSignature, UnknownKey]);
        }
    }
}

#[test]
fn the_right_key_id_does_not_make_another_key_right() {
    for target in targets() {
        let token = target.other.token(target.algorithm, &target.header(), &good_claims());
        target.refuses("another key of the same kind", &token, &[BadSignature]);
        for key_id in ["", "OURS", "ours ", "../../../../dev/null", "' OR '1'='1", "*", "0"] {
            let header = target.header_with("kid", key_id.into());
            let token = target.other.token(target.algorithm, &header, &good_claims());
            target.refuses(key_id, &token, &[BadSignature, UnknownKey]);
        }
        for key_id in [json!(7), json!(["ours"]), json!({}), json!("k".repeat(1000))] {
            let header = target.header_with("kid", key_id);
            let token = target.signer.token(target.algorithm, &header, &good_claims());
            target.refuses("an absurd key id", &token, &[Malformed]);
        }
    }
}

#[test]
fn a_signature_by_one_algorithm_is_not_one_by_another() {
    let all: Vec<&str> = [&HMAC, &RSA, &P256, &P384, &ED25519]
        .iter()
        .flat_map(|signer| signer.algorithms().iter().copied())
        .chain(["ES512", "ES256K", "RS1", "HS1", "RSA-OAEP", "dir", "A256GCM", "hs256", "rs256"])
        .collect();
    for target in targets() {
        let signed_by =
            |header: &Value| target.signer.token(target.algorithm, header, &good_claims());
        for label in all.iter().filter(|label| **label != target.algorithm) {
            let token = signed_by(&target.header_with("alg", (*label).into()));
            target.refuses(label, &token, &[AlgorithmNotAllowed, BadSignature, UnknownKey]);
        }
    }
}

#[test]
fn every_change_of_a_signed_token_is_seen() {
    for target in targets() {
        let good = target.good_token();
        let parts: Vec<&str> = good.split('.').collect();
        let admin =
            unsigned(&target.header(), &crate::signer::claims_with(json!({ "sub": "admin" })));
        target.refuses("another user", &format!("{admin}.{}", parts[2]), &[BadSignature]);
        let header = target.header_with("x", 1.into());
        let longer = unsigned(&header, &good_claims());
        target.refuses("another header", &format!("{longer}.{}", parts[2]), &[BadSignature]);

        let signature = signature_of(&good);
        let encode = |bytes: &[u8]| with_signature(&good, &URL_SAFE_NO_PAD.encode(bytes));
        for bit in [0, 7, signature.len() * 4, signature.len() * 8 - 1] {
            let mut flipped = signature.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            target.refuses("a flipped bit", &encode(&flipped), &[BadSignature]);
        }
        let mut long = signature.clone();
        long.push(0);
        let mut one = vec![0; signature.len()];
        one[signature.len() - 1] = 1;
        for (what, forged) in [
            ("no signature", &[][..]),
            ("a short one", &signature[..signature.len() - 1]),
            ("half of one", &signature[..signature.len() / 2]),
            ("a long one", &long),
            // r = s = 0 passed for good in some ECDSA ("psychic signatures"), and 0 and 1 are their
            // own powers in RSA.
            ("zeros", &vec![0; signature.len()]),
            ("a one", &one),
            ("ones", &vec![0xff; signature.len()]),
            ("DER of zeros", &[0x30, 0x06, 0x02, 0x01, 0x00, 0x02, 0x01, 0x00]),
            ("the name of a key", b"ours"),
        ] {
            target.refuses(what, &encode(forged), &[BadSignature]);
        }
    }
}

#[test]
fn refusals_are_counted_by_cause_and_nothing_refused_is_remembered() {
    for target in targets() {
        let token = target.other.token(target.algorithm, &target.header(), &good_claims());
        for _ in 0..3 {
            target.refuses("another key", &token, &[BadSignature]);
        }
        let stats = target.authenticator.stats();
        assert_eq!(stats.refused_with("bad_signature"), 3);
        assert_eq!((stats.refused_total(), stats.verified, stats.cached_tokens), (3, 0, 0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever is done to the letters of a good token, what comes out is it or is refused.
    #[test]
    fn no_edit_of_a_token_passes(edits in prop::collection::vec((any::<Index>(), 0_u8..3, "[A-Za-z0-9_.-]"), 1..4)) {
        for target in EDITED.iter() {
            let good = target.good_token();
            let mut token = good.clone();
            for (index, edit, letter) in &edits {
                let at = index.index(token.len());
                match edit {
                    0 => token.replace_range(at..=at, letter),
                    1 => token.insert_str(at, letter),
                    _ => drop(token.remove(at)),
                }
            }
            let outcome = target.authenticator.verify(&token, at(0));
            prop_assert!(token == good || outcome.is_err(), "{}", target.name);
        }
    }
}

/// One of each kind of key, for properties.
static EDITED: std::sync::LazyLock<Vec<Target>> = std::sync::LazyLock::new(|| {
    let wanted = ["HS256 alone", "RS256 by JWKS", "ES256 by PEM", "EdDSA by PEM"];
    let found: Vec<_> =
        targets().into_iter().filter(|target| wanted.contains(&&*target.name)).collect();
    assert_eq!(found.len(), wanted.len());
    found
});
