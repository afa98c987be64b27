//! The size of an LZ77 window, as RFC 7692 writes it.

use std::fmt;

/// The base-2 logarithm of an LZ77 window: 8 (256 bytes) to 15 (32 KiB), RFC 7692 §7.1.2.
///
/// A value outside that range cannot be built, so nobody checks again behind this type.
///
/// zlib has no deflater with a window of 8 bits. It is served by the one of 9 bits, which never
/// refers back further than 250 bytes (its window less 262 bytes of look-ahead) and so keeps
/// within the 256 bytes that the peer has. A test holds that against an independent inflater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowBits(u8);

impl WindowBits {
    /// 256 bytes, the smallest window of RFC 7692.
    pub const MIN: Self = Self(8);
    /// 32 KiB, the largest window, and the one that holds when nothing was negotiated.
    pub const MAX: Self = Self(15);
    /// How many different windows there are.
    pub(crate) const COUNT: usize = 8;

    /// `Some` for 8 to 15.
    pub const fn new(bits: u8) -> Option<Self> {
        if bits >= Self::MIN.0 && bits <= Self::MAX.0 { Some(Self(bits)) } else { None }
    }

    /// The logarithm itself.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The window in bytes: two to the power of [`get`](Self::get).
    pub const fn bytes(self) -> usize {
        1 << self.0
    }

    /// Position in a table of [`COUNT`](Self::COUNT) entries.
    pub(crate) const fn index(self) -> usize {
        (self.0 - Self::MIN.0) as usize
    }

    /// What zlib is asked for; see the type's documentation for 8.
    pub(crate) const fn deflater_bits(self) -> u8 {
        if self.0 < 9 { 9 } else { self.0 }
    }

    /// Strictly as RFC 7692 §7.1.2 has it: a decimal integer without leading zeroes, in range.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.as_bytes() {
            [digit @ b'8'..=b'9'] => Some(Self(digit - b'0')),
            [b'1', digit @ b'0'..=b'5'] => Some(Self(10 + digit - b'0')),
            _ => None,
        }
    }
}

impl Default for WindowBits {
    fn default() -> Self {
        Self::MAX
    }
}

impl fmt::Display for WindowBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::WindowBits;

    #[test]
    fn only_eight_to_fifteen_can_be_built() {
        for bits in 0..=u8::MAX {
            assert_eq!(WindowBits::new(bits).is_some(), (8..=15).contains(&bits), "{bits}");
        }
    }

    #[test]
    fn text_is_read_strictly() {
        for bits in 8..=15u8 {
            assert_eq!(WindowBits::parse(&bits.to_string()), WindowBits::new(bits));
        }
        for bad in ["", "7", "16", "08", "015", "+9", "9 ", "0x9", "1", "100", "-9", "９"] {
            assert_eq!(WindowBits::parse(bad), None, "{bad:?}");
        }
    }
}
