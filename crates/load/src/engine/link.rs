//! One connection: its socket, its protocol, and what it waits for.

use std::{
    collections::VecDeque,
    io::{self, Read as _, Write as _},
};

use mio::net::TcpStream;
use ws_connection::{Connection, handshake::ClientHandshake};

use super::deliveries::Track;
use crate::clock::Nanos;

/// A planned connection, open or not.
#[derive(Debug, Default)]
pub(super) struct Link {
    pub(super) group: usize,
    /// Its number among all of the run.
    pub(super) number: usize,
    pub(super) socket: Option<TcpStream>,
    pub(super) stage: Stage,
    pub(super) flow: Flow,
    /// When its handshake is given up.
    pub(super) deadline: Nanos,
    /// Where it is among the open ones of its group.
    pub(super) place: usize,
    /// We are done with it: that it ends is no error.
    pub(super) leaving: bool,
    /// What is sent to it is deflated.
    pub(super) deflated: bool,
    /// What the socket did not take.
    pub(super) unsent: Vec<u8>,
    pub(super) user: String,
    pub(super) token: String,
}

/// What was sent on a connection and what came of it.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// Since when it is being opened; `None` once it counts as open.
    pub(super) awaiting: Option<Nanos>,
    /// Times of the messages that were not answered yet, the eldest first: when they were written,
    /// or in an open loop when they should have been.
    pub(super) pending: VecDeque<Nanos>,
    /// How many of them were written; the rest waits until the socket takes more.
    pub(super) written: usize,
    /// The number of its next message.
    pub(super) seq: u64,
    /// Answers since it was opened.
    pub(super) answered: u64,
    /// Of a receiver, by publisher.
    pub(super) tracks: Vec<Track>,
}

#[derive(Debug, Default)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are open: a box would cost each read a miss"
)]
pub(super) enum Stage {
    #[default]
    Waiting,
    Shaking(Box<Shaking>),
    Open(Connection),
    Gone,
}

/// An opening handshake that is under way.
#[derive(Debug)]
pub(super) struct Shaking {
    pub(super) handshake: ClientHandshake,
    /// When it began, or should have.
    pub(super) since: Nanos,
    /// Not written yet: the socket was not connected.
    pub(super) request: Vec<u8>,
    /// What came of the response so far.
    pub(super) head: Vec<u8>,
}

impl Link {
    /// Before it is dialled, whatever it was before.
    pub(super) fn renew(&mut self, deadline: Nanos) {
        self.deadline = deadline;
        self.leaving = false;
        self.flow.answered = 0;
        self.stage = Stage::Waiting;
    }

    /// Lets go of the socket.
    pub(super) fn drop_socket(&mut self) {
        self.socket = None;
        self.unsent = Vec::new();
        self.stage = Stage::Gone;
        self.flow.pending = VecDeque::new();
        self.flow.written = 0;
        self.flow.awaiting = None;
    }

    /// Reads once.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.socket {
            Some(socket) => socket.read(buffer),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Writes once; what the socket does not take is kept. Answers how much it took.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = if self.unsent.is_empty() { self.write_once(bytes)? } else { 0 };
        self.unsent.extend_from_slice(&bytes[taken..]);
        Ok(taken)
    }

    /// Writes what was kept.
    pub(super) fn flush(&mut self) -> io::Result<usize> {
        let unsent = std::mem::take(&mut self.unsent);
        let taken = self.write_once(&unsent);
        self.unsent = unsent;
        self.unsent.drain(..*taken.as_ref().unwrap_or(&0));
        taken
    }

    fn write_once(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(socket) = &mut self.socket else { return Err(io::ErrorKind::NotConnected.into()) };
        match socket.write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            result => result,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open(_))
    }
}
