//! Which channels are followed, from where on, and what each of them is owed.
//!
//! A channel is subscribed once at the server, however many follow it here. Each follower has its own place
//! in the history; the server is asked for what comes after the earliest of them.
//!
//! ```text
//!            ask                   subscribed
//! Wanted ──────────▶ Asked(id) ────────────────▶ Followed
//!   ▲  refused for a while │                        │
//!   └──────────────────────┴── lost, gap, behind ◀──┘
//! ```

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use crate::{
    duplicates::Duplicates,
    error::{Error, Refusal},
    incoming::Incoming,
    mailbox::Mailbox,
    news::{Gap, GapReason, News, Position},
};

mod answers;
mod delivery;

/// How long an event's name is remembered, and how many of them.
pub(crate) const REMEMBERED: Duration = Duration::from_secs(300);
pub(crate) const REMEMBERED_MAX: usize = 10_000;
/// How many questions wait for their answers at a time: a thousand at once would run into the server's limit, and
/// who does not heed that is closed for good.
const ASKS_MAX: usize = 32;
/// After a refusal for a while that does not say how long.
const AGAIN: Duration = Duration::from_secs(1);
const AGAIN_MAX: Duration = Duration::from_secs(30);

/// What a follower asks for.
#[derive(Debug)]
pub(crate) struct Following {
    pub(crate) mailbox: Arc<Mailbox<News>>,
    /// From where on, when it was here in an earlier life.
    pub(crate) since: Option<Position>,
    pub(crate) wants_presence: bool,
    /// Told once, when the server has answered.
    pub(crate) answer: oneshot::Sender<Result<(), Error>>,
}

/// Everything that is followed.
#[derive(Debug, Default)]
pub(crate) struct Book {
    channels: HashMap<Arc<str>, Channel>,
    /// To be asked for, in this order.
    due: VecDeque<Arc<str>>,
    /// To be asked for at some time.
    later: BTreeSet<(Instant, Arc<str>)>,
    /// To be told that we have left.
    left: VecDeque<Arc<str>>,
    asked: HashMap<u64, Arc<str>>,
    /// We have asked too much, and ask nothing until then.
    held_until: Option<Instant>,
    asks: u64,
    followers: u64,
    /// The how manieth connection this is.
    connection: u64,
    is_live: bool,
}

#[derive(Debug)]
struct Channel {
    name: Arc<str>,
    state: State,
    followers: Vec<Follower>,
    /// The last place that we know of.
    head: Option<Position>,
    /// From where on it was asked for last.
    since: Option<Position>,
    /// Whether the server tells us who comes and goes.
    has_presence: bool,
    /// Whether the server has heard of it on this connection.
    was_asked: bool,
    refusals: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Wanted,
    Asked(u64),
    Followed,
}

#[derive(Debug)]
struct Follower {
    id: u64,
    mailbox: Arc<Mailbox<News>>,
    /// Of the last message that it was handed.
    position: Option<Position>,
    wants_presence: bool,
    /// There until the first answer.
    answer: Option<oneshot::Sender<Result<(), Error>>>,
    /// The connection on which it was answered last.
    connection: u64,
    /// It did not keep up, and is handed nothing until it has.
    is_behind: bool,
    /// What it went without and cannot get any more.
    dropped: u64,
    events: Duplicates,
}

impl Book {
    /// Somebody wants to follow a channel. Answers its name, by which it leaves.
    pub(crate) fn follow(&mut self, name: &Arc<str>, following: Following, now: Instant) -> u64 {
        self.followers += 1;
        let id = self.followers;
        let Following { mailbox, since, wants_presence, answer } = following;
        let channel = self.channels.entry(name.clone()).or_insert_with(|| Channel {
            name: name.clone(),
            state: State::Wanted,
            followers: Vec::new(),
            head: None,
            since: None,
            has_presence: false,
            was_asked: false,
            refusals: 0,
        });
        let is_known = !channel.followers.is_empty();
        let mut follower = Follower {
            id,
            mailbox,
            position: since,
            wants_presence,
            answer: Some(answer),
            connection: self.connection,
            is_behind: false,
            dropped: 0,
            events: Duplicates::new(REMEMBERED, REMEMBERED_MAX),
        };
        let needs_asking = follower.position.is_some() || (wants_presence && !channel.has_presence);
        if channel.state == State::Followed && !needs_asking {
            // The server has answered that already.
            follower.position = channel.head.clone();
            if let Some(answer) = follower.answer.take() {
                let _ = answer.send(Ok(()));
            }
        }
        channel.followers.push(follower);
        if !is_known || (channel.state != State::Wanted && needs_asking) {
            self.want(name, now);
        }
        id
    }

    /// A follower leaves; with the last one, the channel.
    pub(crate) fn leave(&mut self, name: &Arc<str>, follower: u64) {
        let Some(channel) = self.channels.get_mut(name) else { return };
        channel.followers.retain(|it| it.id != follower);
        if channel.followers.is_empty() {
            let was_asked = channel.was_asked;
            self.channels.remove(name);
            if self.is_live && was_asked {
                self.left.push_back(name.clone());
            }
        }
    }

    /// A follower that did not keep up has taken all that waited for it.
    pub(crate) fn handle_caught_up(&mut self, name: &Arc<str>, follower: u64, now: Instant) {
        let Some(channel) = self.channels.get_mut(name) else { return };
        let Some(follower) = channel.followers.iter_mut().find(|it| it.id == follower) else {
            return;
        };
        if !std::mem::take(&mut follower.is_behind) {
            return;
        }
        let dropped = std::mem::take(&mut follower.dropped);
        if dropped > 0 {
            follower.tell_gap(name, GapReason::Slow, dropped);
        }
        if follower.position.is_some() {
            self.want(name, now);
        }
    }

    /// The connection is good: all is asked for again.
    pub(crate) fn handle_live(&mut self, now: Instant) {
        self.connection += 1;
        self.is_live = true;
        let names: Vec<_> = self.channels.keys().cloned().collect();
        for name in names {
            self.want(&name, now);
        }
    }

    /// The connection is gone.
    pub(crate) fn handle_lost(&mut self) {
        self.is_live = false;
        self.asked.clear();
        self.due.clear();
        self.later.clear();
        self.left.clear();
        self.held_until = None;
        for channel in self.channels.values_mut() {
            channel.state = State::Wanted;
            channel.refusals = 0;
            channel.has_presence = false;
            channel.was_asked = false;
        }
    }

    /// Nothing comes any more, and everybody is told.
    pub(crate) fn end(&mut self, error: &Error, refusal: &Refusal) {
        self.handle_lost();
        for (_, channel) in self.channels.drain() {
            channel.end(error, refusal);
        }
    }

    /// When something is to be asked for again.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let later = self.later.first().map(|(at, _)| *at);
        later.into_iter().chain(self.held_until).min().filter(|_| self.is_live)
    }

    /// The time has come: what was to be asked for then waits for nothing but the socket.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        while self.later.first().is_some_and(|(at, _)| *at <= now) {
            self.due.extend(self.later.pop_first().map(|(_, name)| name));
        }
        self.held_until = self.held_until.filter(|until| *until > now);
    }

    /// Whether something is to be asked for before anything else is said.
    pub(crate) fn is_asking(&self) -> bool {
        self.is_live && !self.due.is_empty() && self.held_until.is_none()
    }

    /// What is to be said next.
    pub(crate) fn poll_text(&mut self, now: Instant) -> Option<String> {
        if !self.is_live {
            return None;
        }
        if let Some(text) = self.poll_left() {
            return Some(text);
        }
        self.handle_timeout(now);
        while self.held_until.is_none() && self.asked.len() < ASKS_MAX {
            let name = self.due.pop_front()?;
            // It may have been left, or asked for, meanwhile.
            if let Some(channel) =
                self.channels.get_mut(&name).filter(|it| it.state == State::Wanted)
            {
                self.asks += 1;
                self.asked.insert(self.asks, name.clone());
                return Some(channel.ask(&name, self.asks));
            }
        }
        None
    }

    /// What is to be said to a channel that nobody follows any more.
    pub(crate) fn poll_left(&mut self) -> Option<String> {
        let name = self.left.pop_front()?;
        Some(format!(r#"{{"type":"unsubscribe","channel":{}}}"#, quoted(&name)))
    }

    fn want(&mut self, name: &Arc<str>, now: Instant) {
        self.want_at(name, now, now);
    }

    fn want_at(&mut self, name: &Arc<str>, at: Instant, now: Instant) {
        let Some(channel) = self.channels.get_mut(name) else { return };
        if let State::Asked(id) = std::mem::replace(&mut channel.state, State::Wanted) {
            self.asked.remove(&id);
        }
        if !self.is_live {
            return;
        }
        if at <= now {
            self.due.push_back(name.clone());
        } else {
            self.later.insert((at, name.clone()));
        }
    }
}

impl Channel {
    fn ask(&mut self, name: &str, id: u64) -> String {
        self.state = State::Asked(id);
        self.was_asked = true;
        self.since = self.earliest();
        self.has_presence = self.followers.iter().any(|it| it.wants_presence);
        let mut text = format!(r#"{{"type":"subscribe","id":"s{id}","channel":{}"#, quoted(name));
        if let Some(Position { epoch, offset }) = &self.since {
            text += &format!(r#","since":{{"epoch":{},"offset":{offset}}}"#, quoted(epoch));
        }
        text += if self.has_presence { r#","presence":true}"# } else { "}" };
        text
    }

    /// From where on something is to come again: the first place of all in the newest life that somebody knows. Those
    /// who do not keep up could not take it.
    fn earliest(&self) -> Option<Position> {
        let followers = || self.followers.iter().filter(|it| !it.is_behind);
        let positions = || followers().filter_map(|it| it.position.as_ref());
        let head = self.head.as_ref().map(|head| &head.epoch);
        let epoch = head.filter(|epoch| positions().any(|it| it.epoch == **epoch));
        let epoch = epoch.or_else(|| positions().next().map(|it| &it.epoch))?;
        positions().filter(|it| it.epoch == *epoch).min_by_key(|it| it.offset).cloned()
    }

    fn end(self, error: &Error, refusal: &Refusal) {
        for follower in self.followers {
            follower.end(error, refusal);
        }
    }
}

impl Follower {
    fn end(mut self, error: &Error, refusal: &Refusal) {
        match self.answer.take() {
            Some(answer) => {
                let _ = answer.send(Err(error.clone()));
            }
            None => self.tell(News::Ended(refusal.clone())),
        }
        self.mailbox.close();
    }

    fn tell(&self, news: News) {
        let bytes = news.bytes();
        self.mailbox.push(news, bytes);
    }

    fn tell_gap(&self, name: &Arc<str>, reason: GapReason, dropped: u64) {
        let news = News::Gap(Gap { channel: name.clone(), reason, dropped });
        let bytes = news.bytes();
        self.mailbox.push_or_join(news, bytes, |last, is_full| match last {
            News::Gap(gap) if is_full || gap.reason == reason => {
                gap.dropped = gap.dropped.saturating_add(dropped);
                true
            }
            _ => false,
        });
    }
}

/// As a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    // A string serializes whatever is in it.
    serde_json::to_string(text).unwrap_or_default()
}
