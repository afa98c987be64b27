//! What is sent when: windows in a closed loop, intended times in an open one.

use std::io;

use ws_close_manager::SendableCode;

use super::{
    gang::{BURST_BYTES_MAX, frame},
    link::Stage,
    worker::Worker,
};
use crate::{
    clock::Nanos,
    plan::{Drive, Group, Role},
    schedule::Schedule,
    stamp::Stamp,
    template::Values,
};

/// How long a server may take to close a connection that has said goodbye.
const CLOSE_TIMEOUT: Nanos = 5_000_000_000;
/// A round of publishers that does not move for so long is given up.
const STUCK: Nanos = 1_000_000_000;
/// An open loop that fell behind hands over so many at once, then looks at its sockets again.
const DUE_MAX: usize = 4096;

impl Worker {
    /// The phase lets messages go: windows are filled, schedules begin.
    pub(super) fn start_sending(&mut self, now: Nanos) {
        for group in 0..self.gangs.len() {
            let gang = &mut self.gangs[group];
            // A schedule that runs goes on.
            if gang.schedule.is_none() {
                gang.schedule = gang.pace.map(|pace| Schedule::start(pace, now));
            }
            let role = self.plan.groups[group].role;
            if matches!(role, Role::Ask(Drive::Window(_)) | Role::Visit { .. }) {
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
        match self.plan.groups[link.group].role {
            Role::Ask(Drive::Window(window)) => {
                let room = window.saturating_sub(link.flow.pending.len());
                self.ask(index, room, now);
            }
            Role::Visit { messages: 0 } => self.leave(index, now),
            Role::Visit { .. } if link.flow.pending.is_empty() => self.ask(index, 1, now),
            _ => {}
        }
    }

    /// Sends so many messages now, in one write.
    pub(super) fn ask(&mut self, index: usize, count: usize, now: Nanos) {
        let count = self.control.take_quota(count as u64) as usize;
        if count == 0 {
            return;
        }
        let link = &mut self.links[index];
        link.flow.pending.extend(std::iter::repeat_n(now, count));
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
                if link.flow.pending.len() == link.flow.written {
                    self.due.push(index);
                }
                link.flow.pending.push_back(due);
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
        let plan = self.plan.clone();
        let in_rounds =
            |group: &Group| matches!(group.role, Role::Publish { drive: Drive::Window(_), .. });
        let publishes = self.index == 0 && plan.groups.iter().any(in_rounds);
        if !publishes || !self.phase.sends() || !self.may_start_round() {
            return;
        }
        for (group_index, group) in plan.groups.iter().enumerate() {
            let Role::Publish { burst, drive: Drive::Window(_) } = group.role else { continue };
            let publishers = self.gangs[group_index].open.clone();
            let publishes = self.control.take_quota((burst * publishers.len()) as u64) as usize;
            let now = self.control.clock.now();
            self.round = (self.control.fan.delivered(), now);
            for (place, index) in publishers.iter().enumerate() {
                let count = burst.min(publishes.saturating_sub(place * burst));
                let link = &mut self.links[*index];
                link.flow.pending.extend(std::iter::repeat_n(now, count));
                self.in_flight += count;
                self.write_pending(*index, now);
            }
        }
    }

    /// Whether all that was published has come to all, or stands still for so long that it is given up.
    fn may_start_round(&mut self) -> bool {
        let is_stuck = !self.control.fan.is_settled() && self.fan_is_stuck();
        if is_stuck {
            self.record.note_error("fan-out: a round was not delivered in full");
            self.control.fan.give_up();
        }
        self.in_flight == 0 && self.control.fan.is_settled()
    }

    /// Whether nothing has been delivered for a while.
    pub(super) fn fan_is_stuck(&mut self) -> bool {
        let (delivered, now) = (self.control.fan.delivered(), self.control.clock.now());
        if self.round.0 != delivered || self.round.1 == 0 {
            self.round = (delivered, now);
        }
        now.saturating_sub(self.round.1) > STUCK
    }

    /// Writes the messages of a link that wait for it, a burst at a time.
    pub(super) fn write_pending(&mut self, index: usize, now: Nanos) {
        loop {
            let link = &self.links[index];
            let count = link.flow.pending.len() - link.flow.written;
            // What the socket does not take waits here, with the time when it should have gone.
            if count == 0 || !link.unsent.is_empty() || !link.is_open() {
                return;
            }
            let written = match self.repeated(index, count, now) {
                Some(written) => written,
                None => self.rendered(index, count, now),
            };
            self.note_written(index, written);
        }
    }

    /// Writes up to so many of the frame that is the same for all, if there is one.
    fn repeated(&mut self, index: usize, count: usize, now: Nanos) -> Option<io::Result<usize>> {
        let link = &mut self.links[index];
        let (group, gang) = (&self.plan.groups[link.group], &mut self.gangs[link.group]);
        let publishes = matches!(group.role, Role::Publish { .. });
        if publishes || !group.message.template.is_constant() {
            return None;
        }
        if gang.burst.is_empty()
            && let Stage::Open(connection) = &mut link.stage
        {
            let window = match group.role {
                Role::Ask(Drive::Window(window)) => window,
                _ => 16,
            };
            gang.prepare(&group.message, window, connection, self.control.clock.instant(now));
            gang.deflated = link.deflated;
        }
        if gang.deflated != link.deflated {
            return None;
        }
        let count = count.min(gang.burst.len() / gang.frame_len.max(1));
        link.flow.written += count;
        self.record.count_sent(count, group.background);
        Some(link.write(&gang.burst[..count * gang.frame_len]))
    }

    /// Renders and writes up to so many.
    fn rendered(&mut self, index: usize, count: usize, now: Nanos) -> io::Result<usize> {
        let Self { links, gangs, plan, out, message, record, control, .. } = self;
        let link = &mut links[index];
        let (group, gang) = (&plan.groups[link.group], &mut gangs[link.group]);
        let Stage::Open(connection) = &mut link.stage else { return Ok(0) };
        let publisher =
            matches!(group.role, Role::Publish { .. }).then(|| link.number - group.first);
        let (flow, instant) = (&mut link.flow, control.clock.instant(now));
        let mut rendered = 0;
        out.clear();
        while rendered < count && out.len() < BURST_BYTES_MAX {
            let payload = match publisher {
                Some(publisher) => {
                    let at = flow.pending[flow.written + rendered];
                    Stamp { publisher: publisher as u16, seq: flow.seq, at }
                        .write(&mut gang.payload);
                    &gang.payload
                }
                None => &group.message.payload,
            };
            let values = Values {
                payload,
                seq: flow.seq,
                conn: link.number as u64,
                user: &link.user,
                epoch_millis: control.clock.epoch_millis(now),
                token: &link.token,
            };
            message.clear();
            group.message.template.render(&values, message);
            frame(connection, group.message.binary, message, out, instant);
            flow.seq += 1;
            rendered += 1;
        }
        record.count_sent(rendered, group.background);
        match publisher {
            Some(publisher) => {
                // Their deliveries are counted, not their answers.
                flow.pending.drain(..rendered);
                self.in_flight -= rendered;
                control.fan.note_published(publisher, flow.seq);
                control.fan.expect(rendered as u64);
            }
            None => flow.written += rendered,
        }
        link.write(out)
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
        link.deadline = now + CLOSE_TIMEOUT;
        self.closing.push_back((link.deadline, index));
        if let Stage::Open(connection) = &mut link.stage {
            self.out.clear();
            connection.start_close(SendableCode::NORMAL, "", &mut self.out, instant);
            self.write_out(index);
        }
    }

    /// Drops those whose server does not close.
    pub(super) fn give_up_closing(&mut self) {
        let now = self.control.clock.now();
        while let Some((deadline, index)) = self.closing.front().copied()
            && deadline <= now
        {
            self.closing.pop_front();
            let link = &self.links[index];
            if link.leaving && link.is_open() && link.deadline == deadline {
                self.record.note_error("close: the server did not close in time");
                self.lose(index, None);
            }
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
