//! What the nodes know together of one key: what it has used, and what each of them may still give out.

use std::time::Duration;

/// A token bucket in the time of all nodes, with what of it is leased.
///
/// It is kept like [`TokenBucket`](crate::TokenBucket), as the instant at which it will be full again; but in
/// nanoseconds since 1970, since nodes share no other clock. A lease is a part of the allowance that one node
/// may give out by itself until it ends. So the sum of what was used and what is leased is never above the
/// limit, but for what was used before it was asked for: see [`LeasedLimiter`](crate::LeasedLimiter).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Account {
    full_at: u64,
    /// One for each node at most.
    leases: Vec<Lease>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lease {
    node: u64,
    tokens: u32,
    until: u64,
}

/// The bucket, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rates {
    pub(super) token: u64,
    pub(super) capacity: u64,
}

/// What a node says and wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) node: u64,
    /// What it was leased, as it believes.
    pub(super) held: u32,
    /// What it has given out since it reported last.
    pub(super) spent: u32,
    /// What of its lease it goes on giving out while it waits for the answer.
    pub(super) kept: u32,
    /// What it wants to hold from now on.
    pub(super) wanted: u32,
    pub(super) now: u64,
    pub(super) until: u64,
}

/// What it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Granted {
    pub(super) tokens: u32,
    /// How long until there may be a token for it, where there is none now.
    pub(super) wait: u64,
    /// How long until all that was used or leased is back.
    pub(super) fresh_in: u64,
}

const VERSION: u8 = 1;
const LEASE_BYTES: usize = 20;
const HEAD_BYTES: usize = 9;
/// No account is further from full than this many buckets: one that was used, one that nodes gave out alone, and what
/// was on credit. What says more was written by a node whose clock is ahead, and would deny everybody until then.
const LEVELS_MAX: u64 = 3;
/// Of more nodes than this, those that come last lease nothing. It bounds what others' bytes make us hold.
const LEASES_MAX: usize = 1024;

/// Whether an account says nothing any more since a moment, in the time since 1970: all that was used is back, and no
/// lease has ended later. Who keeps accounts may take such a one away if that is longer ago than a bucket takes to
/// fill, which is what a lease that nobody reported is charged with. What is no account of this version is left
/// alone.
#[must_use]
pub fn is_account_over(account: &[u8], since: Duration) -> bool {
    let since = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
    Account::read(account).is_some_and(|account| {
        account.full_at <= since && account.leases.iter().all(|lease| lease.until <= since)
    })
}

impl Account {
    /// What cannot be read is taken for nothing used: it is no account of ours.
    pub(super) fn decode(bytes: &[u8]) -> Self {
        Self::read(bytes).unwrap_or_default()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (version, rest) = bytes.split_first()?;
        let (full_at, rest) = rest.split_first_chunk::<8>()?;
        let (leases, rest) = rest.as_chunks::<LEASE_BYTES>();
        if *version != VERSION || !rest.is_empty() || leases.len() > LEASES_MAX {
            return None;
        }
        let lease = |bytes: &[u8; LEASE_BYTES]| {
            let (node, rest) = bytes.split_first_chunk::<8>()?;
            let (tokens, rest) = rest.split_first_chunk::<4>()?;
            let (until, _) = rest.split_first_chunk::<8>()?;
            Some(Lease {
                node: u64::from_be_bytes(*node),
                tokens: u32::from_be_bytes(*tokens),
                until: u64::from_be_bytes(*until),
            })
        };
        let leases = leases.iter().map(lease).collect::<Option<_>>()?;
        Some(Self { full_at: u64::from_be_bytes(*full_at), leases })
    }

    /// Nothing, where there is nothing to remember.
    pub(super) fn encode(&self, now: u64) -> Option<Vec<u8>> {
        if self.leases.is_empty() && self.full_at <= now {
            return None;
        }
        let mut bytes = Vec::with_capacity(HEAD_BYTES + self.leases.len() * LEASE_BYTES);
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.full_at.to_be_bytes());
        for lease in &self.leases {
            bytes.extend_from_slice(&lease.node.to_be_bytes());
            bytes.extend_from_slice(&lease.tokens.to_be_bytes());
            bytes.extend_from_slice(&lease.until.to_be_bytes());
        }
        Some(bytes)
    }

    /// Takes a report down, and leases as much as there is of what is wanted.
    pub(super) fn settle(&mut self, rates: Rates, report: &Report) -> Granted {
        let Report { node, held, spent, kept, wanted, now, until } = *report;
        let own = self.leases.iter().position(|lease| lease.node == node);
        let own = own.map(|index| self.leases.swap_remove(index));
        // Of a node that did not report in time, it must be believed that it gave everything out.
        let mut lost = 0_u64;
        self.leases.retain(|lease| {
            let is_over = lease.until <= now;
            lost += u64::from(if is_over { lease.tokens } else { 0 });
            !is_over
        });
        // And if that was us, what we held was charged by whoever came first.
        let spent = if own.is_some() { spent } else { spent.saturating_sub(held) };
        let used = rates.token.saturating_mul(lost + u64::from(spent));
        let latest = now.saturating_add(rates.capacity.saturating_mul(LEVELS_MAX));
        self.full_at = self.full_at.clamp(now, latest).saturating_add(used);

        let others: u64 = self.leases.iter().map(|lease| u64::from(lease.tokens)).sum();
        let reserved = rates.token.saturating_mul(others);
        let level = (self.full_at - now).saturating_add(reserved);
        let free = rates.capacity.saturating_sub(level) / rates.token;
        let has_room = self.leases.len() < LEASES_MAX;
        // What others gave out on credit may be more than there is by now. But what is left of a lease is not
        // taken back: by now it may be given out, and whoever came next would be leased it again.
        let kept = own.map_or(0, |own| kept.min(own.tokens)).into();
        let most = free.max(kept).min(rates.capacity / rates.token);
        let tokens = wanted.min(u32::try_from(most).unwrap_or(u32::MAX));
        let tokens = if has_room { tokens } else { 0 };
        if tokens > 0 {
            self.leases.push(Lease { node, tokens, until });
        }
        let used = self.full_at - now;
        let wait = match used.saturating_add(rates.token).saturating_sub(rates.capacity) {
            // It is what others have leased that is in the way, and that may be back when a lease ends.
            0 if tokens == 0 => {
                self.leases.iter().map(|lease| lease.until - now).min().unwrap_or(0)
            }
            wait => wait,
        };
        let fresh_in = level.saturating_add(rates.token.saturating_mul(tokens.into()));
        Granted { tokens, wait, fresh_in }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RATES: Rates = Rates { token: 10, capacity: 100 };

    fn report(node: u64, held: u32, spent: u32, wanted: u32, now: u64) -> Report {
        Report { node, held, spent, kept: 0, wanted, now, until: now + 50 }
    }

    #[test]
    fn what_is_used_and_what_is_leased_are_never_above_the_limit_together() {
        let mut account = Account::default();
        let granted = account.settle(RATES, &report(1, 0, 2, 5, 1000));
        assert_eq!(granted, Granted { tokens: 5, wait: 0, fresh_in: 70 });
        // Two are used, five leased: three are left.
        assert_eq!(account.settle(RATES, &report(2, 0, 0, 5, 1000)).tokens, 3);
        let none = account.settle(RATES, &report(3, 0, 0, 5, 1000));
        assert_eq!((none.tokens, none.wait), (0, 50));
        // The first brings four of its five back.
        assert_eq!(account.settle(RATES, &report(1, 5, 1, 0, 1000)).tokens, 0);
        assert_eq!(account.settle(RATES, &report(3, 0, 0, 9, 1000)).tokens, 4);
        // What was used comes back with time, what is leased does not.
        assert_eq!(account.settle(RATES, &report(1, 0, 0, 9, 1020)).tokens, 2);
    }

    #[test]
    fn a_lease_that_nobody_reports_is_charged_when_it_ends_and_its_holder_is_charged_once() {
        let mut account = Account::default();
        assert_eq!(account.settle(RATES, &report(1, 0, 0, 10, 0)).tokens, 10);
        assert_eq!(account.settle(RATES, &report(2, 0, 0, 1, 49)).tokens, 0);
        // It ended, and its ten count as used now.
        assert_eq!(account.settle(RATES, &report(2, 0, 0, 1, 50)).tokens, 0);
        assert_eq!(account.settle(RATES, &report(2, 0, 0, 1, 60)).tokens, 1);
        // The first had given out twelve: the two beyond its lease are owed.
        let late = account.settle(RATES, &report(1, 10, 12, 5, 60));
        assert_eq!((late.tokens, late.wait), (0, 20));
    }

    #[test]
    fn what_is_left_of_a_lease_is_not_taken_back_for_what_others_gave_out_on_credit() {
        let mut account = Account::default();
        assert_eq!(account.settle(RATES, &report(1, 0, 0, 6, 0)).tokens, 6);
        // Eight on credit: with the six that are leased, four more than there are.
        assert_eq!(account.settle(RATES, &report(2, 0, 8, 5, 0)).tokens, 0);
        // Two are given out, four are left, and ten are wanted: it keeps the four, and gets none.
        let kept = Report { kept: 4, ..report(1, 6, 2, 10, 0) };
        assert_eq!(account.settle(RATES, &kept).tokens, 4);
        assert_eq!(account.settle(RATES, &report(3, 0, 0, 1, 39)).tokens, 0);
        // But whose lease has ended, and was charged, keeps nothing.
        assert_eq!(account.settle(RATES, &report(2, 0, 0, 0, 60)).tokens, 0);
        let late = Report { kept: 4, ..report(1, 4, 0, 10, 60) };
        assert_eq!(account.settle(RATES, &late).tokens, 2);
    }

    #[test]
    fn a_node_whose_clock_is_ahead_denies_others_for_a_few_buckets_and_not_until_then() {
        let mut account = Account::default();
        account.settle(RATES, &report(1, 0, 1, 0, 1_000_000));
        let granted = account.settle(RATES, &report(2, 0, 0, 1, 1000));
        assert_eq!((granted.tokens, granted.wait), (0, 210));
        assert_eq!(account.settle(RATES, &report(2, 0, 0, 1, 1210)).tokens, 1);
    }

    #[test]
    fn an_account_that_says_nothing_is_not_kept() {
        let mut account = Account::default();
        account.settle(RATES, &report(1, 0, 3, 0, 0));
        assert!(account.encode(29).is_some());
        assert_eq!(account.encode(30), None);
        account.settle(RATES, &report(1, 0, 0, 1, 30));
        assert!(account.encode(1_000_000).is_some());
    }

    #[test]
    fn an_account_is_over_when_all_is_back_and_all_leases_have_ended() {
        let over = |account: &Account, since| {
            is_account_over(&account.encode(0).unwrap(), Duration::from_nanos(since))
        };
        let mut account = Account::default();
        account.settle(RATES, &report(1, 0, 3, 0, 0));
        assert!(!over(&account, 29));
        assert!(over(&account, 30));
        account.settle(RATES, &report(2, 0, 0, 1, 0));
        assert!(!over(&account, 49), "a lease lasts");
        assert!(over(&account, 50));
        assert!(!is_account_over(b"{}", Duration::MAX), "it is somebody else's");
    }

    #[test]
    fn what_is_no_account_of_ours_is_nothing_used() {
        let mut account = Account::default();
        account.settle(RATES, &report(1, 0, 3, 2, 0));
        let bytes = account.encode(0).unwrap();
        assert_eq!(Account::decode(&bytes), account);
        let mut other = bytes.clone();
        other[0] = 2;
        let mut long = bytes.clone();
        long.extend(vec![0; LEASE_BYTES * LEASES_MAX]);
        for bytes in [&b""[..], b"{}", &bytes[..8], &bytes[..bytes.len() - 1], &other, &long] {
            assert_eq!(Account::decode(bytes), Account::default());
        }
    }

    proptest! {
        #[test]
        fn no_report_of_anybody_overflows(
            bytes in prop::collection::vec(any::<u8>(), 0..64),
            (token, capacity) in (1_u64..u64::MAX, any::<u64>()),
            (held, spent, wanted, now) in (any::<u32>(), any::<u32>(), any::<u32>(), any::<u64>()),
        ) {
            let mut bytes = bytes;
            if let Some(first) = bytes.first_mut() {
                *first = VERSION;
            }
            let mut account = Account::decode(&bytes);
            let rates = Rates { token, capacity };
            let report = Report { node: 1, held, spent, kept: held, wanted, now, until: now };
            let granted = account.settle(rates, &report);
            prop_assert!(u128::from(granted.tokens) * u128::from(token) <= u128::from(capacity));
            let again = account.encode(now).map(|bytes| Account::decode(&bytes));
            prop_assert!(again.is_none_or(|again| again == account));
        }
    }
}
