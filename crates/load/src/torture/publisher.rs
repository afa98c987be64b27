//! Publishes numbered messages, each until it is accepted.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::{
    Course, Tally, channel_name,
    client::{Client, Incoming, Over},
    pause,
};
use crate::clock::Nanos;

/// Without an answer for so long, the connection is given up.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// After a refusal.
const AGAIN: Duration = Duration::from_millis(100);
const RECONNECT: Duration = Duration::from_millis(30);

/// In each channel one message is under way; the next one is published when it was accepted. More could not
/// be kept in their order by anybody, if one of them is refused.
pub(crate) struct Publisher<'a> {
    course: &'a Course,
    index: usize,
    token: String,
    /// For each channel.
    under_way: Vec<Option<UnderWay>>,
    /// What was accepted, by channel: the offsets.
    pub(crate) accepted: Vec<Vec<u64>>,
    pub(crate) tally: Tally,
    /// From the first try until it was accepted, in µs.
    pub(crate) latency: Histogram<u64>,
}

struct UnderWay {
    first: Nanos,
    /// When it was sent last; none if it has to be sent.
    sent: Option<Nanos>,
    /// Not before then.
    again: Nanos,
}

impl<'a> Publisher<'a> {
    pub(crate) fn new(course: &'a Course, index: usize, latency: Histogram<u64>) -> Self {
        let channels = course.plan.channels;
        Self {
            course,
            index,
            token: course.token(&format!("publisher-{index}")),
            under_way: std::iter::repeat_with(|| None).take(channels).collect(),
            accepted: vec![Vec::new(); channels],
            tally: Tally::default(),
            latency,
        }
    }

    /// Returns when nothing more is to be published and all that was is accepted.
    pub(crate) fn run(mut self) -> Self {
        let mut turn = self.index;
        while !self.is_done() && !self.course.is_over() {
            let door = self.course.door(turn);
            turn += 1;
            self.tally.connects += 1;
            if Client::connect(door, &self.token).and_then(|client| self.publish(client)).is_err() {
                self.tally.losses += 1;
                pause(RECONNECT);
            }
        }
        self
    }

    fn is_done(&self) -> bool {
        self.course.is_finishing() && self.under_way.iter().all(Option::is_none)
    }

    fn publish(&mut self, mut client: Client) -> Result<(), Over> {
        for under_way in self.under_way.iter_mut().flatten() {
            under_way.sent = None;
        }
        loop {
            let now = self.course.clock.now();
            for channel in 0..self.under_way.len() {
                self.send(channel, now, &mut client)?;
            }
            if self.is_done() || self.course.is_over() {
                return Ok(());
            }
            let Some(text) = client.hear()? else { continue };
            self.handle(&text, &mut client)?;
        }
    }

    fn handle(&mut self, text: &str, client: &mut Client) -> Result<(), Over> {
        let Ok(incoming) = serde_json::from_str::<Incoming<'_>>(text) else {
            self.tally.add_error("no JSON that we know");
            return Ok(());
        };
        let now = self.course.clock.now();
        let named = incoming.id.and_then(|id| self.named(id));
        match (&*incoming.kind, named) {
            ("ack", Some(channel)) => {
                let Some(done) = self.under_way[channel].take() else { return Ok(()) };
                self.accepted[channel].push(incoming.offset.unwrap_or_default());
                self.course.count_accepted();
                // What takes longer than an hour is an hour.
                self.latency.saturating_record((now - done.first) / 1_000);
                self.send(channel, now, client)
            }
            ("error", named) => {
                self.tally.add_error(incoming.code.as_deref().unwrap_or("no code"));
                if let Some(under_way) = named.and_then(|it| self.under_way[it].as_mut()) {
                    under_way.sent = None;
                    under_way.again = now + crate::clock::nanos(AGAIN);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Sends what is under way in the channel, or has to be; gives the connection up if it says nothing.
    fn send(&mut self, channel: usize, now: Nanos, client: &mut Client) -> Result<(), Over> {
        let number = self.accepted[channel].len() + 1;
        let under_way = match &mut self.under_way[channel] {
            Some(under_way) => under_way,
            None if self.course.may_publish() => {
                self.under_way[channel].insert(UnderWay { first: now, sent: None, again: 0 })
            }
            None => return Ok(()),
        };
        if let Some(sent) = under_way.sent {
            let is_late = now > sent + crate::clock::nanos(ANSWER_MAX);
            return if is_late { Err(Over) } else { Ok(()) };
        }
        if now < under_way.again {
            return Ok(());
        }
        under_way.sent = Some(now);
        self.tally.sent += 1;
        let (p, seed) = (self.index, self.course.plan.seed);
        let id = (number * self.under_way.len() + channel) as u64;
        let name = channel_name(channel);
        client.say(format!(
            r#"{{"type":"publish","channel":"{name}","eventId":"{seed}-{p}-{channel}-{number}","id":{id},"data":{{"p":{p},"n":{number}}}}}"#
        ))
    }

    /// The channel of the message under way that is named so.
    fn named(&self, id: u64) -> Option<usize> {
        let id = usize::try_from(id).ok()?;
        let (number, channel) = (id / self.under_way.len(), id % self.under_way.len());
        (number == self.accepted[channel].len() + 1).then_some(channel)
    }
}
