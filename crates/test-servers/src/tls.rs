//! A certificate for `localhost` and `127.0.0.1`, valid until 2126, and the authority that signed it.
//! Servers show it; who wants to be known by a certificate may show it as well.

use std::path::PathBuf;

/// The authority to trust, as PEM.
pub fn ca() -> PathBuf {
    file("ca.pem")
}

/// The certificate, as PEM.
pub fn certificate() -> PathBuf {
    file("cert.pem")
}

/// Its key, as PEM (PKCS #8). Everybody knows it.
pub fn key() -> PathBuf {
    file("key.pem")
}

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tls").join(name)
}
