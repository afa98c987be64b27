//! TLS in front of what is accepted: names, replacement, certificates of clients, and those who do not speak it.

use std::{sync::Arc, time::Duration};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair as Key};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    time::Instant,
};
use tokio_rustls::TlsConnector;
use ws_transport::tls::{
    ClientAuthority, KeyPair, KeyPairError, TlsAcceptor, TlsConfig, TlsConfigError, TlsFault,
    TlsStream, TlsVersion,
};

/// Who signs all certificates here.
struct Authority {
    issuer: Issuer<'static, Key>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = Key::generate().expect("random");
        let pem = params.self_signed(&key).expect("signs").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Certificate and key, in PEM.
    fn signed(&self, names: &[&str]) -> (String, String) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = Key::generate().expect("random");
        let params = CertificateParams::new(names).expect("names");
        let certificate = params.signed_by(&key, &self.issuer).expect("signs");
        (certificate.pem(), key.serialize_pem())
    }

    fn pair(&self, names: &[&str]) -> KeyPair {
        let (certificate, key) = self.signed(names);
        KeyPair::from_pem(certificate.as_bytes(), key.as_bytes()).expect("a pair")
    }

    /// A client that trusts it, and shows a certificate if it has one.
    fn client(&self, shown: Option<(String, String)>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem.as_bytes()).expect("PEM")).expect("one");
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("known")
            .with_root_certificates(roots);
        Arc::new(match shown {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain =
                    vec![CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM")];
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM");
                builder.with_client_auth_cert(chain, key).expect("a pair")
            }
        })
    }
}

fn in_time() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

fn acceptor(config: TlsConfig) -> TlsAcceptor {
    TlsAcceptor::new(config, 8).expect("sound")
}

type Served = Result<TlsStream<DuplexStream>, TlsFault>;

/// A client asks for a name; both ends of that, the client's once it has read a byte.
async fn meet(
    acceptor: &TlsAcceptor,
    client: Arc<ClientConfig>,
    name: &'static str,
) -> (Served, Option<ClientConnection>) {
    let (near, far) = duplex(64 * 1024);
    let server = async {
        let mut stream = acceptor.accept(near, Vec::new(), in_time()).await;
        if let Ok(stream) = &mut stream {
            let _ = stream.write_all(b"!").await;
            let _ = stream.flush().await;
        }
        stream.map_err(|failure| failure.fault)
    };
    let client = async {
        let name = ServerName::try_from(name).expect("a name");
        let mut stream = TlsConnector::from(client).connect(name, far).await.ok()?;
        // Tickets come with the first bytes, and so does a refusal of the client's certificate.
        stream.read_u8().await.ok()?;
        Some(stream.into_inner().1)
    };
    tokio::join!(server, client)
}

fn shown(client: &Option<ClientConnection>) -> &CertificateDer<'static> {
    let chain = client.as_ref().and_then(|client| client.peer_certificates());
    chain.and_then(|chain| chain.first()).expect("it was shown one")
}

#[tokio::test]
async fn a_client_is_shown_the_certificate_of_the_name_it_asks_for() {
    let authority = Authority::new();
    let (first, second) = (authority.pair(&["first.test"]), authority.pair(&["*.second.test"]));
    assert_eq!(second.names(), ["*.second.test"]);
    let acceptor = acceptor(TlsConfig::new(vec![first, second]));
    let client = authority.client(None);
    let (_, first) = meet(&acceptor, client.clone(), "first.test").await;
    let (_, second) = meet(&acceptor, client.clone(), "a.second.test").await;
    assert_ne!(shown(&first), shown(&second));
    // Nobody's name gets the first, which the client takes for what it is.
    let (served, refused) = meet(&acceptor, client, "elsewhere.test").await;
    assert!(refused.is_none());
    assert_eq!(served.err(), Some(TlsFault::RefusedByClient));
    let handshakes = acceptor.handshakes();
    assert_eq!((handshakes.done, handshakes.under_way), (2, 0));
    assert_eq!(handshakes.failed[TlsFault::RefusedByClient.index()], 1);
}

#[tokio::test]
async fn another_pair_is_shown_from_when_it_is_installed_and_connections_stay() {
    let authority = Authority::new();
    let acceptor = acceptor(TlsConfig::new(vec![authority.pair(&["a.test"])]));
    let (near, far) = duplex(64 * 1024);
    let name = ServerName::try_from("a.test").expect("a name");
    let connecting = TlsConnector::from(authority.client(None)).connect(name, far);
    let (served, client) = tokio::join!(acceptor.accept(near, Vec::new(), in_time()), connecting);
    let (mut served, mut old) = (served.expect("served"), client.expect("connected"));

    let before = meet(&acceptor, authority.client(None), "a.test").await.1;
    let ready = acceptor.prepare(TlsConfig::new(vec![authority.pair(&["a.test"])])).expect("sound");
    let between = meet(&acceptor, authority.client(None), "a.test").await.1;
    assert_eq!(shown(&before), shown(&between), "nothing has changed yet");
    acceptor.install(ready);
    let after = meet(&acceptor, authority.client(None), "a.test").await.1;
    assert_ne!(shown(&before), shown(&after));

    served.write_all(b"still here").await.expect("open");
    served.flush().await.expect("open");
    let mut heard = [0; 10];
    old.read_exact(&mut heard).await.expect("open");
    assert_eq!(&heard, b"still here");
    let nothing = acceptor.prepare(TlsConfig::new(Vec::new()));
    assert_eq!(nothing.err(), Some(TlsConfigError::NoPair));
}

#[tokio::test]
async fn whoever_comes_back_resumes_unless_certificates_of_clients_are_asked_for() {
    let authority = Authority::new();
    let acceptor = acceptor(TlsConfig::new(vec![authority.pair(&["a.test"])]));
    let client = authority.client(None);
    let kind = |client: Option<ClientConnection>| client.and_then(|client| client.handshake_kind());
    let mut kinds = Vec::new();
    for _ in 0..2 {
        kinds.push(kind(meet(&acceptor, client.clone(), "a.test").await.1));
    }
    // The tickets outlive a new certificate.
    let renewed = TlsConfig::new(vec![authority.pair(&["a.test"])]);
    acceptor.install(acceptor.prepare(renewed.clone()).expect("sound"));
    kinds.push(kind(meet(&acceptor, client.clone(), "a.test").await.1));
    let clients = ClientAuthority::from_pem(authority.pem.as_bytes(), false).expect("one");
    let asking = renewed.with_clients(Some(clients));
    acceptor.install(acceptor.prepare(asking).expect("sound"));
    kinds.push(kind(meet(&acceptor, client, "a.test").await.1));
    // Whoever shows one is judged each time: it may have ended since.
    let known = authority.client(Some(authority.signed(&["ada.test"])));
    for _ in 0..2 {
        kinds.push(kind(meet(&acceptor, known.clone(), "a.test").await.1));
    }
    let (full, resumed) = (Some(HandshakeKind::Full), Some(HandshakeKind::Resumed));
    assert_eq!(kinds, [full, resumed, resumed, full, full, full]);
    assert_eq!(acceptor.handshakes().resumed, 2);
}

#[tokio::test]
async fn a_certificate_of_the_client_is_judged_where_it_is_asked_for() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let good = || authority.client(Some(authority.signed(&["ada.test"])));
    let foreign = || authority.client(Some(stranger.signed(&["ada.test"])));
    let none = || authority.client(None);
    for (is_required, client, expect) in [
        (false, none(), None),
        (false, good(), None),
        (false, foreign(), Some(TlsFault::ClientCertificate)),
        (true, none(), Some(TlsFault::NoClientCertificate)),
        (true, good(), None),
        (true, foreign(), Some(TlsFault::ClientCertificate)),
    ] {
        let clients = ClientAuthority::from_pem(authority.pem.as_bytes(), is_required);
        let config = TlsConfig::new(vec![authority.pair(&["a.test"])]);
        let acceptor = acceptor(config.with_clients(Some(clients.expect("one"))));
        let (served, client) = meet(&acceptor, client, "a.test").await;
        assert_eq!(served.err(), expect, "required: {is_required}");
        assert_eq!(client.is_some(), expect.is_none());
    }
    let none = ClientAuthority::from_pem(b"nothing", true);
    assert_eq!(none.err(), Some(TlsConfigError::NoAuthority));
}

#[tokio::test]
async fn protocols_and_versions_are_negotiated_or_refused() {
    let authority = Authority::new();
    let config = TlsConfig::new(vec![authority.pair(&["a.test"])]);
    let config = config.with_protocols(["h2", "http/1.1"]).with_oldest(TlsVersion::Tls13);
    let acceptor = acceptor(config);
    let offering = |names: &[&[u8]]| {
        let mut client = ClientConfig::clone(&authority.client(None));
        client.alpn_protocols = names.iter().map(|name| name.to_vec()).collect();
        Arc::new(client)
    };
    for (offered, expect) in [
        (&[&b"http/1.1"[..], b"h2"][..], Ok(Some(&b"h2"[..]))),
        (&[b"http/1.1"], Ok(Some(b"http/1.1"))),
        (&[], Ok(None)),
        (&[b"spdy/3"], Err(TlsFault::NothingInCommon)),
    ] {
        let (served, _) = meet(&acceptor, offering(offered), "a.test").await;
        let chosen = served.map(|stream| stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec));
        assert_eq!(chosen, expect.map(|name| name.map(<[u8]>::to_vec)), "{offered:?}");
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let old = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .expect("known")
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let (served, _) = meet(&acceptor, Arc::new(old), "a.test").await;
    assert_eq!(served.err(), Some(TlsFault::NothingInCommon));
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_speak_tls_can_be_answered_and_whoever_says_nothing_is_let_go() {
    let authority = Authority::new();
    let acceptor = acceptor(TlsConfig::new(vec![authority.pair(&["a.test"])]));
    let request = b"GET / HTTP/1.1\r\n\r\n";
    // Whether it was read before or is still to be read.
    for held in [&request[..], b""] {
        let (near, mut far) = duplex(1024);
        far.write_all(&request[held.len()..]).await.expect("open");
        far.shutdown().await.expect("open");
        let failure = acceptor.accept(near, held.to_vec(), in_time()).await.expect_err("plain");
        assert_eq!(failure.fault, TlsFault::NotTls);
        let mut untouched = failure.untouched.expect("all of it");
        let mut read = Vec::new();
        untouched.read_to_end(&mut read).await.expect("open");
        assert_eq!(read, request);
    }
    for (sent, is_gone, expect) in [
        (&b""[..], false, TlsFault::TimedOut),
        (b"\x16\x03\x01", false, TlsFault::TimedOut),
        (b"", true, TlsFault::EndOfStream),
        (b"\x16\x03\x01", true, TlsFault::EndOfStream),
        (b"\x16\x03\x01\x00\x04junk", false, TlsFault::Malformed),
    ] {
        let (near, mut far) = duplex(1024);
        far.write_all(sent).await.expect("open");
        if is_gone {
            far.shutdown().await.expect("open");
        }
        let failure = acceptor.accept(near, Vec::new(), in_time()).await.expect_err("nothing");
        assert_eq!(failure.fault, expect, "{sent:?}");
        assert!(failure.untouched.is_none());
    }
    assert_eq!(acceptor.handshakes().under_way, 0);
}

#[test]
fn what_is_no_pair_says_why() {
    let authority = Authority::new();
    let ((certificate, key), (_, other)) = (authority.signed(&["a"]), authority.signed(&["a"]));
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let cut: String = certificate
        .lines()
        .take(4)
        .chain(["-----END CERTIFICATE-----"])
        .fold(String::new(), |text, line| text + line + "\n");
    for (certificate, key, expect) in [
        (&*certificate, &*other, KeyPairError::Mismatch),
        (&*key, &*key, KeyPairError::NoCertificate),
        (&*certificate, &*certificate, KeyPairError::NoKey),
        (&*certificate, &*encrypted, KeyPairError::EncryptedKey),
        ("", "", KeyPairError::NoCertificate),
    ] {
        let error = KeyPair::from_pem(certificate.as_bytes(), key.as_bytes()).expect_err("no pair");
        assert_eq!(error, expect);
        assert!(!error.to_string().contains(&key[30.min(key.len())..]) || key.is_empty());
    }
    let error = KeyPair::from_pem(cut.as_bytes(), key.as_bytes()).expect_err("cut off");
    assert!(matches!(error, KeyPairError::Certificate(_)), "{error}");
}
