//! Reading keys: JWK sets (RFC 7517) and PEM. What is not certainly a public key for signatures is
//! left out.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use serde::Deserialize;
use serde_json::Value;

use crate::algorithm::{Algorithm, AlgorithmSet};
use crate::error::JwksError;
use crate::key::{KeyFault, KeySet, VerifyingKey};

/// Providers publish two to a dozen keys. The bound keeps a hostile one from making us search.
pub(crate) const KEYS_MAX: usize = 128;

/// The usable keys of a document, and what kept the others out.
pub(crate) struct ReadKeys {
    pub(crate) keys: KeySet,
    pub(crate) skipped: Vec<KeyFault>,
}

/// Reads a JWK set. One bad key does not spoil the others, and a set of no keys is a set: an issuer
/// withdraws all of its keys that way.
pub(crate) fn read_jwks(document: &[u8], allowed: AlgorithmSet) -> Result<ReadKeys, JwksError> {
    #[derive(Deserialize)]
    struct Document {
        keys: Vec<Value>,
    }

    if !document.trim_ascii_start().starts_with(b"{") {
        return Err(JwksError::NotAKeySet);
    }
    let document: Document = serde_json::from_slice(document).map_err(|_| JwksError::NotAKeySet)?;
    if document.keys.len() > KEYS_MAX {
        return Err(JwksError::TooManyKeys);
    }
    let mut read = ReadKeys { keys: KeySet::default(), skipped: Vec::new() };
    for key in document.keys {
        let key = serde_json::from_value::<Jwk>(key).map_err(|_| KeyFault::Malformed);
        match key.and_then(|key| key.into_key(allowed)) {
            Ok(key) => read.keys.push(key),
            Err(fault) => read.skipped.push(fault),
        }
    }
    Ok(read)
}

/// The members of a JWK that matter for verifying. Certificates in it (`x5c`, `x5u`) are not read.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    intent: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    d: Option<Value>,
}

impl Jwk {
    fn into_key(self, configured: AlgorithmSet) -> Result<VerifyingKey, KeyFault> {
        if self.kty == "oct" {
            return Err(KeyFault::Symmetric);
        }
        if self.d.is_some() {
            return Err(KeyFault::Private);
        }
        if self.intent.as_deref().is_some_and(|intent| intent != "sig")
            || self.key_ops.as_ref().is_some_and(|ops| !ops.iter().any(|op| op == "verify"))
        {
            return Err(KeyFault::NotForVerifying);
        }
        let allowed = match &self.alg {
            None => configured,
            Some(name) => {
                let own = name.parse::<Algorithm>().map_err(|_| KeyFault::AlgorithmNotAllowed)?;
                configured.intersection(AlgorithmSet::of(&[own]))
            }
        };
        let key = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => VerifyingKey::rsa(&bytes(&self.n)?, &bytes(&self.e)?, allowed),
            ("EC", Some("P-256")) => VerifyingKey::elliptic(&self.point(32)?, allowed),
            ("EC", Some("P-384")) => VerifyingKey::elliptic(&self.point(48)?, allowed),
            ("OKP", Some("Ed25519")) => VerifyingKey::ed25519(&bytes(&self.x)?, allowed),
            _ => Err(KeyFault::Unsupported),
        }?;
        Ok(key.with_id(self.kid.as_deref()))
    }

    /// RFC 7518 §6.2.1.2: coordinates have the full length of the field.
    fn point(&self, coordinate_bytes: usize) -> Result<Vec<u8>, KeyFault> {
        let mut point = vec![4];
        for coordinate in [&self.x, &self.y] {
            let coordinate = bytes(coordinate)?;
            if coordinate.len() != coordinate_bytes {
                return Err(KeyFault::Malformed);
            }
            point.extend_from_slice(&coordinate);
        }
        Ok(point)
    }
}

fn bytes(member: &Option<String>) -> Result<Vec<u8>, KeyFault> {
    let text = member.as_ref().ok_or(KeyFault::Malformed)?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| KeyFault::Malformed)
}

/// Reads one or several public keys in PEM (`PUBLIC KEY`, or `RSA PUBLIC KEY` for PKCS#1).
pub(crate) fn read_pem(text: &str, allowed: AlgorithmSet) -> Result<KeySet, KeyFault> {
    const BEGIN: &str = "-----BEGIN ";
    let mut keys = KeySet::default();
    let mut rest = text;
    while let Some(start) = rest.find(BEGIN) {
        let block = &rest[start..];
        let end = block[BEGIN.len()..].find(BEGIN).map_or(block.len(), |next| next + BEGIN.len());
        keys.push(read_pem_block(&block[..end], allowed)?);
        rest = &block[end..];
    }
    if keys.is_empty() { Err(KeyFault::Malformed) } else { Ok(keys) }
}

fn read_pem_block(block: &str, allowed: AlgorithmSet) -> Result<VerifyingKey, KeyFault> {
    let label = block.trim_start_matches('-').trim_start_matches("BEGIN ");
    let label = label.split("-----").next().unwrap_or_default();
    match label {
        "PUBLIC KEY" | "RSA PUBLIC KEY" => {}
        label if label.ends_with("PRIVATE KEY") => return Err(KeyFault::Private),
        _ => return Err(KeyFault::Unsupported),
    }
    let pem = block.as_bytes();
    let content = |key: &DecodingKey| key.try_get_as_bytes().map(<[u8]>::to_vec);
    if let Ok(key) = DecodingKey::from_rsa_pem(pem) {
        let (n, e) = content(&key)
            .and_then(|der| (DEFAULT_PROVIDER.key_utils.rsa_pub_components_from_public_key)(&der))
            .map_err(|_| KeyFault::Malformed)?;
        return VerifyingKey::rsa(&n, &e, allowed);
    }
    if let Ok(key) = DecodingKey::from_ec_pem(pem) {
        return VerifyingKey::elliptic(&content(&key).map_err(|_| KeyFault::Malformed)?, allowed);
    }
    if let Ok(key) = DecodingKey::from_ed_pem(pem) {
        return VerifyingKey::ed25519(&content(&key).map_err(|_| KeyFault::Malformed)?, allowed);
    }
    Err(KeyFault::Unsupported)
}

#[cfg(test)]
mod tests;
