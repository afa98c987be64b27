//! Who is let in, what it takes to be up, and what is said otherwise.

#![expect(clippy::unwrap_used, reason = "a server that cannot be started fails the test")]

use std::{path::PathBuf, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
};
use ws_broker::{Engine, Status};
use ws_broker_nats::{Client, Login, Nats, NatsConfig, StartError, Tls};
use ws_test_servers::{Nats as TestServer, NatsLogin, NatsOptions, tls};

/// A pair that NATS' own tests publish.
const NKEY: &str = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";
const SEED: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";

fn start(login: NatsLogin, has_tls: bool) -> TestServer {
    TestServer::start(&NatsOptions { login, has_tls, ..NatsOptions::jetstream() }).unwrap()
}

fn config(server: &TestServer, login: Login) -> NatsConfig {
    NatsConfig { urls: vec![server.url()], login, ..NatsConfig::default() }
}

fn seed_file(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("ws-broker-nats-{}-{name}", std::process::id()));
    std::fs::write(&path, format!("# of nobody\n{SEED}\n")).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_let_in_by_password_token_and_nkey() {
    let password = |password: &str| (String::from("bob"), password.to_owned());
    let (user, right) = password("right");
    let server = start(NatsLogin::Password { user: user.clone(), password: right.clone() }, false);
    let nats = Nats::connect(config(&server, Login::Password { user, password: right }));
    assert_eq!(nats.ready().await, Ok(()));
    let (user, wrong) = password("wrong");
    let nats = Nats::connect(config(&server, Login::Password { user, password: wrong }));
    let denied = nats.ready().await.unwrap_err();
    assert!(matches!(denied, StartError::Denied(_)), "{denied}");
    let Status::Down(reason) = nats.status() else { panic!("{:?}", nats.status()) };
    assert!(reason.contains("refuses the user"), "{reason}");

    let server = start(NatsLogin::Token("secret".to_owned()), false);
    let nats = Nats::connect(config(&server, Login::Token("secret".to_owned())));
    assert_eq!(nats.ready().await, Ok(()));
    let nats = Nats::connect(config(&server, Login::Addresses));
    assert!(matches!(nats.ready().await, Err(StartError::Denied(_))));

    let server = start(NatsLogin::Nkey(NKEY.to_owned()), false);
    let file = seed_file("right");
    let nats = Nats::connect(config(&server, Login::NkeyFile(file.clone())));
    assert_eq!(nats.ready().await, Ok(()));
    std::fs::remove_file(file).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_spoken_with_who_is_vouched_for() {
    let server = start(NatsLogin::Anybody, true);
    let url = server.url().replace("127.0.0.1", "localhost");
    let with = |tls| NatsConfig { urls: vec![url.clone()], tls, ..NatsConfig::default() };
    let trusted = Tls { is_required: true, ca_file: Some(tls::ca()), ..Tls::default() };
    assert_eq!(Nats::connect(with(trusted)).ready().await, Ok(()));
    let stranger = Tls { is_required: true, ca_file: Some(tls::key()), ..Tls::default() };
    let refused = Nats::connect(with(stranger)).ready().await.unwrap_err();
    assert!(matches!(refused, StartError::Unreachable(_)), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_not_there_are_named() {
    let server = start(NatsLogin::Anybody, false);
    for login in
        [Login::NkeyFile("/nowhere/a.nk".into()), Login::CredentialsFile("/nowhere/a".into())]
    {
        let error = Nats::connect(config(&server, login)).ready().await.unwrap_err();
        assert!(error.to_string().contains("/nowhere/a"), "{error}");
    }
    let file = seed_file("no-credentials");
    let error = Nats::connect(config(&server, Login::CredentialsFile(file.clone()))).ready().await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("cannot parse user JWT"), "{error}");
    std::fs::remove_file(file).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_jetstream_is_said_to_be_one() {
    let server = TestServer::start(&NatsOptions::default()).unwrap();
    let nats = Nats::connect(config(&server, Login::Addresses));
    let error = nats.ready().await.unwrap_err();
    assert!(matches!(error, StartError::NoJetStream(_)), "{error}");
    let Status::Down(reason) = nats.status() else { panic!("{:?}", nats.status()) };
    assert!(reason.contains("no JetStream"), "{reason}");
    // Requests and bridges take none.
    assert_eq!(Client::connect(config(&server, Login::Addresses)).ready().await, Ok(()));
}

#[tokio::test]
async fn a_server_that_is_too_old_is_said_to_be_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("nats://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (reading, mut writing) = stream.into_split();
            let info = "INFO {\"server_id\":\"a\",\"version\":\"2.8.4\",\"headers\":true,\
                \"max_payload\":1048576,\"proto\":1,\"jetstream\":true}\r\n";
            writing.write_all(info.as_bytes()).await.unwrap();
            let mut lines = BufReader::new(reading).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if line.starts_with("PING") {
                    writing.write_all(b"PONG\r\n").await.unwrap();
                }
            }
        }
    });
    let nats = Nats::connect(NatsConfig { urls: vec![url], ..NatsConfig::default() });
    let error = nats.ready().await.unwrap_err();
    assert_eq!(error, StartError::TooOld { version: "2.8.4".to_owned() });
    assert!(error.to_string().contains("2.9 or newer"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_starts_first_waits_for_the_server() {
    let mut server = start(NatsLogin::Anybody, false);
    server.kill().unwrap();
    let nats = Nats::connect(NatsConfig {
        backoff_max: Duration::from_millis(100),
        ..config(&server, Login::Addresses)
    });
    assert!(matches!(nats.ready().await, Err(StartError::Unreachable(_))));
    server.restart().unwrap();
    while nats.ready().await.is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(nats.status(), Status::Up);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_listens_everywhere_keeps_nobody_out() {
    let server = start(NatsLogin::Anybody, false);
    let address = server.url().replace("nats://", "");
    let mut eavesdropper = tokio::net::TcpStream::connect(address).await.unwrap();
    eavesdropper.write_all(b"CONNECT {\"verbose\":false}\r\nSUB > 1\r\nPING\r\n").await.unwrap();
    let mut lines = BufReader::new(&mut eavesdropper).lines();
    while lines.next_line().await.unwrap().unwrap() != "PONG" {}
    let nats = Nats::connect(config(&server, Login::Addresses));
    let ready = tokio::time::timeout(Duration::from_secs(30), nats.ready()).await;
    assert_eq!(ready.expect("it is up in the end"), Ok(()));
}
