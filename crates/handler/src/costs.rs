//! What each message takes of its sender's allowance.

use ws_protocol::ClientType;
use ws_rate_limiter::Price;

/// The price of each kind of message. By default everything costs 1, however long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Costs {
    kinds: [Price; ClientType::ALL.len()],
    /// Of what is no message: nonsense, and binary.
    other: Price,
}

impl Default for Costs {
    fn default() -> Self {
        Self::all(Price::default())
    }
}

impl Costs {
    /// The same price for everything.
    #[must_use]
    pub const fn all(price: Price) -> Self {
        Self { kinds: [price; ClientType::ALL.len()], other: price }
    }

    /// Another base for one kind; its length costs what it cost.
    #[must_use]
    pub const fn with_base(mut self, kind: ClientType, base: u32) -> Self {
        self.kinds[kind as usize].base = base;
        self
    }

    /// The cost of a message of so many bytes; of no kind, it is nonsense.
    #[inline]
    pub(crate) fn of(&self, kind: Option<ClientType>, bytes: usize) -> u32 {
        kind.map_or(&self.other, |kind| &self.kinds[kind as usize]).of(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    #[test]
    fn a_long_publish_costs_more_than_a_ping_and_nonsense_costs_by_its_length() {
        let price = Price { base: 1, bytes_per_token: NonZeroU32::new(4096) };
        let costs = Costs::all(price).with_base(ClientType::Publish, 2);
        assert_eq!(costs.of(Some(ClientType::Ping), 15), 1);
        assert_eq!(costs.of(Some(ClientType::Publish), 64 * 1024), 18);
        assert_eq!(costs.of(None, 64 * 1024), 17);
        assert_eq!(Costs::default().of(Some(ClientType::Publish), 1 << 20), 1);
    }
}
