//! From files to what TLS is spoken with.

use std::{io, path::Path};

use ws_transport::tls::{ClientAuthority, KeyPair, TlsConfig};

use super::{CertificatesError, HTTP_1, HTTP_2, of_file, readable};
use crate::config::{ClientCertificates, TlsSettings};

/// Reads what the settings name, as pairs of one certificate and one key each.
pub(crate) fn read(
    settings: &TlsSettings,
    read_file: impl Fn(&Path) -> io::Result<String>,
) -> Result<TlsConfig, CertificatesError> {
    let mut pairs = Vec::with_capacity(settings.certificates.len());
    for (certificate, key) in settings.certificates.iter().zip(&settings.keys) {
        let chain = of_file("TLS_CERT", certificate, readable(read_file(certificate)))?;
        let secret = of_file("TLS_KEY", key, readable(read_file(key)))?;
        let pair = KeyPair::from_pem(chain.as_bytes(), secret.as_bytes());
        let is_of_key = |error: &ws_transport::tls::KeyPairError| {
            use ws_transport::tls::KeyPairError::{Certificate, NoCertificate};
            !matches!(error, Certificate(_) | NoCertificate)
        };
        let (setting, file) = match &pair {
            Err(error) if is_of_key(error) => ("TLS_KEY", key),
            _ => ("TLS_CERT", certificate),
        };
        pairs.push(of_file(setting, file, pair)?);
    }
    let is_required = settings.clients == ClientCertificates::Required;
    let clients = match &settings.client_ca {
        Some(file) if settings.clients != ClientCertificates::Off => {
            let pem = of_file("TLS_CLIENT_CA", file, readable(read_file(file)))?;
            let authority = ClientAuthority::from_pem(pem.as_bytes(), is_required);
            Some(of_file("TLS_CLIENT_CA", file, authority)?)
        }
        _ => None,
    };
    let protocols = [HTTP_2, HTTP_1].into_iter().filter(|name| settings.http2 || *name != HTTP_2);
    let config = TlsConfig::new(pairs).with_clients(clients).with_oldest(settings.oldest);
    Ok(config.with_protocols(protocols))
}
