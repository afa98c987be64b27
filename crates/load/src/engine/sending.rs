//! What is sent when: windows in a closed loop, intended times in an open one.

use ws_close_manager::SendableCode;
use ws_connection::Connection;

use super::{
    Phase,
    link::{Link, Stage},
    worker::Worker,
};
use crate::{
    clock::Nanos,
    plan::{Drive, Group, Message, Role},
    schedule::{Pace, Schedule},
    stamp::Stamp,
    template::Values,
};

/// Frames that are the same for all are made in advance, up to so many bytes of them.
const BURST_BYTES_MAX: usize = 1024 * 1024;
/// An open loop that fell behind hands over so many at once, then looks at its sockets again.
const DUE_MAX: usize = 4096;

/// A worker's part of a group.
#[derive(Debug)]
pub(super) struct Gang {
    /// The same frame again and again, if it is the same for all.
    burst: Vec<u8>,
    frame_len: usize,
    pace: Option<Pace>,
    schedule: Option<Schedule>,
    /// Links that are open; an open loop takes them in turn.
    open: Vec<usize>,
    turn: usize,
    /// The payload that stamps are written over.
    payload: Vec<u8>,
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

    fn next_link(&mut self) -> Option<usize> {
        let link = self.open.get(self.turn).or(self.open.first()).copied()?;
        self.turn = if self.turn + 1 < self.open.len() { self.turn + 1 } else { 0 };
        Some(link)
    }

    /// Makes the frame that all send. A mask is drawn once: it is there for proxies, and the server
    /// unmasks it like any other.
    fn prepare(
        &mut self,
        message: &Message,
        window: usize,
        connection: &mut Connection,
        now: std::time::Instant,
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

impl Worker {
    /// The phase lets messages go: windows are filled, schedules begin.
    pub(super) fn start_sending(&mut self, now: Nanos) {
        for group in 0..self.gangs.len() {
            let gang = &mut self.gangs[group];
            // A schedule that runs goes on.
            if gang.schedule.is_none() {
                gang.schedule = gang.pace.map(|pace| Schedule::start(pace, now));
            }
            if let Role::Ask(Drive::Window(_)) = self.plan.groups[group].role {
                for index in gang.open.clone() {
                    self.start_link(index, now);
                }
            }
        }
        self.publish_round();
    }

    /// Fills the window of a link.
    pub(super) fn start_link(&mut self, index: usize, now: Nanos) {
        let link = &self.links[index];
        if let Role::Ask(Drive::Window(window)) = self.plan.groups[link.group].role {
            let room = window.saturating_sub(link.pending.len());
            self.ask(index, room, now);
        }
    }

    /// Sends so many messages now, in one write.
    pub(super) fn ask(&mut self, index: usize, count: usize, now: Nanos) {
        let count = self.control.take_quota(count as u64) as usize;
        if count == 0 {
            return;
        }
        let link = &mut self.links[index];
        link.pending.extend(std::iter::repeat_n(now, count));
        self.in_flight += count;
        self.write_pending(index, now);
    }

    /// Takes what is due off the schedules and sends it.
    pub(super) fn send_due(&mut self) {
        if !self.phase.sends() {
            return;
        }
        self.publish_round();
        for group in 0..self.gangs.len() {
            if self.gangs[group].schedule.is_none() || self.gangs[group].open.is_empty() {
                continue;
            }
            let now = self.control.clock.now();
            for _ in 0..DUE_MAX {
                let gang = &mut self.gangs[group];
                let Some(due) = gang.schedule.as_mut().and_then(|it| it.take_due(now)) else {
                    break;
                };
                self.record.lag.note(now - due);
                if self.control.take_quota(1) == 0 {
                    break;
                }
                let Some(index) = gang.next_link() else { break };
                let link = &mut self.links[index];
                if link.pending.len() == link.written {
                    self.due.push(index);
                }
                link.pending.push_back(due);
                self.in_flight += 1;
            }
            for at in 0..self.due.len() {
                self.write_pending(self.due[at], now);
            }
            self.due.clear();
        }
    }

    /// In a closed loop publishers go on when all receivers have all.
    fn publish_round(&mut self) {
        if self.index != 0 || !self.phase.sends() || !self.control.fan.round_is_done() {
            return;
        }
        let plan = self.plan.clone();
        for (group_index, group) in plan.groups.iter().enumerate() {
            let Role::Publish { burst, drive: Drive::Window(_) } = group.role else { continue };
            let publishers = self.gangs[group_index].open.clone();
            let publishes = self.control.take_quota((burst * publishers.len()) as u64) as usize;
            self.control.fan.start_round(publishes as u64);
            let now = self.control.clock.now();
            for (place, index) in publishers.iter().enumerate() {
                let count = burst.min(publishes.saturating_sub(place * burst));
                let link = &mut self.links[*index];
                link.pending.extend(std::iter::repeat_n(now, count));
                self.in_flight += count;
                self.write_pending(*index, now);
            }
        }
    }

    /// Writes the messages of a link that wait for it, in one write.
    pub(super) fn write_pending(&mut self, index: usize, now: Nanos) {
        let Self { links, gangs, plan, out, message, record, control, .. } = self;
        let link = &mut links[index];
        let (group, gang) = (&plan.groups[link.group], &mut gangs[link.group]);
        let Stage::Open(connection) = &mut link.stage else { return };
        let mut count = link.pending.len() - link.written;
        if count == 0 || !link.unsent.is_empty() {
            return;
        }
        let instant = control.clock.instant(now);
        let publishes = matches!(group.role, Role::Publish { .. });
        let is_constant =
            group.message.template.is_constant() && !publishes && !group.opening.compress;
        if is_constant {
            if gang.burst.is_empty() {
                let window = match group.role {
                    Role::Ask(Drive::Window(window)) => window,
                    _ => 16,
                };
                gang.prepare(&group.message, window, connection, instant);
            }
            // What is beyond a burst follows when the socket or the schedule comes by again.
            count = count.min(gang.burst.len() / gang.frame_len.max(1));
        } else {
            out.clear();
            let mut rendered = 0;
            while rendered < count && out.len() < BURST_BYTES_MAX {
                let at = link.pending[link.written + rendered];
                message.clear();
                let payload = if publishes {
                    let publisher = (link.number - group.first) as u16;
                    Stamp { publisher, seq: link.seq, at }.write(&mut gang.payload);
                    &gang.payload
                } else {
                    &group.message.payload
                };
                let values = Values {
                    payload,
                    seq: link.seq,
                    conn: link.number as u64,
                    user: &link.user,
                    epoch_millis: control.clock.epoch_millis(now),
                    token: &link.token,
                };
                group.message.template.render(&values, message);
                frame(connection, group.message.binary, message, out, instant);
                link.seq += 1;
                rendered += 1;
            }
            count = rendered;
        }
        record.sent += count as u64;
        if publishes {
            // Their deliveries are counted, not their answers.
            link.pending.drain(..count);
            self.in_flight -= count;
        } else {
            link.written += count;
        }
        let written = match is_constant {
            true => link.write(&gang.burst[..count * gang.frame_len]),
            false => link.write(out),
        };
        let more = link.pending.len() > link.written && link.unsent.is_empty();
        self.note_written(index, written);
        if more {
            self.write_pending(index, now);
        }
    }

    /// Writes what the socket did not take before, and then what waited behind it.
    pub(super) fn flush(&mut self, index: usize) {
        let written = self.links[index].flush();
        self.note_written(index, written);
        let now = self.control.clock.now();
        self.write_pending(index, now);
    }

    /// Says goodbye; the server closes the transport.
    pub(super) fn leave(&mut self, index: usize, now: Nanos) {
        let instant = self.control.clock.instant(now);
        let link = &mut self.links[index];
        link.leaving = true;
        if let Stage::Open(connection) = &mut link.stage {
            self.out.clear();
            connection.start_close(SendableCode::NORMAL, "", &mut self.out, instant);
            self.write_out(index);
        }
    }

    /// Says goodbye on all connections, and drops the handshakes that are under way.
    pub(super) fn close_all(&mut self, now: Nanos) {
        self.dialer.forget();
        for index in 0..self.links.len() {
            match self.links[index].stage {
                Stage::Waiting | Stage::Gone => {}
                Stage::Shaking(_) => self.abandon(index),
                Stage::Open(_) => self.leave(index, now),
            }
        }
    }
}

fn frame(
    connection: &mut Connection,
    binary: bool,
    payload: &[u8],
    out: &mut Vec<u8>,
    now: std::time::Instant,
) {
    // A connection that is closing takes no message; that it closes is noted when it has.
    let _ = match std::str::from_utf8(payload) {
        Ok(text) if !binary => connection.send_text(text, out, now),
        _ => connection.send_binary(payload, out, now),
    };
}
