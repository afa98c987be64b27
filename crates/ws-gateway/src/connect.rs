//! `ws-gateway connect`: the client's end of a tunnel, on standard input and output.

use std::{
    io::{self, Read, Write},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    thread,
};

use tokio::{
    io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex},
    runtime::Handle,
    sync::oneshot,
};
use ws_client::{Credential, DialError, Dialer, DialerConfig};
use ws_tunnel::{BridgeError, Bridged, SUBPROTOCOL};

/// What waits between a thread and the connection.
const BUFFER_BYTES: usize = 64 * 1024;

/// There was no tunnel, or it did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// There is no connection.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// There is one, and it is no tunnel.
    #[error("there is no tunnel at this address: the server does not agree to {SUBPROTOCOL}")]
    NoTunnel,
    /// It was one.
    #[error(transparent)]
    Bridge(#[from] BridgeError),
}

/// Bridges standard input and output to a tunnel, until both sides have finished: what a `ProxyCommand` of ssh
/// does. Must be called within a tokio runtime.
///
/// # Errors
///
/// There is no tunnel, or it breaks; each says why.
pub async fn connect(address: &str, token: Option<&str>) -> Result<Bridged, ConnectError> {
    let dialer = Dialer::new(DialerConfig {
        protocols: vec![SUBPROTOCOL.to_owned()],
        compression: false,
        ..DialerConfig::new(address)
    })?;
    let (socket, protocol) = dialer.dial_agreed(token.map(Credential::Header)).await?;
    if protocol.as_deref() != Some(SUBPROTOCOL) {
        return Err(ConnectError::NoTunnel);
    }
    // Standard input and output block, be they terminals, pipes or files: each has a thread, and whoever
    // waits for one of them does not keep the other waiting.
    let runtime = Handle::current();
    let (reader, from_stdin) = duplex(BUFFER_BYTES);
    let (writer, to_stdout) = duplex(BUFFER_BYTES);
    let has_finished = Arc::new(AtomicBool::new(false));
    let writer = Output { writer, has_finished: has_finished.clone() };
    let (written, all_written) = oneshot::channel();
    let handle = runtime.clone();
    thread::spawn(move || read_input(&handle, from_stdin));
    thread::spawn(move || {
        let _ = written.send(write_output(&runtime, to_stdout, &has_finished));
    });
    let bridged = ws_tunnel::bridge(socket, reader, writer).await;
    // What came before the end is to be read, whatever the end was.
    let all_written = all_written.await.unwrap_or(Ok(()));
    let bridged = bridged?;
    all_written.map_err(BridgeError::Write)?;
    Ok(bridged)
}

fn read_input(runtime: &Handle, mut into: DuplexStream) {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut input = io::stdin().lock();
    // An end and a failure are the same to whoever reads a pipe.
    while let Ok(len @ 1..) = input.read(&mut buffer) {
        if runtime.block_on(into.write_all(&buffer[..len])).is_err() {
            break;
        }
    }
}

fn write_output(
    runtime: &Handle,
    mut from: DuplexStream,
    has_finished: &AtomicBool,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut output = io::stdout().lock();
    loop {
        let len = runtime.block_on(from.read(&mut buffer))?;
        if len == 0 {
            break;
        }
        output.write_all(&buffer[..len])?;
        output.flush()?;
    }
    // An ssh that sees its output end ends us, and would not hear why: what breaks ends with the process.
    if !has_finished.load(Ordering::Acquire) {
        return Ok(());
    }
    // Whoever waits for the end of what the target says must hear of it, while we still listen to them.
    let nowhere = std::fs::File::options().write(true).open("/dev/null")?;
    Ok(rustix::stdio::dup2_stdout(nowhere)?)
}

/// Knows whether what it is for has finished, or was given up.
struct Output {
    writer: DuplexStream,
    has_finished: Arc<AtomicBool>,
}

impl AsyncWrite for Output {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.writer).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writer).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.has_finished.store(true, Ordering::Release);
        Pin::new(&mut self.writer).poll_shutdown(cx)
    }
}
