//! Different limits for different tiers of callers.

use std::borrow::Borrow;
use std::hash::Hash;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Instant;

use crate::{Denied, KeyedLimiter, Limit, LimiterStats, Mode};

/// A [`KeyedLimiter`] for each tier (free, pro, …), by the names of a configuration.
///
/// A caller's tier is a name in its token: look it up once, when the caller is known, and keep the
/// [`TierId`]; the path of a message then handles a small number and no text.
///
/// Each tier has a table of its own. So a crowd in one tier cannot push anybody out of another, and a
/// caller whose tier changes has one allowance in each of them, not a new one for each change. The bound
/// of the memory is `tiers × capacity` keys.
#[derive(Debug)]
pub struct TieredLimiter<K, L: Limit> {
    capacity: NonZeroUsize,
    /// The default tier first; never empty.
    tiers: Vec<Tier<K, L>>,
}

#[derive(Debug)]
struct Tier<K, L: Limit> {
    name: Box<str>,
    limiter: Arc<KeyedLimiter<K, L>>,
}

/// A tier of one [`TieredLimiter`]. `TierId::default()` is the default tier of any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TierId(u16);

impl TierId {
    /// Its place among the tiers, the default tier first.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl<K, L> TieredLimiter<K, L>
where
    K: Hash + Eq + Clone,
    L: Limit,
{
    /// A limiter with one tier, which is for all whose tier is not known; memory for at most `capacity`
    /// keys in each tier.
    #[must_use]
    pub fn new(default_tier: &str, limit: L, capacity: NonZeroUsize) -> Self {
        let limiter = Arc::new(KeyedLimiter::new(limit, capacity));
        Self { capacity, tiers: vec![Tier { name: default_tier.into(), limiter }] }
    }

    /// Adds a tier, or gives another limit to the one of that name.
    #[must_use]
    pub fn with_tier(mut self, name: &str, limit: L) -> Self {
        let limiter = Arc::new(KeyedLimiter::new(limit, self.capacity));
        match self.tiers.iter_mut().find(|tier| &*tier.name == name) {
            Some(tier) => tier.limiter = limiter,
            None => self.tiers.push(Tier { name: name.into(), limiter }),
        }
        self
    }

    /// The same tiers; those that `before` had with the same limit go on counting where it was. For
    /// a configuration that is read again: nobody has a new allowance because of what did not change.
    ///
    /// The two share what those tiers count from then on.
    #[must_use]
    pub fn going_on_from(&self, before: &Self) -> Self
    where
        L: PartialEq,
    {
        let same = |tier: &Tier<K, L>, other: &Tier<K, L>| {
            tier.name == other.name && tier.limiter.limit() == other.limiter.limit()
        };
        let tiers = self.tiers.iter().map(|tier| {
            let known = before.tiers.iter().find(|other| same(tier, other));
            let known = known.filter(|_| self.capacity == before.capacity);
            // What becomes of those it denies is for the new one to say.
            known
                .inspect(|known| known.limiter.set_mode(tier.limiter.mode()))
                .unwrap_or(tier)
                .clone()
        });
        Self { capacity: self.capacity, tiers: tiers.collect() }
    }

    /// Takes 1 from the allowance that `key` has in this tier, or says when to come back.
    ///
    /// # Errors
    ///
    /// [`Denied`], if the allowance is used up.
    pub fn check<Q>(&self, tier: TierId, key: &Q, now: Instant) -> Result<(), Denied>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        self.tier(tier).limiter.check_cost(key, 1, now)
    }

    /// Takes `cost` from the allowance that `key` has in this tier, or takes nothing and says when
    /// to come back.
    ///
    /// # Errors
    ///
    /// [`Denied`], if the allowance does not hold so much.
    pub fn check_cost<Q>(
        &self,
        tier: TierId,
        key: &Q,
        cost: u32,
        now: Instant,
    ) -> Result<(), Denied>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        self.tier(tier).limiter.check_cost(key, cost, now)
    }

    /// As [`TieredLimiter::check_cost`], but what costs more than an allowance of this tier ever holds
    /// costs all of it.
    ///
    /// # Errors
    ///
    /// [`Denied`], if the allowance does not hold so much now.
    pub fn charge<Q>(&self, tier: TierId, key: &Q, cost: u32, now: Instant) -> Result<(), Denied>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        self.tier(tier).limiter.charge(key, cost, now)
    }

    /// What becomes of requests that this tier denies, from now on.
    pub fn set_mode(&self, tier: TierId, mode: Mode) {
        self.tier(tier).limiter.set_mode(mode);
    }

    /// Gives `key` its whole allowance back in all tiers; says whether anything was known of it.
    pub fn forget<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        // All of them, also when the first one knew it.
        self.tiers.iter().fold(false, |known, tier| tier.limiter.forget(key) | known)
    }

    /// Forgets every key that has its whole allowance back, as
    /// [`KeyedLimiter::forget_recovered`] does.
    pub fn forget_recovered(&self, now: Instant) -> usize {
        self.tiers.iter().map(|tier| tier.limiter.forget_recovered(now)).sum()
    }

    /// Each tier's name and limiter, the default tier first.
    pub fn tiers(&self) -> impl Iterator<Item = (&str, &KeyedLimiter<K, L>)> {
        self.tiers.iter().map(|tier| (&*tier.name, &*tier.limiter))
    }

    /// Each tier's name and what its limiter has decided, the default tier first.
    pub fn tier_stats(&self) -> impl Iterator<Item = (&str, LimiterStats)> {
        self.tiers.iter().map(|tier| (&*tier.name, tier.limiter.stats()))
    }

    /// What has been decided in all tiers together.
    #[must_use]
    pub fn stats(&self) -> LimiterStats {
        self.tier_stats().fold(LimiterStats::default(), |sum, (_, tier)| LimiterStats {
            allowed: sum.allowed + tier.allowed,
            denied: sum.denied + tier.denied,
            shadowed: sum.shadowed + tier.shadowed,
            evicted: sum.evicted + tier.evicted,
            recovered: sum.recovered + tier.recovered,
            keys: sum.keys + tier.keys,
        })
    }
}

impl<K, L: Limit> Clone for Tier<K, L> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), limiter: self.limiter.clone() }
    }
}

impl<K, L: Limit> TieredLimiter<K, L> {
    /// The tier of this name; the default tier if there is no name, or nobody has heard of it.
    #[must_use]
    pub fn tier_id(&self, name: Option<&str>) -> TierId {
        let named = name.and_then(|name| self.tiers.iter().position(|tier| &*tier.name == name));
        TierId(named.and_then(|index| u16::try_from(index).ok()).unwrap_or(0))
    }

    /// The name of a tier.
    #[must_use]
    pub fn tier_name(&self, tier: TierId) -> &str {
        &self.tier(tier).name
    }

    /// The limit of a tier, for a caller that keeps the state itself.
    #[must_use]
    pub fn limit(&self, tier: TierId) -> &L {
        self.tier(tier).limiter.limit()
    }

    /// An id of another limiter may name a tier that this one does not have: that is an unknown tier.
    fn tier(&self, id: TierId) -> &Tier<K, L> {
        self.tiers.get(id.0 as usize).unwrap_or(&self.tiers[0])
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::{TokenBucket, clock};

    fn per_minute(n: u32) -> TokenBucket {
        TokenBucket::per_minute(NonZeroU32::new(n).unwrap())
    }

    fn limiter() -> TieredLimiter<String, TokenBucket> {
        TieredLimiter::new("free", per_minute(2), NonZeroUsize::new(100).unwrap())
            .with_tier("pro", per_minute(5))
    }

    fn allowed(limiter: &TieredLimiter<String, TokenBucket>, tier: TierId, key: &str) -> u32 {
        (0..100).filter(|_| limiter.check(tier, key, clock::millis(0)).is_ok()).count() as u32
    }

    #[test]
    fn each_tier_has_its_limit_and_the_unknown_have_the_default() {
        let limiter = limiter();
        for (name, expect, key) in [
            (Some("free"), 2, "a"),
            (Some("pro"), 5, "b"),
            (None, 2, "c"),
            (Some("gold"), 2, "d"),
            (Some(""), 2, "e"),
        ] {
            let tier = limiter.tier_id(name);
            assert_eq!(allowed(&limiter, tier, key), expect, "{name:?}");
        }
        assert_eq!(limiter.tier_id(None), TierId::default());
    }

    #[test]
    fn tier_of_another_limiter_is_the_default_and_no_panic() {
        let pro = limiter().tier_id(Some("pro"));
        let small: TieredLimiter<String, _> =
            TieredLimiter::new("all", per_minute(1), NonZeroUsize::MIN);
        assert_eq!(allowed(&small, pro, "a"), 1);
        assert_eq!(small.tier_name(pro), "all");
    }

    #[test]
    fn caller_that_goes_back_and_forth_between_tiers_gains_nothing_by_it() {
        let limiter = limiter();
        let (free, pro) = (limiter.tier_id(Some("free")), limiter.tier_id(Some("pro")));
        let rounds = (0..10).map(|_| (allowed(&limiter, free, "a"), allowed(&limiter, pro, "a")));
        assert_eq!(rounds.fold((0, 0), |sum, round| (sum.0 + round.0, sum.1 + round.1)), (2, 5));
    }

    #[test]
    fn one_tier_is_watched_while_another_is_enforced() {
        let limiter = limiter();
        let pro = limiter.tier_id(Some("pro"));
        limiter.set_mode(pro, Mode::Shadow);
        assert_eq!(allowed(&limiter, pro, "a"), 100);
        assert_eq!(allowed(&limiter, TierId::default(), "a"), 2);
        let by_tier: Vec<_> =
            limiter.tier_stats().map(|(_, it)| (it.allowed, it.denied, it.shadowed)).collect();
        assert_eq!(by_tier, [(2, 98, 0), (100, 0, 95)]);
        // Who was watched has used what it has used.
        limiter.set_mode(pro, Mode::Enforce);
        assert_eq!(allowed(&limiter, pro, "a"), 0);
    }

    #[test]
    fn pardon_counts_in_all_tiers() {
        let limiter = limiter();
        let (free, pro) = (limiter.tier_id(Some("free")), limiter.tier_id(Some("pro")));
        allowed(&limiter, free, "a");
        allowed(&limiter, pro, "a");
        assert!(limiter.forget("a"));
        assert!(!limiter.forget("a"));
        assert_eq!((allowed(&limiter, free, "a"), allowed(&limiter, pro, "a")), (2, 5));
    }

    #[test]
    fn tier_of_the_same_name_replaces_the_limit() {
        let limiter = limiter().with_tier("free", per_minute(7));
        assert_eq!(allowed(&limiter, TierId::default(), "a"), 7);
        assert_eq!(*limiter.limit(TierId::default()), per_minute(7));
    }

    #[test]
    fn what_did_not_change_goes_on_counting_and_what_did_begins_anew() {
        let before = limiter();
        let (free, pro) = (before.tier_id(Some("free")), before.tier_id(Some("pro")));
        allowed(&before, free, "a");
        allowed(&before, pro, "a");
        let after = TieredLimiter::new("free", per_minute(2), NonZeroUsize::new(100).unwrap())
            .with_tier("gold", per_minute(9))
            .with_tier("pro", per_minute(6))
            .going_on_from(&before);
        let of = |name| allowed(&after, after.tier_id(Some(name)), "a");
        assert_eq!((of("free"), of("pro"), of("gold")), (0, 6, 9));
    }

    #[test]
    fn statistics_are_kept_by_tier_and_add_up() {
        let limiter = limiter();
        allowed(&limiter, limiter.tier_id(Some("pro")), "a");
        allowed(&limiter, limiter.tier_id(None), "a");
        let by_tier: Vec<_> =
            limiter.tier_stats().map(|(name, stats)| (name, stats.allowed, stats.denied)).collect();
        assert_eq!(by_tier, [("free", 2, 98), ("pro", 5, 95)]);
        let expect = LimiterStats { allowed: 7, denied: 193, keys: 2, ..LimiterStats::default() };
        assert_eq!(limiter.stats(), expect);
        assert_eq!(limiter.forget_recovered(clock::millis(60_000)), 2);
    }
}
