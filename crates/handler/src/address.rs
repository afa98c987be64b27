//! Whose connection is it: the peer's address, or what a trusted proxy says (DESIGN §4.7).

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

/// The proxies whose word on a client's address is taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// These networks.
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> Self {
        Self(networks.into_iter().collect())
    }

    /// Whether this address is one of them. An IPv4 address in IPv6 clothes is the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The client's address: the peer's, unless the peer is trusted. Then `X-Forwarded-For` is read
    /// from the right, and the first address that is not a trusted proxy's is the client's. Whatever
    /// is left of it was written by the client, or cannot be read: it is not believed.
    pub fn client_address(&self, peer: SocketAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.ip().to_canonical();
        if !self.contains(client) {
            return client;
        }
        let lines = headers.get_all("x-forwarded-for").iter().collect::<Vec<_>>();
        let hops =
            lines.into_iter().rev().flat_map(|line| line.to_str().unwrap_or("?").rsplit(','));
        for hop in hops {
            let Some(address) = parse_hop(hop.trim()) else { break };
            client = address;
            if !self.contains(address) {
                break;
            }
        }
        client
    }
}

/// An address, with or without a port, IPv6 with or without brackets.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let address = hop
        .parse::<IpAddr>()
        .or_else(|_| hop.trim_matches(['[', ']']).parse())
        .or_else(|_| hop.parse::<SocketAddr>().map(|socket| socket.ip()));
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn check(peer: &str, forwarded: &[&str], expect: &str) {
        let proxies = TrustedProxies::new(["10.0.0.0/8", "fd00::/8"].map(|it| it.parse().unwrap()));
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_str(line).unwrap());
        }
        let address = proxies.client_address(SocketAddr::new(peer.parse().unwrap(), 1), &headers);
        assert_eq!(address, expect.parse::<IpAddr>().unwrap(), "{peer} {forwarded:?}");
    }

    #[test]
    fn section_4_7_a_line_for_each_way_an_address_can_come() {
        check("192.0.2.1", &[], "192.0.2.1");
        // Nobody whom we do not trust speaks for another.
        check("192.0.2.1", &["203.0.113.9"], "192.0.2.1");
        check("10.0.0.1", &["203.0.113.9"], "203.0.113.9");
        // From the right: what the client wrote itself does not count.
        check("10.0.0.1", &["1.1.1.1, 203.0.113.9"], "203.0.113.9");
        check("10.0.0.1", &["1.1.1.1, 203.0.113.9, 10.0.0.2"], "203.0.113.9");
        check("10.0.0.1", &["1.1.1.1", "203.0.113.9", "10.0.0.2"], "203.0.113.9");
        // Nothing but proxies: the outermost that is known.
        check("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3");
        check("10.0.0.1", &[], "10.0.0.1");
        // Unreadable: no further than what is certain.
        check("10.0.0.1", &["203.0.113.9, unknown"], "10.0.0.1");
        check("10.0.0.1", &["unknown, 203.0.113.9"], "203.0.113.9");
        check("10.0.0.1", &["2001:db8::1"], "2001:db8::1");
        check("10.0.0.1", &["[2001:db8::1]"], "2001:db8::1");
        check("10.0.0.1", &["[2001:db8::1]:443"], "2001:db8::1");
        check("10.0.0.1", &["203.0.113.9:5000"], "203.0.113.9");
        check("fd00::1", &["203.0.113.9"], "203.0.113.9");
        check("::ffff:10.0.0.1", &["203.0.113.9"], "203.0.113.9");
        check("::ffff:192.0.2.1", &["203.0.113.9"], "192.0.2.1");
    }
}
