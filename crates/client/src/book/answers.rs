//! What the server says of a subscription.

use std::{sync::Arc, time::Instant};

use super::{AGAIN, AGAIN_MAX, Book, Channel, Follower, Incoming, State};
use crate::{
    error::{Error, Refusal},
    machine::after,
    news::{GapReason, Position},
};

impl Book {
    /// `subscribed`, in answer to what we asked as the `id`-th.
    pub(crate) fn handle_subscribed(&mut self, id: u64, incoming: &Incoming<'_>, now: Instant) {
        let Some(name) = self.asked.remove(&id) else { return };
        let connection = self.connection;
        // A later question of the same channel is on its way: its answer counts.
        let channel = self.channels.get_mut(&name).filter(|it| it.state == State::Asked(id));
        let Some(channel) = channel else { return };
        channel.state = State::Followed;
        channel.refusals = 0;
        let head = head(incoming);
        let is_recovered = incoming.recovered == Some(true);
        let asked = channel.since.take();
        let since = asked.as_ref().filter(|_| is_recovered);
        let mut has_others = false;
        for follower in &mut channel.followers {
            let is_new_connection = follower.connection != connection;
            follower.connection = connection;
            match (&follower.position, since) {
                // Asked for it when it has taken what waits.
                (Some(_), _) if follower.is_behind => {}
                // What it has missed follows.
                (Some(position), Some(since))
                    if position.epoch == since.epoch
                        && head.as_ref().is_some_and(|head| head.epoch == since.epoch) => {}
                // That was asked for somebody who lacks more: what this one lacks, if anything, may be there.
                (Some(position), _)
                    if asked.as_ref() != Some(position)
                        && head.as_ref().is_some_and(|head| position.is_within(head)) =>
                {
                    has_others |= head.as_ref() != Some(position);
                }
                (Some(_), _) => {
                    let reason = match head {
                        Some(_) => GapReason::NotRecovered,
                        None => GapReason::NoHistory,
                    };
                    follower.tell_gap(&name, reason, 0);
                    follower.position = head.clone();
                }
                (None, _) => {
                    if follower.answer.is_none() && is_new_connection {
                        follower.tell_gap(&name, GapReason::NoHistory, 0);
                    }
                    follower.position = head.clone();
                }
            }
            if let Some(answer) = follower.answer.take() {
                let _ = answer.send(Ok(()));
            }
        }
        channel.head = head;
        if has_others {
            self.want(&name, now);
        }
    }

    /// An error, in answer to what we asked as the `id`-th.
    pub(crate) fn handle_refused(&mut self, id: u64, refusal: &Refusal, now: Instant) {
        let Some(name) = self.asked.remove(&id) else { return };
        let channel = self.channels.get_mut(&name).filter(|it| it.state == State::Asked(id));
        let Some(channel) = channel else { return };
        if refusal.is_temporary() {
            channel.refusals += 1;
            let doubled = AGAIN * 2_u32.pow(channel.refusals.min(6) - 1);
            let pause = refusal.retry_after.unwrap_or(doubled.min(AGAIN_MAX));
            if refusal.code == "rate_limited" {
                // It is not the channel: whatever is asked now would be refused as well.
                self.held_until = Some(after(now, pause)).max(self.held_until);
                self.want(&name, now);
            } else {
                self.want_at(&name, after(now, pause), now);
            }
            return;
        }
        // Those who were granted it before are no party to what is refused to those who came since.
        let has_others = channel.followers.iter().any(|it| it.answer.is_none());
        let is_fresh = |it: &mut Follower| has_others && it.answer.is_some();
        let fresh: Vec<_> = channel.followers.extract_if(.., is_fresh).collect();
        if fresh.is_empty() {
            self.forget(&name, refusal);
            // It may still be subscribed from before.
            self.left.push_back(name);
        } else {
            for follower in fresh {
                follower.end(&Error::Refused(refusal.clone()), refusal);
            }
            self.want(&name, now);
        }
    }

    /// `unsubscribed`, for which nobody may have asked.
    pub(crate) fn handle_unsubscribed(&mut self, name: &str) {
        // While a question is on its way, this is the answer to our own leaving before.
        let is_ours = |(_, channel): &(&Arc<str>, &Channel)| channel.state == State::Followed;
        let found = self.channels.get_key_value(name).filter(is_ours);
        if let Some(name) = found.map(|(name, _)| name.clone()) {
            let message = "The permission for the channel was withdrawn".to_owned();
            self.forget(&name, &Refusal { code: "revoked".to_owned(), message, retry_after: None });
        }
    }

    /// `gap`: something was left out, or cannot be had.
    pub(crate) fn handle_gap(&mut self, incoming: &Incoming<'_>, now: Instant) {
        let dropped = incoming.dropped.unwrap_or(0);
        let named = incoming.channel.as_deref();
        if named == Some("*") {
            let names: Vec<_> = self.channels.keys().cloned().collect();
            for name in names {
                self.handle_gap_in(&name, dropped, None, now);
            }
        } else if let Some((name, _)) = named.and_then(|it| self.channels.get_key_value(it)) {
            let name = name.clone();
            let before = incoming.from_offset.map(|from| from.saturating_sub(1));
            let epoch = incoming.epoch.as_deref().map(Arc::from);
            let before = epoch.zip(before).map(|(epoch, offset)| Position { epoch, offset });
            self.handle_gap_in(&name, dropped, before, now);
        }
    }

    /// `before` is the last place before what is missing.
    fn handle_gap_in(
        &mut self,
        name: &Arc<str>,
        dropped: u64,
        before: Option<Position>,
        now: Instant,
    ) {
        let Some(channel) = self.channels.get_mut(name) else { return };
        let mut has_position = false;
        for follower in channel.followers.iter_mut().filter(|it| it.answer.is_none()) {
            match (&mut follower.position, &before) {
                (Some(position), Some(before)) if position.epoch != before.epoch => {
                    *position = before.clone();
                    follower.tell_gap(name, GapReason::NewEpoch, dropped);
                    has_position = true;
                }
                (Some(_), _) => has_position = true,
                (None, _) => follower.tell_gap(name, GapReason::Dropped, dropped),
            }
        }
        if let Some(before) = before
            && channel.head.as_ref().is_some_and(|head| head.epoch != before.epoch)
        {
            channel.head = Some(before);
        }
        // Asked already, what is missing is behind the answer.
        if has_position && channel.state == State::Followed {
            self.want(name, now);
        }
    }

    fn forget(&mut self, name: &Arc<str>, refusal: &Refusal) {
        if let Some(channel) = self.channels.remove(name) {
            channel.end(&Error::Refused(refusal.clone()), refusal);
        }
    }
}

/// Where the channel is, if it has a history.
fn head(incoming: &Incoming<'_>) -> Option<Position> {
    let epoch = Arc::from(incoming.epoch.as_deref()?);
    Some(Position { epoch, offset: incoming.offset? })
}
