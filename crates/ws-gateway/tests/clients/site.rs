//! A gateway that can be killed and comes back at the same place, and a proxy in front of it.

use std::{
    net::Ipv4Addr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::future::BoxFuture;
use rustls::ClientConfig;
use serde_json::Value;
use tokio::{
    net::TcpStream,
    sync::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard},
};
use ws_auth::{Secret, TokenMinter, TokenRequest};
use ws_client::{Client, ClientBuilder};

use crate::{
    process::{Process, SECRET, file},
    proxy::Proxy,
    trust,
};

pub(crate) const API_KEY: &str = "known-to-the-back-ends-of-these-tests-alone";

/// `t:` keeps everything, `slow:` too and lets slow subscribers go without, the others keep nothing.
const RULES: &str = r#"
[[channels]]
pattern = "t:*"
subscribe = true
publish = true
history = { size = 400_000, ttl = "1h" }

[[channels]]
pattern = "slow:*"
subscribe = true
publish = true
slow_consumer = "drop-oldest"
history = { size = 100_000, ttl = "1h" }

[[channels]]
pattern = "room:*"
subscribe = true
publish = true
presence = true
history = { size = 10_000, ttl = "1h" }

[[channels]]
pattern = "*"
subscribe = true
publish = true
presence = true
"#;

/// Nothing is limited here, and who is silent is noticed soon.
const VARIABLES: [(&str, &str); 8] = [
    ("API_KEY", API_KEY),
    ("CONNECTION_RATE_LIMIT", "0"),
    ("MESSAGE_RATE_LIMIT", "0"),
    ("PING_RATE_LIMIT", "0"),
    ("MAX_CONNECTIONS_PER_USER", "0"),
    ("PING_INTERVAL", "300ms"),
    ("PONG_TIMEOUT", "500ms"),
    ("LOG_LEVEL", "info"),
];

/// For what a gateway keeps on the disk: empty, and gone with the test.
pub(crate) struct Folder(String);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = concat!(env!("CARGO_TARGET_TMPDIR"), "/clients-data-").to_owned() + name;
        // Of a run that was killed.
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }

    pub(crate) fn path(&self) -> &str {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is removed by the next run.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Sites that are measured by the clock have the machine for themselves, as far as it is ours.
static MACHINE: RwLock<()> = RwLock::const_new(());

#[expect(dead_code, reason = "they are held")]
enum Turn {
    Shared(RwLockReadGuard<'static, ()>),
    Alone(RwLockWriteGuard<'static, ()>),
}

/// What clients and the gateway speak with each other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wire {
    /// TLS from end to end: what lies between sees bytes that it cannot read.
    Tls,
    /// As behind a proxy that ends TLS.
    Plain,
}

pub(crate) struct Site {
    port: u16,
    wire: Wire,
    trusting: Arc<ClientConfig>,
    web: reqwest::Client,
    variables: Vec<(String, String)>,
    rules: String,
    gateway: Mutex<Option<Process>>,
    pub(crate) proxy: Proxy,
    _turn: Turn,
}

impl Site {
    /// Over TLS. `name` is that of its files; the variables go before those of all sites.
    pub(crate) async fn open(name: &str, variables: &[(&str, &str)]) -> Self {
        let turn = Turn::Shared(MACHINE.read().await);
        Self::open_in_turn(turn, Wire::Tls, name, variables).await
    }

    /// The same without TLS.
    pub(crate) async fn open_plain(name: &str, variables: &[(&str, &str)]) -> Self {
        let turn = Turn::Shared(MACHINE.read().await);
        Self::open_in_turn(turn, Wire::Plain, name, variables).await
    }

    /// Over TLS, while no other is open.
    pub(crate) async fn open_alone(name: &str, variables: &[(&str, &str)]) -> Self {
        let turn = Turn::Alone(MACHINE.write().await);
        Self::open_in_turn(turn, Wire::Tls, name, variables).await
    }

    async fn open_in_turn(turn: Turn, wire: Wire, name: &str, variables: &[(&str, &str)]) -> Self {
        let [port] = ws_test_servers::free_ports().expect("a free port");
        let rules = file(&format!("clients-{name}.toml"), RULES);
        let port_text = port.to_string();
        let tls = trust::variables();
        let tls = tls.each_ref().map(|(name, value)| (*name, &**value));
        let tls = if wire == Wire::Tls { &tls[..] } else { &[] };
        let port_variable = [("WEBSOCKET_PORT", &*port_text)];
        let variables = [&VARIABLES[..], &port_variable, tls, variables].concat();
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let site = Self {
            port,
            wire,
            trusting: trust::trusting(),
            web: trust::web(),
            variables: variables.iter().map(owned).collect(),
            rules: rules.to_str().expect("UTF-8").to_owned(),
            gateway: Mutex::default(),
            proxy: wire.proxy(port).await,
            _turn: turn,
        };
        site.start().await;
        site
    }

    /// One more, for those who are to have a weather of their own.
    pub(crate) async fn another_proxy(&self) -> Proxy {
        self.wire.proxy(self.port).await
    }

    /// Where clients connect: through the proxy.
    pub(crate) fn uri(&self) -> String {
        self.uri_behind(&self.proxy)
    }

    /// Through one of the others.
    pub(crate) fn uri_behind(&self, proxy: &Proxy) -> String {
        format!("ws{}://{}/ws", self.wire.letter(), proxy.address)
    }

    /// Past the proxy.
    pub(crate) fn direct_uri(&self) -> String {
        format!("ws{}://127.0.0.1:{}/ws", self.wire.letter(), self.port)
    }

    /// Pages of it, past the proxy.
    pub(crate) fn page_uri(&self, path: &str) -> String {
        format!("http{}://127.0.0.1:{}{path}", self.wire.letter(), self.port)
    }

    /// The same, through the proxy.
    pub(crate) fn page_uri_of_clients(&self) -> String {
        format!("http{}://{}", self.wire.letter(), self.proxy.address)
    }

    pub(crate) fn start(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let variables: Vec<(&str, &str)> =
                self.variables.iter().map(|(name, value)| (&**name, &**value)).collect();
            let process = Process::start(&["--config", &self.rules], &variables).await;
            *self.gateway.lock().await = Some(process);
        })
    }

    /// `kill -9`.
    pub(crate) async fn kill(&self) {
        let gateway = self.gateway.lock().await.take().expect("it runs");
        gateway.signal("KILL").await;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// SIGTERM: everybody is told to go; until it has ended.
    pub(crate) async fn drain(&self) {
        let gateway = self.gateway.lock().await.take().expect("it runs");
        gateway.signal("TERM").await;
        gateway.ended().await;
    }

    /// What the gateway has logged since it was started.
    pub(crate) async fn log(&self) -> String {
        self.gateway.lock().await.as_ref().map(Process::log).unwrap_or_default()
    }

    /// The processor's time that the gateway has taken so far.
    pub(crate) async fn cpu_secs(&self) -> f64 {
        let _running = self.gateway.lock().await;
        let ours = std::fs::read_dir("/proc").expect("Linux").filter_map(Result::ok);
        let ours = ours.filter(|entry| {
            let line = std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
            line.split('\0').any(|argument| argument == self.rules)
        });
        ours.map(|entry| cpu_secs(&entry.file_name().to_string_lossy())).sum()
    }

    /// A client of ours that goes through the proxy.
    pub(crate) fn client(&self, user: &str) -> ClientBuilder {
        self.client_at(&self.uri(), user)
    }

    /// One that comes back at once, and notices soon that nobody is there.
    pub(crate) fn client_at(&self, uri: &str, user: &str) -> ClientBuilder {
        Client::builder(uri)
            .tls(self.trusting.clone())
            .token(self.token(user))
            .backoff(crate::numbered::backoff())
            .liveness_grace(Duration::from_millis(500))
            .connect_timeout(Duration::from_secs(3))
    }

    /// Whom its clients trust.
    pub(crate) fn trusting(&self) -> Arc<ClientConfig> {
        self.trusting.clone()
    }

    /// A token that is good for an hour.
    pub(crate) fn token(&self, user: &str) -> String {
        mint(&TokenRequest::new(user))
    }

    /// Has something done as a back-end.
    pub(crate) async fn order(&self, path: &str, body: &Value) -> Value {
        let answer = self
            .web
            .post(self.page_uri(path))
            .bearer_auth(API_KEY)
            .header("Content-Type", "application/json")
            .body(body.to_string())
            .send();
        let answer = answer.await.expect("an answer");
        let (status, text) = (answer.status(), answer.text().await.expect("a text"));
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).expect("JSON")
    }

    /// The figure of `/metrics` that begins like this.
    pub(crate) async fn figure(&self, name: &str) -> f64 {
        let page = self.web.get(self.page_uri("/metrics")).send().await.expect("an answer");
        let page = page.text().await.expect("a text");
        let line = page.lines().find(|line| line.starts_with(name));
        let line = line.unwrap_or_else(|| panic!("no {name} in\n{page}"));
        line.rsplit(' ').next().and_then(|it| it.parse().ok()).expect("a number")
    }
}

impl Wire {
    async fn proxy(self, port: u16) -> Proxy {
        let tls = (self == Self::Tls).then(trust::showing);
        Proxy::start(port, tls).await.expect("a free port")
    }

    /// What follows `ws` and `http` in addresses.
    const fn letter(self) -> &'static str {
        match self {
            Self::Tls => "s",
            Self::Plain => "",
        }
    }
}

pub(crate) fn mint(request: &TokenRequest) -> String {
    let minter = TokenMinter::new(&Secret::from(SECRET)).expect("long enough");
    minter.mint(request, now()).expect("signs").expose().to_owned()
}

#[expect(clippy::disallowed_methods, reason = "the gateway's clock is the system's")]
fn now() -> SystemTime {
    SystemTime::now()
}

/// What tokens count in.
pub(crate) fn unix_secs() -> u64 {
    now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs()
}

/// A token of some seconds.
pub(crate) fn brief_token(user: &str, secs: u64) -> String {
    mint(&TokenRequest::new(user).ttl(Duration::from_secs(secs)))
}

/// The processor's time that a process has taken so far, by its number.
pub(crate) fn cpu_secs(process: &str) -> f64 {
    /// Which every Linux counts in.
    const TICKS_A_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // Behind the name, which may have spaces.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>()
        / TICKS_A_SECOND
}

/// Waits until something is so, which it must be within ten seconds.
pub(crate) async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    for _ in 0..2000 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("not so after ten seconds: {what}");
}
