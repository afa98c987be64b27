//! A gateway that can be killed and comes back at the same place, and a proxy in front of it.

use std::{
    net::Ipv4Addr,
    time::{Duration, SystemTime},
};

use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::{
    net::TcpStream,
    sync::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard},
};
use ws_auth::{Secret, TokenMinter, TokenRequest};

use crate::{
    process::{Process, SECRET, file},
    proxy::Proxy,
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

pub(crate) struct Site {
    port: u16,
    /// What follows `ws` and `http` in its addresses: `s`, where it speaks TLS.
    secure: &'static str,
    variables: Vec<(String, String)>,
    rules: String,
    gateway: Mutex<Option<Process>>,
    pub(crate) proxy: Proxy,
    _turn: Turn,
}

impl Site {
    /// `name` is that of its files; the variables go before those of all sites.
    pub(crate) async fn open(name: &str, variables: &[(&str, &str)]) -> Self {
        Self::open_in_turn(Turn::Shared(MACHINE.read().await), name, variables).await
    }

    /// While no other is open.
    pub(crate) async fn open_alone(name: &str, variables: &[(&str, &str)]) -> Self {
        Self::open_in_turn(Turn::Alone(MACHINE.write().await), name, variables).await
    }

    async fn open_in_turn(turn: Turn, name: &str, variables: &[(&str, &str)]) -> Self {
        let [port] = ws_test_servers::free_ports().expect("a free port");
        let rules = file(&format!("clients-{name}.toml"), RULES);
        let port_text = port.to_string();
        let variables = [&VARIABLES[..], &[("WEBSOCKET_PORT", &port_text)], variables].concat();
        let speaks_tls = variables.iter().any(|(name, _)| *name == "TLS_CERT");
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let site = Self {
            port,
            secure: if speaks_tls { "s" } else { "" },
            variables: variables.iter().map(owned).collect(),
            rules: rules.to_str().expect("UTF-8").to_owned(),
            gateway: Mutex::default(),
            proxy: Proxy::start(port).await.expect("a free port"),
            _turn: turn,
        };
        site.start().await;
        site
    }

    /// One more, for those who are to have a weather of their own.
    pub(crate) async fn another_proxy(&self) -> Proxy {
        Proxy::start(self.port).await.expect("a free port")
    }

    /// Where clients connect: through the proxy.
    pub(crate) fn uri(&self) -> String {
        format!("ws{}://{}/ws", self.secure, self.proxy.address)
    }

    /// Past the proxy.
    pub(crate) fn direct_uri(&self) -> String {
        format!("ws{}://127.0.0.1:{}/ws", self.secure, self.port)
    }

    /// Pages of it, past the proxy.
    pub(crate) fn page_uri(&self, path: &str) -> String {
        format!("http{}://127.0.0.1:{}{path}", self.secure, self.port)
    }

    /// The same, through the proxy.
    pub(crate) fn page_uri_of_clients(&self) -> String {
        format!("http{}://{}", self.secure, self.proxy.address)
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
    pub(crate) fn client(&self, user: &str) -> ws_client::ClientBuilder {
        crate::numbered::client(&self.uri(), self.token(user))
    }

    /// A token that is good for an hour.
    pub(crate) fn token(&self, user: &str) -> String {
        mint(&TokenRequest::new(user))
    }

    /// Has something done as a back-end.
    pub(crate) async fn order(&self, path: &str, body: &Value) -> Value {
        let answer = web()
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
        let page = web().get(self.page_uri("/metrics")).send().await.expect("an answer");
        let page = page.text().await.expect("a text");
        let line = page.lines().find(|line| line.starts_with(name));
        let line = line.unwrap_or_else(|| panic!("no {name} in\n{page}"));
        line.rsplit(' ').next().and_then(|it| it.parse().ok()).expect("a number")
    }
}

/// Somebody who knows the authority of these tests.
fn web() -> reqwest::Client {
    let ca = std::fs::read(ws_test_servers::tls::ca()).expect("readable");
    let ca = reqwest::Certificate::from_pem(&ca).expect("PEM");
    reqwest::Client::builder().tls_certs_only([ca]).build().expect("sound")
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
