//! A key is a type that carries its algorithms: there is no way to use it with another.

use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use jsonwebtoken::{DecodingKey, DecodingKeyKind};

use crate::algorithm::{Algorithm, AlgorithmSet};

/// RSA moduli below this are within reach of those who want to forge (RFC 7518 §3.3).
const RSA_BITS_MIN: usize = 2048;
/// Larger moduli only make us work; the verifier refuses them as well.
const RSA_BITS_MAX: usize = 8192;

/// Why a key is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// A symmetric secret where only public keys belong, or the other way round.
    #[error("it is symmetric, and only public keys belong here")]
    Symmetric,
    /// It holds private parts: whoever published it must replace it.
    #[error("it is a private key, and only public keys belong here")]
    Private,
    /// It is for encryption, or its operations do not include `verify`.
    #[error("it is not meant for verifying signatures")]
    NotForVerifying,
    /// Its type or curve is not supported.
    #[error("its type or curve is not supported (RSA, P-256, P-384 and Ed25519 are)")]
    Unsupported,
    /// None of its algorithms is among those that the configuration allows.
    #[error("none of its algorithms is among those configured")]
    AlgorithmNotAllowed,
    /// An RSA modulus below 2048 bits or above 8192.
    #[error("its modulus has {0} bits, and 2048 to 8192 are accepted")]
    RsaSize(usize),
    /// A secret shorter than RFC 7518 §3.2 demands for the algorithm.
    #[error("it is shorter than {0} bytes, the least for its algorithm")]
    SecretTooShort(usize),
    /// It cannot be read.
    #[error("it is malformed")]
    Malformed,
}

/// A key together with the algorithms that it may verify, which are never none and never of more
/// than one family.
pub(crate) struct VerifyingKey {
    id: Option<Box<str>>,
    algorithms: AlgorithmSet,
    material: DecodingKey,
}

impl VerifyingKey {
    pub(crate) fn hmac(secret: &[u8], allowed: AlgorithmSet) -> Result<Self, KeyFault> {
        // A public key in the place of a secret is the other half of key confusion: everybody
        // knows it, and could sign with it.
        if secret.windows(10).any(|window| window == b"-----BEGIN") {
            return Err(KeyFault::Malformed);
        }
        let algorithms = allowed.intersection(AlgorithmSet::HMAC);
        let longest = algorithms.iter().filter_map(Algorithm::secret_bytes_min).max();
        if let Some(bytes_min) = longest.filter(|bytes_min| secret.len() < *bytes_min) {
            return Err(KeyFault::SecretTooShort(bytes_min));
        }
        Self::new(algorithms, DecodingKey::from_secret(secret))
    }

    pub(crate) fn rsa(n: &[u8], e: &[u8], allowed: AlgorithmSet) -> Result<Self, KeyFault> {
        let (n, e) = (significant(n), significant(e));
        let bits = bit_length(n);
        if !(RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) {
            return Err(KeyFault::RsaSize(bits));
        }
        // An even modulus or exponent, and an exponent of 1 ("every signature fits"), are no keys.
        let is_odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
        if !is_odd(n) || !is_odd(e) || !(2..=33).contains(&bit_length(e)) {
            return Err(KeyFault::Malformed);
        }
        Self::new(
            allowed.intersection(AlgorithmSet::RSA),
            DecodingKey::from_rsa_raw_components(n, e),
        )
    }

    /// An uncompressed point: 0x04, x, y.
    pub(crate) fn elliptic(point: &[u8], allowed: AlgorithmSet) -> Result<Self, KeyFault> {
        let family = match (point.first(), point.len()) {
            (Some(4), 65) => AlgorithmSet::P256,
            (Some(4), 97) => AlgorithmSet::P384,
            _ => return Err(KeyFault::Unsupported),
        };
        Self::new(allowed.intersection(family), DecodingKey::from_ec_der(point))
    }

    pub(crate) fn ed25519(x: &[u8], allowed: AlgorithmSet) -> Result<Self, KeyFault> {
        if x.len() != 32 {
            return Err(KeyFault::Malformed);
        }
        Self::new(allowed.intersection(AlgorithmSet::ED25519), DecodingKey::from_ed_der(x))
    }

    fn new(algorithms: AlgorithmSet, material: DecodingKey) -> Result<Self, KeyFault> {
        if algorithms.is_empty() {
            return Err(KeyFault::AlgorithmNotAllowed);
        }
        Ok(Self { id: None, algorithms, material })
    }

    pub(crate) fn with_id(mut self, id: Option<&str>) -> Self {
        self.id = id.map(Into::into);
        self
    }

    pub(crate) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Whether `signature` over `message` was made with this key by `algorithm`, which must be one
    /// of the key's own.
    pub(crate) fn verifies(
        &self,
        algorithm: Algorithm,
        message: &[u8],
        signature: &Vec<u8>,
    ) -> bool {
        // The provider is named rather than the process's default one, which another crate could
        // replace, and which is missing when two providers are compiled in.
        self.algorithms.contains(algorithm)
            && (DEFAULT_PROVIDER.verifier_factory)(&algorithm.provider_name(), &self.material)
                .is_ok_and(|verifier| verifier.verify(message, signature).is_ok())
    }

    fn is_same(&self, other: &Self) -> bool {
        use DecodingKeyKind::{RsaModulusExponent, SecretOrDer};
        let same_material = match (self.material.kind(), other.material.kind()) {
            (SecretOrDer(a), SecretOrDer(b)) => a == b,
            (RsaModulusExponent { n, e }, RsaModulusExponent { n: other_n, e: other_e }) => {
                n == other_n && e == other_e
            }
            _ => false,
        };
        same_material && self.id == other.id && self.algorithms == other.algorithms
    }
}

fn significant(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

fn bit_length(significant: &[u8]) -> usize {
    significant.first().map_or(0, |first| significant.len() * 8 - first.leading_zeros() as usize)
}

/// How well a key fits a token's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// The key has the id that the token names.
    ById,
    /// The key or the token has no id: only trying tells.
    ByAlgorithm,
}

/// Keys of one issuer. Two keys may share an id; then both are tried.
#[derive(Default)]
pub(crate) struct KeySet(Vec<VerifyingKey>);

impl KeySet {
    pub(crate) fn push(&mut self, key: VerifyingKey) {
        self.0.push(key);
    }

    pub(crate) fn append(&mut self, mut keys: Self) {
        self.0.append(&mut keys.0);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &VerifyingKey> {
        self.0.iter()
    }

    /// The keys that a token with this header may be verified with; those with its id first.
    pub(crate) fn fitting<'a>(
        &'a self,
        id: Option<&'a str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = (&'a VerifyingKey, Fit)> {
        let of_algorithm =
            move || self.0.iter().filter(move |key| key.algorithms.contains(algorithm));
        let by_id = of_algorithm().filter(move |key| id.is_some() && key.id() == id);
        let by_algorithm = of_algorithm().filter(move |key| id.is_none() || key.id().is_none());
        by_id.map(|key| (key, Fit::ById)).chain(by_algorithm.map(|key| (key, Fit::ByAlgorithm)))
    }

    /// Whether every key of `self` is also in `newer`: nothing that was trusted lost its trust.
    pub(crate) fn is_within(&self, newer: &Self) -> bool {
        self.0.iter().all(|key| newer.0.iter().any(|other| key.is_same(other)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(key: Result<VerifyingKey, KeyFault>) -> Option<KeyFault> {
        key.err()
    }

    #[test]
    fn keys_of_no_allowed_algorithm_do_not_exist() {
        let hmac_only = AlgorithmSet::of(&[Algorithm::Hs256]);
        let mut modulus = [0xff; 256];
        modulus[255] = 1;
        let refused = Some(KeyFault::AlgorithmNotAllowed);
        assert_eq!(fault(VerifyingKey::rsa(&modulus, &[1, 0, 1], hmac_only)), refused);
        assert_eq!(fault(VerifyingKey::ed25519(&[7; 32], hmac_only)), refused);
        assert_eq!(fault(VerifyingKey::hmac(&[7; 64], AlgorithmSet::KEY_PAIRS)), refused);
    }

    #[test]
    fn rsa_keys_that_are_weak_or_absurd_are_refused() {
        let allowed = AlgorithmSet::RSA;
        let check = |bytes: usize, first: u8, e: &[u8], expect: Option<KeyFault>| {
            let mut n = vec![0xff; bytes];
            n[0] = first;
            assert_eq!(fault(VerifyingKey::rsa(&n, e, allowed)), expect, "{bytes} {first} {e:?}");
        };
        check(256, 0x80, &[1, 0, 1], None);
        check(256, 0x7f, &[1, 0, 1], Some(KeyFault::RsaSize(2047)));
        check(128, 0xff, &[1, 0, 1], Some(KeyFault::RsaSize(1024)));
        // Leading zeros do not make a modulus longer.
        check(257, 0x00, &[1, 0, 1], None);
        check(1025, 0x01, &[1, 0, 1], Some(KeyFault::RsaSize(8193)));
        check(256, 0x80, &[1], Some(KeyFault::Malformed));
        check(256, 0x80, &[], Some(KeyFault::Malformed));
        check(256, 0x80, &[2], Some(KeyFault::Malformed));
        check(256, 0x80, &[0xff; 9], Some(KeyFault::Malformed));
        check(256, 0x80, &[0, 0, 3], None);
    }

    #[test]
    fn short_secrets_and_public_keys_in_their_place_are_refused() {
        let check = |secret: &[u8], algorithm: Algorithm, expect: Option<KeyFault>| {
            assert_eq!(fault(VerifyingKey::hmac(secret, AlgorithmSet::of(&[algorithm]))), expect);
        };
        check(&[7; 32], Algorithm::Hs256, None);
        check(&[7; 31], Algorithm::Hs256, Some(KeyFault::SecretTooShort(32)));
        check(&[7; 47], Algorithm::Hs384, Some(KeyFault::SecretTooShort(48)));
        check(&[7; 63], Algorithm::Hs512, Some(KeyFault::SecretTooShort(64)));
        let pem = b"\n-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE";
        check(pem, Algorithm::Hs256, Some(KeyFault::Malformed));
    }

    #[test]
    fn keys_with_the_tokens_id_come_first_and_others_ids_never() {
        let key = |id: Option<&str>| {
            VerifyingKey::hmac(&[7; 32], AlgorithmSet::of(&[Algorithm::Hs256]))
                .expect("a good secret")
                .with_id(id)
        };
        let mut keys = KeySet::default();
        for id in [None, Some("a"), Some("b"), Some("a")] {
            keys.push(key(id));
        }
        let check = |id: Option<&str>, expect: &[(Option<&str>, Fit)]| {
            let fitting: Vec<_> =
                keys.fitting(id, Algorithm::Hs256).map(|(key, fit)| (key.id(), fit)).collect();
            assert_eq!(fitting, expect, "{id:?}");
        };
        let (by_id, tried) = (Fit::ById, Fit::ByAlgorithm);
        check(Some("a"), &[(Some("a"), by_id), (Some("a"), by_id), (None, tried)]);
        check(Some("c"), &[(None, tried)]);
        check(None, &[(None, tried), (Some("a"), tried), (Some("b"), tried), (Some("a"), tried)]);
        assert_eq!(keys.fitting(Some("a"), Algorithm::Hs384).count(), 0);
    }
}
