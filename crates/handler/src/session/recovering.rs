//! Catching up: what a subscriber has missed, page by page, as fast as it takes it.

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt;
use ws_broker::{EngineError, Entry, Page, Position};
use ws_channels::ChannelName;
use ws_protocol::{MissedRange, Position as AskedPosition, ServerMessage};
use ws_transport::Replies;

use super::{GatewaySession, promise::Promise};
use crate::{
    application::Application,
    channels::{
        Hub, Tally,
        backlog::{code_of, reason_of},
        feeds::Feed,
        stored::Stored,
    },
    gatekeeper::Refusal,
};

/// Between two looks for what others have and this node has not seen yet.
const PATIENCE: Duration = Duration::from_millis(20);
/// It is doubled so many times where nothing comes.
const VAIN_MAX: u32 = 5;
/// Between two attempts to read while the engine is away. Nothing is published in the channel meanwhile, so
/// that nobody falls behind by waiting.
const OUTAGE: Duration = Duration::from_millis(500);
/// Offsets are less than this.
const OFFSET_MAX: u64 = 1 << 53;
/// So much that was read is held for the channels of one connection that wait for their turn.
const AT_HAND_MAX: usize = 256 * 1024;

/// Where a client left off, as it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Since {
    /// None if it is no epoch of ours.
    epoch: Option<u64>,
    offset: u64,
}

/// What is to be done for a subscriber of a channel with a history.
#[derive(Debug)]
pub(super) enum Plan {
    /// It did not ask for anything.
    Live,
    /// It has seen everything.
    Current,
    /// What it has missed is at hand, from here on.
    Behind { at: Position, page: Option<Page> },
    /// It cannot be proven that all it has missed is there.
    Lost,
}

/// A subscriber that is catching up in one channel.
#[derive(Debug)]
pub(super) struct Recovery {
    feed: Arc<Feed>,
    /// What it has been sent so far.
    at: Position,
    /// The next part, if it is at hand.
    page: Option<Page>,
    /// The next part, if it is being read.
    reading: Option<Promise<Reading>>,
    /// How often it was read in vain since something came.
    vain: u32,
}

type Reading = Result<Page, EngineError>;

impl Since {
    pub(super) fn of(asked: &AskedPosition<'_>) -> Self {
        // No log is so long, and no engine is asked to count so far.
        let is_possible = asked.offset < OFFSET_MAX;
        Self { epoch: asked.epoch.parse().ok().filter(|_| is_possible), offset: asked.offset }
    }

    fn is_at(self, position: Position) -> bool {
        self.epoch == Some(position.epoch) && self.offset == position.offset
    }
}

impl Plan {
    /// For somebody who left off at `since` and comes when we are at `position`. `page` is what was read
    /// from there a moment ago, if there was anything to be read.
    pub(super) fn of(since: Option<Since>, position: Position, page: Option<Page>) -> Self {
        let Some(since) = since else { return Self::Live };
        if since.is_at(position) {
            return Self::Current;
        }
        let at = Position { epoch: position.epoch, offset: since.offset };
        match page {
            _ if since.epoch != Some(position.epoch) => Self::Lost,
            // Something was published in between; whether all of it is still there is seen when it is read.
            None if since.offset < position.offset => Self::Behind { at, page: None },
            Some(page) if page.head.epoch == position.epoch && page.is_complete => {
                // Ahead of what there is: nobody has told it that.
                if since.offset > page.head.offset.max(position.offset) {
                    return Self::Lost;
                }
                Self::Behind { at, page: Some(page) }
            }
            None | Some(_) => Self::Lost,
        }
    }

    pub(super) fn is_behind(&self) -> bool {
        matches!(self, Self::Behind { .. })
    }

    /// Whether it gets all that it has missed.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self, Self::Current | Self::Behind { .. })
    }
}

impl Hub {
    /// Follows a channel, and reads the first part of what somebody has missed in it.
    pub(super) fn prepare(
        self: &Arc<Self>,
        feed: Arc<Feed>,
        since: Option<Since>,
    ) -> futures_util::future::BoxFuture<'static, Result<Option<Page>, Refusal>> {
        let hub = self.clone();
        Box::pin(async move {
            let refusal = |error: EngineError| Refusal {
                code: code_of(&error),
                message: reason_of(&error).into(),
            };
            let opened = feed.clone().open(hub.clone()).await;
            let Some(log) = &feed.log else {
                // Those here are served; the engine will be asked again when it is back.
                return Ok(None);
            };
            opened.map_err(refusal)?;
            let position = log.position();
            let is_needed =
                since.filter(|it| it.epoch == Some(position.epoch) && !it.is_at(position));
            let Some(since) = is_needed else { return Ok(None) };
            hub.read_log(&feed, log, since.offset).await.map(Some).map_err(refusal)
        })
    }
}

impl<A: Application> GatewaySession<A> {
    /// Begins to send what was missed, behind what is being sent already.
    pub(super) fn start_recovery(&mut self, feed: Arc<Feed>, plan: Plan) {
        if let Plan::Live = plan {
            // It may have asked before: what it asked for then is still on its way to it.
            return;
        }
        // One that asks again begins again.
        self.rare().recoveries.retain(|recovery| recovery.feed.name != feed.name);
        if let Plan::Behind { at, page } = plan {
            // What waits for its turn is not held for long where it is much: it is read when the turn comes.
            let page = page.filter(|page| self.bytes_at_hand() + bytes_of(page) <= AT_HAND_MAX);
            let recovery = Recovery { feed, at, page, reading: None, vain: 0 };
            self.rare().recoveries.push_back(recovery);
        } else if let Some(log) = &feed.log {
            log.hold().stop_catching_up(self.client().id());
        }
        // Whoever is in front now, which may be another one than before.
        self.read_ahead(None);
        self.begin_sending();
    }

    /// Of all parts that are at hand.
    fn bytes_at_hand(&self) -> usize {
        let recoveries = self.rare.iter().flat_map(|rare| &rare.recoveries);
        recoveries.filter_map(|recovery| recovery.page.as_ref()).map(bytes_of).sum()
    }

    /// It has left the channel.
    pub(super) fn stop_recovery(&mut self, name: &ChannelName) {
        let Some(rare) = &mut self.rare else { return };
        let Some(index) = rare.recoveries.iter().position(|it| it.feed.name == *name) else {
            return;
        };
        let recovery = rare.recoveries.remove(index);
        if let Some(log) = recovery.as_ref().and_then(|recovery| recovery.feed.log.as_ref()) {
            log.hold().stop_catching_up(self.client().id());
        }
        self.read_ahead(None);
        self.begin_sending();
    }

    /// What is at hand goes with the next turn.
    pub(super) fn begin_sending(&self) {
        if self.has_page() {
            self.client().outbox().nudge();
        }
    }

    /// It leaves all channels.
    pub(super) fn stop_recoveries(&mut self) {
        let Some(rare) = &mut self.rare else { return };
        let recoveries = std::mem::take(&mut rare.recoveries);
        for log in recoveries.iter().filter_map(|recovery| recovery.feed.log.as_ref()) {
            log.hold().stop_catching_up(self.client().id());
        }
    }

    /// Whether the next part can be sent.
    pub(super) fn has_page(&self) -> bool {
        let front = self.rare.as_ref().and_then(|rare| rare.recoveries.front());
        front.is_some_and(|recovery| {
            recovery.page.is_some() || recovery.reading.as_ref().is_some_and(Promise::is_kept)
        })
    }

    /// Everything so far has left: sends the next part.
    pub(super) fn send_page(&mut self, replies: &mut Replies<'_>) {
        let Some(recovery) = self.front_recovery() else { return };
        let page = match recovery.page.take() {
            Some(page) => Ok(page),
            // Others may have asked for this turn: what is still being read goes on being read.
            None => match recovery.reading.take_if(|it| it.is_kept()).and_then(|it| it.take()) {
                Some(page) => page,
                None => return,
            },
        };
        match page {
            Ok(page) => self.send_entries(&page, replies),
            Err(
                EngineError::Unavailable { .. }
                | EngineError::Unknown { .. }
                | EngineError::Overloaded { .. },
            ) => self.read_ahead(Some(OUTAGE)),
            Err(error) => self.break_off(&error, replies),
        }
    }

    fn front_recovery(&mut self) -> Option<&mut Recovery> {
        self.rare.as_mut()?.recoveries.front_mut()
    }

    fn send_entries(&mut self, page: &Page, replies: &mut Replies<'_>) {
        let Some(recovery) = self.front_recovery() else { return };
        let (feed, from) = (recovery.feed.clone(), recovery.at);
        if page.head.epoch != from.epoch {
            // Another life of the log: what was between cannot be told any more.
            self.tell_lost(&feed.name, page.head.epoch, (1, page.head.offset), 0, replies);
            recovery_at(self, page.head);
            return self.finish_recovery(&feed);
        }
        let first = page.entries.first().map_or(page.head.offset + 1, |it| it.position.offset);
        if !page.is_complete && first > from.offset + 1 {
            let (range, dropped) = ((from.offset + 1, first - 1), first - from.offset - 1);
            self.tell_lost(&feed.name, from.epoch, range, dropped, replies);
        }
        let last = page.entries.last().map_or(from.offset, |last| last.position.offset);
        let offset = if page.entries.is_empty() && !page.is_complete {
            page.head.offset.max(from.offset)
        } else {
            last
        };
        recovery_at(self, Position { epoch: from.epoch, offset });
        if let Some(recovery) = self.front_recovery().filter(|_| !page.entries.is_empty()) {
            recovery.vain = 0;
        }
        if offset < page.head.offset {
            // While these leave.
            self.read_ahead(None);
        }
        for entry in &page.entries {
            let offset = entry.position.offset;
            let Some(stored) = Stored::decode(&entry.payload) else { continue };
            let message = stored.message(&feed.name, Some(offset));
            let sent = replies.send_text_with(|out| message.encode(None, stored.timestamp, out));
            if sent.is_err() {
                return;
            }
        }
        let count = page.entries.len() as u64;
        self.shared.hub.counts.add_many(Tally::Replayed as usize, count);
        if offset >= page.head.offset {
            self.finish_recovery(&feed);
        }
    }

    /// Everything that was read has been sent: what came meanwhile follows, or is read as well.
    fn finish_recovery(&mut self, feed: &Arc<Feed>) {
        let Some(recovery) = self.front_recovery() else { return };
        let at = recovery.at;
        let Some(log) = &feed.log else { return };
        let hub = self.shared.hub.clone();
        if hub.finish_catching_up(log, self.client(), at) {
            self.rare().recoveries.pop_front();
            return self.read_ahead(None);
        }
        // Others have seen more than this node has, or of another life of the log: it is about to come.
        let now = log.position();
        let is_ahead = now.epoch != at.epoch || now.offset < at.offset;
        // Less and less often: a client may have made up where it is.
        let Some(recovery) = self.front_recovery() else { return };
        let vain = recovery.vain;
        recovery.vain = vain.saturating_add(1);
        self.read_ahead(is_ahead.then(|| PATIENCE * 2_u32.pow(vain.min(VAIN_MAX))));
    }

    /// Reads the next part of what is being sent, unless it is at hand or on its way.
    fn read_ahead(&mut self, delay: Option<Duration>) {
        let hub = self.shared.hub.clone();
        let client = self.client().clone();
        let Some(recovery) = self.front_recovery() else { return };
        if recovery.page.is_some() || recovery.reading.is_some() {
            return;
        }
        let feed = recovery.feed.clone();
        let Some(log) = &feed.log else { return };
        let Some(delay) = delay else {
            let mut reading = hub.read_log(&feed, log, recovery.at.offset);
            match (&mut reading).now_or_never() {
                Some(Ok(page)) => recovery.page = Some(page),
                Some(Err(error)) => recovery.reading = Some(Promise::kept(Err(error))),
                None => {
                    let kind = hub.cluster.engine.kind();
                    let otherwise = Err(EngineError::Unknown { kind });
                    recovery.reading = Some(Promise::of(&client, otherwise, reading));
                }
            }
            return;
        };
        let after = recovery.at.offset;
        let otherwise = Err(EngineError::Unknown { kind: hub.cluster.engine.kind() });
        let later = async move {
            tokio::time::sleep(delay).await;
            match &feed.log {
                Some(log) => hub.read_log(&feed, log, after).await,
                None => Err(EngineError::Unknown { kind: hub.cluster.engine.kind() }),
            }
        };
        recovery.reading = Some(Promise::of(&client, otherwise, later));
    }

    /// The engine will not do it: what is missing cannot be had, and what comes from now on comes.
    fn break_off(&mut self, error: &EngineError, replies: &mut Replies<'_>) {
        let Some(recovery) = self.rare().recoveries.pop_front() else { return };
        let Recovery { feed, at, .. } = recovery;
        tracing::debug!(channel = %feed.name, %error, "a client does not get what it has missed");
        if let Some(log) = &feed.log {
            let mut held = log.hold();
            held.stop_catching_up(self.client().id());
            let now = held.position();
            drop(held);
            if at.epoch == now.epoch && at.offset < now.offset {
                let (range, dropped) = ((at.offset + 1, now.offset), now.offset - at.offset);
                self.tell_lost(&feed.name, at.epoch, range, dropped, replies);
            } else if at.epoch != now.epoch {
                self.tell_lost(&feed.name, now.epoch, (1, now.offset), 0, replies);
            }
        }
        self.read_ahead(None);
    }

    fn tell_lost(
        &self,
        name: &ChannelName,
        epoch: u64,
        (from_offset, to_offset): (u64, u64),
        dropped: u64,
        replies: &mut Replies<'_>,
    ) {
        let epoch = epoch.to_string();
        let range = Some(MissedRange { epoch: &epoch, from_offset, to_offset });
        self.send(&ServerMessage::Gap { channel: name, dropped, range }, None, replies);
    }
}

fn bytes_of(page: &Page) -> usize {
    page.entries.iter().map(|entry| entry.payload.len() + size_of::<Entry>()).sum()
}

fn recovery_at<A: Application>(session: &mut GatewaySession<A>, at: Position) {
    if let Some(recovery) = session.front_recovery() {
        recovery.at = at;
    }
}
