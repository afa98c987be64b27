//! A nats-server.

use std::path::Path;
use std::time::Duration;

use crate::process::Process;
use crate::{ServerError, ports, program, tls};

mod cluster;
mod wire;

pub use cluster::NatsCluster;

const START_MAX: Duration = Duration::from_secs(30);
/// Somebody else may take a port before the server does.
const TRIES: usize = 5;

/// How it is started.
#[derive(Clone, Debug, Default)]
pub struct NatsOptions {
    /// With JetStream, its files in the server's folder.
    pub has_jetstream: bool,
    /// Whom it lets in.
    pub login: NatsLogin,
    /// Only with TLS, by the certificate of [`tls`].
    pub has_tls: bool,
    /// More lines of its configuration: `max_payload: 1024`.
    pub lines: Vec<String>,
}

/// Whom a nats-server lets in.
#[derive(Clone, Debug, Default)]
pub enum NatsLogin {
    /// Everybody.
    #[default]
    Anybody,
    /// One user.
    Password {
        /// Its name.
        user: String,
        /// Its password.
        password: String,
    },
    /// Who has the token.
    Token(String),
    /// Who has the seed of this public nkey (`U…`).
    Nkey(String),
}

/// A nats-server on loopback. Ends, and takes its data along, when dropped.
#[derive(Debug)]
pub struct Nats {
    process: Process,
    port: u16,
    monitor_port: u16,
    name: String,
}

/// Where the others of a cluster are.
#[derive(Debug)]
pub(crate) struct Routes {
    own: u16,
    all: [u16; 3],
}

impl NatsOptions {
    /// With JetStream.
    pub fn jetstream() -> Self {
        Self { has_jetstream: true, ..Self::default() }
    }
}

impl Nats {
    /// Starts one, and returns when it answers.
    ///
    /// # Errors
    ///
    /// There is no nats-server, or it does not start: with its log.
    pub fn start(options: &NatsOptions) -> Result<Self, ServerError> {
        let mut tries = 1;
        loop {
            let started = Self::launch(options, None).and_then(|mut nats| {
                nats.wait_until_ready()?;
                Ok(nats)
            });
            match started {
                Err(ServerError::Failed { .. }) if tries < TRIES => tries += 1,
                done => return done,
            }
        }
    }

    /// Where it listens at 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `nats://127.0.0.1:port`, or `tls://localhost:port`; without what it takes to be let in.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Where it tells over HTTP how it is: `/varz`, `/jsz`, `/connz`.
    pub fn monitor_port(&self) -> u16 {
        self.monitor_port
    }

    /// The process, to be paused or asked for its number and its log.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// What it said last.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Asks it to end (SIGTERM), and waits for that.
    ///
    /// # Errors
    ///
    /// The system refuses it.
    pub fn stop(&mut self) -> Result<(), ServerError> {
        self.process.stop().map(drop)
    }

    /// Ends it as `kill -9` does.
    ///
    /// # Errors
    ///
    /// The system refuses it.
    pub fn kill(&mut self) -> Result<(), ServerError> {
        self.process.kill().map(drop)
    }

    /// Ends it if it runs, and starts it on the same port with the same data.
    ///
    /// # Errors
    ///
    /// It does not come back: with its log.
    pub fn restart(&mut self) -> Result<(), ServerError> {
        self.stop()?;
        self.process.start()?;
        self.wait_until_ready()
    }

    /// Stops its clock (SIGSTOP): connections stay, and nobody is answered.
    ///
    /// # Errors
    ///
    /// The system refuses it.
    pub fn pause(&self) -> Result<(), ServerError> {
        self.process.pause()
    }

    /// Lets it go on.
    ///
    /// # Errors
    ///
    /// The system refuses it.
    pub fn resume(&self) -> Result<(), ServerError> {
        self.process.resume()
    }

    /// What it tells over HTTP at a path: `/jsz`.
    ///
    /// # Errors
    ///
    /// It cannot be reached, or does not answer within two seconds.
    pub fn monitor(&self, path: &str) -> Result<String, ServerError> {
        wire::get(self.monitor_port, path)
            .map_err(ServerError::system(format!("ask nats-server for {path}")))
    }

    /// Returns when it answers and its JetStream, if it has one, is at work.
    fn wait_until_ready(&mut self) -> Result<(), ServerError> {
        let (port, monitor_port, name) = (self.port, self.monitor_port, self.name.clone());
        self.process.wait_until(START_MAX, "an answer", || {
            let greeting = wire::greeting(port);
            greeting.is_ok_and(|info| info.contains(&name))
                && wire::get(monitor_port, "/healthz").is_ok()
        })
    }

    fn launch(options: &NatsOptions, routes: Option<&Routes>) -> Result<Self, ServerError> {
        let [port, monitor_port] = ports::free()?;
        let name = format!("ws-test-{:016x}", fastrand::u64(..));
        let mut process = Process::new("nats", program::NATS.find()?)?;
        let store = process.folder().join("jetstream");
        let mut lines = configuration(options, port, monitor_port, &name, &store);
        lines.extend(routes.map(Routes::configuration));
        let file = process.write("nats.conf", &(lines.join("\n") + "\n"))?;
        process.set_arguments(vec!["--config".to_owned(), file.display().to_string()]);
        process.start()?;
        Ok(Self { process, port, monitor_port, name })
    }
}

impl Routes {
    fn configuration(&self) -> String {
        let others = self.all.iter().filter(|port| **port != self.own);
        let urls: Vec<String> = others.map(|port| format!("nats://127.0.0.1:{port}")).collect();
        format!(
            "cluster {{ name: ws-test, listen: \"127.0.0.1:{}\", routes: [{}] }}",
            self.own,
            urls.join(", ")
        )
    }
}

fn configuration(
    options: &NatsOptions,
    port: u16,
    monitor_port: u16,
    name: &str,
    store: &Path,
) -> Vec<String> {
    let mut lines = vec![
        format!("listen: \"127.0.0.1:{port}\""),
        format!("http: \"127.0.0.1:{monitor_port}\""),
        format!("server_name: {name}"),
    ];
    if options.has_jetstream {
        lines.push(format!(
            "jetstream {{ store_dir: \"{}\", max_memory_store: 1GB, max_file_store: 16GB }}",
            store.display()
        ));
    }
    match &options.login {
        NatsLogin::Anybody => {}
        NatsLogin::Password { user, password } => {
            lines.push(format!("authorization {{ user: \"{user}\", password: \"{password}\" }}"));
        }
        NatsLogin::Token(token) => lines.push(format!("authorization {{ token: \"{token}\" }}")),
        NatsLogin::Nkey(key) => {
            lines.push(format!("authorization {{ users: [ {{ nkey: {key} }} ] }}"));
        }
    }
    if options.has_tls {
        lines.push(format!(
            "tls {{ cert_file: \"{}\", key_file: \"{}\", ca_file: \"{}\" }}",
            tls::certificate().display(),
            tls::key().display(),
            tls::ca().display()
        ));
    }
    lines.extend(options.lines.iter().cloned());
    lines
}
