//! The handler and its clients beside the reference, step by step.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU16,
    sync::Arc,
    time::Duration,
};

use serde_json::{Value, json};
use ws_connection::ConnectionConfig;
use ws_handler::Client;

use super::{
    operations::{
        CHANNELS, CLIENTS, EVENT_CACHE, Operation, PAUSES_MS, Request, USERS, event_id, user,
    },
    reference::{Heard, Reference},
};
use crate::{
    house::{House, Peer, settle},
    talk::{name, raw_json},
};

pub(super) struct Stage {
    house: House,
    clients: [Option<Connected>; CLIENTS],
    reference: Reference,
    /// Whatever is said has a number of its own.
    number: u64,
}

struct Connected {
    peer: Peer,
    client: Arc<Client>,
    /// Those that it was in when it was listened to last.
    channels: BTreeSet<String>,
}

impl Stage {
    pub(super) fn open() -> Self {
        let house = House::open(|config| {
            let connection = ConnectionConfig::server().with_heartbeat(None);
            config.policy.connection = Arc::new(connection.with_idle_timeout(None));
            config.policy.limits.connections_per_user_max = None;
            config.channels.event_cache = NonZeroU16::new(EVENT_CACHE);
        });
        let (clients, reference) = (Default::default(), Reference::default());
        Self { house, clients, reference, number: 0 }
    }

    pub(super) async fn perform(&mut self, step: usize, operation: &Operation) {
        let is_connected = |client: usize| self.reference.is_connected(client);
        match *operation {
            Operation::Connect(client) if !is_connected(client) => self.connect(client).await,
            Operation::Vanish(client) if is_connected(client) => {
                self.reference.lose(client);
                let Some(Connected { peer, .. }) = self.clients[client].take() else { return };
                peer.vanish().await;
            }
            Operation::Close(client) if is_connected(client) => {
                self.reference.lose(client);
                let Some(Connected { peer, .. }) = self.clients[client].take() else { return };
                peer.leave().await;
            }
            Operation::Say(client, ref requests) if is_connected(client) => {
                self.say(client, requests).await;
            }
            Operation::OrderIn(client, channel) if is_connected(client) => {
                self.reference.order_in(client, channel);
                self.client(client).subscribe(&name(CHANNELS[channel]));
            }
            Operation::OrderOut(client, channel) if is_connected(client) => {
                self.reference.order_out(client, channel);
                self.client(client).unsubscribe(&name(CHANNELS[channel]));
            }
            Operation::Pass(pause) => {
                let ms = PAUSES_MS[pause];
                self.reference.pass(ms);
                tokio::time::sleep(Duration::from_millis(ms)).await;
            }
            Operation::Bulletin(..) | Operation::Broadcast | Operation::SendToUser(_) => {
                self.act_as_back_end(operation);
            }
            _ => return,
        }
        self.listen(step, operation).await;
        self.count();
    }

    /// Everybody leaves, and nothing stays behind.
    pub(super) async fn clear(mut self) {
        for client in 0..CLIENTS {
            self.perform(usize::MAX, &Operation::Vanish(client)).await;
        }
        tokio::time::sleep(Duration::from_secs(16)).await;
        self.house.emptied().await;
        assert_eq!(self.house.holds(), [0; 6]);
    }

    async fn connect(&mut self, client: usize) {
        let user = user(client % USERS);
        let before = self.house.handler.connections_by_user_id(&user);
        let peer = self.house.visit(&user).await;
        let mut now = self.house.handler.connections_by_user_id(&user);
        now.retain(|it| before.iter().all(|known| known.id() != it.id()));
        let client_of_server = now.pop().expect("the new one");
        let channels = BTreeSet::new();
        self.clients[client] = Some(Connected { peer, client: client_of_server, channels });
        self.reference.connect(client);
    }

    async fn say(&mut self, client: usize, requests: &[Request]) {
        let Some(Connected { peer, .. }) = &mut self.clients[client] else { return };
        for request in requests {
            self.number += 1;
            self.reference.say(client, request, self.number);
            peer.feed(&request.text(self.number)).await;
        }
        peer.flush().await;
    }

    fn act_as_back_end(&mut self, operation: &Operation) {
        self.number += 1;
        let data = raw_json(&self.number.into());
        let direct = json!({ "type": "message", "data": self.number });
        match *operation {
            Operation::Bulletin(channel, event) => {
                let expect = self.reference.publish(channel, event, self.number, None);
                let event = event.map(event_id);
                let channel = CHANNELS[channel];
                let published = self.house.publish_event(channel, self.number, event.as_deref());
                assert_eq!((published.receivers, published.duplicate), expect);
            }
            Operation::Broadcast => {
                let expect = self.reference.broadcast(&direct);
                assert_eq!(self.house.handler.broadcast(None, &data), expect);
            }
            Operation::SendToUser(to) => {
                let expect = self.reference.tell_user(to, &direct);
                assert_eq!(self.house.handler.send_to_user(&user(to), None, &data), expect);
            }
            _ => {}
        }
    }

    /// Compares what every client has heard.
    async fn listen(&mut self, step: usize, operation: &Operation) {
        settle().await;
        for (number, connected) in self.clients.iter_mut().enumerate() {
            let Some(Connected { peer, channels, .. }) = connected else { continue };
            let heard = peer.heard_now().await;
            let whose = format!("client {number} at step {step}, {operation:?}");
            assert_news_are_of(std::mem::take(channels), &heard, &whose);
            *channels = self.reference.channels_of(number);
            let heard = sorted_out(heard);
            let mut expected = self.reference.take_expected(number);
            expected.answers.iter_mut().for_each(forget_names);
            let is_same = match operation {
                // Rooms are told independently of each other, each in its order.
                Operation::Pass(_) => by_channel(&heard.news) == by_channel(&expected.news),
                _ => heard == expected,
            };
            assert!(is_same, "{whose}\n   heard {heard:#?}\nexpected {expected:#?}");
        }
    }

    /// Compares what the handler knows.
    fn count(&self) {
        let [channels, _, subscriptions, present, absent, _] = self.house.holds();
        assert_eq!([channels, subscriptions, present, absent], self.reference.holds());
        for (number, channel) in CHANNELS.iter().enumerate() {
            assert_eq!(self.house.handler.presence(channel, 0).count, self.reference.count(number));
        }
        for (number, connected) in self.clients.iter().enumerate() {
            let Some(Connected { client, .. }) = connected else { continue };
            let known = self.house.handler.subscriptions_of(client);
            let names = known.iter().map(ToString::to_string);
            assert!(names.eq(self.reference.channels_of(number)), "{known:?}");
        }
    }

    fn client(&self, client: usize) -> &Client {
        &self.clients[client].as_ref().expect("is connected").client
    }
}

fn is_answer(message: &Value) -> bool {
    message.get("id").is_some()
        || message["type"] == "subscribed"
        || message["type"] == "unsubscribed"
}

fn sorted_out(heard: Vec<Value>) -> Heard {
    let (mut answers, mut news): (Vec<_>, Vec<_>) = heard.into_iter().partition(is_answer);
    answers.iter_mut().chain(&mut news).for_each(forget_names);
    Heard { answers, news }
}

/// Names that the server makes up cannot be foretold.
fn forget_names(message: &mut Value) {
    message.as_object_mut().expect("an object").remove("messageId");
}

/// The channel that a message is about, if it is about one.
fn channel_of(message: &Value) -> Option<String> {
    match (message["channel"].as_str(), message["room_id"].as_str()) {
        (Some(channel), _) => Some(channel.to_owned()),
        (None, Some(room)) => Some(format!("room:{room}")),
        (None, None) => None,
    }
}

fn by_channel(news: &[Value]) -> BTreeMap<Option<String>, Vec<&Value>> {
    let mut sorted = BTreeMap::<_, Vec<_>>::new();
    for message in news {
        sorted.entry(channel_of(message)).or_default().push(message);
    }
    sorted
}

/// As a client sees it: nothing of a channel comes before the answer that it is in, nor behind the answer
/// that it is out.
fn assert_news_are_of(mut channels: BTreeSet<String>, heard: &[Value], whose: &str) {
    for (at, message) in heard.iter().enumerate() {
        let Some(channel) = channel_of(message) else { continue };
        match message["type"].as_str() {
            Some("subscribed") => drop(channels.insert(channel)),
            Some("unsubscribed") => drop(channels.remove(&channel)),
            Some("user_joined") if is_answer(message) => drop(channels.insert(channel)),
            Some("user_left") if is_answer(message) => drop(channels.remove(&channel)),
            _ if message["type"] == "error" => {}
            _ => assert!(channels.contains(&channel), "{whose}: out of place at {at}: {heard:#?}"),
        }
    }
}
