//! A program that runs, and what can be done to it.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::folder::Folder;
use crate::{ServerError, waiting};

/// How long a program may take to end when it is asked to.
const STOP_MAX: Duration = Duration::from_secs(20);
/// How much of a log is shown.
const LOG_LINES: usize = 60;

/// A program with a folder of its own, which ends and goes when this is dropped.
///
/// The folder holds its output in `log`. All of the process' standard output and errors go there, those of
/// later runs too.
#[derive(Debug)]
pub struct Process {
    name: String,
    program: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    running: Option<Running>,
    folder: Folder,
}

#[derive(Debug)]
struct Running {
    child: Child,
    /// Kills the child when this process is gone: it reads a pipe whose other end only we hold.
    watcher: Child,
}

impl Process {
    /// With an empty folder of its own; nothing runs yet. `name` is for the folder and the errors.
    ///
    /// # Errors
    ///
    /// There is no folder to be had.
    pub fn new(name: &str, program: PathBuf) -> Result<Self, ServerError> {
        Ok(Self {
            name: name.to_owned(),
            program,
            arguments: Vec::new(),
            environment: Vec::new(),
            running: None,
            folder: Folder::create(name)?,
        })
    }

    /// With these arguments from the next start on.
    pub fn set_arguments(&mut self, arguments: Vec<String>) {
        self.arguments = arguments;
    }

    /// With these variables beside the inherited ones from the next start on.
    pub fn set_environment(&mut self, environment: Vec<(String, String)>) {
        self.environment = environment;
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Puts a file into its folder.
    ///
    /// # Errors
    ///
    /// The system refuses it.
    pub fn write(&self, name: &str, content: &str) -> Result<PathBuf, ServerError> {
        self.folder.write(name, content)
    }

    /// Its number while it runs.
    pub fn id(&self) -> Option<u32> {
        self.running.as_ref().map(|running| running.child.id())
    }

    /// Starts it, unless it runs.
    ///
    /// # Errors
    ///
    /// The system refuses it.
    pub fn start(&mut self) -> Result<(), ServerError> {
        if self.running.is_some() {
            return Ok(());
        }
        let log = self.open_log().map_err(ServerError::system("its log"))?;
        let errors = log.try_clone().map_err(ServerError::system("its log"))?;
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            // What is typed at our terminal is not for it: we end it in our own way.
            .process_group(0)
            .spawn()
            .map_err(ServerError::system(format!("start {}", self.program.display())))?;
        match watch(&child, self.folder.path()) {
            Ok(watcher) => self.running = Some(Running { child, watcher }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(ServerError::System { what: "start `sh`".to_owned(), error });
            }
        }
        Ok(())
    }

    /// Whether it runs; paused is running too.
    pub fn is_running(&mut self) -> bool {
        let running = self.running.as_mut();
        running.is_some_and(|running| matches!(running.child.try_wait(), Ok(None)))
    }

    /// Asks it to end, and waits for that; kills it if it does not hear.
    ///
    /// # Errors
    ///
    /// The system refuses it.
    pub fn stop(&mut self) -> Result<Option<ExitStatus>, ServerError> {
        if self.running.is_none() {
            return Ok(None);
        }
        self.signal(Signal::TERM)?;
        // Who is paused hears nothing.
        self.signal(Signal::CONT)?;
        waiting::until(STOP_MAX, || Ok::<_, ServerError>(!self.is_running()))?;
        self.kill()
    }

    /// Ends it at once, as `kill -9` does, paused or not.
    ///
    /// # Errors
    ///
    /// The system refuses it.
    pub fn kill(&mut self) -> Result<Option<ExitStatus>, ServerError> {
        let Some(mut running) = self.running.take() else { return Ok(None) };
        let status = running.end().map_err(ServerError::system("end a process"))?;
        Ok(Some(status))
    }

    /// Stops its clock (SIGSTOP): its sockets stay open and it does nothing.
    ///
    /// # Errors
    ///
    /// The system refuses it.
    pub fn pause(&self) -> Result<(), ServerError> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on after [`pause`](Self::pause).
    ///
    /// # Errors
    ///
    /// The system refuses it.
    pub fn resume(&self) -> Result<(), ServerError> {
        self.signal(Signal::CONT)
    }

    /// What it said last.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.folder.path().join("log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let skipped = text.lines().count().saturating_sub(LOG_LINES);
        text.lines().skip(skipped).map(|line| format!("    {line}\n")).collect()
    }

    /// Waits until it answers.
    ///
    /// # Errors
    ///
    /// It ended, or was not ready in time: with its log.
    pub fn wait_until(
        &mut self,
        limit: Duration,
        what: &str,
        mut is_so: impl FnMut() -> bool,
    ) -> Result<(), ServerError> {
        let is_ready = waiting::until(limit, || {
            if self.is_running() {
                return Ok(is_so());
            }
            Err(self.failure(format!("{} ended before {what}", self.name)))
        })?;
        match is_ready {
            true => Ok(()),
            false => Err(self.failure(format!("{} for {limit:?} without {what}", self.name))),
        }
    }

    pub(crate) fn failure(&self, what: String) -> ServerError {
        ServerError::Failed { what, log: self.log() }
    }

    fn signal(&self, signal: Signal) -> Result<(), ServerError> {
        let Some(running) = &self.running else { return Ok(()) };
        match kill_process(Pid::from_child(&running.child), signal) {
            // It ended by itself, and waits to be buried.
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(ServerError::System {
                what: format!("signal {}", self.name),
                error: error.into(),
            }),
        }
    }

    fn open_log(&self) -> std::io::Result<File> {
        File::options().create(true).append(true).open(self.folder.path().join("log"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            #[expect(clippy::print_stderr, reason = "the log belongs to the test that failed")]
            {
                eprintln!("the end of the log of {}:\n{}", self.name, self.log());
            }
        }
        // There is nobody left to tell.
        let _ = self.kill();
    }
}

impl Running {
    fn end(&mut self) -> std::io::Result<ExitStatus> {
        // First the watcher: afterwards the child's number may be another's.
        self.watcher.kill()?;
        self.watcher.wait()?;
        self.child.kill()?;
        self.child.wait()
    }
}

/// When our end of the pipe is closed, be it because we were killed, it kills the child and removes the folder.
fn watch(child: &Child, folder: &Path) -> std::io::Result<Child> {
    const SCRIPT: &str = "read -r _; kill -KILL \"$1\"; sleep 0.1; rm -rf -- \"$2\"";
    Command::new("sh")
        .args(["-c", SCRIPT, "sh", &child.id().to_string()])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
}
