//! From a socket to a stream that is encrypted.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::RwLock;
use rustls::{HandshakeKind, ServerConfig, crypto::aws_lc_rs::Ticketer, server::ProducesTickets};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    time::{Instant, timeout_at},
};

use super::{
    config::{TlsConfig, TlsConfigError},
    gate::Gate,
    verdict::TlsFault,
};
use crate::prefixed::Prefixed;

/// What the server reads and writes.
pub type TlsStream<IO> = tokio_rustls::server::TlsStream<Prefixed<IO>>;

/// The first byte of every TLS connection: a record of the handshake (RFC 8446 §5.1).
const HANDSHAKE: u8 = 22;

/// How much is read to see what it is: most clients' first message.
const FIRST_READ: usize = 2048;

/// Accepts TLS.
pub struct TlsAcceptor {
    current: RwLock<Arc<Current>>,
    gate: Gate,
    counts: Counts,
}

/// What is in use.
struct Current {
    rustls: Arc<ServerConfig>,
    config: TlsConfig,
    tickets: Arc<dyn ProducesTickets>,
}

/// A configuration that was found good, and is not in use before [`TlsAcceptor::install`].
pub struct ReadyTls(Arc<Current>);

/// A handshake that failed.
#[derive(Debug, thiserror::Error)]
#[error("{fault}")]
pub struct TlsFailure<IO> {
    /// Why.
    pub fault: TlsFault,
    /// The stream from its first byte on, where nothing was done with it: to answer whoever does not speak
    /// TLS in the way that it speaks.
    pub untouched: Option<Prefixed<IO>>,
}

/// What became of handshakes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handshakes {
    /// Under way at this moment.
    pub under_way: usize,
    /// Done.
    pub done: u64,
    /// Of those, the ones that went on where an earlier connection of the client had been.
    pub resumed: u64,
    /// Not done, by the fault, in the order of [`TlsFault::ALL`].
    pub failed: [u64; TlsFault::ALL.len()],
}

#[derive(Debug, Default)]
struct Counts {
    done: AtomicU64,
    resumed: AtomicU64,
    failed: [AtomicU64; TlsFault::ALL.len()],
}

impl TlsAcceptor {
    /// An acceptor with at most so many handshakes at once: each may hold some 64 KiB of what its client
    /// sends.
    pub fn new(config: TlsConfig, handshakes_max: usize) -> Result<Self, TlsConfigError> {
        let current = RwLock::new(Arc::new(Current::new(config, new_tickets()?)?));
        Ok(Self { current, gate: Gate::new(handshakes_max), counts: Counts::default() })
    }

    /// Judges another configuration, and changes nothing.
    pub fn prepare(&self, config: TlsConfig) -> Result<ReadyTls, TlsConfigError> {
        let tickets = self.current.read().tickets.clone();
        Ok(ReadyTls(Arc::new(Current::new(config, tickets)?)))
    }

    /// From now on clients are greeted with this. Connections that are there stay as they are.
    pub fn install(&self, ready: ReadyTls) {
        *self.current.write() = ready.0;
    }

    /// The configuration that is in use.
    pub fn config(&self) -> TlsConfig {
        self.current.read().config.clone()
    }

    /// What became of handshakes so far.
    pub fn handshakes(&self) -> Handshakes {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Handshakes {
            under_way: self.gate.under_way(),
            done: load(&self.counts.done),
            resumed: load(&self.counts.resumed),
            failed: self.counts.failed.each_ref().map(load),
        }
    }

    /// Does the handshake until the deadline. `held` is what was read from the stream already.
    pub async fn accept<IO>(
        &self,
        io: IO,
        held: Vec<u8>,
        deadline: Instant,
    ) -> Result<TlsStream<IO>, TlsFailure<IO>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let accepted = self.try_accept(io, held, deadline).await;
        let count = match &accepted {
            Ok(stream) => {
                if stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed) {
                    self.counts.resumed.fetch_add(1, Ordering::Relaxed);
                }
                &self.counts.done
            }
            Err(failure) => &self.counts.failed[failure.fault.index()],
        };
        count.fetch_add(1, Ordering::Relaxed);
        accepted
    }

    async fn try_accept<IO>(
        &self,
        mut io: IO,
        mut held: Vec<u8>,
        deadline: Instant,
    ) -> Result<TlsStream<IO>, TlsFailure<IO>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        // Who says nothing takes no place among those who do.
        if held.is_empty() {
            held.reserve(FIRST_READ);
            match timeout_at(deadline, io.read_buf(&mut held)).await {
                Ok(Ok(1..)) => {}
                Ok(Ok(0)) => return Err(TlsFault::EndOfStream.into()),
                Ok(Err(_)) => return Err(TlsFault::Io.into()),
                Err(_) => return Err(TlsFault::TimedOut.into()),
            }
        }
        let is_tls = held.first() == Some(&HANDSHAKE);
        let io = Prefixed::new(io, held);
        if !is_tls {
            return Err(TlsFailure { fault: TlsFault::NotTls, untouched: Some(io) });
        }
        let rustls = self.current.read().rustls.clone();
        let handshake = tokio_rustls::TlsAcceptor::from(rustls).accept(io);
        match self.gate.pass(deadline, handshake).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(TlsFault::of(&error).into()),
            Err(fault) => Err(fault.into()),
        }
    }
}

impl Current {
    fn new(config: TlsConfig, tickets: Arc<dyn ProducesTickets>) -> Result<Self, TlsConfigError> {
        Ok(Self { rustls: Arc::new(config.build(tickets.clone())?), config, tickets })
    }
}

fn new_tickets() -> Result<Arc<dyn ProducesTickets>, TlsConfigError> {
    Ticketer::new().map_err(|error| TlsConfigError::Provider(error.to_string()))
}

impl<IO> From<TlsFault> for TlsFailure<IO> {
    fn from(fault: TlsFault) -> Self {
        Self { fault, untouched: None }
    }
}

impl fmt::Debug for TlsAcceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsAcceptor").field("gate", &self.gate).finish_non_exhaustive()
    }
}

impl fmt::Debug for ReadyTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReadyTls").field(&self.0.config).finish()
    }
}
