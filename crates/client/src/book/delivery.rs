//! From what the server sends to who follows.

use std::time::Instant;

use serde_json::value::RawValue;

use super::{Book, Follower, Incoming, State};
use crate::news::{ChannelMessage, News, Position, PresenceChange};

impl Book {
    /// `message` or `room_message` in a channel.
    pub(crate) fn handle_message(&mut self, name: &str, incoming: &Incoming<'_>, now: Instant) {
        let Some(channel) = self.channels.get_mut(name) else { return };
        let data = incoming.data.or(incoming.message).unwrap_or(RawValue::NULL);
        let is_followed = channel.state == State::Followed;
        let position = channel.head.as_ref().zip(incoming.offset);
        let position =
            position.map(|(head, offset)| Position { epoch: head.epoch.clone(), offset });
        for follower in &mut channel.followers {
            if !follower.is_owed(position.as_ref(), is_followed) || follower.goes_without(true) {
                continue;
            }
            let event_id = incoming.event_id.as_deref();
            if event_id.is_some_and(|id| follower.events.contains(id, now)) {
                follower.advance(position.as_ref());
                continue;
            }
            let text = |text: &Option<std::borrow::Cow<'_, str>>| text.as_deref().map(Box::from);
            let message = News::Message(ChannelMessage {
                channel: channel.name.clone(),
                event: text(&incoming.event),
                data: data.to_owned(),
                from: text(&incoming.from),
                event_id: text(&incoming.event_id),
                subject: text(&incoming.subject),
                position: position.clone(),
                timestamp: incoming.timestamp.unwrap_or(0),
            });
            if follower.hand(message, true) {
                follower.advance(position.as_ref());
                if let Some(id) = event_id {
                    follower.events.insert(id, now);
                }
            }
        }
        if let Some((head, position)) = channel.head.as_mut().zip(position) {
            head.offset = head.offset.max(position.offset);
        }
    }

    /// Something of the moment: who came, who left, who is typing.
    pub(crate) fn handle_moment(&mut self, name: &str, news: &News) {
        let Some(channel) = self.channels.get_mut(name) else { return };
        for follower in channel.followers.iter_mut().filter(|it| it.answer.is_none()) {
            if !follower.goes_without(false) {
                follower.hand(news.clone(), false);
            }
        }
    }

    /// `presence` with who came and left.
    pub(crate) fn handle_presence(&mut self, name: &str, incoming: &Incoming<'_>) {
        let Some(channel) = self.channels.get_mut(name) else { return };
        let change = PresenceChange {
            channel: channel.name.clone(),
            count: incoming.count.unwrap_or(0),
            joined: incoming.joined.clone().unwrap_or_default(),
            left: incoming.left.clone().unwrap_or_default(),
            joined_more: incoming.joined_more.unwrap_or(0),
            left_more: incoming.left_more.unwrap_or(0),
        };
        let is_room = name.starts_with("room:");
        for follower in &mut channel.followers {
            let is_told = follower.answer.is_none() && (follower.wants_presence || is_room);
            if is_told && !follower.goes_without(false) {
                follower.hand(News::Presence(change.clone()), false);
            }
        }
    }
}

impl Follower {
    /// Whether a message at this place is for it.
    fn is_owed(&self, position: Option<&Position>, is_followed: bool) -> bool {
        // Before the first answer it is not there yet.
        if self.answer.is_some() {
            return false;
        }
        match (&self.position, position) {
            // What comes before the answer comes again behind it.
            (Some(_), _) if !is_followed => false,
            (Some(mine), Some(its)) => mine.epoch == its.epoch && mine.offset < its.offset,
            _ => true,
        }
    }

    /// Whether it has not kept up, and so gets nothing for now.
    fn goes_without(&mut self, is_message: bool) -> bool {
        // With a position, messages are asked for again.
        let is_lost = self.is_behind && !(is_message && self.position.is_some());
        self.dropped += u64::from(is_lost);
        self.is_behind
    }

    /// Answers whether it was taken.
    fn hand(&mut self, news: News, is_message: bool) -> bool {
        let bytes = news.bytes();
        if self.mailbox.offer(news, bytes).is_err() {
            self.is_behind = true;
            self.goes_without(is_message);
        }
        !self.is_behind
    }

    fn advance(&mut self, position: Option<&Position>) {
        if let Some((mine, its)) = self.position.as_mut().zip(position) {
            mine.offset = its.offset;
        }
    }
}
