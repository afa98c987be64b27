//! wss://, with an authority of our own.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject},
    time_provider::TimeProvider,
};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_rustls::TlsAcceptor;
use tungstenite::Message;
use ws_client::{
    DialError, Dialer, DialerConfig, HealthProbe, NetworkSource, NetworkStatus, ProbeConfig,
};
use ws_test_servers::tls as files;
use ws_transport::Acceptor;

use crate::server::{answer_and_hold, answering};

fn acceptor() -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_file(files::certificate()).expect("readable");
    let key = PrivateKeyDer::from_pem_file(files::key()).expect("readable");
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("known")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a pair");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config).into()
}

/// Trusts whom `root` names.
fn trusting(root: std::path::PathBuf) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(root).expect("readable")).expect("a certificate");
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("known")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// What the client asked for: a name, and a protocol.
type Hello = (Option<String>, Option<Vec<u8>>);

/// A server that echoes over TLS, and tells of each hello.
async fn listen(address: &str) -> (SocketAddr, mpsc::UnboundedReceiver<Hello>) {
    let listener = TcpListener::bind(address).await.expect("loopback");
    let address = listener.local_addr().expect("bound");
    let (hellos, seen) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let Ok(stream) = acceptor().accept(socket).await else { continue };
            let session = stream.get_ref().1;
            let name = session.server_name().map(ToOwned::to_owned);
            let _ = hellos.send((name, session.alpn_protocol().map(<[u8]>::to_vec)));
            let Ok(mut stream) = Acceptor::new().accept(stream).await else { continue };
            while let Some(Ok(message)) = stream.next().await {
                let _ = stream.send(message).await;
            }
        }
    });
    (address, seen)
}

fn config(address: String, tls: ClientConfig) -> DialerConfig {
    DialerConfig { tls: Some(Arc::new(tls)), ..DialerConfig::new(address) }
}

async fn told(config: DialerConfig) -> String {
    match Dialer::new(config).expect("sound").dial(None).await {
        Err(DialError::Tls(sentence)) => sentence,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn messages_travel_over_tls_to_a_name_and_to_an_address() {
    let (address, mut hellos) = listen("127.0.0.1:0").await;
    // An address is not sent as a name (RFC 6066 §3), and yet judged as one.
    for (host, sent) in [("localhost", Some("localhost")), ("127.0.0.1", None)] {
        let address = format!("wss://{host}:{}/ws", address.port());
        let dialer = Dialer::new(config(address, trusting(files::ca()))).expect("sound");
        let mut socket = dialer.dial(None).await.expect("trusted");
        let message = Message::text("there and back ".repeat(10_000));
        socket.send(message.clone()).await.expect("open");
        assert_eq!(socket.next().await.expect("more").expect("sound"), message);
        let (name, protocol) = hellos.recv().await.expect("greeted");
        assert_eq!(name.as_deref(), sent);
        assert_eq!(protocol.as_deref(), Some(&b"http/1.1"[..]));
    }
}

#[tokio::test]
async fn a_certificate_that_does_not_hold_is_told_in_a_sentence() {
    let (address, _hellos) = listen("127.0.0.1:0").await;
    let local = format!("wss://localhost:{}/ws", address.port());
    let stranger = config(local.clone(), trusting(files::certificate()));
    let sentence = "nobody whom we trust has signed the certificate of localhost";
    assert_eq!(told(stranger).await, sentence);
    // Whatever the platform trusts, it is not our test's authority.
    assert_eq!(told(DialerConfig::new(local.clone())).await, sentence);

    #[derive(Debug)]
    struct Later;
    impl TimeProvider for Later {
        fn current_time(&self) -> Option<UnixTime> {
            Some(UnixTime::since_unix_epoch(Duration::from_secs(7_000_000_000)))
        }
    }
    let mut later = trusting(files::ca());
    later.time_provider = Arc::new(Later);
    assert_eq!(told(config(local, later)).await, "the certificate of localhost has expired");

    let (address, _hellos) = listen("127.0.0.2:0").await;
    let elsewhere = config(format!("wss://{address}/ws"), trusting(files::ca()));
    assert_eq!(told(elsewhere).await, "the certificate is not for 127.0.0.2");
}

#[tokio::test]
async fn a_server_without_tls_is_told_in_a_sentence() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        let (mut socket, _) = listener.accept().await.expect("open");
        let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        // Until the client has left.
        answer_and_hold(socket, "").await;
    });
    let config = config(format!("wss://{address}/"), trusting(files::ca()));
    assert_eq!(told(config).await, "127.0.0.1 speaks no TLS there");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_greets_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let address = listener.local_addr().expect("bound");
    let config = config(format!("wss://{address}/"), trusting(files::ca()));
    let error = Dialer::new(config).expect("sound").dial(None).await.expect_err("silent");
    assert!(matches!(error, DialError::TimedOut), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_transport_of_ones_own_is_used_as_it_is() {
    let config = DialerConfig {
        address: "wss://gateway.test/ws".to_owned(),
        ..answering("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
    };
    let error = Dialer::new(config).expect("sound").dial(None).await.expect_err("refused");
    assert!(matches!(error, DialError::Refused { status: 401, .. }), "{error:?}");
}

#[tokio::test]
async fn a_probe_trusts_whom_the_dialer_trusts() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        let mut answers = 0;
        loop {
            let (socket, _) = listener.accept().await.expect("open");
            let Ok(stream) = acceptor().accept(socket).await else { continue };
            answers += 1;
            let status = if answers == 1 { "503 Service Unavailable" } else { "200 OK" };
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 9999\r\n\r\n");
            tokio::spawn(async move { answer_and_hold(stream, &answer).await });
        }
    });
    let address = format!("wss://localhost:{port}/ws");
    // Whoever trusts nobody never gets to an answer.
    let strange = HealthProbe::start(&ProbeConfig::new(address.clone())).expect("sound");
    strange.watch().wait_for(|it| *it == NetworkStatus::Offline).await.expect("asked");
    let trusting = config(address, trusting(files::ca()));
    let trusted = HealthProbe::start(&ProbeConfig::beside(&trusting)).expect("sound");
    let mut status = trusted.watch();
    status.wait_for(|it| *it == NetworkStatus::Offline).await.expect("answered");
    trusted.check_now();
    status.wait_for(|it| *it == NetworkStatus::Online).await.expect("answered again");
    assert_eq!(strange.status(), NetworkStatus::Offline);
}
