//! What a request costs: something for what it is, and something for how long it is.

use std::num::NonZeroU32;

/// The price of one kind of request.
///
/// Limits that count requests alone let the largest ones cost as much as the smallest. With a price, a
/// publish of 64 KiB can take more of an allowance than a ping. Hand the cost to
/// [`KeyedLimiter::charge`](crate::KeyedLimiter::charge), which never asks for more than there can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    /// What it costs however short it is. Default 1; zero: nothing.
    pub base: u32,
    /// Each whole span of so many bytes costs 1 more. Default `None`: length costs nothing.
    pub bytes_per_token: Option<NonZeroU32>,
}

impl Default for Price {
    fn default() -> Self {
        Self { base: 1, bytes_per_token: None }
    }
}

impl Price {
    /// The cost of a request of so many bytes.
    #[must_use]
    #[inline]
    pub fn of(&self, bytes: usize) -> u32 {
        let Some(span) = self.bytes_per_token else { return self.base };
        let spans = bytes / span.get() as usize;
        self.base.saturating_add(u32::try_from(spans).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_costs_in_whole_spans_on_top_of_the_base() {
        let per_kib = NonZeroU32::new(1024);
        for (base, bytes_per_token, bytes, expect) in [
            (1, None, usize::MAX, 1),
            (1, per_kib, 0, 1),
            (1, per_kib, 1023, 1),
            (1, per_kib, 1024, 2),
            (2, per_kib, 64 * 1024, 66),
            (0, per_kib, 100, 0),
            (u32::MAX, per_kib, 4096, u32::MAX),
            (1, NonZeroU32::new(1), usize::MAX, u32::MAX),
        ] {
            let price = Price { base, bytes_per_token };
            assert_eq!(price.of(bytes), expect, "{price:?} of {bytes}");
        }
        assert_eq!(Price::default().of(1 << 20), 1);
    }
}
