//! What an address is limited by.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The part of an address that stands for one customer: a whole IPv4 address, the first 64 bits of
/// an IPv6 one.
///
/// A subscriber gets a /64 at the least and may use any of its 2^64 addresses, so a limit by single
/// IPv6 address limits nobody. An IPv4 address in IPv6 clothes (`::ffff:192.0.2.1`, what a dual-stack
/// socket reports) is the IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IpKey {
    /// A whole IPv4 address.
    V4(Ipv4Addr),
    /// The network prefix of an IPv6 address, its first 64 bits.
    V6Prefix(u64),
}

/// The key of this address.
#[must_use]
pub const fn ip_key(address: IpAddr) -> IpKey {
    match address.to_canonical() {
        IpAddr::V4(address) => IpKey::V4(address),
        IpAddr::V6(address) => IpKey::V6Prefix((address.to_bits() >> 64) as u64),
    }
}

impl From<IpAddr> for IpKey {
    fn from(address: IpAddr) -> Self {
        ip_key(address)
    }
}

impl fmt::Display for IpKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => address.fmt(f),
            Self::V6Prefix(prefix) => {
                write!(f, "{}/64", Ipv6Addr::from_bits(u128::from(*prefix) << 64))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_is_the_part_of_the_address_that_one_customer_has() {
        for (address, key) in [
            ("192.0.2.1", "192.0.2.1"),
            ("0.0.0.0", "0.0.0.0"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
            ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
            ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
            ("fe80::1", "fe80::/64"),
            ("::1", "::/64"),
            // Deprecated by RFC 4291 §2.5.5.1, and not what a socket reports: plain IPv6.
            ("::192.0.2.1", "::/64"),
        ] {
            assert_eq!(ip_key(address.parse().unwrap()).to_string(), key, "{address}");
        }
    }

    #[test]
    fn key_is_small_enough_for_a_table_of_millions() {
        assert!(size_of::<IpKey>() <= 16);
    }
}
