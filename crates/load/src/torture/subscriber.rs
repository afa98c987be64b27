//! Follows every channel, comes back to where it was after each loss, and keeps what it sees.

use std::time::Duration;

use serde_json::Value;

use super::{
    Course, Tally, channel_name,
    client::{Client, Incoming, Over},
    ledger::{Seen, Sighting, Step},
    pause,
};
use crate::clock::{Nanos, nanos};

/// Silent for so long, it is asked for a `pong`; for twice as long, it is given up.
const SILENCE_MAX: Duration = Duration::from_secs(3);
/// After a refusal.
const AGAIN: Duration = Duration::from_millis(100);
const RECONNECT: Duration = Duration::from_millis(30);

pub(crate) struct Subscriber<'a> {
    course: &'a Course,
    index: usize,
    token: String,
    channels: Vec<Channel>,
    pub(crate) seen: Seen,
    pub(crate) tally: Tally,
    /// From the loss of the connection until all channels are followed again.
    away: Option<Away>,
}

/// What it takes to be back.
struct Away {
    since: Nanos,
    connects: u64,
    /// Subscriptions that were refused.
    refused: u64,
}

#[derive(Default)]
struct Channel {
    /// What was seen last, and of which life.
    position: Option<(Value, u64)>,
    state: State,
    /// How many messages were seen.
    count: u64,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    /// To be asked for, not before then.
    Wanted(Nanos),
    /// Asked for. What comes before the answer is what will be repeated behind it.
    #[default]
    Asked,
    Followed,
}

impl<'a> Subscriber<'a> {
    pub(crate) fn new(course: &'a Course, index: usize) -> Self {
        let channels = course.plan.channels;
        Self {
            course,
            index,
            token: course.token(&format!("subscriber-{index}")),
            channels: std::iter::repeat_with(Channel::default).take(channels).collect(),
            seen: Seen::new(channels),
            tally: Tally::default(),
            away: None,
        }
    }

    /// Returns when the run is over, or as much was seen as was accepted.
    pub(crate) fn run(mut self) -> Self {
        let mut turn = self.index;
        while !self.course.is_over() {
            let door = self.course.door(turn);
            turn += 1;
            self.tally.connects += 1;
            if let Some(away) = &mut self.away {
                away.connects += 1;
            }
            match Client::connect(door, &self.token).and_then(|client| self.follow(client)) {
                Ok(()) => return self,
                Err(Over) => {
                    self.tally.losses += 1;
                    let since = self.course.clock.now();
                    self.away.get_or_insert(Away { since, connects: 0, refused: 0 });
                    pause(RECONNECT);
                }
            }
        }
        self
    }

    fn follow(&mut self, mut client: Client) -> Result<(), Over> {
        for channel in &mut self.channels {
            channel.state = State::Wanted(0);
        }
        let mut heard_at = self.course.clock.now();
        let mut was_asked = false;
        loop {
            let now = self.course.clock.now();
            self.subscribe(now, &mut client)?;
            match client.hear()? {
                Some(text) => {
                    (heard_at, was_asked) = (now, false);
                    self.handle(&text, now);
                }
                None if self.course.is_over() => return Ok(()),
                None => {
                    let silence = now.saturating_sub(heard_at);
                    if silence > 2 * nanos(SILENCE_MAX) {
                        return Err(Over);
                    }
                    if silence > nanos(SILENCE_MAX) && !was_asked {
                        was_asked = true;
                        client.say(r#"{"type":"ping"}"#.to_owned())?;
                    }
                }
            }
        }
    }

    fn subscribe(&mut self, now: Nanos, client: &mut Client) -> Result<(), Over> {
        for (index, channel) in self.channels.iter_mut().enumerate() {
            let State::Wanted(from) = channel.state else { continue };
            if now < from {
                continue;
            }
            channel.state = State::Asked;
            let since = match &channel.position {
                Some((epoch, offset)) => {
                    format!(r#","since":{{"epoch":{epoch},"offset":{offset}}}"#)
                }
                None => String::new(),
            };
            let name = channel_name(index);
            client
                .say(format!(r#"{{"type":"subscribe","channel":"{name}","id":{index}{since}}}"#))?;
        }
        Ok(())
    }

    fn handle(&mut self, text: &str, now: Nanos) {
        let Ok(incoming) = serde_json::from_str::<Incoming<'_>>(text) else {
            self.tally.add_error("no JSON that we know");
            return;
        };
        let index = incoming.channel.as_deref().and_then(|name| self.course.channel_index(name));
        match (&*incoming.kind, index) {
            ("message", Some(index)) => self.handle_message(index, &incoming),
            ("subscribed", Some(index)) => self.handle_subscribed(index, &incoming, now),
            ("gap", index) => self.handle_gap(index),
            ("error", _) => {
                self.tally.add_error(incoming.code.as_deref().unwrap_or("no code"));
                let index = incoming.id.and_then(|id| usize::try_from(id).ok());
                if let Some(channel) = index.and_then(|index| self.channels.get_mut(index)) {
                    if let Some(away) = &mut self.away {
                        away.refused += 1;
                    }
                    channel.state = State::Wanted(now + nanos(AGAIN));
                }
            }
            _ => {}
        }
    }

    fn handle_message(&mut self, index: usize, incoming: &Incoming<'_>) {
        let channel = &mut self.channels[index];
        if channel.state != State::Followed {
            self.tally.skipped += 1;
            return;
        }
        let (offset, data) = (incoming.offset.unwrap_or_default(), incoming.data);
        let (publisher, number) =
            data.map_or((u32::MAX, 0), |data| (u32::try_from(data.p).unwrap_or(u32::MAX), data.n));
        self.seen.channels[index].push(Step::Message(Sighting { publisher, number, offset }));
        if let Some((_, position)) = &mut channel.position {
            *position = offset;
        }
        channel.count += 1;
        self.course.count_seen(self.index);
    }

    fn handle_subscribed(&mut self, index: usize, incoming: &Incoming<'_>, now: Nanos) {
        let channel = &mut self.channels[index];
        channel.state = State::Followed;
        let there = incoming.epoch.clone().unwrap_or_default();
        let offset = incoming.offset.unwrap_or_default();
        match &channel.position {
            // What was missed follows, from where we were.
            Some((epoch, _)) if incoming.recovered == Some(true) && *epoch == there => {
                self.tally.recovered += 1;
            }
            Some(_) => {
                self.tally.not_recovered += 1;
                self.seen.channels[index].push(Step::Gap);
                channel.position = Some((there, offset));
            }
            None => channel.position = Some((there, offset)),
        }
        if self.channels.iter().all(|channel| channel.state == State::Followed) {
            self.course.count_ready(self.index);
            if let Some(Away { since, connects, refused }) = self.away.take() {
                let (took, index) = (now - since, self.index);
                // What takes longer than an hour is an hour.
                self.tally.recovery.saturating_record(took / 1_000);
                let words = format!(
                    "subscriber {index}, from {:.1} s to {:.1} s after the start, {connects} connects, \
                     {refused} subscriptions refused",
                    since as f64 / 1e9,
                    now as f64 / 1e9
                );
                self.tally.slowest = std::mem::take(&mut self.tally.slowest).max((took, words));
            }
        }
    }

    /// It is where it was before the gap, and asks for what followed.
    fn handle_gap(&mut self, index: Option<usize>) {
        self.tally.gaps += 1;
        match index {
            Some(index) => self.channels[index].state = State::Wanted(0),
            // `*`: nobody knows which.
            None => self.channels.iter_mut().for_each(|it| it.state = State::Wanted(0)),
        }
    }
}
