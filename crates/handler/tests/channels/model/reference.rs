//! Who must hear what: lists and maps, and no more than one thing at a time.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Value, json};

use super::operations::{
    CHANNELS, CLIENTS, EVENT_CACHE, ROOMS, Request, USERS, event_id, room_id, user,
};
use crate::talk::{acked, error, joined, left, said, subscribed, unsubscribed, with_id};

const GRACE_MS: u64 = 15_000;
const WINDOW_MS: u64 = 120_000;
/// What back-ends call by the same names are other events.
const BACK_END: u8 = 100;

#[derive(Debug, Default)]
pub(super) struct Reference {
    now_ms: u64,
    clients: [Option<Client>; CLIENTS],
    /// Users of each channel.
    present: [BTreeMap<usize, Presence>; CHANNELS.len()],
    absences: u64,
    /// When an event was first published in a channel.
    published: HashMap<(usize, u8), u64>,
    /// What each client is yet to hear.
    expected: [Heard; CLIENTS],
}

#[derive(Debug, Default)]
struct Client {
    channels: BTreeSet<usize>,
    watches: BTreeSet<usize>,
    /// Those that it was sent; what was brought last is behind.
    events: Vec<u8>,
}

#[derive(Debug)]
enum Presence {
    Here { connections: usize },
    Absent { until_ms: u64, order: u64 },
}

/// Answers and everything else are each in order; how they are mixed is checked by who listens.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Heard {
    pub(super) answers: Vec<Value>,
    pub(super) news: Vec<Value>,
}

impl Client {
    fn is_new(&mut self, event: u8) -> bool {
        let known = self.events.iter().position(|it| *it == event);
        let oldest = (self.events.len() == usize::from(EVENT_CACHE)).then_some(0);
        if let Some(forgotten) = known.or(oldest) {
            self.events.remove(forgotten);
        }
        self.events.push(event);
        known.is_none()
    }
}

impl Reference {
    pub(super) fn is_connected(&self, client: usize) -> bool {
        self.clients[client].is_some()
    }

    pub(super) fn connect(&mut self, client: usize) {
        self.clients[client] = Some(Client::default());
    }

    /// The channels that a client is in, by name.
    pub(super) fn channels_of(&self, client: usize) -> BTreeSet<String> {
        let channels = self.clients[client].iter().flat_map(|it| &it.channels);
        channels.map(|channel| CHANNELS[*channel].to_owned()).collect()
    }

    pub(super) fn take_expected(&mut self, client: usize) -> Heard {
        std::mem::take(&mut self.expected[client])
    }

    /// How many there are: channels and subscriptions with wishes to be told of presence, users and how
    /// many of them are absent.
    pub(super) fn holds(&self) -> [usize; 4] {
        let clients = || self.clients.iter().flatten();
        let used: BTreeSet<_> = clients().flat_map(|it| &it.channels).collect();
        let watched: BTreeSet<_> = clients().flat_map(|it| &it.watches).collect();
        let subscriptions = clients().map(|it| it.channels.len() + it.watches.len()).sum();
        let users = || self.present.iter().flat_map(BTreeMap::values);
        let absent = users().filter(|it| matches!(it, Presence::Absent { .. })).count();
        [used.len() + watched.len(), subscriptions, users().count(), absent]
    }

    pub(super) fn lose(&mut self, client: usize) {
        let Some(gone) = self.clients[client].take() else { return };
        self.expected[client] = Heard::default();
        for channel in gone.channels {
            self.go(channel, client % USERS, false);
        }
    }

    pub(super) fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        let mut due = Vec::new();
        for (channel, users) in self.present.iter().enumerate() {
            for (user, presence) in users {
                if let Presence::Absent { until_ms, order } = *presence
                    && until_ms <= self.now_ms
                {
                    due.push((until_ms, order, channel, *user));
                }
            }
        }
        due.sort_unstable();
        // Those whose grace ends at the same instant are gone before any of them is told to be.
        for together in due.chunk_by(|(one, ..), (other, ..)| one == other) {
            for (_, _, channel, user) in together {
                self.present[*channel].remove(user);
            }
            for (_, _, channel, user) in together {
                self.announce(*channel, *user, false, None);
            }
        }
    }

    pub(super) fn say(&mut self, client: usize, request: &Request, number: u64) {
        match *request {
            Request::Subscribe { channel, watch } => {
                self.enter(client, channel, watch);
                self.answer(client, with_id(subscribed(CHANNELS[channel]), number));
            }
            Request::Join(room) => {
                self.enter(client, room, false);
                let answer = joined(room_id(room), &user(client % USERS));
                self.answer(client, with_id(answer, number));
            }
            Request::Unsubscribe(channel) => {
                self.leave(client, channel);
                self.answer(client, with_id(unsubscribed(CHANNELS[channel]), number));
            }
            Request::LeaveRoom(room) => {
                self.leave(client, room);
                let answer = left(room_id(room), &user(client % USERS));
                self.answer(client, with_id(answer, number));
            }
            Request::Publish { channel, event } => {
                let from = user(client % USERS);
                self.publish(channel, event, number, Some(&from));
                self.answer(client, acked(number));
            }
            Request::RoomMessage(_) | Request::Typing(_) => self.speak(client, request, number),
            Request::Chat(to) => self.chat(client, to, number),
        }
    }

    fn speak(&mut self, client: usize, request: &Request, number: u64) {
        let (Request::RoomMessage(room) | Request::Typing(room)) = *request else { return };
        if !self.client(client).channels.contains(&room) {
            let refusal = error("forbidden", "Join the room first");
            return self.answer(client, with_id(refusal, number));
        }
        let from = user(client % USERS);
        if let Request::RoomMessage(_) = request {
            let mut message = said(room_id(room), &from, "");
            message["message"] = number.into();
            self.tell(room, &message, None);
            self.answer(client, acked(number));
        } else {
            let message = json!({ "type": "typing", "user_id": from, "room_id": room_id(room) });
            self.tell(room, &message, Some(client));
        }
    }

    fn chat(&mut self, client: usize, to: usize, number: u64) {
        let message = json!({ "type": "chat", "from": user(client % USERS), "message": number });
        if self.tell_user(to, &message) == 0 {
            let refusal = error("user_offline", "The user is not connected");
            self.answer(client, with_id(refusal, number));
        } else {
            self.answer(client, acked(number));
        }
    }

    pub(super) fn order_in(&mut self, client: usize, channel: usize) {
        self.enter(client, channel, false);
        self.answer(client, subscribed(CHANNELS[channel]));
    }

    pub(super) fn order_out(&mut self, client: usize, channel: usize) {
        if self.client(client).channels.contains(&channel) {
            self.leave(client, channel);
            self.answer(client, unsubscribed(CHANNELS[channel]));
        }
    }

    /// Answers to how many it goes, and whether it was published before.
    pub(super) fn publish(
        &mut self,
        channel: usize,
        event: Option<u8>,
        number: u64,
        from: Option<&str>,
    ) -> (usize, bool) {
        // The names of clients and of back-ends are kept apart.
        let name = event.map(|event| if from.is_some() { event } else { event + BACK_END });
        if let Some(event) = name {
            let known = self.published.get(&(channel, event));
            if known.is_some_and(|first_ms| self.now_ms - first_ms < WINDOW_MS) {
                return (0, true);
            }
            self.published.insert((channel, event), self.now_ms);
        }
        let mut message =
            json!({ "type": "message", "channel": CHANNELS[channel], "data": number });
        if let Some(from) = from {
            message["from"] = from.into();
        }
        if let Some(event) = event {
            message["eventId"] = event_id(event).into();
        }
        let mut receivers = 0;
        for (client, expected) in self.clients.iter_mut().zip(&mut self.expected) {
            let Some(client) = client.as_mut().filter(|it| it.channels.contains(&channel)) else {
                continue;
            };
            if name.is_none_or(|event| client.is_new(event)) {
                expected.news.push(message.clone());
                receivers += 1;
            }
        }
        (receivers, false)
    }

    pub(super) fn broadcast(&mut self, message: &Value) -> usize {
        (0..USERS).map(|user| self.tell_user(user, message)).sum()
    }

    pub(super) fn tell_user(&mut self, user: usize, message: &Value) -> usize {
        let mut told = 0;
        for client in (0..CLIENTS).filter(|client| client % USERS == user) {
            if self.is_connected(client) {
                self.expected[client].news.push(message.clone());
                told += 1;
            }
        }
        told
    }

    /// How many users are in a channel.
    pub(super) fn count(&self, channel: usize) -> usize {
        self.present[channel].len()
    }

    fn enter(&mut self, client: usize, channel: usize, watch: bool) {
        let it = self.client(client);
        if watch {
            it.watches.insert(channel);
        }
        if !it.channels.insert(channel) {
            return;
        }
        let user = client % USERS;
        match self.present[channel].get_mut(&user) {
            Some(Presence::Here { connections }) => *connections += 1,
            Some(back @ Presence::Absent { .. }) => *back = Presence::Here { connections: 1 },
            None => {
                self.present[channel].insert(user, Presence::Here { connections: 1 });
                self.announce(channel, user, true, Some(client));
            }
        }
    }

    fn leave(&mut self, client: usize, channel: usize) {
        let it = self.client(client);
        it.watches.remove(&channel);
        if it.channels.remove(&channel) {
            self.go(channel, client % USERS, true);
        }
    }

    fn go(&mut self, channel: usize, user: usize, meant: bool) {
        match self.present[channel].get_mut(&user) {
            Some(Presence::Here { connections }) if *connections > 1 => *connections -= 1,
            Some(last) if !meant => {
                self.absences += 1;
                let (until_ms, order) = (self.now_ms + GRACE_MS, self.absences);
                *last = Presence::Absent { until_ms, order };
            }
            _ => {
                self.present[channel].remove(&user);
                self.announce(channel, user, false, None);
            }
        }
    }

    fn announce(&mut self, channel: usize, who: usize, came: bool, except: Option<usize>) {
        let name = user(who);
        if ROOMS.contains(&channel) {
            let room = room_id(channel);
            let message = if came { joined(room, &name) } else { left(room, &name) };
            self.tell(channel, &message, except);
        }
        let (came, went) = if came { (vec![name], vec![]) } else { (vec![], vec![name]) };
        let change = json!({
            "type": "presence", "channel": CHANNELS[channel], "count": self.count(channel),
            "joined": came, "left": went,
        });
        for (client, expected) in self.clients.iter().zip(&mut self.expected) {
            if client.as_ref().is_some_and(|it| it.watches.contains(&channel)) {
                expected.news.push(change.clone());
            }
        }
    }

    fn tell(&mut self, channel: usize, message: &Value, except: Option<usize>) {
        for (number, client) in self.clients.iter().enumerate() {
            let is_there = client.as_ref().is_some_and(|it| it.channels.contains(&channel));
            if is_there && except != Some(number) {
                self.expected[number].news.push(message.clone());
            }
        }
    }

    fn answer(&mut self, client: usize, answer: Value) {
        self.expected[client].answers.push(answer);
    }

    fn client(&mut self, client: usize) -> &mut Client {
        self.clients[client].as_mut().expect("is connected")
    }
}
