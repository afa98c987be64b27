//! nginx and HAProxy in front of gateways, with the files of `docs/deploy`: addresses, ports, certificates and
//! timeouts are the test's, everything else is what stands there.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tungstenite::Message;
use ws_client::{Credential, Dialer, DialerConfig, Socket};
use ws_test_servers::{Process as Server, free_ports, tls};

use crate::process::{Process, token};

const PATIENCE: Duration = Duration::from_secs(20);
/// What the balancers are told, instead of 75 s.
const IDLE: Duration = Duration::from_secs(1);
/// A client that is not the balancer, to whoever looks at its address.
const CLIENT: &str = "127.0.0.2";

struct Front {
    _server: Server,
    address: SocketAddr,
    trust: Arc<ClientConfig>,
}

fn program(variable: &str) -> PathBuf {
    let told = std::env::var_os(variable);
    told.unwrap_or_else(|| panic!("{variable} is not set: eval \"$(cargo xtask provision)\""))
        .into()
}

fn deployed(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/deploy");
    std::fs::read_to_string(folder.join(name)).expect("it is there")
}

/// Each must be in the file: a test of something that nobody deploys would show nothing.
fn replaced(mut text: String, pairs: &[(&str, &str)]) -> String {
    for (from, to) in pairs {
        assert!(text.contains(from), "{from:?} is not in the file");
        text = text.replace(from, to);
    }
    text
}

async fn gateways(variables: &[(&str, &str)]) -> [Process; 2] {
    let own = [("TRUSTED_PROXIES", "127.0.0.1"), ("MAX_CONNECTIONS_PER_USER", "0")];
    let variables = [&own, variables].concat();
    [Process::start(&[], &variables).await, Process::start(&[], &variables).await]
}

impl Front {
    async fn nginx(name: &str, gateways: &[Process; 2]) -> Self {
        let [port] = free_ports().expect("a free port");
        let server = Server::new(name, program("WS_TEST_NGINX")).expect("a folder");
        let folder = server.folder().display().to_string();
        let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|part| format!("    {part}_temp_path {folder}/{part};\n"))
            .concat();
        let (first, second) = (gateways[0].address.to_string(), gateways[1].address.to_string());
        let text = replaced(
            deployed("nginx.conf"),
            &[
                (
                    "pid /run/nginx.pid;",
                    // One process, so that its end is the end of all of it.
                    &format!(
                        "pid {folder}/pid;\ndaemon off;\nmaster_process off;\nerror_log stderr;"
                    ),
                ),
                ("worker_rlimit_nofile 200000;", ""),
                ("worker_processes auto;", "worker_processes 1;"),
                ("worker_connections 100000;", "worker_connections 512;"),
                ("http {\n", &format!("http {{\n{paths}")),
                ("10.0.1.11:3001", &first),
                ("10.0.1.12:3001", &second),
                ("/var/log/nginx/gateway.log", &format!("{folder}/access")),
                ("listen 443 ssl;", &format!("listen 127.0.0.1:{port} ssl;")),
                ("/etc/nginx/tls/gateway.crt", &tls::certificate().display().to_string()),
                ("/etc/nginx/tls/gateway.key", &tls::key().display().to_string()),
                ("proxy_read_timeout 75s;", "proxy_read_timeout 1s;"),
                ("proxy_send_timeout 75s;", "proxy_send_timeout 1s;"),
            ],
        );
        Self::start(server, port, &text, &["-c"]).await
    }

    async fn haproxy(name: &str, gateways: &[Process; 2]) -> Self {
        let [port] = free_ports().expect("a free port");
        let server = Server::new(name, program("WS_TEST_HAPROXY")).expect("a folder");
        let read = |path: PathBuf| std::fs::read_to_string(path).expect("readable");
        let pem = read(tls::certificate()) + &read(tls::key());
        let pem = server.write("gateway.pem", &pem).expect("written").display().to_string();
        let (first, second) = (gateways[0].address.to_string(), gateways[1].address.to_string());
        let text = replaced(
            deployed("haproxy.cfg"),
            &[
                ("maxconn 100000", "maxconn 200"),
                ("bind :443", &format!("bind 127.0.0.1:{port}")),
                ("/etc/haproxy/tls/gateway.pem", &pem),
                ("10.0.1.11:3001", &first),
                ("10.0.1.12:3001", &second),
                ("timeout tunnel 75s", "timeout tunnel 1s"),
                ("inter 2s", "inter 100ms"),
            ],
        );
        Self::start(server, port, &text, &["-db", "-f"]).await
    }

    async fn start(mut server: Server, port: u16, text: &str, before: &[&str]) -> Self {
        let path = server.write("config", text).expect("written").display().to_string();
        let arguments = before.iter().map(|it| (*it).to_owned()).chain([path]);
        server.set_arguments(arguments.collect());
        server.start().expect("it starts");
        let is_there = || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
        server.wait_until(PATIENCE, "listening", is_there).expect("it listens");
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(tls::ca()).expect("readable"))
            .expect("an authority");
        let trust = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("known")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { _server: server, address: ([127, 0, 0, 1], port).into(), trust: Arc::new(trust) }
    }

    async fn dial(&self, user: &str) -> Socket {
        let config = DialerConfig::new(format!("wss://localhost:{}/ws", self.address.port()));
        let config = DialerConfig { tls: Some(self.trust.clone()), ..config };
        let dialer = Dialer::new(config).expect("sound");
        let mut socket =
            dialer.dial(Some(Credential::Header(&token(user)))).await.expect("upgraded");
        assert_eq!(next(&mut socket).await["type"], "connected");
        socket
    }

    /// TLS from an address of its own.
    async fn tls(&self) -> TlsStream<TcpStream> {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(format!("{CLIENT}:0").parse().expect("an address")).expect("loopback");
        let socket = socket.connect(self.address).await.expect("it listens");
        let name = "localhost".try_into().expect("a name");
        TlsConnector::from(self.trust.clone()).connect(name, socket).await.expect("trusted")
    }

    async fn answer(&self, request: &str) -> String {
        let mut stream = self.tls().await;
        stream.write_all(request.as_bytes()).await.expect("it reads");
        let mut answer = vec![0; 4096];
        let len =
            timeout(PATIENCE, stream.read(&mut answer)).await.expect("an answer").expect("one");
        String::from_utf8_lossy(&answer[..len]).into_owned()
    }
}

async fn next(socket: &mut Socket) -> Value {
    loop {
        match timeout(PATIENCE, socket.next()).await.expect("something comes") {
            Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).expect("JSON"),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            other => panic!("no message but {other:?}"),
        }
    }
}

async fn asks(socket: &mut Socket) {
    let request = json!({ "type": "request", "requestId": 1, "payload": "still there" });
    socket.send(Message::text(request.to_string())).await.expect("it is taken");
    assert_eq!(next(socket).await["payload"], "still there");
}

/// Nobody says anything but the heartbeat, for several times what the balancer allows.
async fn outlives_the_idle_timeout(front: &Front) {
    let mut socket = front.dial("ada").await;
    let listening = timeout(IDLE * 3, async {
        while let Some(Ok(message)) = socket.next().await {
            assert!(matches!(message, Message::Ping(_) | Message::Pong(_)), "{message:?}");
        }
    });
    assert!(listening.await.is_err(), "it was cut");
    asks(&mut socket).await;
}

/// And without the heartbeat it is cut: it is what keeps it.
async fn is_cut_when_nobody_pings(front: &Front) {
    let mut socket = front.dial("ada").await;
    let ended = timeout(PATIENCE, async { while let Some(Ok(_)) = socket.next().await {} });
    ended.await.expect("it is cut");
}

/// An upgrade from an address that is not the balancer's: the gateway's log has that one.
async fn the_clients_address_is_known(front: &Front, gateways: &[Process; 2]) {
    let request = format!(
        "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Authorization: Bearer {}\r\n\r\n",
        token("eve")
    );
    assert!(front.answer(&request).await.starts_with("HTTP/1.1 101 "));
    let logs = || gateways.iter().map(Process::log).collect::<Vec<_>>().concat();
    let is_told = || {
        let lines: Vec<Value> =
            logs().lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        lines.iter().any(|line| line["user"] == "eve" && line["address"] == CLIENT)
    };
    let told = timeout(PATIENCE, async {
        while !is_told() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    assert!(told.await.is_ok(), "{CLIENT} is not in\n{}", logs());
}

async fn what_is_for_those_inside_is_not_there(front: &Front) {
    for path in ["/metrics", "/stats", "/api/connections"] {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let answer = front.answer(&request).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{path}: {answer}");
    }
    let request = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert!(front.answer(request).await.starts_with("HTTP/1.1 200 "));
}

/// One of two gateways goes; nobody who connects sees it.
async fn a_drain_refuses_nobody(front: &Front, [first, second]: [Process; 2]) {
    let mut before = Vec::new();
    for _ in 0..4 {
        before.push(front.dial("ada").await);
    }
    first.signal("TERM").await;
    for _ in 0..20 {
        let mut socket = front.dial("ada").await;
        asks(&mut socket).await;
    }
    assert_eq!(first.ended().await.status, 0);
    drop((before, second));
}

const PINGS: [(&str, &str); 2] = [("PING_INTERVAL", "250"), ("PONG_TIMEOUT", "200")];
const NO_PINGS: [(&str, &str); 1] = [("PING_INTERVAL", "1h")];
const HEADER: (&str, &str) = ("PROXY_PROTOCOL", "on");

#[tokio::test(flavor = "multi_thread")]
async fn nginx_as_it_is_deployed_carries_what_the_heartbeat_keeps() {
    let gateways = gateways(&PINGS).await;
    let front = Front::nginx("nginx", &gateways).await;
    the_clients_address_is_known(&front, &gateways).await;
    what_is_for_those_inside_is_not_there(&front).await;
    outlives_the_idle_timeout(&front).await;
    a_drain_refuses_nobody(&front, gateways).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn haproxy_as_it_is_deployed_carries_what_the_heartbeat_keeps() {
    let gateways = gateways(&[&PINGS[..], &[HEADER]].concat()).await;
    let front = Front::haproxy("haproxy", &gateways).await;
    the_clients_address_is_known(&front, &gateways).await;
    what_is_for_those_inside_is_not_there(&front).await;
    outlives_the_idle_timeout(&front).await;
    a_drain_refuses_nobody(&front, gateways).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_heartbeat_both_cut_what_is_idle() {
    let plain = gateways(&NO_PINGS).await;
    let with_header = gateways(&[&NO_PINGS[..], &[HEADER]].concat()).await;
    let (nginx, haproxy) = tokio::join!(
        Front::nginx("nginx-idle", &plain),
        Front::haproxy("haproxy-idle", &with_header)
    );
    tokio::join!(is_cut_when_nobody_pings(&nginx), is_cut_when_nobody_pings(&haproxy));
}
