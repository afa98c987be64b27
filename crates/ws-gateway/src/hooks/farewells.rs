//! A back-end is told who is gone: behind everybody's back, and without holding up anything.

use std::{num::NonZeroUsize, sync::Arc};

use tokio::sync::Semaphore;

use super::{asking::Asking, question::Question};
use crate::outcomes::{Hook, HookOutcome, Outcomes};

/// So many may be waiting to be told of, some 600 bytes each; beyond that they are counted and dropped.
const WAITING_MAX: u32 = 16 * 1024;
/// For so many questions that may be under way, one farewell may be, too. They are not of those, so that a
/// back-end that hangs on farewells does not hold up who wants to come in.
const QUESTIONS_PER_FAREWELL: usize = 4;

#[derive(Debug)]
pub(super) struct Farewells {
    url: Arc<str>,
    asking: Arc<Asking>,
    /// Farewells under way.
    slots: Arc<Semaphore>,
    /// Farewells under way or waiting for a slot.
    waiting: Arc<Semaphore>,
    outcomes: Arc<Outcomes>,
}

impl Farewells {
    pub(super) fn new(
        url: Box<str>,
        asking: Arc<Asking>,
        questions_max: usize,
        outcomes: Arc<Outcomes>,
    ) -> Self {
        let slots = NonZeroUsize::new(questions_max / QUESTIONS_PER_FAREWELL);
        Self {
            url: url.into(),
            asking,
            slots: Arc::new(Semaphore::new(slots.map_or(1, NonZeroUsize::get))),
            waiting: Arc::new(Semaphore::new(WAITING_MAX as usize)),
            outcomes,
        }
    }

    pub(super) fn tell(&self, farewell: &Question<'_>) {
        const HOOK: Hook = Hook::Disconnected;
        let outcomes = self.outcomes.clone();
        let Ok(place) = self.waiting.clone().try_acquire_owned() else {
            return outcomes.add_hook(HOOK, HookOutcome::Busy);
        };
        // A connection whose task is dropped with its runtime ends, too, and nobody is left to tell it.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (url, asking, slots) = (self.url.clone(), self.asking.clone(), self.slots.clone());
        let body = farewell.body();
        runtime.spawn(async move {
            let Ok(_slot) = slots.acquire().await else { return };
            // In a box of its own: whoever waits for a slot needs little.
            let outcome = Box::pin(asking.tell(HOOK, &url, body)).await;
            outcomes.add_hook(HOOK, outcome);
            drop(place);
        });
    }

    /// Waits until nobody is waiting, as long as one farewell may take.
    pub(super) async fn settle(&self) {
        let all = self.waiting.acquire_many(WAITING_MAX);
        if tokio::time::timeout(self.asking.timeout(), all).await.is_err() {
            tracing::warn!("not everybody who is gone could be told of");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn farewell() -> Question<'static> {
        let (connection_id, user_id, code, reason) = (Some("c".to_owned()), None, None, "io");
        let (lived_ms, online) = (Some(0), None);
        Question::Disconnected { connection_id, user_id, code, reason, lived_ms, online }
    }

    #[tokio::test]
    async fn beyond_those_that_may_wait_farewells_are_counted_and_dropped() {
        let asking = Arc::new(Asking::new(Duration::from_millis(50), 1).unwrap());
        let outcomes = Arc::<Outcomes>::default();
        let farewells = Farewells::new("http://[::1]:0/".into(), asking, 1, outcomes.clone());
        let counted = |outcome: &str| {
            let totals = outcomes.hook_totals();
            totals.iter().find(|(hook, it, _)| (*hook, *it) == ("disconnected", outcome)).unwrap().2
        };
        // Whoever is under way keeps its slot.
        let _slot = farewells.slots.clone().acquire_owned().await.unwrap();
        (0..WAITING_MAX + 3).for_each(|_| farewells.tell(&farewell()));
        assert_eq!(counted("busy"), 3);
        farewells.settle().await;
        assert_eq!(counted("busy"), 3, "a back-end that hangs is waited for no longer");
    }
}
