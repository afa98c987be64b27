//! Whether it is known what was revoked: not before the list has been read, and not between the engine's
//! return and the next reading.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use tokio::{sync::Notify, time::timeout};
use ws_auth::AuthError;

/// Who comes with a token while the list is being read waits so long for it, and is then refused. A reading
/// takes milliseconds; longer, and a crowd would wait for an engine that is not there.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// Which of the readings that were asked for are done.
#[derive(Debug)]
pub(super) struct Known {
    /// One at the start, and one more with each return of the engine.
    asked: AtomicU64,
    /// The last of them that is done; 0: none.
    done: AtomicU64,
    is_required: AtomicBool,
    changed: Notify,
}

impl Known {
    pub(super) fn new(is_required: bool) -> Self {
        Self {
            asked: AtomicU64::new(1),
            done: AtomicU64::new(0),
            is_required: AtomicBool::new(is_required),
            changed: Notify::new(),
        }
    }

    /// There will be nobody to read it.
    pub(super) fn give_up(&self) {
        self.is_required.store(false, Ordering::Relaxed);
        self.changed.notify_waiters();
    }

    /// Something may have been missed: what is known does not count before it has been read again.
    pub(super) fn doubt(&self) {
        self.asked.fetch_add(1, Ordering::AcqRel);
    }

    /// What a reading that begins now answers.
    pub(super) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Acquire)
    }

    /// A reading that began when so much was asked is done.
    pub(super) fn note_read(&self, asked: u64) {
        self.done.store(asked, Ordering::Release);
        self.changed.notify_waiters();
    }

    /// Whether a token may be judged by what is known.
    pub(super) fn is_good(&self) -> bool {
        self.done.load(Ordering::Acquire) == self.asked() || !self.is_required()
    }

    /// Whether the list has not been read since the start, and tokens are refused for it.
    pub(super) fn is_awaited(&self) -> bool {
        self.done.load(Ordering::Acquire) == 0 && self.is_required()
    }

    /// Waits for a moment until a token may be judged.
    pub(super) async fn wait(&self) -> Result<(), AuthError> {
        let waiting = async {
            loop {
                let changed = self.changed.notified();
                if self.is_good() {
                    return;
                }
                changed.await;
            }
        };
        timeout(WAIT_MAX, waiting).await.map_err(|_| AuthError::RevocationsUnknown)
    }

    fn is_required(&self) -> bool {
        self.is_required.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_reading_counts_for_what_was_asked_before_it_began() {
        let known = Known::new(true);
        assert!(!known.is_good() && known.is_awaited());
        let began = known.asked();
        known.doubt();
        known.note_read(began);
        assert!(!known.is_good(), "it began before the doubt");
        assert!(!known.is_awaited(), "but it was one");
        known.note_read(known.asked());
        assert!(known.is_good());
        assert_eq!(known.wait().await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_let_go_by_a_reading_or_refused_after_a_second() {
        let known = Known::new(true);
        let started = Instant::now();
        assert_eq!(known.wait().await, Err(AuthError::RevocationsUnknown));
        assert_eq!(started.elapsed(), WAIT_MAX);
        let reading = async {
            tokio::time::sleep(WAIT_MAX / 2).await;
            known.note_read(known.asked());
        };
        let (waited, ()) = tokio::join!(known.wait(), reading);
        assert_eq!((waited, started.elapsed()), (Ok(()), WAIT_MAX * 3 / 2));
        known.doubt();
        known.give_up();
        assert_eq!(known.wait().await, Ok(()));
        assert!(Known::new(false).is_good());
    }
}
