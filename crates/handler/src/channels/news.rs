//! Who comes and who goes, and who is told.

use std::{
    sync::{Arc, Weak, atomic::Ordering},
    time::Instant,
};

use ws_channels::{
    Announcement, Change, ChannelName, Departure, Difference, Holder, Part, PresenceEvent,
    Progress, SlowConsumer, Statement,
};
use ws_protocol::ServerMessage;

use super::{
    Hub, Subscriber,
    delivery::{Parcel, prepare},
    is_public,
};
use crate::cluster::{Kind, channel_topic};

pub(crate) mod gossip;
mod note;

use note::{Note, Said};

impl Hub {
    /// A connection of `user` is in a channel with presence; the others are told if it is the first.
    pub(crate) fn come(
        self: &Arc<Self>,
        name: &ChannelName,
        user: &Arc<str>,
        subscriber: &Subscriber,
        now: Instant,
    ) {
        // Until the others have been told: nobody overtakes.
        let _turn = self.presence.turn(name);
        let change = self.presence.join(name, user, now);
        self.follow_up(&change);
        if change.concerns_nodes && self.cluster.is_shared {
            self.say(name, user, Said::Here);
        }
        if change.announcement == Announcement::Now {
            self.tell(name, &[user], &[], Some(subscriber), now);
        }
    }

    /// A connection of `user` has left a channel with presence; the others are told if it meant it and
    /// was the last, or if nobody waits for it to come back.
    pub(crate) fn go(
        self: &Arc<Self>,
        name: &ChannelName,
        user: &Arc<str>,
        departure: Departure,
        now: Instant,
    ) {
        let _turn = self.presence.turn(name);
        let change = self.presence.leave(name, user, departure, now);
        self.follow_up(&change);
        if change.concerns_nodes && self.cluster.is_shared {
            self.say(name, user, Said::gone(departure));
        }
        if change.announcement == Announcement::Now {
            self.tell(name, &[], &[user], None, now);
        }
    }

    /// Another node says who is in a channel.
    pub(crate) fn handle_presence(self: &Arc<Self>, channel: &str, node: Holder, body: &[u8]) {
        // Something may still come of what is not followed any more, and would stay for ever.
        if self.feeds.get(channel).is_none() {
            return;
        }
        let Ok(name) = ChannelName::new(channel) else { return };
        if !self.has_news(&name) {
            return;
        }
        let note = Note::read(body);
        // A node that says all that there is to say is not dead.
        if matches!(note, Some(Note::Part { part: Part { index: 0, .. }, .. })) {
            self.believe_node(node);
        } else if !self.is_believed(node) {
            return;
        }
        let now = tokio::time::Instant::now().into_std();
        match note {
            Some(Note::Statements { are_many, rest }) => {
                if are_many {
                    let earlier = self.presence.hear_many(&name, node, rest.statements(), now);
                    return self.keep_time_from(earlier);
                }
                rest.statements().for_each(|it| self.hear(&name, node, it, now));
            }
            Some(Note::Part { part, asks, users }) => {
                let restated = self.presence.restate(&name, node, part, users, now);
                self.keep_time_from(restated.earlier);
                if restated.progress == Progress::Broken {
                    self.ask_again(&name);
                }
                if asks {
                    self.answer_who_is_here(&name);
                }
            }
            None => tracing::debug!(channel, "a note on who is there cannot be read"),
        }
    }

    /// What one user does at another node is told here as if it was done here.
    fn hear(
        self: &Arc<Self>,
        name: &ChannelName,
        node: Holder,
        statement: Statement<'_>,
        now: Instant,
    ) {
        let _turn = self.presence.turn(name);
        let change = self.presence.hear(name, node, statement, now);
        self.follow_up(&change);
        if change.announcement == Announcement::Now {
            match statement {
                Statement::Here(user) => self.tell(name, &[user], &[], None, now),
                Statement::Gone(user, _) => self.tell(name, &[], &[user], None, now),
            }
        }
    }

    /// Whether nodes tell each other who is in a channel.
    fn has_news(&self, name: &ChannelName) -> bool {
        is_public(name) && self.has_presence(name)
    }

    /// Somebody here types: the other nodes are told, once, if the engine has nothing better to do.
    pub(crate) fn tell_nodes_of_typing(&self, name: &ChannelName, user: &str) {
        if !self.cluster.is_shared {
            return;
        }
        let topic = channel_topic(name);
        let told = self.cluster.tell(&topic, Kind::Typing, |out| out.extend(user.as_bytes()));
        if let Err(error) = told {
            tracing::trace!(channel = %name, %error, "that somebody types is not told to other nodes");
        }
    }

    /// Somebody at another node types.
    pub(crate) fn handle_typing(&self, channel: &str, user: &[u8]) {
        let Some(channel) = self.table.channel(channel) else { return };
        let (Some(room_id), Ok(user_id)) = (channel.name().room_id(), std::str::from_utf8(user))
        else {
            return;
        };
        let now = tokio::time::Instant::now().into_std();
        let message = ServerMessage::Typing { user_id, room_id };
        let message = Arc::new(prepare(&message, self.wall_ms(now)));
        for member in channel.publish().members() {
            member.outbox().send_lossy(message.clone());
        }
    }

    /// One who came or left, in a room where each is told of each.
    fn tell(
        &self,
        name: &ChannelName,
        joined: &[&str],
        left: &[&str],
        except: Option<&Subscriber>,
        now: Instant,
    ) {
        let timestamp = self.wall_ms(now);
        if let Some(room_id) = name.room_id()
            && let Some(channel) = self.table.channel(name)
        {
            let came = joined.iter().map(|user_id| ServerMessage::UserJoined { user_id, room_id });
            let went = left.iter().map(|user_id| ServerMessage::UserLeft { user_id, room_id });
            for message in came.chain(went) {
                self.deliver(&channel, &self.news(name, &message, timestamp), except);
            }
        }
        if self.watchers.load(Ordering::Relaxed) > 0 {
            let count = self.presence.count(name) as u64;
            self.tell_watchers(name, timestamp, || ServerMessage::PresenceChange {
                channel: name,
                count,
                joined,
                joined_more: 0,
                left,
                left_more: 0,
            });
        }
    }

    /// What has changed in a large room within an interval.
    fn tell_difference(&self, difference: &Difference, now: Instant) {
        let Difference { room, joined, joined_unnamed, left, left_unnamed, count } = difference;
        let timestamp = self.wall_ms(now);
        let joined: Vec<&str> = joined.iter().map(|user| &**user).collect();
        let left: Vec<&str> = left.iter().map(|user| &**user).collect();
        let message = || ServerMessage::PresenceChange {
            channel: room,
            count: *count as u64,
            joined: &joined,
            joined_more: *joined_unnamed as u64,
            left: &left,
            left_more: *left_unnamed as u64,
        };
        if room.room_id().is_none() {
            return self.tell_watchers(room, timestamp, message);
        }
        // All in the room are told, those among them who have asked for it as well: once.
        if let Some(channel) = self.table.channel(room) {
            self.deliver(&channel, &self.news(room, &message(), timestamp), None);
        }
    }

    /// Those who asked to be told of this channel.
    fn tell_watchers<'m>(
        &self,
        name: &ChannelName,
        timestamp: u64,
        message: impl FnOnce() -> ServerMessage<'m>,
    ) {
        if self.watchers.load(Ordering::Relaxed) == 0 {
            return;
        }
        if let Some(channel) = self.table.channel(&ChannelName::presence_of(name)) {
            self.deliver(&channel, &self.news(name, &message(), timestamp), None);
        }
    }

    /// Who is too slow for it is treated as for anything else in that channel. But no news of this kind
    /// says all that the one before has said.
    fn news(&self, name: &ChannelName, message: &ServerMessage<'_>, timestamp: u64) -> Parcel {
        let policy = match self.policy(name) {
            SlowConsumer::Conflate => SlowConsumer::DropOldest,
            other => other,
        };
        self.parcel(name, prepare(message, timestamp), None, policy, None)
    }

    fn follow_up(self: &Arc<Self>, change: &Change) {
        self.keep_time_from(change.earlier);
    }

    fn keep_time_from(self: &Arc<Self>, earlier: bool) {
        if !earlier {
            return;
        }
        if self.timer_runs.swap(true, Ordering::AcqRel) {
            self.earlier.notify_one();
        } else if let Some(runtime) = self.runtime() {
            runtime.spawn(keep_time(Arc::downgrade(self)));
        } else {
            // A connection that was dropped when its runtime had ended: nobody is left to be told.
            self.timer_runs.store(false, Ordering::Release);
        }
    }

    fn handle_timeout(&self, now: Instant) {
        self.presence.handle_timeout(now, |event| match event {
            PresenceEvent::Left { room, user } => self.tell(&room, &[], &[&user], None, now),
            PresenceEvent::Difference(difference) => self.tell_difference(&difference, now),
        });
    }
}

/// Runs while somebody's time is running out somewhere.
async fn keep_time(hub: Weak<Hub>) {
    loop {
        let Some(shared) = hub.upgrade() else { return };
        let Some(deadline) = shared.presence.poll_timeout() else {
            // No mere store: what happened before a swap that saw us running is to be seen below.
            shared.timer_runs.swap(false, Ordering::AcqRel);
            // Whoever came in between saw that we were running.
            let is_needed = shared.presence.poll_timeout().is_some();
            if is_needed && !shared.timer_runs.swap(true, Ordering::AcqRel) {
                continue;
            }
            return;
        };
        let earlier = shared.earlier.clone();
        // Nobody's time keeps a handler alive that is not used any more.
        drop(shared);
        if tokio::time::timeout_at(deadline.into(), earlier.notified()).await.is_ok() {
            continue;
        }
        let Some(shared) = hub.upgrade() else { return };
        shared.handle_timeout(tokio::time::Instant::now().into_std());
    }
}
