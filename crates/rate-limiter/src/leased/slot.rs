//! What one node knows of one key.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{ANSWER_AWAITED, Claim, Granted, Terms};
use crate::{BucketState, Denied, Limit};

/// A key of one node.
pub(super) struct Slot {
    pub(super) name: Arc<str>,
    pub(super) phase: Phase,
    /// What the account says that we hold.
    held: u32,
    /// What of it we may give out, until that ends.
    usable: u32,
    until: Instant,
    /// What was given out and not reported. More than `usable` by the credit at most, or by one request.
    spent: u32,
    /// The largest request that was denied since the last report.
    missed: u32,
    /// Until then the account has nothing for us.
    closed_until: Option<Instant>,
    /// The account could not be settled: it goes by the share.
    pub(super) is_cut: bool,
    /// What was given out while it went by the share.
    share: Option<BucketState>,
    /// There is an account.
    is_recorded: bool,
    /// From then on the key is as good as a new one.
    pub(super) fresh_at: Instant,
    /// When it is looked at again.
    pub(super) due: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Idle,
    /// It is among those that want to be settled.
    Queued,
    /// It is being settled.
    Settling,
}

pub(super) struct Spending {
    pub(super) outcome: Result<(), Denied>,
    /// It was decided by the share.
    pub(super) is_alone: bool,
    /// There is little left, and more should be asked for.
    pub(super) is_short: bool,
}

/// What is to be reported.
pub(super) struct Reported {
    pub(super) held: u32,
    pub(super) spent: u32,
    /// What is left of the lease.
    pub(super) kept: u32,
    pub(super) wanted: u32,
}

impl Slot {
    pub(super) fn new(name: Arc<str>, now: Instant) -> Self {
        Self {
            name,
            phase: Phase::Idle,
            held: 0,
            usable: 0,
            until: now,
            spent: 0,
            missed: 0,
            closed_until: None,
            is_cut: false,
            share: None,
            is_recorded: false,
            fresh_at: now,
            due: None,
        }
    }

    pub(super) fn spend(&mut self, cost: u32, terms: &Terms, now: Instant) -> Spending {
        let decided = |outcome, is_short| Spending { outcome, is_alone: false, is_short };
        if cost == 0 {
            return decided(Ok(()), false);
        }
        self.end_lease(now);
        let left = i64::from(self.usable) - i64::from(self.spent);
        if left >= i64::from(cost) {
            self.spent += cost;
            // Asked for while there is still half of it, so that the answer comes before the end.
            let is_short = left - i64::from(cost) < i64::from(self.usable / 2);
            return decided(Ok(()), is_short && !terms.is_alone && !self.is_cut);
        }
        if terms.is_alone || self.is_cut {
            let state = self.share.get_or_insert_with(|| terms.share.new_state(now));
            let cost = cost.min(terms.share.burst().get());
            let outcome = terms.share.check(state, cost, now);
            self.fresh_at = self.fresh_at.max(state.full_at);
            return Spending { outcome, is_alone: true, is_short: false };
        }
        if let Some(closed_until) = self.closed_until {
            // Not on credit again: the account has said that there is nothing.
            self.missed = self.missed.max(cost);
            let retry_at = closed_until.max(now) + ANSWER_AWAITED;
            return decided(Err(Denied::exhausted(retry_at)), now >= closed_until);
        }
        if left >= 0 || left + i64::from(terms.credit) >= i64::from(cost) {
            self.spent = self.spent.saturating_add(cost);
            let on_credit = i64::from(self.spent) - i64::from(self.usable);
            return decided(Ok(()), self.usable > 0 || 2 * on_credit >= i64::from(terms.credit));
        }
        self.missed = self.missed.max(cost);
        decided(Err(Denied::exhausted(now + ANSWER_AWAITED)), true)
    }

    pub(super) fn report(&mut self, terms: &Terms, now: Instant) -> Reported {
        self.end_lease(now);
        let spent = self.spent.saturating_add(self.spent_alone(terms, now));
        let rest = self.usable.saturating_sub(self.spent);
        let missed = std::mem::take(&mut self.missed);
        if spent == 0 && missed == 0 {
            // Nobody has asked for any of it: it goes back.
            self.usable = 0;
            return Reported { held: self.held, spent: 0, kept: 0, wanted: 0 };
        }
        let wanted = rest.saturating_add(terms.slice.max(missed));
        Reported { held: self.held, spent, kept: rest, wanted }
    }

    pub(super) fn settled<K>(
        &mut self,
        claim: &Claim<K>,
        granted: &Granted,
        terms: &Terms,
        lease_for: Duration,
        is_recorded: bool,
        now: Instant,
    ) {
        self.phase = Phase::Idle;
        self.is_cut = false;
        self.is_recorded = is_recorded;
        let spent = self.spent.saturating_add(self.spent_alone(terms, now));
        self.share = None;
        self.spent = spent.saturating_sub(claim.spent);
        self.held = granted.tokens;
        self.usable = granted.tokens;
        // By our clock it ends no later than by the account's, which was read after this.
        self.until = claim.at + lease_for;
        let wait = Duration::from_nanos(granted.wait).max(ANSWER_AWAITED);
        let is_closed = granted.tokens == 0 && (claim.wanted > 0 || granted.wait > 0);
        self.closed_until = is_closed.then(|| now + wait);
        self.fresh_at = now + Duration::from_nanos(granted.fresh_in);
        let until = if self.held > 0 || self.spent > 0 { self.until } else { self.fresh_at };
        // Who was denied is asked for as soon as there may be something.
        let due = self.closed_until.filter(|_| claim.wanted > 0).unwrap_or(until);
        self.due = Some(due.max(now + ANSWER_AWAITED));
    }

    /// Nothing is known of it that a new one would not have.
    pub(super) fn is_forgettable(&self, now: Instant) -> bool {
        let is_settled = self.phase == Phase::Idle && self.held == 0 && self.spent == 0;
        is_settled && !self.is_recorded && self.fresh_at <= now
    }

    /// What is not given out by then is not ours any more.
    fn end_lease(&mut self, now: Instant) {
        if self.usable > self.spent && now >= self.until {
            self.usable = self.spent;
        }
    }

    /// What was given out by the share and is not back yet. It counts for all when that can be said.
    fn spent_alone(&self, terms: &Terms, now: Instant) -> u32 {
        let Some(state) = self.share else { return 0 };
        let level = state.full_at.saturating_duration_since(now).as_nanos();
        let (token, _) = terms.share.nanos();
        let tokens = u32::try_from(level / u128::from(token)).unwrap_or(u32::MAX);
        tokens.min(terms.share.burst().get())
    }
}
