//! TLS of the gateway's own: names, renewal, certificates of clients, and who does not speak it.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tungstenite::Message;
use ws_transport::{Connector, WebSocketStream};

use crate::{
    client::PATIENCE,
    exchange::{Exchange, get},
    house::House,
};

/// An authority, and a folder for what it signs.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    folder: PathBuf,
}

impl Authority {
    /// The folder is of the test of that name alone.
    pub(crate) fn new(test: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tls").join(test);
        std::fs::create_dir_all(&folder).expect("a folder");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("random");
        let pem = params.self_signed(&key).expect("signs").pem();
        let authority = Self { issuer: Issuer::new(params, key), pem, folder };
        std::fs::write(authority.file("ca.pem"), &authority.pem).expect("writable");
        authority
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.file(name).to_str().expect("UTF-8").to_owned()
    }

    /// Certificate and key for these names.
    fn sign(&self, names: &[&str]) -> (String, String) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().expect("random");
        let params = CertificateParams::new(names).expect("names");
        let certificate = params.signed_by(&key, &self.issuer).expect("signs");
        (certificate.pem(), key.serialize_pem())
    }

    /// Writes `NAME.pem` and `NAME.key`, each in one step as those do who renew certificates.
    pub(crate) fn write(&self, name: &str, names: &[&str]) {
        let (certificate, key) = self.sign(names);
        for (ending, text) in [("key", key), ("pem", certificate)] {
            let new = self.file("new");
            std::fs::write(&new, text).expect("writable");
            std::fs::rename(&new, self.file(&format!("{name}.{ending}"))).expect("the same folder");
        }
    }

    /// A house with a certificate for `gateway.test`, which is looked at often.
    pub(crate) fn house(&self, variables: &[(&str, &str)]) -> House {
        self.write("gateway", &["gateway.test"]);
        let (certificate, key) = (self.path("gateway.pem"), self.path("gateway.key"));
        let tls = [("TLS_CERT", &*certificate), ("TLS_KEY", &*key), ("TLS_POLL_INTERVAL", "10ms")];
        let of_test = |(name, _): &&(&str, &str)| variables.iter().all(|(other, _)| other != name);
        let tls: Vec<_> = tls.iter().filter(of_test).chain(variables).copied().collect();
        House::open(&tls)
    }

    /// A client that trusts this authority alone, and asks for these protocols.
    pub(crate) fn client(&self, protocols: &[&str]) -> ClientConfig {
        self.client_with(protocols, None)
    }

    fn client_with(&self, protocols: &[&str], shown: Option<(String, String)>) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem.as_bytes()).expect("PEM")).expect("one");
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("known")
            .with_root_certificates(roots);
        let mut client = match shown {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM");
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM");
                builder.with_client_auth_cert(vec![chain], key).expect("a pair")
            }
        };
        client.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        client
    }
}

/// A TLS connection to that name.
pub(crate) async fn dial(
    address: SocketAddr,
    client: ClientConfig,
    name: &'static str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let socket = TcpStream::connect(address).await?;
    dial_on(socket, client, name).await
}

async fn dial_on(
    socket: TcpStream,
    client: ClientConfig,
    name: &'static str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(name).expect("a name");
    TlsConnector::from(Arc::new(client)).connect(name, socket).await
}

/// What follows on one TLS connection.
pub(crate) struct Secure(WebSocketStream<TlsStream<TcpStream>>);

impl Secure {
    pub(crate) async fn upgrade(house: &House, stream: TlsStream<TcpStream>, user: &str) -> Self {
        let uri = format!("wss://gateway.test/ws?token={}", house.token(user));
        let uri = uri.parse().expect("an address");
        let (stream, _) = Connector::new().handshake(uri, stream).await.expect("upgraded");
        let mut secure = Self(stream);
        assert_eq!(secure.next().await["userId"], user);
        secure
    }

    async fn next(&mut self) -> serde_json::Value {
        use futures_util::StreamExt;
        match timeout(PATIENCE, self.0.next()).await.expect("something comes") {
            Some(Ok(Message::Text(text))) => serde_json::from_str(&text).expect("JSON"),
            other => panic!("no JSON message but {other:?}"),
        }
    }

    pub(crate) async fn ask(&mut self, payload: serde_json::Value) -> serde_json::Value {
        use futures_util::SinkExt;
        let request = json!({ "type": "request", "requestId": "r", "payload": payload });
        self.0.send(Message::text(request.to_string())).await.expect("the gateway reads");
        self.next().await
    }
}

pub(crate) fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    let chain = stream.get_ref().1.peer_certificates().expect("shown");
    chain[0].clone().into_owned()
}

/// The figure of `/metrics` of that name and label.
pub(crate) async fn figure(house: &House, client: ClientConfig, name: &str) -> f64 {
    let mut stream = dial(house.address, client, "gateway.test").await.expect("TLS");
    let request = b"GET /metrics HTTP/1.1\r\nHost: gateway.test\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.expect("open");
    let mut page = String::new();
    // Whether the end of TLS is told before that of TCP is not what matters here.
    let _ = stream.read_to_string(&mut page).await;
    let line = page.lines().find(|line| line.starts_with(name));
    let line = line.unwrap_or_else(|| panic!("no {name} in {page}"));
    line.rsplit(' ').next().and_then(|figure| figure.parse().ok()).expect("a figure")
}

#[tokio::test]
async fn messages_and_requests_go_over_tls_and_plain_http_is_told_so() {
    let authority = Authority::new("messages");
    let house = authority.house(&[("TLS_HTTP2", "false")]);
    // HTTP/2 is not offered: who would like it speaks HTTP/1.1 all the same.
    let client = authority.client(&["h2", "http/1.1"]);
    let stream = dial(house.address, client.clone(), "gateway.test").await.expect("TLS");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let mut ada = Secure::upgrade(&house, stream, "ada").await;
    let large = json!("x".repeat(300_000));
    assert_eq!(ada.ask(large.clone()).await["payload"], large);

    let refused = get(house.address, "/health").await;
    assert_eq!((refused.status, &refused.json()["code"]), (400, &json!("tls_required")));
    let mut gibberish = Exchange::open(house.address).await;
    gibberish.send([0xff; 64]).await;
    assert!(gibberish.is_over().await);

    let done = figure(&house, client.clone(), "ws_tls_handshakes_total{outcome=\"done\"}").await;
    assert!(done >= 1.0, "{done}");
    let plain =
        figure(&house, client.clone(), "ws_tls_handshakes_total{outcome=\"not_tls\"}").await;
    assert_eq!(plain, 2.0);
    let name = "ws_tls_certificate_not_after_timestamp_seconds{file=\"";
    assert!(figure(&house, client, name).await > 1.7e9);
}

#[tokio::test]
async fn a_connection_that_is_cut_off_without_a_word_has_come_to_its_end() {
    let authority = Authority::new("cut");
    let house = authority.house(&[]);
    let stream = dial(house.address, authority.client(&[]), "gateway.test").await.expect("TLS");
    let ada = Secure::upgrade(&house, stream, "ada").await;
    // No close frame, and no close_notify of TLS.
    drop(ada);
    house.emptied().await;
    assert_eq!(house.ended("end_of_stream") + house.ended("peer_reset"), 1);
}

#[tokio::test]
async fn another_certificate_is_shown_once_it_is_there_and_nobody_is_sent_away() {
    let authority = Authority::new("renewal");
    let house = authority.house(&[]);
    let client = authority.client(&[]);
    let stream = dial(house.address, client.clone(), "gateway.test").await.expect("TLS");
    let before = shown(&stream);
    let mut ada = Secure::upgrade(&house, stream, "ada").await;
    let refused = async || figure(&house, client.clone(), "ws_tls_certificates_refused").await;
    let becomes = async |figure: f64| {
        let waiting = async { while refused().await != figure {} };
        timeout(PATIENCE, waiting).await.expect("the files are looked at");
    };
    becomes(0.0).await;
    std::fs::write(authority.file("gateway.key"), "no key").expect("writable");
    becomes(1.0).await;
    // The key comes first, so that there is a moment with two halves of different pairs.
    authority.write("gateway", &["gateway.test"]);
    let renewed = async {
        loop {
            let stream = dial(house.address, client.clone(), "gateway.test").await.expect("TLS");
            if shown(&stream) != before {
                return;
            }
        }
    };
    timeout(PATIENCE, renewed).await.expect("the files are looked at");
    becomes(0.0).await;
    assert_eq!(ada.ask(json!(1)).await["payload"], 1);
}

#[tokio::test]
async fn each_name_has_its_certificate() {
    let authority = Authority::new("names");
    authority.write("wild", &["*.wild.test"]);
    let file = |name: &str| authority.path(name);
    let certificates = format!("{},{}", file("gateway.pem"), file("wild.pem"));
    let keys = format!("{},{}", file("gateway.key"), file("wild.key"));
    let house = authority.house(&[("TLS_CERT", &certificates), ("TLS_KEY", &keys)]);
    for name in ["gateway.test", "a.wild.test"] {
        let stream = dial(house.address, authority.client(&[]), name).await;
        stream.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let other = dial(house.address, authority.client(&[]), "elsewhere.test").await;
    assert!(other.is_err(), "its certificate is that of gateway.test");
}

#[tokio::test]
async fn who_has_to_have_a_certificate_is_not_served_without() {
    let authority = Authority::new("clients");
    let ca = authority.path("ca.pem");
    let variables = [("TLS_CLIENT_CA", &*ca), ("TLS_CLIENT_AUTH", "required")];
    let house = authority.house(&variables);
    let known = authority.client_with(&[], Some(authority.sign(&["ada.test"])));
    let stream = dial(house.address, known.clone(), "gateway.test").await.expect("TLS");
    let mut ada = Secure::upgrade(&house, stream, "ada").await;
    assert_eq!(ada.ask(json!(1)).await["payload"], 1);

    let stranger = Authority::new("clients-stranger");
    let foreign = authority.client_with(&[], Some(stranger.sign(&["ada.test"])));
    for (client, outcome) in
        [(authority.client(&[]), "no_client_certificate"), (foreign, "client_certificate")]
    {
        // In TLS 1.3 a client is done before the server has judged it.
        if let Ok(mut stream) = dial(house.address, client, "gateway.test").await {
            assert!(timeout(PATIENCE, stream.read_u8()).await.expect("an end").is_err());
        }
        let name = format!("ws_tls_handshakes_total{{outcome=\"{outcome}\"}}");
        assert_eq!(figure(&house, known.clone(), &name).await, 1.0);
    }
}

#[tokio::test]
async fn a_trusted_proxy_names_the_client_before_tls_begins() {
    let authority = Authority::new("proxied");
    let variables = [("PROXY_PROTOCOL", "true"), ("TRUSTED_PROXIES", "127.0.0.1")];
    let house = authority.house(&variables);
    let mut socket = TcpStream::connect(house.address).await.expect("it listens");
    let header = b"PROXY TCP4 203.0.113.9 192.0.2.1 5555 443\r\n";
    socket.write_all(header).await.expect("open");
    let stream = dial_on(socket, authority.client(&[]), "gateway.test").await.expect("TLS");
    let _ada = Secure::upgrade(&house, stream, "ada").await;
    let address = house.handler.connections_by_user_id("ada")[0].address();
    assert_eq!(address.to_string(), "203.0.113.9");
    // TLS without the header is not what a trusted proxy sends.
    assert!(dial(house.address, authority.client(&[]), "gateway.test").await.is_err());
}

#[tokio::test]
async fn a_handshake_has_to_be_done_in_time() {
    let authority = Authority::new("dribbled");
    let house = authority.house(&[("HANDSHAKE_TIMEOUT", "500ms")]);
    // One says nothing, one begins, one has TLS and makes no request.
    let mut silent = Exchange::open(house.address).await;
    let mut begun = Exchange::open(house.address).await;
    begun.send(b"\x16\x03\x01\x02\x00\x01").await;
    let mut idle = dial(house.address, authority.client(&[]), "gateway.test").await.expect("TLS");
    assert!(silent.is_over().await);
    assert!(begun.is_over().await);
    let mut answer = String::new();
    let _ = timeout(PATIENCE, idle.read_to_string(&mut answer)).await.expect("an end");
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}
