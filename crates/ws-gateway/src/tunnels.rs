//! Tunnels: how a connection that was let in meets the address that its path means.

use std::{net::IpAddr, sync::Arc};

use ws_handler::{TunnelOpening, TunnelRefusal, Tunneling};
use ws_rate_limiter::ip_key;
use ws_transport::Session;
use ws_tunnel::Tunnels;

/// What the handler asks for tunnels.
#[derive(Debug)]
pub(crate) struct Gatehouse(pub(crate) Tunnels);

impl Tunneling for Gatehouse {
    fn open(&self, opening: TunnelOpening<'_>) -> Result<Box<dyn Session + Send>, TunnelRefusal> {
        let TunnelOpening { target, client, outbox, has_half_close } = opening;
        let user = client.user_id().unwrap_or_else(|| user_of(client.address()));
        match self.0.reserve(target, &user) {
            Ok(reserved) => Ok(Box::new(reserved.open(has_half_close, outbox))),
            Err(refused) => {
                let (code, reason) = (refused.close_code(), refused.to_string().into());
                Err(TunnelRefusal { code, reason })
            }
        }
    }
}

/// Where nobody has to say who it is, an address stands for its users: of IPv6 the part that one customer has, who
/// has 2^64 addresses.
fn user_of(address: IpAddr) -> Arc<str> {
    ip_key(address).to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_addresses_of_one_customer_have_the_tunnels_of_one_user() {
        let user = |address: &str| user_of(address.parse().unwrap());
        assert_eq!(user("2001:db8:1:2::1"), user("2001:db8:1:2:ffff::7"));
        assert_ne!(user("2001:db8:1:2::1"), user("2001:db8:1:3::1"));
        assert_ne!(user("192.0.2.1"), user("192.0.2.2"));
    }
}
