//! What no observer sees: that a session begins, and what is written with the upgrade.

use ws_transport::{Sent, Session};

use super::GatewaySession;
use crate::{application::Application, tap::What};

impl<A: Application> GatewaySession<A> {
    /// The greeting leaves with the answer to the upgrade, before the connection's first turn.
    pub(super) fn show_opening(&self, greeting: Option<&[u8]>) {
        let shared = &self.shared;
        if !shared.tap.is_open() {
            return;
        }
        let client = self.client();
        let agent = client.agent().cloned();
        shared.tap.tell(client, &shared.clock, &What::Opened { agent });
        if let (Some(greeting), Some(observer)) = (greeting, self.observer()) {
            let now = tokio::time::Instant::now().into_std();
            observer.handle_sent(Sent::Text(greeting), now);
        }
    }
}
