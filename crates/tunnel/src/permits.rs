//! How many tunnels there are: in all, to each target, of each user.

use std::{hash::Hash, num::NonZeroUsize, sync::Arc};

use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::{config::TunnelConfig, end::Refused, target::Target};

/// Who holds what.
#[derive(Debug, Default)]
pub(crate) struct Permits(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    all: usize,
    targets: HashMap<Target, usize>,
    users: HashMap<Arc<str>, usize>,
}

/// One tunnel's place, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    permits: Arc<Permits>,
    target: Target,
    user: Arc<str>,
}

impl Permits {
    /// A place, unless one of the limits is reached.
    pub(crate) fn take(
        self: &Arc<Self>,
        target: &Target,
        user: Arc<str>,
        config: &TunnelConfig,
    ) -> Result<Permit, Refused> {
        let mut held = self.0.lock();
        if held.all >= config.tunnels_max.get() {
            return Err(Refused::Full);
        }
        let is_taken = |taken: Option<&usize>, max: NonZeroUsize| {
            taken.is_some_and(|taken| *taken >= max.get())
        };
        if is_taken(held.users.get(&user), config.per_user_max) {
            return Err(Refused::UserFull);
        }
        if is_taken(held.targets.get(target), config.per_target_max) {
            return Err(Refused::TargetFull);
        }
        held.all += 1;
        *held.targets.entry(target.clone()).or_default() += 1;
        *held.users.entry(user.clone()).or_default() += 1;
        Ok(Permit { permits: self.clone(), target: target.clone(), user })
    }

    /// How many tunnels there are.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().all
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut held = self.permits.0.lock();
        held.all -= 1;
        give_back(&mut held.targets, &self.target);
        give_back(&mut held.users, &self.user);
    }
}

/// Nothing is kept of those who hold none.
fn give_back<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_counts_for_itself_and_a_place_is_free_again_when_it_is_dropped() {
        let at_most = |max| NonZeroUsize::new(max).unwrap();
        let config = TunnelConfig {
            tunnels_max: at_most(4),
            per_target_max: at_most(3),
            per_user_max: at_most(2),
            ..TunnelConfig::default()
        };
        let permits = Arc::new(Permits::default());
        let take =
            |target: &str, user: &str| permits.take(&target.parse().unwrap(), user.into(), &config);
        let first = take("a:1", "ada").unwrap();
        let _second = take("a:1", "ada").unwrap();
        assert_eq!(take("b:1", "ada").unwrap_err(), Refused::UserFull);
        let _third = take("a:1", "bob").unwrap();
        assert_eq!(take("a:1", "eve").unwrap_err(), Refused::TargetFull);
        let _fourth = take("b:1", "bob").unwrap();
        assert_eq!(take("b:1", "eve").unwrap_err(), Refused::Full);
        drop(first);
        let again = take("a:1", "ada").unwrap();
        assert_eq!(permits.len(), 4);
        drop((again, _second, _third, _fourth));
        let held = permits.0.lock();
        assert!(held.all == 0 && held.targets.is_empty() && held.users.is_empty());
    }
}
