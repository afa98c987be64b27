//! Logs under one lock: those whose names hash to it.

use std::{cmp::Reverse, collections::BinaryHeap, sync::Arc};

use ahash::RandomState;
use bytes::Bytes;
use lru::LruCache;

use super::{
    feed::{Feed, Feeds},
    log::{Full, KeptLog},
    stats::LogStats,
};
use crate::{Appended, EngineError, Entry, Log, Page, Position, ReadLimits};

/// A log is looked at for what expired at most so often.
const SWEEP_INTERVAL_MS: u64 = 1_000;
/// So many logs are looked at with each append: more than one append makes due.
const SWEPT_AT_ONCE: usize = 4;
/// What a log takes beside itself: its names here and where it is due, its links, its slot in the table.
const LOG_OVERHEAD: usize = 160;

#[derive(Debug)]
pub(super) struct Shard {
    /// In the order in which something was appended.
    logs: LruCache<String, KeptLog, RandomState>,
    /// Of these nothing is left but where they are, so that who has everything is known to have it.
    heads: LruCache<String, KeptLog, RandomState>,
    heads_max: usize,
    /// When which log is looked at.
    due: BinaryHeap<Reverse<(u64, Box<str>)>>,
    pub(super) feeds: Feeds<Entry>,
    pub(super) stats: LogStats,
    /// The memory that `logs` take.
    bytes: usize,
}

/// Where an entry is queued for those who follow.
type ToTell = Arc<Feed<Entry>>;

/// What an append needs to know.
pub(super) struct Moment {
    pub(super) now_ms: u64,
    /// Of logs of which nothing is known.
    pub(super) epoch: u64,
    /// So much may wait to be told.
    pub(super) waiting_max: usize,
}

impl Shard {
    pub(super) fn new(heads_max: usize) -> Self {
        Self {
            logs: LruCache::unbounded_with_hasher(RandomState::new()),
            heads: LruCache::unbounded_with_hasher(RandomState::new()),
            heads_max,
            due: BinaryHeap::new(),
            feeds: Feeds::new(),
            stats: LogStats::default(),
            bytes: 0,
        }
    }

    /// Appends, and queues the entry for those who follow: the caller tells them when the lock is free.
    pub(super) fn append(
        &mut self,
        log: &Log<'_>,
        payload: Bytes,
        event: Option<&str>,
        moment: &Moment,
    ) -> Result<(Appended, Option<ToTell>), EngineError> {
        let feed = self.feeds.get(log.name);
        if feed.as_ref().is_some_and(|feed| feed.waiting() >= moment.waiting_max) {
            self.stats.overloaded += 1;
            return Err(EngineError::Overloaded { kind: super::KIND });
        }
        let (heads, epoch) = (&mut self.heads, moment.epoch);
        let mut is_new = false;
        let kept = self.logs.get_or_insert_mut_ref(log.name, || {
            is_new = true;
            heads.pop(log.name).unwrap_or_else(|| KeptLog::new(epoch, log.keep))
        });
        let bytes_before = if is_new { 0 } else { bytes_of(log.name, kept) };
        kept.adopt(log.keep);
        self.stats.expired += kept.expire(moment.now_ms) as u64;
        let appended = kept.append(payload, event, moment.now_ms);
        schedule(&mut self.due, log.name, kept, moment.now_ms);
        self.bytes = self.bytes - bytes_before + bytes_of(log.name, kept);
        match appended {
            Ok(appended) if appended.is_repeated => {
                self.stats.repeated += 1;
                Ok((appended, None))
            }
            Ok(appended) => {
                self.stats.appended += 1;
                if let (Some(feed), Some(entry)) = (&feed, kept.last()) {
                    feed.queue(entry);
                }
                Ok((appended, feed))
            }
            Err(Full) => {
                self.stats.refused += 1;
                Err(EngineError::Full)
            }
        }
    }

    pub(super) fn read(
        &mut self,
        log: &Log<'_>,
        after: u64,
        limits: ReadLimits,
        moment: &Moment,
    ) -> Page {
        self.stats.reads += 1;
        let page = if let Some(kept) = self.logs.peek_mut(log.name) {
            let bytes_before = bytes_of(log.name, kept);
            kept.adopt(log.keep);
            self.stats.expired += kept.expire(moment.now_ms) as u64;
            self.bytes = self.bytes - bytes_before + bytes_of(log.name, kept);
            kept.read(after, limits)
        } else if let Some(kept) = self.heads.peek(log.name) {
            kept.read(after, limits)
        } else {
            let head = Position { epoch: moment.epoch, offset: 0 };
            Page { head, is_complete: after == 0, entries: Vec::new() }
        };
        self.stats.entries_read += page.entries.len() as u64;
        page
    }

    pub(super) fn remove(&mut self, name: &str, offsets: &[u64]) {
        if let Some(kept) = self.logs.peek_mut(name) {
            let bytes_before = bytes_of(name, kept);
            self.stats.removed += kept.remove(offsets) as u64;
            self.bytes = self.bytes - bytes_before + bytes_of(name, kept);
        }
    }

    /// Drops what is too old in some of the logs that are due; how many heads were forgotten.
    pub(super) fn sweep(&mut self, now_ms: u64) -> usize {
        for _ in 0..SWEPT_AT_ONCE {
            let is_due = |due: &Reverse<(u64, Box<str>)>| due.0.0 <= now_ms;
            if !self.due.peek().is_some_and(is_due) {
                break;
            }
            let Some(Reverse((due_ms, name))) = self.due.pop() else { break };
            let Some(kept) = self.logs.peek_mut(&*name) else { continue };
            if kept.due_ms != due_ms {
                // It was away in between, and is due at another time.
                continue;
            }
            let bytes_before = bytes_of(&name, kept);
            kept.due_ms = 0;
            self.stats.expired += kept.expire(now_ms) as u64;
            schedule(&mut self.due, &name, kept, now_ms);
            let is_bare = kept.is_bare();
            self.bytes = self.bytes - bytes_before + bytes_of(&name, kept);
            if is_bare {
                self.behead(&name);
            }
        }
        self.forget_heads()
    }

    /// When something was last appended to the log that is silent for the longest.
    pub(super) fn longest_silent_ms(&self) -> Option<u64> {
        self.logs.peek_lru().map(|(_, kept)| kept.appended_ms)
    }

    /// Takes the entries of the log that is silent for the longest; of one that is by itself larger
    /// than `whole_max`, the older half.
    pub(super) fn evict(&mut self, whole_max: usize) -> usize {
        let Some((name, kept)) = self.logs.peek_lru() else { return 0 };
        let (name, bytes_before) = (name.clone(), bytes_of(name, kept));
        let Some(kept) = self.logs.peek_mut(&name) else { return 0 };
        let is_halved = bytes_before > whole_max && kept.len() > 1;
        let entries = if is_halved { kept.halve() } else { kept.clear() };
        self.bytes = self.bytes - bytes_before + bytes_of(&name, kept);
        self.stats.evicted_entries += entries as u64;
        self.stats.evicted_logs += 1;
        if !is_halved {
            self.behead(&name);
        }
        self.forget_heads()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn count(&self) -> LogStats {
        LogStats {
            logs: self.logs.len(),
            heads: self.heads.len(),
            followed: self.feeds.len(),
            entries: self.logs.iter().map(|(_, kept)| kept.len()).sum(),
            bytes: self.bytes,
            ..self.stats
        }
    }

    /// As if it had been started just now; who follows goes on following.
    pub(super) fn forget(&mut self) {
        self.logs.clear();
        self.heads.clear();
        self.due.clear();
        self.bytes = 0;
    }

    /// A log of which nothing is left becomes a head.
    fn behead(&mut self, name: &str) {
        if let Some((name, mut kept)) = self.logs.pop_entry(name) {
            self.bytes -= bytes_of(&name, &kept);
            kept.due_ms = 0;
            self.heads.push(name, kept);
        }
    }

    /// The caller must give logs another epoch for each that is forgotten, before the lock is free.
    fn forget_heads(&mut self) -> usize {
        let count = self.heads.len().saturating_sub(self.heads_max);
        for _ in 0..count {
            self.heads.pop_lru();
        }
        self.stats.forgotten += count as u64;
        count
    }
}

fn schedule(
    due: &mut BinaryHeap<Reverse<(u64, Box<str>)>>,
    name: &str,
    kept: &mut KeptLog,
    now_ms: u64,
) {
    if kept.due_ms == 0
        && let Some(expires_ms) = kept.expires_ms()
    {
        kept.due_ms = expires_ms.max(now_ms + SWEEP_INTERVAL_MS);
        due.push(Reverse((kept.due_ms, name.into())));
    }
}

fn bytes_of(name: &str, kept: &KeptLog) -> usize {
    kept.bytes() + 2 * name.len() + LOG_OVERHEAD
}
