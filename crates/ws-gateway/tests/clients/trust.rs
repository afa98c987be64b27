//! The one certificate of these tests, who shows it, and who trusts the authority that signed it.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use ws_test_servers::tls as files;

/// What a client asks for, and what a proxy speaks that answers by itself.
const ALPN: &[u8] = b"http/1.1";

/// What the gateway is told.
pub(crate) fn variables() -> [(&'static str, String); 2] {
    [("TLS_CERT", text(&files::certificate())), ("TLS_KEY", text(&files::key()))]
}

/// What a script for Node is told: whom Node trusts, and which key a browser trusts that nobody signed for it.
pub(crate) fn of_scripts() -> [(&'static str, String); 2] {
    [("NODE_EXTRA_CA_CERTS", text(&files::ca())), ("CERTIFICATE", text(&files::certificate()))]
}

/// A client that trusts the authority of these tests alone. All who share it come back with each other's tickets.
pub(crate) fn trusting() -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(files::ca()).expect("readable")).expect("one");
    let mut client = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("known")
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols.push(ALPN.to_vec());
    Arc::new(client)
}

/// For whoever answers in the gateway's place.
pub(crate) fn showing() -> Arc<ServerConfig> {
    let certificate = CertificateDer::from_pem_file(files::certificate()).expect("readable");
    let key = PrivateKeyDer::from_pem_file(files::key()).expect("readable");
    let mut server = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("known")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a pair");
    server.alpn_protocols.push(ALPN.to_vec());
    Arc::new(server)
}

/// Asks over HTTP, with trust in the same authority. The gateway may have been another process a moment ago: no
/// connection is kept.
pub(crate) fn web() -> reqwest::Client {
    let ca = std::fs::read(files::ca()).expect("readable");
    let ca = reqwest::Certificate::from_pem(&ca).expect("PEM");
    let builder = reqwest::Client::builder().tls_certs_only([ca]).pool_max_idle_per_host(0);
    builder.build().expect("sound")
}

fn text(path: &Path) -> String {
    path.to_str().expect("UTF-8").to_owned()
}
