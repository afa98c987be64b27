//! wss://: our clients and the gateway's own TLS, with the same proxy in between, which breaks what it cannot read.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject},
};
use ws_client::{News, State};
use ws_test_servers::tls as files;

use crate::{
    coming_back::leaves,
    control::Control,
    proxy::Fault,
    scripts::run_tests,
    site::{Site, until},
};

/// A site that speaks TLS alone.
async fn secure_site(name: &str) -> Site {
    let [certificate, key] = [files::certificate(), files::key()].map(|file| text(&file));
    Site::open(name, &[("TLS_CERT", &certificate), ("TLS_KEY", &key)]).await
}

fn text(path: &std::path::Path) -> String {
    path.to_str().expect("UTF-8").to_owned()
}

/// Trusts the authority of the test's servers alone.
fn trusting() -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(files::ca()).expect("readable")).expect("one");
    let client = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("known")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(client)
}

#[tokio::test]
async fn over_tls_what_was_missed_comes_once_and_in_order() {
    let site = secure_site("tls").await;
    let client = site.client("ada").tls(trusting()).connect().expect("an address");
    let publisher = crate::numbered::client(&site.direct_uri(), site.token("bob"));
    let publisher = publisher.tls(trusting()).connect().expect("an address");
    let mut news = client.subscribe("t:1").await.expect("allowed");
    for number in 0..20_u64 {
        if number % 5 == 4 {
            site.proxy.befall(if number > 10 { Fault::Reset } else { Fault::Cut });
            leaves(&client, State::Connected).await;
        }
        publisher.publish("t:1", &number).await.expect("published");
        match news.next().await {
            Some(News::Message(message)) => {
                assert_eq!(message.json::<u64>().expect("a number"), number);
            }
            other => panic!("no message but {other:?}"),
        }
    }
    assert!(site.figure("ws_tls_handshakes_total{outcome=\"resumed\"}").await > 0.0);
}

#[tokio::test]
async fn whoever_is_not_trusted_is_not_told_a_token() {
    let site = secure_site("tls-untrusted").await;
    // The platform's roots do not know the authority of these tests.
    let client = site.client("ada").connect().expect("an address");
    until("it has tried", async || client.metrics().errors > 2).await;
    assert_ne!(client.state(), State::Connected);
    let refused = "ws_tls_handshakes_total{outcome=\"refused_by_client\"}";
    until("that was noticed", async || site.figure(refused).await > 2.0).await;
    assert_eq!(site.figure("ws_connections ").await, 0.0);
}

/// Runs a script with a gateway that it has to trust.
async fn passes(script: &str) {
    let site = Arc::new(secure_site(script).await);
    let control = Control::start(site.clone()).await;
    let mut variables = control.variables(&site);
    variables.push(("NODE_EXTRA_CA_CERTS", text(&files::ca())));
    variables.push(("CERTIFICATE", text(&files::certificate())));
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, &**value)).collect();
    run_tests(script, &variables).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_node_over_tls() {
    passes("tls.mjs").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_node_and_in_a_browser_over_http_2() {
    passes("second.mjs").await;
}
