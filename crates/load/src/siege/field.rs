//! Where attackers meet a gateway: its port, their tokens, what they have counted.

use std::{
    net::{Ipv4Addr, SocketAddrV4, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use socket2::{Domain, Protocol, Socket, Type};

use super::{attack::Attack, cores};
use crate::{
    credentials::{Credentials, Source},
    torture::course::SECRET,
};

/// Every gateway that is besieged has the limits of an ordinary one, but for connects by address: all honest
/// clients here come from one.
pub(super) const ENVIRONMENT: &[(&str, &str)] = &[
    ("AUTH_MODE", "message"),
    ("UPSTREAM", "echo"),
    ("MESSAGE_RATE_LIMIT", "60000"),
    ("CONNECTION_RATE_LIMIT", "4294967295"),
    ("MAX_CONNECTIONS", "15000"),
    ("LOG_LEVEL", "error"),
];

/// How long an attacker waits for the gateway.
const PATIENCE: Duration = Duration::from_millis(500);

/// What attackers have done.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// In the unit of the attack.
    pub(super) done: u64,
    /// How often they were shown the door: refused, closed, cut off.
    pub(super) refused: u64,
}

#[derive(Debug)]
struct Shared {
    port: u16,
    is_over: AtomicBool,
    done: AtomicU64,
    refused: AtomicU64,
}

/// Cheap to clone: each attacker has one.
#[derive(Clone, Debug)]
pub(super) struct Field(Arc<Shared>);

impl Field {
    pub(super) fn new(port: u16) -> Self {
        Self(Arc::new(Shared {
            port,
            is_over: AtomicBool::new(false),
            done: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }))
    }

    pub(super) fn let_loose(&self, attack: &'static Attack) -> Vec<JoinHandle<()>> {
        let attackers = 0..attack.attackers;
        let thread = |number| {
            let field = self.clone();
            std::thread::spawn(move || {
                cores::stand_back();
                (attack.rage)(&field, number);
            })
        };
        attackers.map(thread).collect()
    }

    pub(super) fn end(&self) {
        self.0.is_over.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_over(&self) -> bool {
        self.0.is_over.load(Ordering::Relaxed)
    }

    pub(super) fn note_done(&self, many: u64) {
        self.0.done.fetch_add(many, Ordering::Relaxed);
    }

    pub(super) fn note_refused(&self) {
        self.0.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn counts(&self) -> Counts {
        Counts {
            done: self.0.done.load(Ordering::Relaxed),
            refused: self.0.refused.load(Ordering::Relaxed),
        }
    }

    /// A connection from somewhere: any of sixteen million addresses of this machine.
    pub(super) fn connect_from_anywhere(&self) -> std::io::Result<TcpStream> {
        let [a, b, c] = [fastrand::u8(1..255), fastrand::u8(..), fastrand::u8(1..255)];
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        let from = SocketAddrV4::new(Ipv4Addr::new(127, a, b, c), 0);
        socket.bind(&from.into())?;
        let to = SocketAddrV4::new(Ipv4Addr::LOCALHOST, self.0.port);
        socket.connect_timeout(&to.into(), PATIENCE)?;
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    }
}

/// A token that the gateway accepts.
pub(super) fn token(user: &str) -> Result<String, String> {
    let credentials = Credentials { source: Source::minted(SECRET)?, ..Credentials::default() };
    credentials.token(0, user)
}
