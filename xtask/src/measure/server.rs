//! The life of a server under measurement: started on a free port, ready when it listens there.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use anyhow::Context;

use super::cores::Cores;
use super::process::Process;

/// Below the range from which Linux takes the ports of outgoing connections: the load tool opens
/// thousands, and one of them could otherwise sit on the port of the next server.
const FIRST_PORT: u16 = 20_000;
const LAST_PORT: u16 = 32_000;

/// How often, and in what rhythm, to look whether a server listens: 30 seconds in all.
const LOOKS: u32 = 1_500;
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// How much of what a dead server said is told.
const LAST_WORDS: usize = 4;

/// A server that runs. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    process: Process,
    port: u16,
    log: PathBuf,
}

impl Server {
    /// Starts what `command` makes of a free port. What it prints goes into a file in `logs`.
    pub(crate) fn start(
        name: &str,
        command: &dyn Fn(u16) -> Command,
        cores: &Cores,
        logs: &Path,
    ) -> anyhow::Result<Self> {
        let port = free_port()?;
        std::fs::create_dir_all(logs)?;
        let log = logs.join(format!("{}.log", name.replace([' ', '/'], "-")));
        let file = File::create(&log).with_context(|| format!("create {}", log.display()))?;
        let mut command = cores.for_server(&command(port));
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let mut server = Self { process: Process::start(command)?, port, log };
        server.wait_until_it_listens()?;
        Ok(server)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// An error if it has ended, with its last words.
    pub(crate) fn must_live(&mut self) -> anyhow::Result<()> {
        let Some(status) = self.process.ended()? else { return Ok(()) };
        let log = std::fs::read(&self.log).unwrap_or_default();
        anyhow::bail!("the server ended with {status}: {}", last_words(&log))
    }

    fn wait_until_it_listens(&mut self) -> anyhow::Result<()> {
        for _ in 0..LOOKS {
            self.must_live()?;
            if listens(self.port) {
                return Ok(());
            }
            pause();
        }
        let log = std::fs::read(&self.log).unwrap_or_default();
        anyhow::bail!("the server did not listen within 30 s: {}", last_words(&log))
    }
}

#[expect(clippy::disallowed_methods, reason = "nobody tells when another process listens")]
fn pause() {
    std::thread::sleep(BETWEEN_LOOKS);
}

/// A port on which nobody listens; each call tells another one.
fn free_port() -> anyhow::Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let span = LAST_PORT - FIRST_PORT;
    // Two of us that run side by side start at different places.
    let start = u16::try_from(std::process::id() % u32::from(span))?;
    (0..span)
        .map(|_| FIRST_PORT + (start + NEXT.fetch_add(1, Ordering::Relaxed) % span) % span)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .context("no port between 20,000 and 32,000 is free")
}

/// Whether somebody listens on it, read from the kernel's table: a server that is asked by
/// connecting to it would see a client that says nothing.
fn listens(port: u16) -> bool {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    tables
        .iter()
        .any(|table| std::fs::read_to_string(table).is_ok_and(|table| is_listened_on(&table, port)))
}

fn is_listened_on(table: &str, port: u16) -> bool {
    let local = format!(":{port:04X}");
    table.lines().skip(1).any(|line| {
        let mut columns = line.split_whitespace().skip(1);
        let is_local = columns.next().is_some_and(|address| address.ends_with(&local));
        is_local && columns.nth(1) == Some("0A")
    })
}

fn last_words(log: &[u8]) -> String {
    let log = String::from_utf8_lossy(log);
    let lines: Vec<&str> = log.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    match lines.len() {
        0 => "it said nothing".to_owned(),
        count => lines[count.saturating_sub(LAST_WORDS)..].join(" / "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue\n   \
        0: 0100007F:4E20 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0\n   \
        1: 0100007F:4E21 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0\n";

    #[test]
    fn only_a_listening_socket_makes_a_server_ready() {
        for (port, listened_on) in [(20_000, true), (20_001, false), (40_000, false)] {
            assert_eq!(is_listened_on(TABLE, port), listened_on, "{port}");
        }
    }

    #[test]
    fn what_we_listen_on_is_seen_and_not_given_away() {
        let port = free_port().unwrap();
        assert!(!listens(port));
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        assert!(listens(port));
        assert_ne!(free_port().unwrap(), port);
        drop(listener);
    }

    #[test]
    fn a_server_that_dies_at_once_leaves_its_last_words() {
        let logs = std::env::temp_dir().join(format!("ws-xtask-server-{}", std::process::id()));
        let command = |_| {
            let mut command = Command::new("sh");
            command.args(["-c", "echo one; echo no such key >&2; exit 3"]);
            command
        };
        let error = Server::start("it", &command, &Cores::here(), &logs).unwrap_err().to_string();
        let expected = "the server ended with exit status: 3: one / no such key";
        assert_eq!(error, expected);
        std::fs::remove_dir_all(&logs).unwrap();
    }
}
