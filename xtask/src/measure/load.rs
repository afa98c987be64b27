//! Driving a server with `ws-load`, and reading what it measured.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::Context;

use super::cores::Cores;
use super::process::Process;
use super::reading::Reading;
use super::server::Server;

/// No single run takes longer: beyond it the server or the tool hangs.
const RUN_MAX: Duration = Duration::from_secs(120);

/// What is asked of a server: a scenario, where, and the tool's options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Workload {
    pub(crate) scenario: &'static str,
    pub(crate) path: &'static str,
    /// As one would type them; none of them holds a space.
    pub(crate) options: String,
    /// Each receiver is meant to get some of the messages only: a gap is no loss.
    pub(crate) has_gaps: bool,
}

impl Workload {
    pub(crate) fn new(scenario: &'static str, path: &'static str, options: String) -> Self {
        Self { scenario, path, options, has_gaps: false }
    }

    /// The same with another number of connections.
    pub(crate) fn with_connections(&self, connections: u32) -> Self {
        let mut words: Vec<&str> = self.options.split_whitespace().collect();
        let number = connections.to_string();
        let at = words.iter().position(|word| *word == "--connections").map(|flag| flag + 1);
        if let Some(word) = at.and_then(|at| words.get_mut(at)) {
            *word = &number;
        }
        Self { options: words.join(" "), ..self.clone() }
    }

    fn command(&self, tool: &PathBuf, server: &Server) -> Command {
        let url = format!("ws://127.0.0.1:{}{}", server.port(), self.path);
        let mut command = Command::new(tool);
        command.arg(self.scenario).arg(url);
        let here = format!("ws://127.0.0.1:{}/", server.port());
        // Where a publisher of ours runs beside a product that takes none on its own port.
        let beside = format!("ws://127.0.0.1:{}/", server.port() + 1);
        let words = self.options.split_whitespace();
        command
            .args(words.map(|word| word.replace("{server}/", &here).replace("{beside}/", &beside)));
        command.arg("--server-pid").arg(server.pid().to_string()).args(["--json", "-", "--quiet"]);
        command
    }
}

/// The load tool, built, and where it runs.
#[derive(Debug, Clone)]
pub(crate) struct LoadTool {
    pub(crate) program: PathBuf,
    pub(crate) cores: Cores,
}

impl LoadTool {
    /// One run. A server that died of it, and a tool that could measure nothing, are errors.
    pub(crate) fn run(&self, workload: &Workload, server: &mut Server) -> anyhow::Result<Reading> {
        let command = workload.command(&self.program, server);
        let outcome = self.output(&command);
        server.must_live()?;
        let reading = Reading::parse(&outcome?)?;
        reading.must_be_clean(workload.has_gaps)?;
        Ok(reading)
    }

    /// What it printed, within [`RUN_MAX`].
    fn output(&self, command: &Command) -> anyhow::Result<String> {
        let mut command = self.cores.for_load(command);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Process::start(command)?;
        let output = collect(process.child().stdout.take())?;
        let complaint = collect(process.child().stderr.take())?;
        let Ok(output) = output.recv_timeout(RUN_MAX) else {
            anyhow::bail!("ws-load did not end within {} s", RUN_MAX.as_secs());
        };
        let status = process.child().wait().context("wait for ws-load")?;
        let complaint = complaint.recv_timeout(Duration::from_secs(1)).unwrap_or_default();
        if !status.success() {
            let last = complaint.lines().rfind(|line| !line.trim().is_empty());
            anyhow::bail!("ws-load: {}", last.unwrap_or("failed and did not say why").trim());
        }
        Ok(output)
    }
}

/// All that comes out of a pipe, read beside us so that no pipe runs full.
fn collect(pipe: Option<impl Read + Send + 'static>) -> anyhow::Result<mpsc::Receiver<String>> {
    let mut pipe = pipe.context("a piped child has its streams")?;
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What came before an error is worth having; the exit status tells the rest.
        let _ = pipe.read_to_end(&mut bytes);
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    Ok(receiver)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_connections_can_be_exchanged() {
        let workload = Workload::new("idle", "/", "--connections 10000 --hold 1s".to_owned());
        assert_eq!(workload.with_connections(100).options, "--connections 100 --hold 1s");
    }

    fn output(script: &str) -> anyhow::Result<String> {
        let tool = LoadTool { program: "sh".into(), cores: Cores::here() };
        let mut command = Command::new(&tool.program);
        command.args(["-c", script]);
        tool.output(&command)
    }

    #[test]
    fn what_the_tool_prints_is_kept_and_its_complaint_is_the_error() {
        assert_eq!(output("echo '{}'; echo progress >&2").unwrap(), "{}\n");
        let error = output("echo 'no answer' >&2; exit 1").unwrap_err().to_string();
        assert_eq!(error, "ws-load: no answer");
    }
}
