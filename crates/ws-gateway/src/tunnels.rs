//! Tunnels: how a connection that was let in meets the address that its path means.

use std::sync::Arc;

use ws_handler::{TunnelOpening, TunnelRefusal, Tunneling};
use ws_transport::Session;
use ws_tunnel::Tunnels;

/// What the handler asks for tunnels.
#[derive(Debug)]
pub(crate) struct Gatehouse(pub(crate) Tunnels);

impl Tunneling for Gatehouse {
    fn open(&self, opening: TunnelOpening<'_>) -> Result<Box<dyn Session + Send>, TunnelRefusal> {
        let TunnelOpening { target, client, outbox, has_half_close } = opening;
        // Where nobody has to say who it is, an address stands for its users.
        let user = client.user_id().unwrap_or_else(|| Arc::from(client.address().to_string()));
        match self.0.reserve(target, &user) {
            Ok(reserved) => Ok(Box::new(reserved.open(has_half_close, outbox))),
            Err(refused) => {
                let (code, reason) = (refused.close_code(), refused.to_string().into());
                Err(TunnelRefusal { code, reason })
            }
        }
    }
}
