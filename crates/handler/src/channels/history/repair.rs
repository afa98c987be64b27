//! What is missing: noticed, read from the log, and delivered in its place or told to be gone.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures_util::FutureExt;
use ws_broker::{Answer, EngineError, Log as LogOf, Page, Position, Status};
use ws_channels::{ChannelName, SlowConsumer};
use ws_protocol::{MissedRange, ServerMessage};

use super::{Continuity, Log, PAGE, Phase, State};
use crate::{
    channels::{
        Hub, Tally,
        delivery::{Parcel, Walk, prepare},
        feeds::Feed,
    },
    cluster::history_log,
};

/// Longer than an engine that is there takes.
pub(crate) const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// Between attempts to read what is missing.
const PATIENCE: Duration = Duration::from_millis(200);

/// What came of reading what is missing.
enum Reading {
    /// Nothing is missing any more, as far as is known.
    All,
    /// There is more.
    Part,
    /// It could not be read, or not yet.
    Nothing,
}

impl Hub {
    /// Reads what is missing, in a task of its own.
    pub(crate) fn repair(self: &Arc<Self>, feed: &Arc<Feed>) {
        self.counts.add(Tally::Repaired as usize);
        let Some(runtime) = self.runtime() else { return };
        let (hub, feed) = (Arc::downgrade(self), Arc::downgrade(feed));
        runtime.spawn(async move {
            loop {
                let (Some(hub), Some(feed)) = (hub.upgrade(), feed.upgrade()) else { return };
                match hub.read_on(&feed).await {
                    Reading::All => return,
                    Reading::Part => {}
                    // All channels are looked after when the engine is back.
                    Reading::Nothing if hub.cluster.engine.status() != Status::Up => return,
                    Reading::Nothing => {
                        drop((hub, feed));
                        tokio::time::sleep(PATIENCE).await;
                    }
                }
            }
        });
    }

    /// Looks whether anything is missing that nothing has come after.
    pub(crate) async fn verify(self: &Arc<Self>, feed: &Arc<Feed>) {
        loop {
            match self.read_on(feed).await {
                Reading::All => return,
                Reading::Part => {}
                // Others may be looked after meanwhile.
                Reading::Nothing => return self.repair(feed),
            }
        }
    }

    /// Reads a page of a log behind an offset. It comes to an end whatever the engine does: somebody waits
    /// for it.
    pub(crate) fn read_log(&self, feed: &Feed, log: &Log, after: u64) -> Answer<Page> {
        let name = history_log(&feed.name);
        let engine = &self.cluster.engine;
        let mut page = engine.read(&LogOf { name: &name, keep: log.keep() }, after, PAGE);
        if let Some(page) = (&mut page).now_or_never() {
            return Box::pin(std::future::ready(page));
        }
        let (kind, channel) = (engine.kind(), feed.name.clone());
        Box::pin(async move {
            tokio::time::timeout(READ_TIMEOUT, page).await.unwrap_or_else(|_| {
                tracing::warn!(%channel, after, "the engine does not answer; it is asked again");
                Err(EngineError::Unknown { kind })
            })
        })
    }

    /// Reads a page from where we are, and delivers it.
    async fn read_on(&self, feed: &Feed) -> Reading {
        let Some(log) = &feed.log else { return Reading::All };
        let after = {
            let mut state = log.hold();
            state.is_doubted = false;
            state.cursor
        };
        match self.read_log(feed, log, after.offset).await {
            Ok(page) if self.take_page(feed, log, after, &page) => Reading::All,
            Ok(_) if log.position() != after => Reading::Part,
            // Who is asked knows less than who told us.
            Ok(_) => Reading::Nothing,
            Err(error) => {
                tracing::debug!(channel = %feed.name, %error, "what is missing cannot be read yet");
                Reading::Nothing
            }
        }
    }

    /// Answers whether nothing is missing any more, as far as is known.
    fn take_page(&self, feed: &Feed, log: &Log, after: Position, page: &Page) -> bool {
        let mut walk = Walk::default();
        let mut state = log.hold();
        if after.epoch != state.cursor.epoch {
            // Somebody else has read of another life meanwhile: this page is of before.
            return false;
        }
        let is_all = if page.head.epoch == state.cursor.epoch {
            self.take_entries(feed, &mut state, page, &mut walk)
        } else {
            // Another life. What was between cannot be told; what is in this one may be what was in the other.
            state.begin_anew(page.head);
            self.tell_gap(&feed.name, &state, (1, page.head.offset), 0, &mut walk);
            true
        };
        let is_all = is_all && !self.take_aside(feed, &mut state, &mut walk);
        // There was no room for all that came, or it is of yet another life.
        let is_all = is_all && state.cursor.offset >= state.seen && !state.is_doubted;
        if is_all {
            state.phase = Phase::Open;
        }
        drop(state);
        self.conclude(&walk, 1);
        is_all
    }

    fn take_entries(&self, feed: &Feed, state: &mut State, page: &Page, walk: &mut Walk) -> bool {
        let (at, head) = (state.cursor.offset, page.head.offset);
        let first = page.entries.first().map_or(head + 1, |first| first.position.offset);
        if !page.is_complete && head > at && first > at + 1 {
            self.tell_gap(&feed.name, state, (at + 1, first - 1), first - at - 1, walk);
            state.cursor.offset = first - 1;
            (state.tail, state.tail_bytes) = (VecDeque::new(), 0);
        }
        for entry in &page.entries {
            if entry.position.offset > state.cursor.offset {
                self.deliver_entry(&feed.name, state, entry, walk);
            }
        }
        // Where nothing could be read, waiting for more would be for ever.
        page.entries.is_empty() || state.cursor.offset >= head
    }

    /// Delivers what was set aside, as far as it follows. Answers whether something is missing before the
    /// rest of it.
    pub(super) fn take_aside(&self, feed: &Feed, state: &mut State, walk: &mut Walk) -> bool {
        let mut aside = std::mem::take(&mut state.aside);
        aside.sort_by_key(|entry| entry.position);
        let mut rest = Vec::new();
        let epoch = state.cursor.epoch;
        // Whether what is of another life is over or begins is read, not guessed.
        for entry in aside.into_iter().filter(|entry| entry.position.epoch == epoch) {
            match state.judge(&entry) {
                Continuity::Next => self.deliver_entry(&feed.name, state, &entry, walk),
                Continuity::Stale => {}
                Continuity::Behind => rest.push(entry),
            }
        }
        state.aside = rest;
        !state.aside.is_empty()
    }

    fn tell_gap(
        &self,
        name: &ChannelName,
        state: &State,
        (from_offset, to_offset): (u64, u64),
        dropped: u64,
        walk: &mut Walk,
    ) {
        let Some(channel) = self.table.channel(name) else { return };
        let timestamp = self.wall_ms(tokio::time::Instant::now().into_std());
        let epoch = state.cursor.epoch.to_string();
        let range = Some(MissedRange { epoch: &epoch, from_offset, to_offset });
        let gap = prepare(&ServerMessage::Gap { channel: name, dropped, range }, timestamp);
        let policy = SlowConsumer::Disconnect;
        let parcel = Parcel { message: Arc::new(gap), event: None, policy };
        for member in channel.publish().members() {
            if !state.catching_up.contains(&member.id()) {
                self.hand_over(member, &parcel, walk);
            }
        }
    }
}
