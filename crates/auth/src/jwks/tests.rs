use super::*;
use proptest::prelude::*;
use serde_json::json;

fn rsa_2048() -> Value {
    let mut n = [0xab; 256];
    n[255] = 1;
    json!({ "kty": "RSA", "n": URL_SAFE_NO_PAD.encode(n), "e": "AQAB" })
}

fn with(mut key: Value, members: Value) -> Value {
    let (Some(key_members), Value::Object(members)) = (key.as_object_mut(), members) else {
        panic!("both are objects");
    };
    key_members.extend(members);
    key
}

#[expect(clippy::needless_pass_by_value, reason = "the tables read better without &")]
fn check(key: Value, expect: Option<KeyFault>) {
    let document = json!({ "keys": [key] }).to_string();
    let read = read_jwks(document.as_bytes(), AlgorithmSet::KEY_PAIRS).expect("a set");
    assert_eq!(read.skipped.first().copied(), expect, "{document}");
    assert_eq!(read.keys.len(), usize::from(expect.is_none()));
}

#[test]
fn keys_that_are_not_certainly_for_verifying_are_left_out() {
    check(rsa_2048(), None);
    check(with(rsa_2048(), json!({ "use": "sig", "key_ops": ["verify"], "alg": "PS256" })), None);
    check(with(rsa_2048(), json!({ "use": "enc" })), Some(KeyFault::NotForVerifying));
    check(with(rsa_2048(), json!({ "key_ops": ["encrypt"] })), Some(KeyFault::NotForVerifying));
    check(with(rsa_2048(), json!({ "key_ops": [] })), Some(KeyFault::NotForVerifying));
    check(with(rsa_2048(), json!({ "d": "AQAB" })), Some(KeyFault::Private));
    check(with(rsa_2048(), json!({ "alg": "RSA-OAEP" })), Some(KeyFault::AlgorithmNotAllowed));
    check(with(rsa_2048(), json!({ "alg": "HS256" })), Some(KeyFault::AlgorithmNotAllowed));
    check(with(rsa_2048(), json!({ "alg": "none" })), Some(KeyFault::AlgorithmNotAllowed));
    check(with(rsa_2048(), json!({ "alg": "ES256" })), Some(KeyFault::AlgorithmNotAllowed));
    check(with(rsa_2048(), json!({ "n": "not base64!" })), Some(KeyFault::Malformed));
    check(with(rsa_2048(), json!({ "kid": 7 })), Some(KeyFault::Malformed));
    check(json!({ "kty": "RSA" }), Some(KeyFault::Malformed));
    check(json!({ "kty": "rsa", "n": "AQAB", "e": "AQAB" }), Some(KeyFault::Unsupported));
    check(json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB" }), Some(KeyFault::RsaSize(17)));
    check(json!({ "kty": "oct", "k": "c2VjcmV0" }), Some(KeyFault::Symmetric));
    check(
        json!({ "kty": "oct", "k": "c2VjcmV0", "alg": "HS256", "use": "sig" }),
        Some(KeyFault::Symmetric),
    );
    check(json!({ "kty": "OKP", "crv": "X25519", "x": "AQAB" }), Some(KeyFault::Unsupported));
    check(json!({ "kty": "OKP", "crv": "Ed448", "x": "AQAB" }), Some(KeyFault::Unsupported));
    check(json!({ "kty": "OKP", "crv": "Ed25519", "x": "AQAB" }), Some(KeyFault::Malformed));
    check(
        json!({ "kty": "EC", "crv": "secp256k1", "x": "AQAB", "y": "AQAB" }),
        Some(KeyFault::Unsupported),
    );
    check(
        json!({ "kty": "EC", "crv": "P-521", "x": "AQAB", "y": "AQAB" }),
        Some(KeyFault::Unsupported),
    );
    check(
        json!({ "kty": "EC", "crv": "P-256", "x": "AQAB", "y": "AQAB" }),
        Some(KeyFault::Malformed),
    );
    check(json!("a key"), Some(KeyFault::Malformed));
    check(Value::Null, Some(KeyFault::Malformed));
}

#[test]
fn one_bad_key_does_not_spoil_the_others_and_two_may_share_an_id() {
    let good = with(rsa_2048(), json!({ "kid": "a" }));
    let document =
        json!({ "keys": [good, { "kty": "oct", "k": "" }, good], "extra": 1 }).to_string();
    let read = read_jwks(document.as_bytes(), AlgorithmSet::KEY_PAIRS).expect("a set");
    assert_eq!(read.skipped, [KeyFault::Symmetric]);
    assert_eq!(read.keys.fitting(Some("a"), Algorithm::Rs256).count(), 2);
}

#[test]
fn documents_that_are_not_key_sets_are_refused_whole() {
    let check = |document: &str, expect: Option<JwksError>| {
        let read = read_jwks(document.as_bytes(), AlgorithmSet::KEY_PAIRS);
        assert_eq!(read.err(), expect, "{document}");
    };
    check(r#"{"keys":[]}"#, None);
    for document in
        ["", "{}", "[]", "[[]]", "null", "<html>", r#"{"keys":{}}"#, r#"{"keys":null}"#, "{"]
    {
        check(document, Some(JwksError::NotAKeySet));
    }
    let many = json!({ "keys": vec![0; KEYS_MAX + 1] }).to_string();
    check(&many, Some(JwksError::TooManyKeys));
}

#[test]
fn pem_is_for_public_keys_only() {
    let fault = |text: &str| read_pem(text, AlgorithmSet::KEY_PAIRS).err();
    assert_eq!(fault(""), Some(KeyFault::Malformed));
    assert_eq!(fault("secret"), Some(KeyFault::Malformed));
    let block = |label: &str| format!("-----BEGIN {label}-----\nAQAB\n-----END {label}-----\n");
    assert_eq!(fault(&block("PRIVATE KEY")), Some(KeyFault::Private));
    assert_eq!(fault(&block("RSA PRIVATE KEY")), Some(KeyFault::Private));
    assert_eq!(fault(&block("ENCRYPTED PRIVATE KEY")), Some(KeyFault::Private));
    assert_eq!(fault(&block("CERTIFICATE")), Some(KeyFault::Unsupported));
    assert_eq!(fault(&block("PUBLIC KEY")), Some(KeyFault::Unsupported));
}

proptest! {
    #[test]
    fn no_document_panics(document in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read_jwks(&document, AlgorithmSet::KEY_PAIRS);
        let _ = read_pem(&String::from_utf8_lossy(&document), AlgorithmSet::KEY_PAIRS);
    }
}
