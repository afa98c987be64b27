//! Into channels and out of them.

use std::{
    borrow::Cow,
    collections::VecDeque,
    sync::{Arc, atomic::Ordering},
};

use futures_util::FutureExt;
use parking_lot::Mutex;
use ws_broker::Page;
use ws_channels::{Action, Arrival, ChannelName, Departure, SubscribeError};
use ws_protocol::{ErrorCode, Id, ServerMessage};
use ws_transport::Replies;

use super::{
    GatewaySession,
    recovering::{Plan, Since},
    waiting::{KeptId, Step, kept},
};
use crate::{
    application::Application,
    channels::{feeds::Feed, history::Log, judge},
    client::Order,
    end_reason::EndReason,
    gatekeeper::{Judgement, Refusal},
};

/// A channel that a connection is to be in.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) name: ChannelName,
    pub(super) way: Way,
    /// Where it left off, when it wants what it has missed.
    pub(super) since: Option<Since>,
    pub(super) id: KeptId,
}

/// How it came to that, and so what is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// It was asked for.
    Asked {
        /// It wants to be told who comes and goes.
        presence: bool,
    },
    /// It was asked for as a room.
    Room,
    /// Its path says so.
    Path,
    /// The application says so.
    Order,
}

impl<A: Application> GatewaySession<A> {
    pub(super) fn handle_subscribe(
        &mut self,
        channel: &str,
        way: Way,
        since: Option<Since>,
        id: KeptId,
        replies: &mut Replies<'_>,
    ) {
        let name = match way {
            Way::Room => ChannelName::room(channel),
            Way::Asked { .. } | Way::Path | Way::Order => ChannelName::new(channel),
        };
        match name {
            Ok(name) => drop(self.subscribe(Wish { name, way, since, id }, replies)),
            Err(error) => {
                let sentence = error.to_string().into();
                self.refuse_with(ErrorCode::InvalidField, sentence, kept(&id), replies);
            }
        }
    }

    /// Lets the node follow at once what the client is about to enter one after the other.
    pub(super) fn open_ahead(&self, wishes: &VecDeque<Wish>) {
        if wishes.len() > 1 && self.shared.cluster.is_shared {
            let (hub, bearer) = (&self.shared.hub, self.bearer());
            let in_force = hub.in_force();
            let is_open =
                |wish: &&Wish| judge(&in_force, &wish.name, Action::Subscribe, &bearer).is_ok();
            hub.open_ahead(wishes.iter().filter(is_open).map(|wish| wish.name.clone()));
        }
    }

    /// One after the other, for each may have to wait.
    pub(super) fn subscribe_all(&mut self, mut wishes: VecDeque<Wish>, replies: &mut Replies<'_>) {
        while let Some(wish) = wishes.pop_front() {
            if self.is_ending() {
                return;
            }
            if self.subscribe(wish, replies) {
                return self.subscribe_behind(true, wishes, replies);
            }
        }
    }

    /// The rest, at once or behind what is waited for.
    pub(super) fn subscribe_behind(
        &mut self,
        waits: bool,
        wishes: VecDeque<Wish>,
        replies: &mut Replies<'_>,
    ) {
        if !waits {
            return self.subscribe_all(wishes, replies);
        }
        if let Some(waiting) = &mut self.rare().waiting {
            waiting.then = wishes;
        }
    }

    /// Asks rules, token and gatekeeper, and answers whether the last has to be waited for.
    fn subscribe(&mut self, wish: Wish, replies: &mut Replies<'_>) -> bool {
        let shared = self.shared.clone();
        let is_known = self.subscriber.channel(&wish.name).is_some();
        let in_force = shared.in_force();
        if wish.way != Way::Order {
            let bearer = self.bearer();
            let mut judged =
                shared.hub.authorize(&in_force, &wish.name, Action::Subscribe, &bearer);
            if let (Ok(_), Way::Asked { presence: true }) = (&judged, wish.way) {
                judged = shared.hub.authorize(&in_force, &wish.name, Action::Presence, &bearer);
            }
            if let Err(denial) = judged {
                let refusal = Refusal::forbidden(denial.to_string());
                return self.conclude_subscribe(wish, Err(refusal), replies);
            }
        }
        // Nobody is troubled for a seat that is not to be had: one message may ask for a thousand.
        let seats = in_force.subscriptions.channels_per_subscriber_max.get() as usize;
        let is_asked = !is_known && wish.way != Way::Order && self.subscriber.len() < seats;
        let keeper = in_force.gatekeeper.as_deref().filter(|_| is_asked);
        let judgement = keeper
            .map_or(Judgement::Allow, |keeper| keeper.judge_subscribe(self.client(), &wish.name));
        match judgement {
            Judgement::Allow => self.conclude_subscribe(wish, Ok(()), replies),
            Judgement::Refuse(refusal) => self.conclude_subscribe(wish, Err(refusal), replies),
            Judgement::Later(verdict) => {
                self.wait_for(verdict, Step::Subscribe(wish));
                true
            }
        }
    }

    /// Nobody has anything against it, or somebody has. Answers whether there is still something to wait
    /// for.
    pub(super) fn conclude_subscribe(
        &mut self,
        wish: Wish,
        verdict: Result<(), Refusal>,
        replies: &mut Replies<'_>,
    ) -> bool {
        if let Err(refusal) = verdict {
            self.refuse_wish(&wish, &refusal, replies);
            return false;
        }
        if let Err(refusal) = self.look_for_a_seat(&wish.name) {
            // Nothing is followed for it: one message costs next to nothing, and may come again and again.
            self.refuse_wish(&wish, &refusal, replies);
            return false;
        }
        let Some(feed) = self.shared.hub.feed(&wish.name) else {
            self.conclude_seat(&wish, None, replies);
            return false;
        };
        let mut prepared = self.shared.hub.prepare(feed.clone(), wish.since);
        match (&mut prepared).now_or_never() {
            Some(Ok(page)) => self.conclude_seat(&wish, Some((feed, page)), replies),
            Some(Err(refusal)) => self.refuse_wish(&wish, &refusal, replies),
            None => {
                let page = Arc::<Mutex<Option<Page>>>::default();
                let found = page.clone();
                let verdict = async move {
                    *found.lock() = prepared.await?;
                    Ok(())
                };
                self.wait_for(Box::pin(verdict), Step::Seat { wish, feed, page });
                return true;
            }
        }
        false
    }

    /// The channel is followed, and what was missed has been looked for.
    pub(super) fn conclude_seat(
        &mut self,
        wish: &Wish,
        found: Option<(Arc<Feed>, Option<Page>)>,
        replies: &mut Replies<'_>,
    ) {
        if let Err(refusal) = self.take_seat(wish, found, replies) {
            self.refuse_wish(wish, &refusal, replies);
        }
    }

    pub(super) fn refuse_wish(
        &mut self,
        wish: &Wish,
        refusal: &Refusal,
        replies: &mut Replies<'_>,
    ) {
        let Refusal { code, message } = refusal;
        if wish.way == Way::Path {
            // What rules say of the channels of a path was asked before: this is the gatekeeper's.
            let why = match code {
                ErrorCode::Forbidden => EndReason::HookRefused,
                _ => EndReason::of_refusal(*code),
            };
            return self.turn_out(why, *code, message, None, replies);
        }
        let message = Cow::Owned(format!("{}: {message}", wish.name.as_str()));
        self.refuse_with(*code, message, kept(&wish.id), replies);
    }

    /// Subscribes, answers, and lets the others know.
    fn take_seat(
        &mut self,
        wish: &Wish,
        found: Option<(Arc<Feed>, Option<Page>)>,
        replies: &mut Replies<'_>,
    ) -> Result<(), Refusal> {
        let Wish { name, way, id, since } = wish;
        let (feed, page) = found.unzip();
        let log = feed.as_ref().and_then(|feed| feed.log.as_deref());
        // Held still, so that it is certain from which message on everything comes.
        let mut held = log.map(Log::hold);
        let arrival = self.take_seats(name, *way)?;
        let place = held.as_mut().map(|held| {
            let plan = Plan::of(*since, held.position(), page.flatten());
            if plan.is_behind() {
                held.start_catching_up(self.client().id());
            }
            (held.position(), plan)
        });
        drop(held);
        if arrival == Arrival::Repeated && since.is_some() {
            // What came before it asked again goes before the answer.
            replies.send_queued(|missed, replies| self.tell_missed(missed, replies));
        }
        let user = self.client().name();
        let position = place.as_ref().map(|(position, _)| *position);
        let epoch = position.map(|position| position.epoch.to_string());
        let answer = match (way, name.room_id()) {
            (Way::Room, Some(room_id)) => ServerMessage::UserJoined { user_id: &user, room_id },
            _ => ServerMessage::Subscribed {
                channel: name,
                epoch: epoch.as_deref(),
                offset: position.map(|position| position.offset),
                recovered: since.map(|_| place.as_ref().is_some_and(|(_, plan)| plan.is_whole())),
            },
        };
        self.send(&answer, kept(id), replies);
        if let (Some(feed), Some((_, plan))) = (feed, place) {
            self.start_recovery(feed, plan);
        }
        if *way == Way::Order && !self.is_ordered(name) {
            self.rare().ordered.push(name.clone());
        }
        let hub = &self.shared.hub;
        if arrival != Arrival::Repeated && hub.has_presence(name) {
            hub.come(name, &user, &self.subscriber, replies.now());
        }
        Ok(())
    }

    /// Whether the connection may be in one more channel, if it is one more.
    fn look_for_a_seat(&self, name: &ChannelName) -> Result<(), Refusal> {
        let max = self.shared.in_force().subscriptions.channels_per_subscriber_max;
        let is_free = self.subscriber.len() < max.get() as usize;
        if is_free || self.subscriber.channel(name).is_some() {
            return Ok(());
        }
        Err(full(SubscribeError::TooManyChannels { max }))
    }

    /// A seat in the channel, and one among those who are told who comes and goes if that was asked for.
    fn take_seats(&mut self, name: &ChannelName, way: Way) -> Result<Arrival, Refusal> {
        let arrival = self.subscriber.subscribe(name).map_err(full)?.arrival;
        if let Way::Asked { presence: true } = way {
            let watched = ChannelName::presence_of(name);
            match self.subscriber.subscribe(&watched) {
                Ok(watching) if watching.arrival == Arrival::Repeated => {}
                Ok(_) => drop(self.shared.hub.watchers.fetch_add(1, Ordering::Relaxed)),
                Err(error) => {
                    if arrival != Arrival::Repeated {
                        self.subscriber.unsubscribe(name);
                    }
                    return Err(full(error));
                }
            }
        }
        Ok(arrival)
    }

    pub(super) fn handle_unsubscribe(
        &mut self,
        channel: &str,
        id: Option<Id<'_>>,
        replies: &mut Replies<'_>,
    ) {
        let name = self.subscriber.channel(channel).map(|channel| channel.name().clone());
        // `$presence:…` is nobody's to name.
        if let Some(name) = name.filter(crate::channels::is_public) {
            self.give_up_seat(&name, replies);
        }
        self.send_last(&ServerMessage::Unsubscribed { channel }, id, replies);
    }

    pub(super) fn handle_leave_room(
        &mut self,
        room_id: &str,
        id: Option<Id<'_>>,
        replies: &mut Replies<'_>,
    ) {
        match ChannelName::room(room_id) {
            Ok(name) => {
                self.give_up_seat(&name, replies);
                let user = self.client().name();
                self.send_last(&ServerMessage::UserLeft { user_id: &user, room_id }, id, replies);
            }
            Err(error) => {
                let sentence = error.to_string().into();
                self.refuse_with(ErrorCode::InvalidField, sentence, id, replies);
            }
        }
    }

    /// Behind whatever came before: after this, nothing of the channel comes.
    fn send_last(
        &self,
        message: &ServerMessage<'_>,
        id: Option<Id<'_>>,
        replies: &mut Replies<'_>,
    ) {
        replies.send_queued(|missed, replies| self.tell_missed(missed, replies));
        self.send(message, id, replies);
    }

    fn give_up_seat(&mut self, name: &ChannelName, replies: &Replies<'_>) {
        self.stop_recovery(name);
        let Some(left) = self.subscriber.unsubscribe(name) else { return };
        if left.last {
            self.shared.hub.note_vacated(name);
        }
        self.stop_watching(name);
        if let Some(rare) = &mut self.rare {
            rare.ordered.retain(|ordered| ordered != name);
        }
        let (hub, user) = (&self.shared.hub, self.client().name());
        if hub.tells_of_leaving(name, &user) {
            hub.go(name, &user, Departure::Meant, replies.now());
        }
    }

    /// Is told no more who comes into a channel and who leaves it.
    fn stop_watching(&mut self, name: &ChannelName) {
        let hub = &self.shared.hub;
        if hub.watchers.load(Ordering::Relaxed) > 0
            && self.subscriber.unsubscribe(&ChannelName::presence_of(name)).is_some()
        {
            hub.watchers.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Leaves every channel: the connection is over.
    pub(super) fn leave_all(&mut self, now: std::time::Instant) {
        if self.subscriber.is_empty() {
            return;
        }
        self.stop_recoveries();
        let hub = self.shared.hub.clone();
        let user = self.client().name();
        let mut left = Vec::new();
        self.subscriber.leave_all(|name, how| {
            if crate::channels::is_public(name) {
                if how.last {
                    hub.note_vacated(name);
                }
                left.push(name.clone());
            } else {
                hub.watchers.fetch_sub(1, Ordering::Relaxed);
            }
        });
        for name in left.iter().filter(|name| hub.tells_of_leaving(name, &user)) {
            hub.go(name, &user, Departure::Lost, now);
        }
    }

    fn is_ordered(&self, name: &ChannelName) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.ordered.contains(name))
    }

    /// A fresh token may allow less than the one before. What the application ordered is not the token's.
    pub(super) fn leave_uncovered(&mut self, replies: &mut Replies<'_>) {
        let hub = self.shared.hub.clone();
        let bearer = self.bearer();
        let watches = |name: &ChannelName| {
            hub.watchers.load(Ordering::Relaxed) > 0
                && self.subscriber.channel(&ChannelName::presence_of(name)).is_some()
        };
        let in_force = hub.in_force();
        let covers = |name: &ChannelName, action| judge(&in_force, name, action, &bearer).is_ok();
        let (mut uncovered, mut unseen) = (Vec::new(), Vec::new());
        for name in self.subscriber.channels().map(|channel| channel.name()) {
            if !crate::channels::is_public(name) {
                continue;
            }
            if !self.is_ordered(name) && !covers(name, Action::Subscribe) {
                uncovered.push(name.clone());
            } else if watches(name) && !covers(name, Action::Presence) {
                unseen.push(name.clone());
            }
        }
        for name in uncovered {
            self.leave(&name, replies);
        }
        for name in unseen {
            self.stop_watching(&name);
        }
    }

    fn leave(&mut self, name: &ChannelName, replies: &mut Replies<'_>) {
        self.give_up_seat(name, replies);
        self.send_last(&ServerMessage::Unsubscribed { channel: name }, None, replies);
    }

    /// What the application has ordered from elsewhere.
    pub(super) fn handle_orders(&mut self, replies: &mut Replies<'_>) {
        if !self.is_started || self.is_ending() || self.is_waiting() {
            return;
        }
        let mut orders = self.client().take_orders().into_iter();
        while let Some(order) = orders.next() {
            match order {
                Order::Subscribe(name) => {
                    let wish = Wish { name, way: Way::Order, since: None, id: None };
                    if self.subscribe(wish, replies) {
                        // Nobody is asked, but the channel may have to be followed first: the rest behind that.
                        return self.client().put_back_orders(orders.collect());
                    }
                }
                Order::LookForLetters => self.look_for_letters(None),
                Order::Unsubscribe(name) => {
                    if self.subscriber.channel(&name).is_some() {
                        self.leave(&name, replies);
                    }
                }
            }
        }
    }
}

fn full(error: SubscribeError) -> Refusal {
    Refusal {
        code: match error {
            SubscribeError::TooManyChannels { .. } => ErrorCode::TooManySubscriptions,
            SubscribeError::ChannelFull { .. } => ErrorCode::ChannelFull,
            SubscribeError::TooManyChannelsInAll { .. } => ErrorCode::Overloaded,
        },
        message: error.to_string().into(),
    }
}
