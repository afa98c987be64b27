//! What the server says.

use std::time::{Duration, Instant};

use super::{End, FOREVER, Machine, Phase};
use crate::{
    calls::Answer,
    client::ClientEvent,
    error::{Error, Refusal},
    incoming::{Answered, Incoming},
    liveness::{Liveness, Verdict},
    news::{News, Presence},
    queue::{Key, Refused},
};

/// When the server does not say how long it listens to silence.
const HEARTBEAT: Duration = Duration::from_secs(30);

impl Machine {
    /// The socket is open. A token that was not sent with the upgrade goes as a message.
    pub(crate) fn handle_open(&mut self, token: Option<String>) {
        let Phase::Dialing { deadline } = self.phase else { return };
        self.phase = Phase::Greeting { deadline, token };
    }

    /// A frame of any kind came.
    pub(crate) fn handle_heard(&mut self, now: Instant) {
        if let Phase::Live { liveness } = &mut self.phase {
            liveness.handle_heard(now);
        }
    }

    /// A text came.
    pub(crate) fn handle_text(&mut self, text: &str, now: Instant) {
        if matches!(self.phase, Phase::Resting | Phase::Closing { .. }) {
            return;
        }
        self.handle_heard(now);
        self.counts.received += 1;
        self.counts.last_message_at = Some(now);
        let Some(incoming) = Incoming::parse(text) else {
            self.counts.errors += 1;
            tracing::warn!("the server said something that is no message");
            return;
        };
        self.handle_incoming(&incoming, now);
    }

    fn handle_incoming(&mut self, incoming: &Incoming<'_>, now: Instant) {
        let channel = incoming.channel.as_deref();
        match (&*incoming.kind, channel) {
            ("message", Some(channel)) => self.book.handle_message(channel, incoming, now),
            ("message", None) | ("chat", _) => {
                if let Some(ack) = self.letters.handle_letter(incoming, now) {
                    self.say(ack);
                }
            }
            ("room_message", _) => self.in_room(incoming, |machine, room| {
                machine.book.handle_message(room, incoming, now);
            }),
            ("user_joined" | "user_left" | "typing", _) => self.handle_member(incoming),
            ("connected", _) => self.handle_connected(incoming, now),
            ("authenticated", _) => self.handle_authenticated(incoming, now),
            ("subscribed", _) => {
                if let Some(Answered::Subscription(id)) = incoming.answers() {
                    self.book.handle_subscribed(id, incoming, now);
                }
            }
            ("unsubscribed", Some(channel)) => self.book.handle_unsubscribed(channel),
            ("gap", _) => self.book.handle_gap(incoming, now),
            ("presence", Some(channel)) if incoming.joined.is_some() => {
                self.book.handle_presence(channel, incoming);
            }
            ("ack" | "response" | "presence", _) => self.handle_answer(incoming),
            ("error", _) => self.handle_error(incoming, now),
            ("ping", _) => self.say(r#"{"type":"pong"}"#.to_owned()),
            ("token_expiring", _) => {
                self.needs_token = self.config.has_token;
                self.note(ClientEvent::TokenExpiring);
            }
            ("goodbye", _) => {
                // Without a time all who hear it would be back at once: the delays spread them.
                self.goodbye = incoming.reconnect_after_ms.map(Duration::from_millis);
                let reconnect_after = self.goodbye.unwrap_or_default();
                self.note(ClientEvent::Goodbye { reconnect_after });
            }
            // A sign of life, or of a later version.
            _ => {}
        }
    }

    fn handle_connected(&mut self, incoming: &Incoming<'_>, now: Instant) {
        let Phase::Greeting { token, .. } = &mut self.phase else { return };
        let heartbeat = Duration::from_millis(incoming.heartbeat_ms.unwrap_or(0));
        self.heartbeat = if heartbeat.is_zero() { HEARTBEAT } else { heartbeat.min(FOREVER) };
        let token = token.take().filter(|_| incoming.user_id.is_none());
        match token {
            Some(token) => self.say_token(&token),
            None => self.go_live(now),
        }
    }

    fn handle_authenticated(&mut self, incoming: &Incoming<'_>, now: Instant) {
        if incoming.answers() == Some(Answered::Token)
            && matches!(self.phase, Phase::Greeting { .. })
        {
            self.go_live(now);
        }
    }

    fn go_live(&mut self, now: Instant) {
        let liveness = Liveness::new(self.heartbeat, self.config.grace.min(FOREVER), now);
        self.phase = Phase::Live { liveness };
        self.counts.connected_at = Some(now);
        self.counts.attempts = 0;
        self.last_refusal = None;
        self.goodbye = None;
        self.was_unauthorized = false;
        self.backoff.handle_connected(now);
        self.book.handle_live(now);
    }

    fn handle_answer(&mut self, incoming: &Incoming<'_>) {
        let Some(Answered::Call(key)) = incoming.answers() else { return };
        let presence = (incoming.kind == "presence").then(|| Presence {
            count: incoming.count.unwrap_or(0),
            users: incoming.users.clone(),
        });
        let answer = Answer {
            offset: incoming.offset,
            message_id: incoming.message_id.as_deref().map(str::to_owned),
            payload: incoming.payload.map(ToOwned::to_owned),
            presence,
        };
        self.settle(Key::from(key), Ok(answer));
    }

    fn handle_error(&mut self, incoming: &Incoming<'_>, now: Instant) {
        self.counts.errors += 1;
        let refusal = Refusal {
            code: incoming.code.as_deref().unwrap_or("unknown").to_owned(),
            message: incoming.sentence(),
            retry_after: incoming.retry_after_ms.map(Duration::from_millis),
        };
        match incoming.answers() {
            Some(Answered::Subscription(id)) => self.book.handle_refused(id, &refusal, now),
            Some(Answered::Call(key)) => self.handle_refused(Key::from(key), refusal, now),
            // Nobody has to say who they are.
            Some(Answered::Token)
                if refusal.code == "unsupported"
                    && matches!(self.phase, Phase::Greeting { .. }) =>
            {
                self.go_live(now);
            }
            Some(Answered::Token) | None => {
                self.note(ClientEvent::ServerError(refusal.clone()));
                self.last_refusal = Some(refusal);
            }
        }
    }

    fn handle_refused(&mut self, key: Key, refusal: Refusal, now: Instant) {
        let is_temporary =
            refusal.is_temporary() && self.queue.get_mut(key).is_some_and(|call| call.is_retried());
        if !is_temporary {
            self.settle(key, Err(Error::Refused(refusal)));
            return;
        }
        self.forget_answer_deadline(key);
        if let Refused::Exhausted(call) = self.queue.refuse(key, refusal.retry_after, now) {
            self.finish(key, call, Err(Error::Refused(refusal)));
        }
    }

    fn handle_member(&mut self, incoming: &Incoming<'_>) {
        let Some(member) = incoming.member.as_deref() else { return };
        let news = match &*incoming.kind {
            "user_joined" => News::Joined(member.into()),
            "user_left" => News::Left(member.into()),
            _ => News::Typing(member.into()),
        };
        self.in_room(incoming, |machine, room| machine.book.handle_moment(room, &news));
    }

    /// A room is the channel of that name.
    fn in_room(&mut self, incoming: &Incoming<'_>, then: impl FnOnce(&mut Self, &str)) {
        if let Some(room) = incoming.room.as_deref() {
            then(self, &format!("room:{room}"));
        }
    }

    /// Asks a silent server whether it is there, and gives up one that does not answer.
    pub(super) fn listen(&mut self, now: Instant) {
        let Phase::Live { liveness } = &mut self.phase else { return };
        match liveness.handle_timeout(now) {
            Verdict::Wait => {}
            Verdict::Ping => self.say(r#"{"type":"ping"}"#.to_owned()),
            Verdict::Dead => self.handle_end(&End::Lost, now),
        }
    }
}
