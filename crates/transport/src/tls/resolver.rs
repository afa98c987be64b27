//! Which of several certificates a client is shown.

use std::{collections::HashMap, sync::Arc};

use rustls::{
    SignatureScheme,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::pair::KeyPair;

/// By the name that the client asks for: that of a certificate itself goes before one with `*`, and the
/// first pair is for everybody else. Of several with one name it is the first whose kind of key the client
/// can verify.
#[derive(Debug)]
pub(super) struct ByName {
    keys: Vec<Arc<CertifiedKey>>,
    /// Indices of the keys.
    exact: HashMap<String, Vec<usize>>,
    /// What follows `*.`, with the same.
    wild: HashMap<String, Vec<usize>>,
}

impl ByName {
    pub(super) fn new(pairs: &[KeyPair]) -> Self {
        let (mut exact, mut wild) = (HashMap::<_, Vec<_>>::new(), HashMap::<_, Vec<_>>::new());
        for (index, pair) in pairs.iter().enumerate() {
            for name in pair.names() {
                match name.strip_prefix("*.") {
                    Some(rest) => wild.entry(rest.to_owned()).or_default().push(index),
                    None => exact.entry(name.clone()).or_default().push(index),
                }
            }
        }
        Self { keys: pairs.iter().map(|pair| pair.certified.clone()).collect(), exact, wild }
    }

    fn choose(
        &self,
        name: Option<&str>,
        schemes: &[SignatureScheme],
    ) -> Option<&Arc<CertifiedKey>> {
        let is_usable = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(schemes).is_some();
        let name = name.map(str::to_ascii_lowercase);
        let named = name.as_deref().and_then(|name| {
            let below = || name.split_once('.').and_then(|(_, rest)| self.wild.get(rest));
            self.exact.get(name).or_else(below)
        });
        let named = named.into_iter().flatten().filter_map(|index| self.keys.get(*index));
        named.chain(&self.keys).find(is_usable)
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.server_name(), hello.signature_schemes()).cloned()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair as Key};

    use super::*;

    const ANY: &[SignatureScheme] =
        &[SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::ED25519];

    fn pair(names: &[&str], key: &Key) -> KeyPair {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let certificate = CertificateParams::new(names).unwrap().self_signed(key).unwrap();
        KeyPair::from_pem(certificate.pem().as_bytes(), key.serialize_pem().as_bytes()).unwrap()
    }

    #[test]
    fn each_name_has_its_certificate_and_the_first_is_for_everybody_else() {
        let key = Key::generate().unwrap();
        let edwards = Key::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let by_name = ByName::new(&[
            pair(&["first.test"], &key),
            pair(&["*.wild.test", "Plain.Test"], &key),
            pair(&["www.wild.test"], &key),
            pair(&["edwards.test"], &edwards),
            pair(&["edwards.test"], &key),
        ]);
        let only_nist = &ANY[..1];
        for (name, schemes, expect) in [
            (Some("first.test"), ANY, Some(0)),
            (Some("plain.test"), ANY, Some(1)),
            (Some("PLAIN.test"), ANY, Some(1)),
            (Some("a.wild.test"), ANY, Some(1)),
            // The name itself goes before the star, the star stands for one label, and not for none.
            (Some("www.wild.test"), ANY, Some(2)),
            (Some("a.b.wild.test"), ANY, Some(0)),
            (Some("wild.test"), ANY, Some(0)),
            (Some("edwards.test"), ANY, Some(3)),
            (Some("edwards.test"), only_nist, Some(4)),
            (Some("elsewhere.test"), ANY, Some(0)),
            (None, ANY, Some(0)),
            (None, &ANY[1..], Some(3)),
            (Some("first.test"), &[SignatureScheme::RSA_PSS_SHA256][..], None),
        ] {
            let chosen = by_name.choose(name, schemes);
            let index =
                chosen.and_then(|key| by_name.keys.iter().position(|it| Arc::ptr_eq(it, key)));
            assert_eq!(index, expect, "{name:?}");
        }
    }
}
