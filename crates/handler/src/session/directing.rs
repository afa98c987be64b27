//! What a client says to users, and asks of them: here, on other nodes, and in inboxes.

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::value::RawValue;
use ws_broker::Letter;
use ws_channels::{Action, ChannelName, Permissions};
use ws_protocol::{ErrorCode, Id, ServerMessage};
use ws_transport::Replies;

use super::{
    GatewaySession,
    waiting::{KeptId, Step, keep, kept},
};
use crate::{
    application::Application,
    channels::{Tally, back_end::PresenceInfo, delivery::prepare},
    client::ConnectionId,
    cluster::direct::{Direct, Kept},
    gatekeeper::Refusal,
};

/// Nobody is asked for, and nothing kept, under a longer name.
const USER_BYTES_MAX: usize = 256;

/// A message to a user that is on its way.
#[derive(Debug)]
pub(super) struct Chat {
    message_id: Box<str>,
    id: KeptId,
}

/// A question who is in a channel.
#[derive(Debug)]
pub(super) struct Presence {
    channel: Box<str>,
    found: Arc<Mutex<PresenceInfo>>,
    id: KeptId,
}

impl<A: Application> GatewaySession<A> {
    /// To every connection of a user.
    pub(super) fn handle_chat(
        &mut self,
        to: &str,
        message: &RawValue,
        id: Option<Id<'_>>,
        replies: &mut Replies<'_>,
    ) {
        // What a token leaves of publishing, it leaves of this.
        if self.bearer().grants.is_some_and(|it| !it.permissions().contain(Permissions::PUBLISH)) {
            self.shared.hub.counts.add(Tally::Denied as usize);
            let sentence = "the token does not permit to publish".into();
            return self.refuse_with(ErrorCode::Forbidden, sentence, id, replies);
        }
        if to.len() > USER_BYTES_MAX {
            let sentence = format!("payload.to: a user has at most {USER_BYTES_MAX} bytes").into();
            return self.refuse_with(ErrorCode::InvalidField, sentence, id, replies);
        }
        let from = self.client().name();
        let message_id = ConnectionId::random().to_string();
        let chat = ServerMessage::Chat { from: &from, message, message_id: &message_id };
        let timestamp_ms = self.shared.clock.wall_ms(replies.now());
        if self.shared.peers().is_none() {
            let (shared, trace) = (&self.shared, ws_traces::current());
            let is_taken = shared.deliver_to_user(trace, to, prepare(&chat, timestamp_ms)) > 0;
            if is_taken || self.shared.inbox.is_none() {
                let verdict = if is_taken { Ok(()) } else { Err(refusal(ErrorCode::UserOffline)) };
                return self.answer_chat(&message_id, id, verdict, replies);
            }
        }
        let letter = Letter {
            id: (&*message_id).into(),
            from: Some((&*from).into()),
            event: None,
            message: message.to_owned(),
            timestamp_ms,
        };
        let (text, trace) = (self.shared.put_into_words(&chat), ws_traces::current());
        let direct = Direct { user: to.into(), text, letter, trace };
        let delivered = self.shared.clone().deliver(direct);
        let verdict = async move {
            match delivered.await.kept {
                Kept::NotNeeded | Kept::InInbox => Ok(()),
                Kept::Full => Err(refusal(ErrorCode::InboxFull)),
                Kept::Unavailable => Err(refusal(ErrorCode::BrokerUnavailable)),
                Kept::NotOffered => Err(refusal(ErrorCode::UserOffline)),
            }
        };
        let chat = Chat { message_id: message_id.into(), id: keep(id) };
        self.wait_for(Box::pin(verdict), Step::Chat(Box::new(chat)));
    }

    pub(super) fn conclude_chat(
        &self,
        chat: &Chat,
        verdict: Result<(), Refusal>,
        replies: &mut Replies<'_>,
    ) {
        self.answer_chat(&chat.message_id, kept(&chat.id), verdict, replies);
    }

    fn answer_chat(
        &self,
        message_id: &str,
        id: Option<Id<'_>>,
        verdict: Result<(), Refusal>,
        replies: &mut Replies<'_>,
    ) {
        match verdict {
            Err(Refusal { code, message }) => self.refuse_with(code, message, id, replies),
            Ok(()) if id.is_some() => {
                let ack = ServerMessage::Ack { message_id: Some(message_id), offset: None };
                self.send(&ack, id, replies);
            }
            Ok(()) => {}
        }
    }

    pub(super) fn handle_presence(
        &mut self,
        channel: &str,
        id: Option<Id<'_>>,
        replies: &mut Replies<'_>,
    ) {
        let name = match ChannelName::new(channel) {
            Ok(name) => name,
            Err(error) => {
                let sentence = error.to_string().into();
                return self.refuse_with(ErrorCode::InvalidField, sentence, id, replies);
            }
        };
        let shared = self.shared.clone();
        let in_force = shared.in_force();
        let bearer = self.bearer();
        if let Err(denial) = shared.hub.authorize(&in_force, &name, Action::Presence, &bearer) {
            let sentence = format!("{channel}: {denial}").into();
            return self.refuse_with(ErrorCode::Forbidden, sentence, id, replies);
        }
        // One more, to see whether there are more than are named.
        let users_max = in_force.presence_users_max + 1;
        if shared.must_ask_who_is_in(channel) {
            let found = Arc::<Mutex<PresenceInfo>>::default();
            let (slot, channel) = (found.clone(), Box::<str>::from(channel));
            let asked = channel.clone();
            let verdict = async move {
                let info = shared.who_is_in(&asked, users_max).await;
                *slot.lock() = info;
                Ok(())
            };
            let presence = Presence { channel, found, id: keep(id) };
            return self.wait_for(Box::pin(verdict), Step::Presence(Box::new(presence)));
        }
        let users = shared.hub.presence.users(&name, users_max);
        let info = PresenceInfo { count: shared.hub.presence.count(&name), users };
        self.answer_presence(channel, &info, id, replies);
    }

    pub(super) fn conclude_presence(
        &self,
        presence: &Presence,
        verdict: Result<(), Refusal>,
        replies: &mut Replies<'_>,
    ) {
        let Presence { channel, found, id } = presence;
        match verdict {
            Ok(()) => self.answer_presence(channel, &found.lock(), kept(id), replies),
            Err(Refusal { code, message }) => self.refuse_with(code, message, kept(id), replies),
        }
    }

    fn answer_presence(
        &self,
        channel: &str,
        info: &PresenceInfo,
        id: Option<Id<'_>>,
        replies: &mut Replies<'_>,
    ) {
        let max = self.shared.in_force().presence_users_max;
        let names: Vec<&str> = info.users.iter().map(|user| &**user).collect();
        let message = ServerMessage::Presence {
            channel,
            count: info.count.max(names.len().min(max)) as u64,
            users: (names.len() <= max).then_some(&names),
        };
        self.send(&message, id, replies);
    }
}

fn refusal(code: ErrorCode) -> Refusal {
    Refusal { code, message: code.sentence().into() }
}
