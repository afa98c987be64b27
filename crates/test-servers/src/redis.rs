//! A redis-server.

use std::time::Duration;

use crate::process::Process;
use crate::{ServerError, ports, program, tls};

mod cluster;
mod wire;

pub use cluster::RedisCluster;

const START_MAX: Duration = Duration::from_secs(30);
/// Somebody else may take a port before the server does.
const TRIES: usize = 5;

/// How it is started.
#[derive(Clone, Debug, Default)]
pub struct RedisOptions {
    /// `appendonly yes` and `appendfsync always`: what was answered survives a `kill -9`. Without, all is
    /// gone with the process.
    pub is_durable: bool,
    /// The password of the user `default`.
    pub password: Option<String>,
    /// A second port, which speaks TLS with the certificate of [`tls`].
    pub has_tls: bool,
    /// As a node of a cluster; [`RedisCluster`] makes one of three.
    pub is_cluster_node: bool,
    /// More lines of its configuration: `maxmemory 10mb`, `user alice on >secret ~* &* +get`.
    pub lines: Vec<String>,
}

/// A redis-server on loopback. Ends, and takes its data along, when dropped.
#[derive(Debug)]
pub struct Redis {
    process: Process,
    port: u16,
    tls_port: u16,
    password: Option<String>,
}

impl RedisOptions {
    /// With everything on disk before it is answered.
    pub fn durable() -> Self {
        Self { is_durable: true, ..Self::default() }
    }
}

impl Redis {
    /// Starts one, and returns when it answers.
    ///
    /// # Errors
    ///
    /// There is no redis-server, or it does not start: with its log.
    pub fn start(options: &RedisOptions) -> Result<Self, ServerError> {
        let mut tries = 1;
        loop {
            match Self::start_once(options) {
                Err(ServerError::Failed { .. }) if tries < TRIES => tries += 1,
                done => return done,
            }
        }
    }

    /// Where it listens at 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it listens for TLS, if it was asked to.
    pub fn tls_port(&self) -> u16 {
        self.tls_port
    }

    /// `redis://127.0.0.1:port`, with the password.
    pub fn url(&self) -> String {
        match &self.password {
            Some(password) => format!("redis://:{password}@127.0.0.1:{}", self.port),
            None => format!("redis://127.0.0.1:{}", self.port),
        }
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

    /// Says a command, and returns the answer as text: a bulk or simple string as it is, an error with `-`
    /// in front, a number, the parts of an array on lines of their own.
    ///
    /// # Errors
    ///
    /// It cannot be reached, or does not answer within two seconds.
    pub fn command(&self, words: &[&str]) -> Result<String, ServerError> {
        wire::command(self.port, self.password.as_deref(), words)
            .map_err(ServerError::system(format!("ask redis-server `{}`", words.join(" "))))
    }

    fn start_once(options: &RedisOptions) -> Result<Self, ServerError> {
        let [port, tls_port, cluster_port] = ports::free()?;
        let mut process = Process::new("redis", program::REDIS.find()?)?;
        let text = configuration(options, port, tls_port, cluster_port);
        let file = process.write("redis.conf", &text)?;
        process.set_arguments(vec![file.display().to_string()]);
        process.start()?;
        let mut redis = Self { process, port, tls_port, password: options.password.clone() };
        redis.wait_until_ready()?;
        Ok(redis)
    }

    /// Until it answers and has read its data. A port may be another's who was faster; the number of the
    /// process tells.
    fn wait_until_ready(&mut self) -> Result<(), ServerError> {
        let (port, password) = (self.port, self.password.clone());
        let own = format!("process_id:{}\r", self.process.id().unwrap_or_default());
        self.process.wait_until(START_MAX, "an answer", || {
            let server = wire::command(port, password.as_deref(), &["INFO", "server"]);
            let persistence = wire::command(port, password.as_deref(), &["INFO", "persistence"]);
            server.is_ok_and(|answer| answer.contains(&own))
                && persistence.is_ok_and(|answer| answer.contains("loading:0"))
        })
    }
}

fn configuration(options: &RedisOptions, port: u16, tls_port: u16, cluster_port: u16) -> String {
    let mut lines = vec![
        format!("port {port}"),
        "bind 127.0.0.1".to_owned(),
        "daemonize no".to_owned(),
        "save \"\"".to_owned(),
    ];
    if options.is_durable {
        lines.extend(["appendonly yes", "appendfsync always"].map(str::to_owned));
    }
    if let Some(password) = &options.password {
        lines.push(format!("requirepass {password}"));
    }
    if options.has_tls {
        lines.push(format!("tls-port {tls_port}"));
        lines.push(format!("tls-cert-file {}", tls::certificate().display()));
        lines.push(format!("tls-key-file {}", tls::key().display()));
        lines.push(format!("tls-ca-cert-file {}", tls::ca().display()));
        lines.push("tls-auth-clients optional".to_owned());
    }
    if options.is_cluster_node {
        lines.push("cluster-enabled yes".to_owned());
        lines.push(format!("cluster-port {cluster_port}"));
        lines.push("cluster-node-timeout 2000".to_owned());
        lines.push("cluster-require-full-coverage no".to_owned());
    }
    lines.extend(options.lines.iter().cloned());
    lines.join("\n") + "\n"
}
