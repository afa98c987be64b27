//! The limits and the judgement: pure arithmetic, no state.

use crate::{ConfigError, TooLarge};

#[cfg(test)]
mod tests;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// How large a message may be, and from where on it is remarkable.
///
/// Two numbers that are passed around by value. A size *equal* to a threshold has not crossed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SizeLimits {
    max: u64,
    warn: u64,
}

/// What [`SizeLimits::check`] found in a message that is not too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SizeVerdict {
    /// Nothing to say about it.
    Fine,
    /// Permitted, but above the warning threshold.
    Large,
}

impl SizeLimits {
    /// At most `max` bytes, with a warning above `warn` bytes.
    ///
    /// `warn` equal to `max`, or zero, means that there is no warning.
    ///
    /// # Errors
    ///
    /// If `max` is zero, or `warn` is above `max`.
    pub const fn new(max: u64, warn: u64) -> Result<Self, ConfigError> {
        if max == 0 {
            return Err(ConfigError::ZeroMax);
        }
        if warn > max {
            return Err(ConfigError::WarnAboveMax { warn, max });
        }
        Ok(Self { max, warn: if warn == 0 { max } else { warn } })
    }

    /// At most `max` bytes, with a warning above half of it: for an operator who sets only the one.
    ///
    /// # Errors
    ///
    /// If `max` is zero.
    pub const fn with_max(max: u64) -> Result<Self, ConfigError> {
        Self::new(max, max / 2)
    }

    /// 256 KiB, with a warning above 128 KiB.
    #[must_use]
    pub const fn strict() -> Self {
        Self { max: 256 * KIB, warn: 128 * KIB }
    }

    /// 10 MiB, with a warning above 5 MiB.
    #[must_use]
    pub const fn lenient() -> Self {
        Self { max: 10 * MIB, warn: 5 * MIB }
    }

    /// The largest message that is permitted, in bytes.
    #[must_use]
    pub const fn max(&self) -> u64 {
        self.max
    }

    /// The largest message that passes without a warning, in bytes.
    #[must_use]
    pub const fn warn(&self) -> u64 {
        self.warn
    }

    /// Judges `declared` more bytes of a message of which `before` bytes have come already.
    ///
    /// This one function serves all three moments at which a size has to be judged:
    ///
    /// 1. **A frame's header is parsed, no byte of its payload is buffered:** `declared` is the length
    ///    in the header, `before` is zero. Nothing is ever reserved for a length that was only claimed.
    /// 2. **A continuation's header is parsed:** `declared` is its length, `before` the payload of the
    ///    fragments so far. A message cannot grow past the limit in small steps.
    /// 3. **A compressed message is being inflated:** `declared` is what the inflater has just put out,
    ///    `before` what it had put out earlier. Give the inflater [`SizeLimits::remaining`] as its output
    ///    limit; the lengths in the headers are then those of compressed data, for which
    ///    [`SizeLimits::check_compressed`] is the judge at moments 1 and 2.
    ///
    /// # Errors
    ///
    /// [`TooLarge`], if both together exceed [`SizeLimits::max`].
    #[inline]
    pub const fn check(&self, declared: u64, before: u64) -> Result<SizeVerdict, TooLarge> {
        // A header can declare 2^63 - 1 bytes: the sum saturates, and a saturated sum is too large
        // unless every 64-bit size is permitted.
        let size = before.saturating_add(declared);
        if size > self.max {
            return Err(TooLarge { size, max: self.max });
        }
        Ok(if size > self.warn { SizeVerdict::Large } else { SizeVerdict::Fine })
    }

    /// Judges `declared` more bytes of *compressed* payload after `before` bytes of it, before they
    /// are buffered.
    ///
    /// Data that does not shrink grows a little under deflate, and a peer may compress it all the
    /// same. So a compressed message may exceed the maximum by what zlib calls its conservative bound
    /// (one part in eight, one in sixty-four, and a few bytes), and only that: what is buffered stays
    /// bounded, and the inflated size has the last word. There is no warning here, since the size of
    /// the message is not known yet.
    ///
    /// # Errors
    ///
    /// [`TooLarge`], if no permitted message could have become so long. Its `max` is that of the
    /// message, which is the number that the peer can act on.
    #[inline]
    pub const fn check_compressed(&self, declared: u64, before: u64) -> Result<(), TooLarge> {
        let size = before.saturating_add(declared);
        let growth = self.max.div_ceil(8).saturating_add(self.max.div_ceil(64)).saturating_add(5);
        if size > self.max.saturating_add(growth) {
            return Err(TooLarge { size, max: self.max });
        }
        Ok(())
    }

    /// How many bytes of a message may still come after `before` bytes of it: the output limit for an
    /// inflater, or the capacity that is worth reserving at most.
    #[inline]
    #[must_use]
    pub const fn remaining(&self, before: u64) -> u64 {
        self.max.saturating_sub(before)
    }
}

impl Default for SizeLimits {
    /// 1 MiB, with a warning above 512 KiB.
    fn default() -> Self {
        Self { max: MIB, warn: 512 * KIB }
    }
}
