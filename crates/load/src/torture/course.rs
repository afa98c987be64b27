//! What publishers and subscribers share while they run.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use super::arguments::Plan;
use crate::{
    clock::Clock,
    credentials::{Credentials, Source},
};

/// One run.
#[derive(Debug)]
pub(crate) struct Course {
    pub(crate) plan: Plan,
    pub(crate) clock: Clock,
    credentials: Credentials,
    /// Where clients connect: one for each gateway.
    doors: Vec<u16>,
    /// How many may still be published.
    left: AtomicU64,
    is_finishing: AtomicBool,
    is_over: AtomicBool,
    accepted: AtomicU64,
    /// For each subscriber.
    seen: Vec<AtomicU64>,
    ready: Vec<AtomicBool>,
}

/// The secret of the gateways of a run; no gateway that anybody uses knows it.
pub(crate) const SECRET: &str = "known-to-measurements-only-0123456789abcdef";

impl Course {
    pub(crate) fn new(plan: Plan, doors: Vec<u16>) -> Result<Self, String> {
        let seen = std::iter::repeat_with(AtomicU64::default).take(plan.subscribers).collect();
        let ready = std::iter::repeat_with(AtomicBool::default).take(plan.subscribers).collect();
        Ok(Self {
            clock: Clock::start(),
            credentials: Credentials { source: Source::minted(SECRET)?, ..Credentials::default() },
            doors,
            left: AtomicU64::new(plan.messages.unwrap_or(u64::MAX)),
            is_finishing: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            accepted: AtomicU64::new(0),
            seen,
            ready,
            plan,
        })
    }

    pub(crate) fn token(&self, user: &str) -> String {
        self.credentials.token(0, user).unwrap_or_default()
    }

    /// The gateway whose turn it is.
    pub(crate) fn door(&self, turn: usize) -> u16 {
        self.doors[turn % self.doors.len()]
    }

    pub(crate) fn channel_index(&self, name: &str) -> Option<usize> {
        let index = name.strip_prefix(super::CHANNELS)?.parse().ok()?;
        (index < self.plan.channels).then_some(index)
    }

    /// Whether one more may be published; asked for each once.
    pub(crate) fn may_publish(&self) -> bool {
        let take = |left: u64| left.checked_sub(1);
        !self.is_finishing() && self.left.fetch_update(Relaxed, Relaxed, take).is_ok()
    }

    /// No more are to be published.
    pub(crate) fn finish(&self) {
        self.is_finishing.store(true, Relaxed);
    }

    pub(crate) fn is_finishing(&self) -> bool {
        self.is_finishing.load(Relaxed) || self.left.load(Relaxed) == 0
    }

    /// Everybody goes home.
    pub(crate) fn end(&self) {
        self.is_over.store(true, Relaxed);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Relaxed)
    }

    pub(crate) fn count_accepted(&self) {
        self.accepted.fetch_add(1, Relaxed);
    }

    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.load(Relaxed)
    }

    pub(crate) fn count_seen(&self, subscriber: usize) {
        self.seen[subscriber].fetch_add(1, Relaxed);
    }

    /// Of the one who has seen least.
    pub(crate) fn seen_by_all(&self) -> u64 {
        self.seen.iter().map(|it| it.load(Relaxed)).min().unwrap_or_default()
    }

    /// Those of all subscribers together.
    pub(crate) fn seen(&self) -> u64 {
        self.seen.iter().map(|it| it.load(Relaxed)).sum()
    }

    pub(crate) fn count_ready(&self, subscriber: usize) {
        self.ready[subscriber].store(true, Relaxed);
    }

    /// Whether each subscriber has followed all channels once.
    pub(crate) fn all_are_ready(&self) -> bool {
        self.ready.iter().all(|it| it.load(Relaxed))
    }
}
