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
    /// When its handshake is given up.
    pub(super) deadline: Nanos,
    /// Since when it is being opened; `None` once it counts as open.
    pub(super) awaiting: Option<Nanos>,
    /// Where it is among the open ones of its group.
    pub(super) place: usize,
    /// We are done with it: that it ends is no error.
    pub(super) leaving: bool,
    /// Times of the messages that were not answered yet, the eldest first: when they were written,
    /// or in an open loop when they should have been.
    pub(super) pending: VecDeque<Nanos>,
    /// How many of them were written; the rest waits until the socket takes more.
    pub(super) written: usize,
    /// The number of its next message.
    pub(super) seq: u64,
    /// What the socket did not take.
    pub(super) unsent: Vec<u8>,
    /// Of a receiver, by publisher.
    pub(super) tracks: Vec<Track>,
    pub(super) user: String,
    pub(super) token: String,
}

#[derive(Debug, Default)]
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

/// Beyond this, an open loop waits with rendering messages until the socket takes more.
const UNSENT_MAX: usize = 256 * 1024;

impl Link {
    /// Reads once.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.socket {
            Some(socket) => socket.read(buffer),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Writes once; what the socket does not take is kept. Answers how much it took.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.unsent.is_empty() {
            self.unsent.extend_from_slice(bytes);
            return Ok(0);
        }
        let Some(socket) = &mut self.socket else { return Err(io::ErrorKind::NotConnected.into()) };
        let taken = match socket.write(bytes) {
            Ok(taken) => taken,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        self.unsent.extend_from_slice(&bytes[taken..]);
        Ok(taken)
    }

    /// Writes what was kept.
    pub(super) fn flush(&mut self) -> io::Result<usize> {
        let Some(socket) = &mut self.socket else { return Err(io::ErrorKind::NotConnected.into()) };
        match socket.write(&self.unsent) {
            Ok(taken) => {
                self.unsent.drain(..taken);
                Ok(taken)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(error),
        }
    }

    pub(super) fn takes_more(&self) -> bool {
        self.unsent.len() < UNSENT_MAX
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open(_))
    }
}
