//! wss://: the gateway behind one who ends TLS in front of it, as in every house.

use std::{net::SocketAddr, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;
use ws_client::{News, State};
use ws_test_servers::tls as files;

use crate::{coming_back::leaves, control::Control, proxy::Fault, scripts::run_tests, site::Site};

/// Ends TLS, and hands on to the proxy.
struct Front {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Front {
    async fn start(behind: SocketAddr) -> Self {
        let acceptor = acceptor();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let serving = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let mut stream = acceptor.accept(socket).await?;
                    let mut inner = TcpStream::connect(behind).await?;
                    tokio::io::copy_bidirectional(&mut stream, &mut inner).await
                });
            }
        });
        Self { address, serving }
    }

    fn uri(&self) -> String {
        format!("wss://localhost:{}/ws", self.address.port())
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn acceptor() -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_file(files::certificate()).expect("readable");
    let key = PrivateKeyDer::from_pem_file(files::key()).expect("readable");
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("known")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key);
    Arc::new(config.expect("a pair")).into()
}

/// Trusts the authority of the test's servers alone.
fn trusting() -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(files::ca()).expect("readable")).expect("one");
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("known")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

#[tokio::test]
async fn over_tls_what_was_missed_comes_once_and_in_order() {
    let site = Site::open("tls", &[]).await;
    let front = Front::start(site.proxy.address).await;
    let client = crate::numbered::client(&front.uri(), site.token("ada"));
    let client = client.tls(Arc::new(trusting())).connect().expect("an address");
    let publisher = crate::numbered::client(&site.direct_uri(), site.token("bob"));
    let publisher = publisher.connect().expect("an address");
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
}

#[tokio::test]
async fn whoever_is_not_trusted_is_not_told_a_token() {
    let site = Site::open("tls-untrusted", &[]).await;
    let front = Front::start(site.proxy.address).await;
    let client = crate::numbered::client(&front.uri(), site.token("ada"));
    // The platform's roots do not know the authority of these tests.
    let client = client.connect().expect("an address");
    crate::site::until("it has tried", async || client.metrics().errors > 2).await;
    assert_ne!(client.state(), State::Connected);
    assert_eq!(site.proxy.came(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_node_over_tls() {
    let site = Arc::new(Site::open("tls-node", &[]).await);
    let front = Front::start(site.proxy.address).await;
    let control = Control::start(site.clone()).await;
    let mut variables = control.variables(&site);
    variables.retain(|(name, _)| *name != "GATEWAY");
    variables.push(("GATEWAY", front.uri()));
    variables.push(("NODE_EXTRA_CA_CERTS", files::ca().to_string_lossy().into_owned()));
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, &**value)).collect();
    run_tests("tls.mjs", &variables).await;
}
