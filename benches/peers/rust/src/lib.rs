//! What the programs have in common: their arguments, and the one thread on which they run.

use std::{error::Error, future::Future, net::Ipv4Addr};

use tokio::{net::TcpListener, runtime};

pub type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// `--port N --mode echo|topic --read-buffer BYTES`; no `--compress`, for none of them can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    pub port: u16,
    pub mode: Mode,
    /// Of each connection, for those that let one choose it.
    pub read_buffer: usize,
}

/// tungstenite's default is 128 KiB, which is cleared for each connection and fills the caches: with this
/// every case that we tried was as fast or faster, connects three times, and echoes up to twice.
const READ_BUFFER: usize = 16 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Echo,
    Topic,
}

impl Options {
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self> {
        let mut options = Self { port: 0, mode: Mode::Echo, read_buffer: READ_BUFFER };
        let mut arguments = arguments.into_iter();
        while let Some(flag) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("`{flag}` wants a value"))?;
            match (&*flag, &*value) {
                ("--port", port) => options.port = port.parse()?,
                ("--mode", "echo") => options.mode = Mode::Echo,
                ("--mode", "topic") => options.mode = Mode::Topic,
                ("--read-buffer", bytes) => options.read_buffer = bytes.parse()?,
                _ => return Err(format!("what is `{flag} {value}`?").into()),
            }
        }
        Ok(options)
    }

    /// Fails unless the mode is echo, for those that have no topic of their own.
    pub fn only_echo(self) -> Result<Self> {
        match self.mode {
            Mode::Echo => Ok(self),
            Mode::Topic => Err("this peer only echoes".into()),
        }
    }
}

/// Runs it on the one thread that each peer gets.
pub fn run<F: Future<Output = Result<()>>>(
    serve: impl FnOnce(Options, TcpListener) -> F,
) -> Result<()> {
    let options = Options::parse(std::env::args().skip(1))?;
    runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await?;
        println!("listening on ws://{}", listener.local_addr()?);
        serve(options, listener).await
    })
}
