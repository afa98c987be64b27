//! A certificate with its key.

use std::{fmt, sync::Arc, time::SystemTime};

use rustls::{
    crypto::CryptoProvider,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    sign::CertifiedKey,
};
use x509_cert::{
    Certificate,
    der::Decode,
    ext::pkix::{SubjectAltName, name::GeneralName},
};

/// A certificate chain and the key of its first member, which belong together.
#[derive(Clone)]
pub struct KeyPair {
    pub(super) certified: Arc<CertifiedKey>,
    names: Vec<String>,
    not_before: SystemTime,
    not_after: SystemTime,
}

/// No pair can be made of what was given. Keys are in none of these texts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyPairError {
    /// There is no certificate in it.
    #[error("the certificate's file has no block -----BEGIN CERTIFICATE-----")]
    NoCertificate,
    /// What is there is not a certificate.
    #[error("the certificate cannot be read: {0}")]
    Certificate(String),
    /// There is no key in it.
    #[error("the key's file has no block -----BEGIN PRIVATE KEY-----")]
    NoKey,
    /// A key that only a passphrase opens.
    #[error(
        "the key is encrypted: decrypt it (openssl pkey -in KEY -out PLAIN) and guard the file instead"
    )]
    EncryptedKey,
    /// What is there is not a key that TLS can sign with.
    #[error(
        "the key cannot be used: it must be RSA, ECDSA on P-256, P-384 or P-521, or Ed25519, in PEM"
    )]
    Key,
    /// Two halves of different pairs.
    #[error(
        "the key is not the certificate's: each certificate needs the key that it was made for"
    )]
    Mismatch,
}

impl KeyPair {
    /// Reads a chain, the server's own certificate first, and its key: PEM both.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, KeyPairError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|error| KeyPairError::Certificate(error.to_string()))?;
        let own = chain.first().ok_or(KeyPairError::NoCertificate)?;
        let unreadable = |error: &dyn fmt::Display| KeyPairError::Certificate(error.to_string());
        let parsed = Certificate::from_der(own).map_err(|error| unreadable(&error))?;
        let parsed = parsed.tbs_certificate();
        let alternatives = parsed.get_extension::<SubjectAltName>();
        let names = match alternatives.map_err(|error| unreadable(&error))? {
            Some((_, SubjectAltName(names))) => names.iter().filter_map(dns_name).collect(),
            None => Vec::new(),
        };
        let validity = parsed.validity();
        let (not_before, not_after) =
            (validity.not_before.to_system_time(), validity.not_after.to_system_time());
        let certified = certified(chain, key)?;
        Ok(Self { certified: Arc::new(certified), names, not_before, not_after })
    }

    /// The names of hosts that the certificate is good for, in lower case, `*.` in front of some perhaps.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// From when on it is good.
    pub fn not_before(&self) -> SystemTime {
        self.not_before
    }

    /// Until when it is good.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }
}

/// Without the key.
impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair")
            .field("names", &self.names)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: &[u8],
) -> Result<CertifiedKey, KeyPairError> {
    let key = match PrivateKeyDer::from_pem_slice(key) {
        Ok(key) => key,
        Err(_) if has_encrypted_key(key) => {
            return Err(KeyPairError::EncryptedKey);
        }
        Err(pem::Error::NoItemsFound) => return Err(KeyPairError::NoKey),
        Err(_) => return Err(KeyPairError::Key),
    };
    CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => KeyPairError::Mismatch,
        rustls::Error::InvalidCertificate(fault) => KeyPairError::Certificate(format!("{fault:?}")),
        _ => KeyPairError::Key,
    })
}

fn has_encrypted_key(text: &[u8]) -> bool {
    let marks: [&[u8]; 2] = [b"-----BEGIN ENCRYPTED PRIVATE KEY-----", b"Proc-Type: 4,ENCRYPTED"];
    marks.iter().any(|mark| text.windows(mark.len()).any(|window| window == *mark))
}

fn dns_name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(name.as_str().to_ascii_lowercase()),
        _ => None,
    }
}

pub(super) fn provider() -> CryptoProvider {
    rustls::crypto::aws_lc_rs::default_provider()
}
