//! Limits that may change while they are looked at.

use std::{
    num::{NonZeroU32, NonZeroUsize},
    sync::atomic::{AtomicU32, AtomicUsize, Ordering},
};

use crate::SubscriptionLimits;

/// Each is read by itself: who subscribes asks for one after the other, and nothing follows from two.
pub(super) struct LiveLimits {
    channels_per_subscriber_max: AtomicU32,
    subscribers_per_channel_max: AtomicU32,
    channels_max: AtomicUsize,
}

impl LiveLimits {
    pub(super) const fn new(limits: SubscriptionLimits) -> Self {
        Self {
            channels_per_subscriber_max: AtomicU32::new(limits.channels_per_subscriber_max.get()),
            subscribers_per_channel_max: AtomicU32::new(limits.subscribers_per_channel_max.get()),
            channels_max: AtomicUsize::new(limits.channels_max.get()),
        }
    }

    #[inline]
    pub(super) fn get(&self) -> SubscriptionLimits {
        // Only what is not zero is ever stored.
        let number =
            |it: &AtomicU32| NonZeroU32::new(it.load(Ordering::Relaxed)).unwrap_or(NonZeroU32::MIN);
        let channels_max = NonZeroUsize::new(self.channels_max.load(Ordering::Relaxed));
        SubscriptionLimits {
            channels_per_subscriber_max: number(&self.channels_per_subscriber_max),
            subscribers_per_channel_max: number(&self.subscribers_per_channel_max),
            channels_max: channels_max.unwrap_or(NonZeroUsize::MIN),
        }
    }

    pub(super) fn set(&self, limits: SubscriptionLimits) {
        let SubscriptionLimits {
            channels_per_subscriber_max,
            subscribers_per_channel_max,
            channels_max,
        } = limits;
        self.channels_per_subscriber_max
            .store(channels_per_subscriber_max.get(), Ordering::Relaxed);
        self.subscribers_per_channel_max
            .store(subscribers_per_channel_max.get(), Ordering::Relaxed);
        self.channels_max.store(channels_max.get(), Ordering::Relaxed);
    }
}
