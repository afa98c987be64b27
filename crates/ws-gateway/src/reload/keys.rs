//! Who says who somebody is, exchanged while it is asked.

use std::{sync::Arc, time::SystemTime};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::Notify;
use ws_auth::{AuthStats, Authenticator};
use ws_handler::{Authenticate, Identification};

/// An authenticator that is exchanged as a whole. Cheap to clone: all are the same one.
///
/// A token that was accepted stays accepted until it expires; who shows one from then on is judged by the keys
/// that are in force then.
#[derive(Clone, Debug)]
pub struct LiveAuthenticator(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    current: ArcSwap<Authenticator>,
    /// What those before it have counted: a counter that begins anew in between is taken for a restart.
    before: Mutex<AuthStats>,
    exchanged: Notify,
}

impl LiveAuthenticator {
    /// This one, to begin with.
    pub fn new(authenticator: Authenticator) -> Self {
        let current = ArcSwap::from_pointee(authenticator);
        Self(Arc::new(Inner { current, before: Mutex::default(), exchanged: Notify::new() }))
    }

    /// Another one takes its place.
    pub fn replace(&self, authenticator: Authenticator) {
        let mut before = self.0.before.lock();
        let replaced = self.0.current.swap(Arc::new(authenticator));
        *before = sum(&before, Authenticator::stats(&replaced));
        drop(before);
        self.0.exchanged.notify_waiters();
    }

    /// Keeps the keys fresh of whichever is in force; never ends.
    pub async fn keep_keys_fresh(&self, clock: impl Fn() -> SystemTime + Clone + Send) {
        loop {
            // Listened for before it is looked at: an exchange in between is not missed.
            let exchanged = self.0.exchanged.notified();
            let current = Authenticator::clone(&self.0.current.load());
            let keeping = async {
                current.keep_keys_fresh(clock.clone()).await;
                // There is nothing to fetch, and will not be before the next exchange.
                std::future::pending::<()>().await;
            };
            tokio::select! {
                () = keeping => {}
                () = exchanged => {}
            }
        }
    }
}

impl Authenticate for LiveAuthenticator {
    fn identify(&self, credential: &str, now: SystemTime) -> Identification {
        self.0.current.load().identify(credential, now)
    }

    fn stats(&self) -> AuthStats {
        let before = self.0.before.lock();
        sum(&before, Authenticator::stats(&self.0.current.load()))
    }
}

/// What was counted before as well; all else is as it is now.
fn sum(before: &AuthStats, mut now: AuthStats) -> AuthStats {
    now.verified += before.verified;
    now.cache_hits += before.cache_hits;
    now.fetches += before.fetches;
    now.fetch_failures += before.fetch_failures;
    for (cause, count) in &mut now.refused {
        *count += before.refused_with(cause);
    }
    now
}
