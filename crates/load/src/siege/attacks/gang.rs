//! Several connections of one attacker, each replaced when it is shown the door.

use std::{
    io::{ErrorKind, Write},
    net::TcpStream,
};

use crate::siege::{
    field::{self, Field},
    wire,
};

/// A connection, and what of a message its socket did not take.
pub(super) struct Member {
    stream: TcpStream,
    rest: Vec<u8>,
}

/// Connections that are let in, each as another user.
pub(super) struct Gang {
    members: Vec<Member>,
    /// Lines of their upgrade requests.
    headers: String,
    came: usize,
}

impl Gang {
    /// With so many members, as far as they are let in.
    pub(super) fn gather(field: &Field, size: usize, headers: &str) -> Self {
        let mut gang = Self { members: Vec::new(), headers: headers.to_owned(), came: 0 };
        while gang.members.len() < size && !field.is_over() {
            match gang.let_in(field) {
                Some(member) => gang.members.push(member),
                None => field.note_refused(),
            }
        }
        gang
    }

    fn let_in(&mut self, field: &Field) -> Option<Member> {
        self.came += 1;
        let token = field::token(&format!("attacker-{}", self.came)).ok()?;
        let mut stream = field.connect_from_anywhere().ok()?;
        let more = format!("Authorization: Bearer {token}\r\n{}", self.headers);
        let is_in = wire::enter(&mut stream, &more);
        stream.set_nonblocking(true).ok()?;
        is_in.then_some(Member { stream, rest: Vec::new() })
    }

    /// Each writes as much of `bytes` as its socket takes, `units` of what counts; who is cut off is replaced.
    pub(super) fn shout(&mut self, field: &Field, bytes: &[u8], units: u64) {
        for index in 0..self.members.len() {
            if field.is_over() {
                return;
            }
            match self.members[index].shout(bytes) {
                Ok(true) => field.note_done(units),
                // The gateway does not read: that is its good right.
                Ok(false) => {}
                Err(_) => {
                    field.note_refused();
                    if let Some(member) = self.let_in(field) {
                        self.members[index] = member;
                    }
                }
            }
        }
    }
}

impl Member {
    /// Whether all of it was written.
    fn shout(&mut self, bytes: &[u8]) -> std::io::Result<bool> {
        if !wire::drain(&mut self.stream) {
            return Err(ErrorKind::ConnectionReset.into());
        }
        if self.rest.is_empty() {
            self.rest.extend_from_slice(bytes);
        }
        match self.stream.write(&self.rest) {
            Ok(written) => {
                self.rest.drain(..written);
                Ok(self.rest.is_empty())
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }
}
