//! Certificates in files, as an operator has them: what is refused at the start, and what happens while it runs.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use ws_test_servers::tls as files;

use crate::process::{Process, SECRET, file, run};

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// Whether a client that trusts the authority of the test's servers alone is shown what it trusts.
async fn is_trusted(gateway: &Process) -> bool {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(files::ca()).expect("readable")).expect("one");
    let client = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("known")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let socket = TcpStream::connect(gateway.address).await.expect("it listens");
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::new(client)).connect(name, socket).await.is_ok()
}

#[tokio::test]
async fn halves_of_different_pairs_are_found_by_check_config() {
    let other = rcgen::KeyPair::generate().expect("random").serialize_pem();
    let (certificate, other) = (files::certificate(), file("tls-other.key", &other));
    let variables =
        [("JWT_SECRET_KEY", SECRET), ("TLS_CERT", text(&certificate)), ("TLS_KEY", text(&other))];
    let ended = run(&["check-config"], &variables).await;
    assert_eq!(ended.status, 2, "{ended:?}");
    let part = "the key is not the certificate's";
    assert!(ended.stderr.contains("TLS_KEY") && ended.stderr.contains(part), "{}", ended.stderr);
}

#[tokio::test]
async fn a_bad_pair_is_told_and_the_one_from_before_stays() {
    let copy = |name, from: &Path| file(name, &std::fs::read_to_string(from).expect("readable"));
    let certificate = copy("tls-copy.pem", &files::certificate());
    let key = copy("tls-copy.key", &files::key());
    let variables =
        [("TLS_CERT", text(&certificate)), ("TLS_KEY", text(&key)), ("TLS_POLL_INTERVAL", "10ms")];
    let gateway = Process::start(&[], &variables).await;
    assert!(is_trusted(&gateway).await);
    // Whoever asks from within the machine speaks TLS, too.
    let port = gateway.address.port().to_string();
    let asking =
        [&variables[..], &[("JWT_SECRET_KEY", SECRET), ("WEBSOCKET_PORT", &port)]].concat();
    let health = run(&["health"], &asking).await;
    assert_eq!(health.status, 0, "{health:?}");
    let other = rcgen::KeyPair::generate().expect("random");
    std::fs::write(&key, other.serialize_pem()).expect("writable");
    gateway.logs("certificates have changed and cannot be used").await;
    assert!(is_trusted(&gateway).await);
    // The other half comes, too: a pair that is sound, and that this client does not trust.
    let params = rcgen::CertificateParams::new(["new.test".to_owned()]).expect("a name");
    let new = params.self_signed(&other).expect("signs").pem();
    std::fs::write(&certificate, new).expect("writable");
    gateway.logs("new.test").await;
    assert!(!is_trusted(&gateway).await);
    assert!(!gateway.log().contains("PRIVATE KEY"));
    gateway.signal("TERM").await;
    assert_eq!(gateway.ended().await.status, 0);
}
