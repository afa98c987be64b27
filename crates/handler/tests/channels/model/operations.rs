//! What can happen, and how likely it is.

use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Value, json};

/// The channels of the stage; the last two are rooms.
pub(super) const CHANNELS: [&str; 5] = ["a", "b", "c", "room:r", "room:s"];
pub(super) const ROOMS: std::ops::Range<usize> = 3..5;
/// Connections that there may be at once: two of each user.
pub(super) const CLIENTS: usize = 8;
pub(super) const USERS: usize = 4;
/// Events that each client is remembered to have been sent, of four that there are.
pub(super) const EVENT_CACHE: u16 = 2;
/// No sum of few of them is the grace period, or the window of events.
pub(super) const PAUSES_MS: [u64; 4] = [37, 3_700, 8_100, 61_300];

/// Clients, channels, users and pauses by their numbers.
#[derive(Clone, Debug)]
pub(super) enum Operation {
    Connect(usize),
    Vanish(usize),
    Close(usize),
    /// In one write.
    Say(usize, Vec<Request>),
    /// The application puts a client into a channel.
    OrderIn(usize, usize),
    OrderOut(usize, usize),
    /// A back-end publishes.
    Bulletin(usize, Option<u8>),
    Broadcast,
    SendToUser(usize),
    Pass(usize),
}

#[derive(Clone, Debug)]
pub(super) enum Request {
    Subscribe { channel: usize, watch: bool },
    Unsubscribe(usize),
    Join(usize),
    LeaveRoom(usize),
    Publish { channel: usize, event: Option<u8> },
    RoomMessage(usize),
    Typing(usize),
    Chat(usize),
}

pub(super) fn user(number: usize) -> String {
    format!("u{number}")
}

pub(super) fn room_id(room: usize) -> &'static str {
    CHANNELS[room].strip_prefix("room:").expect("a room")
}

pub(super) fn event_id(event: u8) -> String {
    format!("event-{event}")
}

impl Request {
    /// As it is sent; `number` is its id, and what it says.
    pub(super) fn text(&self, number: u64) -> Value {
        let in_room = |kind: &str, room| json!({ "type": kind, "payload": { "room_id": room_id(room) }, "id": number });
        match *self {
            Self::Subscribe { channel, watch } => json!({
                "type": "subscribe", "channel": CHANNELS[channel], "presence": watch, "id": number,
            }),
            Self::Unsubscribe(channel) => {
                json!({ "type": "unsubscribe", "channel": CHANNELS[channel], "id": number })
            }
            Self::Join(room) => in_room("join_room", room),
            Self::LeaveRoom(room) => in_room("leave_room", room),
            Self::Typing(room) => in_room("typing", room),
            Self::Publish { channel, event } => json!({
                "type": "publish", "channel": CHANNELS[channel], "data": number,
                "eventId": event.map(event_id), "id": number,
            }),
            Self::RoomMessage(room) => {
                let mut said = in_room("room_message", room);
                said["payload"]["message"] = number.into();
                said
            }
            Self::Chat(to) => {
                let payload = json!({ "to": user(to), "message": number });
                json!({ "type": "chat", "payload": payload, "id": number })
            }
        }
    }
}

pub(super) fn operations(most: usize) -> impl Strategy<Value = Vec<Operation>> {
    vec(operation(), 1..most)
}

fn operation() -> impl Strategy<Value = Operation> {
    let client = || 0..CLIENTS;
    let channel = || 0..CHANNELS.len();
    prop_oneof![
        6 => client().prop_map(Operation::Connect),
        2 => client().prop_map(Operation::Vanish),
        1 => client().prop_map(Operation::Close),
        16 => (client(), vec(request(), 1..6)).prop_map(|(it, said)| Operation::Say(it, said)),
        1 => (client(), channel()).prop_map(|(it, channel)| Operation::OrderIn(it, channel)),
        1 => (client(), channel()).prop_map(|(it, channel)| Operation::OrderOut(it, channel)),
        3 => (channel(), event()).prop_map(|(it, event)| Operation::Bulletin(it, event)),
        1 => Just(Operation::Broadcast),
        1 => (0..USERS).prop_map(Operation::SendToUser),
        4 => (0..PAUSES_MS.len()).prop_map(Operation::Pass),
    ]
}

fn request() -> impl Strategy<Value = Request> {
    let channel = || 0..CHANNELS.len();
    let room = || select(ROOMS.collect::<Vec<_>>());
    prop_oneof![
        6 => (channel(), any::<bool>())
            .prop_map(|(channel, watch)| Request::Subscribe { channel, watch }),
        3 => channel().prop_map(Request::Unsubscribe),
        3 => room().prop_map(Request::Join),
        2 => room().prop_map(Request::LeaveRoom),
        8 => (channel(), event()).prop_map(|(channel, event)| Request::Publish { channel, event }),
        3 => room().prop_map(Request::RoomMessage),
        1 => room().prop_map(Request::Typing),
        2 => (0..USERS).prop_map(Request::Chat),
    ]
}

fn event() -> impl Strategy<Value = Option<u8>> {
    option::weighted(0.4, 0..4_u8)
}
