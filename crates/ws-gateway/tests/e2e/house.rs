//! A gateway on port 0, composed from variables.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{sync::oneshot, task::JoinHandle};
use ws_auth::{Secret, TokenMinter, TokenRequest};
use ws_broker::Engine;
use ws_close_manager::CloseReport;
use ws_gateway::{
    Gateway, Upstream,
    config::{Command, Config, LoadError, Loaded, load},
};
use ws_handler::WebSocketHandler;

use crate::client::Client;

pub(crate) const SECRET: &str = "the secret of these tests, of more than thirty-two bytes";

pub(crate) struct House {
    pub(crate) address: SocketAddr,
    pub(crate) handler: WebSocketHandler<Upstream>,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<CloseReport>,
}

/// What these variables and this file mean. Loopback, port 0, a secret and an echo unless they say
/// otherwise.
pub(crate) fn configured(variables: &[(&str, &str)], file: &str) -> Config {
    load_with(variables, file).unwrap_or_else(|error| panic!("{error}")).config
}

/// As [`configured`], with all that is known of it, or all that is wrong.
pub(crate) fn load_with(variables: &[(&str, &str)], file: &str) -> Result<Loaded, LoadError> {
    let defaults = [
        ("WEBSOCKET_HOST", "127.0.0.1"),
        ("WEBSOCKET_PORT", "0"),
        ("JWT_SECRET_KEY", SECRET),
        ("UPSTREAM", "echo"),
    ];
    let defaults =
        defaults.iter().filter(|(name, _)| variables.iter().all(|(known, _)| known != name));
    let environment =
        defaults.chain(variables).map(|(name, value)| ((*name).into(), (*value).into()));
    let arguments = ["ws-gateway", "--config", "gateway.toml"].map(Into::into);
    // Every other file is one that a variable names.
    let read_file = |path: &std::path::Path| match path.to_str() {
        Some("gateway.toml") => Ok(file.to_owned()),
        _ => std::fs::read_to_string(path),
    };
    match load(arguments, environment, read_file)? {
        Command::Serve(loaded) => Ok(loaded),
        other => panic!("not a configuration to serve with: {other:?}"),
    }
}

impl House {
    pub(crate) fn open(variables: &[(&str, &str)]) -> Self {
        Self::open_with_file(variables, "")
    }

    pub(crate) fn open_with_file(variables: &[(&str, &str)], file: &str) -> Self {
        Self::of(Gateway::start(configured(variables, file)).expect("a free port"))
    }

    /// One of several, which have an engine between them.
    pub(crate) fn open_beside(
        engine: Arc<dyn Engine>,
        variables: &[(&str, &str)],
        file: &str,
    ) -> Self {
        let config = configured(variables, file);
        Self::of(Gateway::start_with_engine(config, engine).expect("a free port"))
    }

    pub(crate) fn of(gateway: Gateway) -> Self {
        let (address, handler) = (gateway.address(), gateway.handler().clone());
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(gateway.run_until(async {
            // Dropped with the test.
            let _ = stopped.await;
        }));
        Self { address, handler, stop: Some(stop), running }
    }

    /// Closes everybody and answers how that went.
    pub(crate) async fn close(mut self) -> CloseReport {
        self.start_closing();
        self.running().await
    }

    /// Waits until the gateway has closed.
    pub(crate) async fn running(self) -> CloseReport {
        self.running.await.expect("the gateway does not panic")
    }

    pub(crate) fn start_closing(&mut self) {
        let stop = self.stop.take().expect("closed once");
        stop.send(()).expect("the gateway runs");
    }

    /// A token that is good for an hour.
    pub(crate) fn token(&self, user: &str) -> String {
        self.mint(&TokenRequest::new(user))
    }

    pub(crate) fn mint(&self, request: &TokenRequest) -> String {
        #[expect(clippy::disallowed_methods, reason = "the gateway's clock is the system's")]
        let now = std::time::SystemTime::now();
        let minter = TokenMinter::new(&Secret::from(SECRET)).expect("long enough");
        minter.mint(request, now).expect("signs").expose().to_owned()
    }

    /// Connects as a user, and reads the greeting.
    pub(crate) async fn visit(&self, user: &str) -> Client {
        let mut client =
            Client::connect(self.address, &format!("/ws?token={}", self.token(user))).await;
        let connected = client.next().await;
        assert_eq!((&connected["type"], &connected["userId"]), (&"connected".into(), &user.into()));
        client
    }

    /// Waits until something is so, which it must be soon.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        for _ in 0..1000 {
            if is_so(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("not so after five seconds: {what}");
    }

    pub(crate) async fn emptied(&self) {
        self.until("no connection is left", |house| {
            let stats = house.handler.stats();
            (stats.connections, stats.online_users, stats.pending_authentications) == (0, 0, 0)
        })
        .await;
    }

    pub(crate) fn rejected(&self, cause: &str) -> u64 {
        let stats = self.handler.stats();
        stats.rejections.iter().find(|(label, _)| *label == cause).expect("a known cause").1
    }

    pub(crate) fn ended(&self, cause: &str) -> u64 {
        let stats = self.handler.stats();
        stats.ends.iter().find(|(label, _)| *label == cause).expect("a known cause").1
    }
}
