//! What an application says.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::oneshot;

use super::Client;
use crate::{
    book::quoted,
    calls::{Answer, Call, Naming},
    error::Error,
    machine::Manner,
    news::Presence,
    queue::{Confirm, Priority},
};

/// How a message is published.
#[derive(Clone, Debug, Default)]
pub struct PublishOptions {
    /// What kind of thing it is.
    pub event: Option<String>,
    /// The event's own name, by which it is there once however often it is published: unique among all
    /// channels, and not to be guessed. A random one by default.
    pub event_id: Option<String>,
    /// Before what it goes.
    pub priority: Priority,
    /// How long it may take, waiting for a connection included. Default: as long as it takes.
    pub timeout: Option<Duration>,
}

/// How a message for a room or a user is sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct SendOptions {
    /// Before what it goes.
    pub priority: Priority,
    /// How long it may take, waiting for a connection included. Default: as long as it takes.
    pub timeout: Option<Duration>,
    /// Sends it again when the connection broke before the answer: it may then arrive twice.
    pub resend: bool,
}

/// How something is asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestOptions {
    /// Before what it goes.
    pub priority: Priority,
    /// How long it may take, waiting for a connection included; the answer, once it is sent, has the client's
    /// `request_timeout` beside it.
    pub timeout: Option<Duration>,
    /// Asks again when the connection broke before the answer: it may then be done twice.
    pub resend: bool,
}

/// A message is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its place in the history, if the channel has one.
    pub offset: Option<u64>,
    /// The event's name.
    pub event_id: String,
}

/// A message is on its way, or kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The gateway's name for it; rooms have none.
    pub message_id: Option<String>,
}

/// Something that was said: queued already, and to be resolved with what came of it. To drop it does not take it
/// back.
#[must_use = "who does not wait for it is not told of its failure"]
pub struct Pending<A> {
    outcome: oneshot::Receiver<Result<Answer, Error>>,
    name: String,
    finish: fn(Answer, String) -> A,
}

struct Outcome(oneshot::Receiver<Result<Answer, Error>>);

impl Client {
    /// Publishes. It is queued when this returns, and the future resolves when the server has taken it on; to
    /// drop the future does not take it back.
    pub fn publish<T: Serialize + ?Sized>(&self, channel: &str, data: &T) -> Pending<Published> {
        self.publish_with(channel, data, PublishOptions::default())
    }

    /// As [`publish`](Self::publish), with a choice. Lost answers are no matter: it goes again with the same
    /// name, and is there once.
    pub fn publish_with<T: Serialize + ?Sized>(
        &self,
        channel: &str,
        data: &T,
        options: PublishOptions,
    ) -> Pending<Published> {
        let PublishOptions { event, event_id, priority, timeout } = options;
        let event_id = event_id.unwrap_or_else(|| format!("{:032x}", rand::random::<u128>()));
        let fields = json(data).map(|data| {
            let event = event.map(|it| format!(r#","event":{}"#, quoted(&it))).unwrap_or_default();
            let (channel, name) = (quoted(channel), quoted(&event_id));
            format!(r#""type":"publish","channel":{channel}{event},"eventId":{name},"data":{data}"#)
        });
        let manner = Manner { priority, confirm: Confirm::Answered, is_repeatable: true, timeout };
        let finish = |answer: Answer, event_id| Published { offset: answer.offset, event_id };
        self.call(fields, Naming::Id, manner).named(event_id, finish)
    }

    /// Asks the application behind the gateway. The future resolves with its answer.
    pub fn request<T: Serialize + ?Sized>(&self, payload: &T) -> Pending<Box<RawValue>> {
        self.request_with(payload, RequestOptions::default())
    }

    /// As [`request`](Self::request), with a choice.
    pub fn request_with<T: Serialize + ?Sized>(
        &self,
        payload: &T,
        options: RequestOptions,
    ) -> Pending<Box<RawValue>> {
        let fields =
            json(payload).map(|payload| format!(r#""type":"request","payload":{payload}"#));
        let RequestOptions { priority, timeout, resend: is_repeatable } = options;
        let manner = Manner { priority, confirm: Confirm::Tracked, is_repeatable, timeout };
        let finish = |answer: Answer, _| answer.payload.unwrap_or_default();
        self.call(fields, Naming::RequestId, manner).named(String::new(), finish)
    }

    /// Says something to everybody in a room, in which this client must be.
    pub fn send_room_message<T: Serialize + ?Sized>(
        &self,
        room: &str,
        message: &T,
    ) -> Pending<Sent> {
        self.send_room_message_with(room, message, SendOptions::default())
    }

    /// As [`send_room_message`](Self::send_room_message), with a choice.
    pub fn send_room_message_with<T: Serialize + ?Sized>(
        &self,
        room: &str,
        message: &T,
        options: SendOptions,
    ) -> Pending<Sent> {
        let fields = json(message).map(|message| {
            let room = quoted(room);
            let payload = format!(r#"{{"room_id":{room},"message":{message}}}"#);
            format!(r#""type":"room_message","payload":{payload}"#)
        });
        self.send(fields, options)
    }

    /// Says something to a user: to every connection of theirs, or into their inbox.
    pub fn send_direct_message<T: Serialize + ?Sized>(
        &self,
        user: &str,
        message: &T,
    ) -> Pending<Sent> {
        self.send_direct_message_with(user, message, SendOptions::default())
    }

    /// As [`send_direct_message`](Self::send_direct_message), with a choice.
    pub fn send_direct_message_with<T: Serialize + ?Sized>(
        &self,
        user: &str,
        message: &T,
        options: SendOptions,
    ) -> Pending<Sent> {
        let fields = json(message).map(|message| {
            let user = quoted(user);
            format!(r#""type":"chat","payload":{{"to":{user},"message":{message}}}"#)
        });
        self.send(fields, options)
    }

    /// Tells a room that this user is typing. It is of the moment: without a connection it is forgotten.
    pub fn send_typing(&self, room: &str) {
        let room = quoted(room);
        let text = format!(r#"{{"type":"typing","payload":{{"room_id":{room}}}}}"#);
        self.lease.shared.change(|machine, _| machine.say_now_or_never(text));
    }

    /// Sends a message of any type, such as one that an application of the gateway's own understands: an object.
    /// Resolves when it is on its way; what is answered to it comes as an event, if at all.
    pub fn send_raw<T: Serialize + ?Sized>(&self, message: &T, priority: Priority) -> Pending<()> {
        let fields = json(message).and_then(|text| {
            let fields = text.trim().strip_prefix('{').and_then(|it| it.strip_suffix('}'));
            fields.map(str::to_owned).ok_or_else(|| invalid("a message is a JSON object"))
        });
        let manner =
            Manner { priority, confirm: Confirm::Written, is_repeatable: false, timeout: None };
        self.call(fields, Naming::None, manner).named(String::new(), |_, _| ())
    }

    /// Asks who is in a channel.
    pub fn presence(&self, channel: &str) -> Pending<Presence> {
        let fields = Ok(format!(r#""type":"presence","channel":{}"#, quoted(channel)));
        let manner = Manner {
            priority: Priority::Normal,
            confirm: Confirm::Tracked,
            is_repeatable: true,
            timeout: None,
        };
        let finish =
            |answer: Answer, _| answer.presence.unwrap_or(Presence { count: 0, users: None });
        self.call(fields, Naming::Id, manner).named(String::new(), finish)
    }

    fn send(&self, fields: Result<String, Error>, options: SendOptions) -> Pending<Sent> {
        let SendOptions { priority, timeout, resend: is_repeatable } = options;
        let manner = Manner { priority, confirm: Confirm::Answered, is_repeatable, timeout };
        let finish = |answer: Answer, _| Sent { message_id: answer.message_id };
        self.call(fields, Naming::Id, manner).named(String::new(), finish)
    }

    fn call(&self, fields: Result<String, Error>, naming: Naming, manner: Manner) -> Outcome {
        let (sender, receiver) = oneshot::channel();
        match fields {
            Ok(fields) => {
                let call = Call::new(fields, naming, Some(sender));
                self.lease.shared.change(|machine, now| machine.call(call, manner, now));
            }
            Err(error) => {
                // The receiver is here.
                let _ = sender.send(Err(error));
            }
        }
        Outcome(receiver)
    }
}

impl Outcome {
    fn named<A>(self, name: String, finish: fn(Answer, String) -> A) -> Pending<A> {
        Pending { outcome: self.0, name, finish }
    }
}

impl<A> Future for Pending<A> {
    type Output = Result<A, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Only a driver whose runtime is gone drops a call without a word.
        let outcome =
            ready!(Pin::new(&mut self.outcome).poll(cx)).unwrap_or(Err(Error::Unconfirmed));
        let name = std::mem::take(&mut self.name);
        Poll::Ready(outcome.map(|answer| (self.finish)(answer, name)))
    }
}

impl<A> fmt::Debug for Pending<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").finish_non_exhaustive()
    }
}

fn json<T: Serialize + ?Sized>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| invalid(&format!("this is no JSON: {error}")))
}

fn invalid(sentence: &str) -> Error {
    Error::Invalid(sentence.to_owned())
}
