//! Tokens that are not one plain, canonical, modest JWT, well signed or not.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use ws_auth::AuthError::{CriticalHeader, Malformed, TooLarge, WrongType};

use crate::forged::targets;
use crate::signer::{at, claims_with, good_claims};

#[test]
fn one_token_has_one_spelling() {
    for target in targets() {
        let good = target.good_token();
        let parts: Vec<&str> = good.split('.').collect();
        let (header, payload, signature) = (parts[0], parts[1], parts[2]);
        // The last letter of a segment may have bits that decode to nothing: setting one gives
        // another text for the same bytes.
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let stray = parts.iter().find(|part| part.len() % 4 != 0).map(|part| {
            let last = part.bytes().last().expect("not empty");
            let index = alphabet.iter().position(|letter| *letter == last).expect("base64url");
            let twin = format!("{}{}", &part[..part.len() - 1], char::from(alphabet[index ^ 1]));
            good.replace(part, &twin)
        });
        let spellings = [
            format!("{good}="),
            format!("{good}=="),
            format!("{header}=.{payload}.{signature}"),
            format!(" {good}"),
            format!("{good} "),
            format!("{good}\n"),
            format!("{header}.{payload}\n.{signature}"),
            format!("{good}\u{0}"),
            format!("{good}."),
            format!(".{good}"),
            format!("{good}.{signature}"),
            format!("{header}.{payload}"),
            format!("{header}..{signature}"),
            format!(".{payload}.{signature}"),
            header.to_owned(),
            format!("{header}.{payload}.{signature}.{signature}.{signature}"),
            format!("Bearer {good}"),
            format!("\"{good}\""),
            json!({ "protected": header, "payload": payload, "signature": signature }).to_string(),
            String::new(),
            "..".into(),
            ".".into(),
            "....".into(),
            "token".into(),
            "é.é.é".into(),
            stray.expect("some segment has stray bits"),
        ];
        for token in spellings {
            target.refuses("another spelling", &token, &[Malformed]);
        }
        for (what, payload) in [
            ("no object", "[]"),
            ("no JSON", "sub=admin"),
            ("nothing", ""),
            ("null", "null"),
            ("a nested token", good.as_str()),
            ("sub twice", r#"{"sub":"user-123","sub":"admin"}"#),
            ("not UTF-8", "\u{fffd}"),
        ] {
            let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(payload));
            let signature = target.signer.sign(target.algorithm, signed.as_bytes());
            let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
            target.refuses(what, &token, &[Malformed]);
        }
    }
}

#[test]
fn headers_that_demand_or_pretend_are_refused_even_when_well_signed() {
    for target in targets() {
        let signed = |header: &Value| target.signer.token(target.algorithm, header, &good_claims());
        for crit in [json!(["exp"]), json!(["b64"]), json!([]), json!("b64"), json!(null)] {
            let token = signed(&target.header_with("crit", crit));
            target.refuses("crit", &token, &[CriticalHeader]);
        }
        for kind in ["logout+jwt", "dpop+jwt", "secevent+jwt", "JOSE", "application/json", ""] {
            let token = signed(&target.header_with("typ", kind.into()));
            target.refuses(kind, &token, &[WrongType]);
        }
        for kind in ["JWT", "jwt", "at+jwt", "application/at+jwt", "AT+JWT"] {
            let token = signed(&target.header_with("typ", kind.into()));
            assert!(target.authenticator.verify(&token, at(0)).is_ok(), "{}: {kind}", target.name);
        }
    }
}

#[test]
fn tokens_beyond_the_limit_are_not_looked_at() {
    for target in targets() {
        let claims = claims_with(json!({ "padding": "x".repeat(8 * 1024) }));
        let token = target.signer.token(target.algorithm, &target.header(), &claims);
        target.refuses("a long token", &token, &[TooLarge]);
        target.refuses("a flood", &"a".repeat(1 << 20), &[TooLarge]);
        let deep = format!("{}{}", "[".repeat(2000), "]".repeat(2000));
        let deep = format!(
            "{}.{}.AAAA",
            URL_SAFE_NO_PAD.encode(target.header().to_string()),
            URL_SAFE_NO_PAD.encode(deep)
        );
        target.refuses("a deep token", &deep, &[Malformed]);
    }
}
