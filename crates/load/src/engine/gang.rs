//! A worker's part of a group: who of it is open, whose turn it is, and the frame that all send.

use std::time::Instant;

use ws_connection::Connection;

use super::{Phase, link::Link};
use crate::{
    clock::Nanos,
    plan::{Drive, Group, Message, Role},
    schedule::{Pace, Schedule},
    template::Values,
};

/// Frames that are the same for all are made in advance, up to so many bytes of them.
pub(super) const BURST_BYTES_MAX: usize = 1024 * 1024;

/// A worker's part of a group.
#[derive(Debug)]
pub(super) struct Gang {
    /// The same frame again and again, if it is the same for all.
    pub(super) burst: Vec<u8>,
    /// It is a deflated one, for those that agreed on that.
    pub(super) deflated: bool,
    pub(super) frame_len: usize,
    pub(super) pace: Option<Pace>,
    pub(super) schedule: Option<Schedule>,
    /// Links that are open; an open loop takes them in turn.
    pub(super) open: Vec<usize>,
    turn: usize,
    /// The payload that stamps are written over.
    pub(super) payload: Vec<u8>,
}

impl Gang {
    /// `share` of the group's links belong to this worker.
    pub(super) fn new(group: &Group, share: usize) -> Self {
        let pace = match group.role {
            Role::Ask(Drive::Pace(pace)) | Role::Publish { drive: Drive::Pace(pace), .. } => {
                (share > 0).then(|| pace.share(share, group.count))
            }
            _ => None,
        };
        Self {
            burst: Vec::new(),
            deflated: false,
            frame_len: 0,
            pace,
            schedule: None,
            open: Vec::new(),
            turn: 0,
            payload: group.message.payload.clone(),
        }
    }

    pub(super) fn join(&mut self, index: usize, link: &mut Link) {
        link.place = self.open.len();
        self.open.push(index);
    }

    pub(super) fn leave(&mut self, place: usize, links: &mut [Link]) {
        if place < self.open.len() {
            self.open.swap_remove(place);
            if let Some(moved) = self.open.get(place) {
                links[*moved].place = place;
            }
        }
    }

    pub(super) fn next_due(&self, phase: Phase) -> Option<Nanos> {
        let may = phase.sends() && !self.open.is_empty();
        self.schedule.as_ref().filter(|_| may).map(Schedule::next_due)
    }

    pub(super) fn next_link(&mut self) -> Option<usize> {
        let link = self.open.get(self.turn).or(self.open.first()).copied()?;
        self.turn = if self.turn + 1 < self.open.len() { self.turn + 1 } else { 0 };
        Some(link)
    }

    /// Makes the frame that all send. A mask is drawn once: it is there for proxies, and the server
    /// unmasks it like any other.
    pub(super) fn prepare(
        &mut self,
        message: &Message,
        window: usize,
        connection: &mut Connection,
        now: Instant,
    ) {
        let mut payload = Vec::new();
        let values = Values { payload: &message.payload, ..Values::default() };
        message.template.render(&values, &mut payload);
        frame(connection, message.binary, &payload, &mut self.burst, now);
        self.frame_len = self.burst.len();
        let copies = window.clamp(1, (BURST_BYTES_MAX / self.frame_len.max(1)).max(1));
        self.burst = self.burst.repeat(copies);
    }
}

/// Appends a message.
pub(super) fn frame(
    connection: &mut Connection,
    binary: bool,
    payload: &[u8],
    out: &mut Vec<u8>,
    now: Instant,
) {
    // A connection that is closing takes no message; that it closes is noted when it has.
    let _ = match std::str::from_utf8(payload) {
        Ok(text) if !binary => connection.send_text(text, out, now),
        _ => connection.send_binary(payload, out, now),
    };
}
