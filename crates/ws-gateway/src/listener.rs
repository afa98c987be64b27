//! The listening socket: connections in bursts, not yet watched by the runtime.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use tokio::io::unix::AsyncFd;
use ws_transport::EagerTcpStream;

mod gate;
mod handing_over;

pub(crate) use gate::AcceptCounts;
use gate::Gate;

/// Connections that wait in the kernel: a reconnect wave queues there rather than being refused.
const BACKLOG: i32 = 4096;
/// Connections that one burst takes before others get their turn.
const BURST_MAX: usize = 64;
/// How long to wait when there are no files or no memory for another connection.
const BREATHER: Duration = Duration::from_millis(100);
/// How long the log is silent about that once it has said it: who looks at it is to find something else, too.
const SILENCE: Duration = Duration::from_secs(10);

/// A connection as it was accepted, and where it comes from.
pub(crate) type Accepted = (EagerTcpStream, SocketAddr);

/// How connections are taken in.
#[derive(Clone, Debug, Default)]
pub(crate) struct ListenOptions {
    /// Whether other processes may listen on the same port at the same time.
    pub(crate) reuse_port: bool,
    /// How many connections a second are taken in; `None` is no limit.
    pub(crate) per_second: Option<NonZeroU32>,
    /// What is counted.
    pub(crate) counts: Arc<AcceptCounts>,
}

/// Who else takes in those who connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sharing {
    /// Nobody.
    Alone,
    /// Perhaps other processes that listen on the same port.
    Port,
    /// Whoever has the same socket, and gave it to us.
    Socket,
}

#[derive(Debug)]
pub(crate) struct Listener {
    socket: AsyncFd<TcpListener>,
    sharing: Sharing,
    gate: Gate,
    counts: Arc<AcceptCounts>,
    /// When the log said last that nobody can be taken in.
    starved_at: Option<tokio::time::Instant>,
}

impl Listener {
    pub(crate) fn bind(address: SocketAddr, options: &ListenOptions) -> io::Result<Self> {
        let socket = socket2::Socket::new(
            socket2::Domain::for_address(address),
            socket2::Type::STREAM,
            Some(socket2::Protocol::TCP),
        )?;
        // A restart must not wait for connections of the process before to be forgotten.
        socket.set_reuse_address(true)?;
        if options.reuse_port {
            socket.set_reuse_port(true)?;
        }
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let sharing = if options.reuse_port { Sharing::Port } else { Sharing::Alone };
        Self::of(socket.into(), sharing, options)
    }

    /// On a socket that listens already and stays open elsewhere when we go.
    pub(crate) fn inherited(socket: TcpListener, options: &ListenOptions) -> io::Result<Self> {
        Self::of(socket, Sharing::Socket, options)
    }

    fn of(socket: TcpListener, sharing: Sharing, options: &ListenOptions) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        // Messages are written whole: waiting for more only adds latency. Accepted sockets inherit
        // it, which saves each of them the call.
        socket2::SockRef::from(&socket).set_tcp_nodelay(true)?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe, for types that may change their descriptor: a listener \
                      that is moved in here and lent out by reference keeps its own"
        )]
        let socket = AsyncFd::new(socket)?;
        let counts = options.counts.clone();
        let now = tokio::time::Instant::now().into_std();
        let gate = Gate::new(options.per_second, counts.clone(), now);
        Ok(Self { socket, sharing, gate, counts, starved_at: None })
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.get_ref().local_addr()
    }

    /// Waits for connections and takes those that are there, at most [`BURST_MAX`]: at least one, into
    /// `burst`, which must be empty. Nothing is lost when the future is dropped.
    pub(crate) async fn accept(&mut self, burst: &mut Vec<Accepted>) {
        while burst.is_empty() {
            if let Err(at) = self.open_gate() {
                tokio::time::sleep_until(at.into()).await;
                continue;
            }
            let starved = match self.socket.readable().await {
                Ok(mut ready) => {
                    let gate = &mut self.gate;
                    match ready.try_io(|socket| accept_burst(socket.get_ref(), gate, burst)) {
                        Ok(taken) => taken.err(),
                        Err(_would_block) => None,
                    }
                }
                Err(error) => Some(error),
            };
            if let Some(error) = starved {
                // Out of files or memory, mostly: there is no use in trying again at once.
                self.note_starved(&error);
                if burst.is_empty() {
                    tokio::time::sleep(BREATHER).await;
                }
            }
        }
        self.counts.note_accepted(burst.len());
    }

    fn note_starved(&mut self, error: &io::Error) {
        self.counts.note_failed();
        let now = tokio::time::Instant::now();
        if self.starved_at.is_none_or(|at| now.duration_since(at) >= SILENCE) {
            self.starved_at = Some(now);
            tracing::error!(%error, "cannot accept a connection: whoever connects has to wait");
        }
    }

    /// Takes those who are there, without waiting; whether there was anybody.
    fn accept_now(&mut self, burst: &mut Vec<Accepted>) -> bool {
        // Why it ended does not matter: nobody is waited for.
        let _ = accept_burst(self.socket.get_ref(), &mut self.gate, burst);
        self.counts.note_accepted(burst.len());
        !burst.is_empty()
    }

    fn open_gate(&mut self) -> Result<(), std::time::Instant> {
        if !self.gate.is_limited() {
            return Ok(());
        }
        self.gate.open(tokio::time::Instant::now().into_std())
    }

    /// Takes in whoever comes, as fast as it goes.
    fn lift_limit(&mut self) {
        let now = tokio::time::Instant::now().into_std();
        self.gate = Gate::new(None, self.counts.clone(), now);
    }
}

/// Takes connections until the burst is full, the gate is closed, or there is an error, of which
/// [`io::ErrorKind::WouldBlock`] says that there are no more.
fn accept_burst(
    listener: &TcpListener,
    gate: &mut Gate,
    burst: &mut Vec<Accepted>,
) -> io::Result<()> {
    while burst.len() < BURST_MAX {
        if gate.is_limited() && gate.open(tokio::time::Instant::now().into_std()).is_err() {
            break;
        }
        match accept_one(listener) {
            Ok(accepted) => burst.push(accepted),
            // It was gone before we came to it.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => return Err(error),
        }
        gate.note_accepted();
    }
    Ok(())
}

fn accept_one(listener: &TcpListener) -> io::Result<Accepted> {
    let (socket, peer) = listener.accept()?;
    Ok((EagerTcpStream::new(socket)?, peer))
}
