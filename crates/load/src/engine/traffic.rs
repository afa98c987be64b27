//! What comes in: answers, deliveries, closes.

use std::{io::ErrorKind, time::Duration};

use ws_connection::{Event, ProtocolError};

use super::{
    Phase,
    dialing::plain,
    link::{Flow, Link, Stage},
    worker::Worker,
};
use crate::{
    clock::Nanos,
    plan::{Drive, Dropping, Group, Reading, Role},
    record::Record,
    stamp::Stamp,
};

/// What one read brought.
#[derive(Default)]
struct Harvest {
    answers: usize,
    deliveries: u64,
    opened: bool,
    closed: Option<(u16, String)>,
    failed: Option<ProtocolError>,
}

impl Worker {
    /// Reads once, or until nothing is left where the socket would not say so again: its buffer was
    /// filled, or the other side is done.
    pub(super) fn read(&mut self, index: usize, to_the_end: bool) {
        loop {
            let buffer = self.workspace.read_buffer();
            let size = buffer.len();
            match self.links[index].read(buffer) {
                Ok(0) => return self.lose(index, None),
                Ok(len) => {
                    self.workspace.filled(len);
                    self.record.bytes_received += len as u64;
                    self.work_off(index);
                    if !self.slow.is_empty() {
                        self.note_slow_read(index);
                    }
                    if !self.links[index].is_open() || (len < size && !to_the_end) {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return self.lose(index, Some(&format!("read: {}", plain(&error)))),
            }
        }
    }

    /// Works off what was read: all events, then one write of what they ask for.
    pub(super) fn work_off(&mut self, index: usize) {
        let now = self.control.clock.now();
        let instant = self.control.clock.instant(now);
        let Self { links, workspace, out, record, plan, .. } = self;
        let Link { stage, flow, group, .. } = &mut links[index];
        let group = &plan.groups[*group];
        let mut harvest = Harvest::default();
        out.clear();
        let Stage::Open(connection) = stage else {
            workspace.take_rest();
            return;
        };
        while let Some(event) = connection.poll_event(workspace, out, instant) {
            match event {
                Event::Text(text) => harvest.message(text.as_bytes(), group, flow, record, now),
                Event::Binary(bytes) => harvest.message(bytes, group, flow, record, now),
                Event::Ping(_) | Event::Pong { .. } => {}
                Event::Close(frame) => {
                    harvest.closed = Some(match frame {
                        Some(frame) => (frame.code.into(), frame.reason.to_string()),
                        None => (1005, String::new()),
                    });
                }
                Event::Failed(error) => harvest.failed = Some(error),
            }
        }
        if !self.out.is_empty() {
            self.write_out(index);
        }
        self.reap(index, &harvest, now);
    }

    fn reap(&mut self, index: usize, harvest: &Harvest, now: Nanos) {
        self.in_flight -= harvest.answers;
        if harvest.deliveries > 0 {
            self.control.fan.note(harvest.deliveries);
        }
        if harvest.opened {
            self.opened(index, now);
        }
        if let Some(error) = harvest.failed {
            return self.lose(index, Some(&format!("protocol: {error}")));
        }
        if let Some((code, reason)) = &harvest.closed {
            let (code, link) = (*code, &mut self.links[index]);
            if link.flow.awaiting.is_some() {
                self.record.note_close(code);
                let cause =
                    format!("handshake: closed with {code} \"{reason}\" before it was open");
                return self.lose(index, Some(&cause));
            }
            if !link.leaving {
                link.leaving = true;
                self.note_close(index, code);
            }
            return;
        }
        if harvest.answers == 0 || !self.phase.sends() {
            return;
        }
        let link = &self.links[index];
        match self.plan.groups[link.group].role {
            Role::Ask(Drive::Window(_)) => self.ask(index, harvest.answers, now),
            Role::Visit { messages } if link.flow.answered >= messages => self.leave(index, now),
            Role::Visit { .. } => self.ask(index, 1, now),
            _ => {}
        }
    }

    /// The server closed it.
    fn note_close(&mut self, index: usize, code: u16) {
        if self.plan.groups[self.links[index].group].reading != Reading::Full {
            *self.record.slow_closes.entry(code).or_default() += 1;
        } else {
            self.record.note_close(code);
        }
    }

    /// The connection is gone, for this reason if it was not to be expected.
    pub(super) fn lose(&mut self, index: usize, cause: Option<&str>) {
        let link = &mut self.links[index];
        if matches!(link.stage, Stage::Gone) {
            return;
        }
        if link.flow.awaiting.is_some() {
            let cause = cause.unwrap_or("handshake: closed before the awaited message");
            return self.fail(index, cause);
        }
        let expected = link.leaving || self.phase >= Phase::Close;
        self.in_flight -= link.flow.pending.len();
        link.drop_socket();
        let (group, place) = (link.group, link.place);
        self.gangs[group].leave(place, &mut self.links);
        let slow = self.plan.groups[group].reading != Reading::Full;
        if !expected {
            if !slow {
                self.record.note_error(cause.unwrap_or("read: ended without a close frame"));
            }
            self.note_close(index, 1006);
        }
        if self.plan.groups[group].role == Role::Receive && !slow {
            self.control.fan.receiver_left();
        }
        self.count_open(false);
        self.come_back(index, Duration::ZERO);
    }

    /// Drops a handshake that nobody waits for any more.
    pub(super) fn abandon(&mut self, index: usize) {
        self.dialer.settled();
        self.links[index].drop_socket();
    }

    /// Drops all at once that are to come back.
    pub(super) fn drop_those_that_return(&mut self, now: Nanos) {
        for index in 0..self.links.len() {
            let link = &mut self.links[index];
            let Role::Return(drop) = self.plan.groups[link.group].role else { continue };
            if !link.is_open() {
                continue;
            }
            link.leaving = true;
            self.dialer.expect();
            match drop.how {
                Dropping::Close => self.leave(index, now),
                Dropping::Reset => {
                    if let Some(socket) = &link.socket {
                        // Without it the server sees an orderly end; that is the other kind.
                        let _ = socket2::SockRef::from(socket).set_linger(Some(Duration::ZERO));
                    }
                    self.lose(index, None);
                }
            }
        }
    }
}

impl Harvest {
    fn message(
        &mut self,
        message: &[u8],
        group: &Group,
        flow: &mut Flow,
        record: &mut Record,
        now: Nanos,
    ) {
        if group.expectation.counts(message) {
            record.counted += 1;
            record.counted_bytes += message.len() as u64;
        }
        if flow.awaiting.is_some() {
            let until = group.opening.until.as_deref().unwrap_or_default();
            self.opened |= memchr::memmem::find(message, until.as_bytes()).is_some();
            record.other += 1;
            return;
        }
        let is_answer = match group.role {
            Role::Ask(_) | Role::Visit { .. } => {
                flow.written > 0 && group.expectation.holds(message)
            }
            Role::Receive => group.expectation.holds(message),
            Role::Idle | Role::Leave | Role::Return(_) | Role::Publish { .. } => false,
        };
        if !is_answer {
            let awaited = flow.written > 0 || group.role == Role::Receive;
            record.note_other(message, awaited);
        } else if group.role == Role::Receive {
            self.delivery(message, group, flow, record, now);
        } else if let Some(at) = flow.pending.pop_front() {
            flow.written -= 1;
            flow.answered += 1;
            self.answers += 1;
            let latency = now.saturating_sub(at);
            if group.background {
                record.established += 1;
                record.background.note(latency);
            } else {
                record.received += 1;
                record.latency.note(latency);
            }
        }
    }

    fn delivery(
        &mut self,
        message: &[u8],
        group: &Group,
        flow: &mut Flow,
        record: &mut Record,
        now: Nanos,
    ) {
        let Some(stamp) = Stamp::find(message) else {
            return record.note_other(message, true);
        };
        let publisher = usize::from(stamp.publisher);
        if flow.tracks.len() <= publisher {
            flow.tracks.resize_with(publisher + 1, Default::default);
        }
        if group.reading != Reading::Full {
            record.slow += 1;
        } else if flow.tracks[publisher].note(stamp.seq, &mut record.deliveries) {
            record.received += 1;
            record.latency.note(now.saturating_sub(stamp.at));
            self.deliveries += 1;
        }
    }
}
