//! Closing all connections at a pace, by one deadline.

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tungstenite::protocol::CloseFrame;
use ws_close_manager::{Closable, CloseOptions, CloseReport, Closed, SendableCode, close_all};
use ws_connection::End;

use crate::{
    application::Application,
    client::{Client, ConnectionId},
    clock::WallClock,
    end_reason::EndReason,
    goodbye::say_goodbye,
    handler::WebSocketHandler,
};

/// Who is told of each end while a drain is under way.
#[derive(Debug, Default)]
pub(crate) struct Drain(parking_lot::Mutex<Option<UnboundedSender<Closed<ConnectionId>>>>);

impl Drain {
    pub(crate) fn note_end(&self, id: ConnectionId, end: &End) {
        if let Some(sender) = &*self.0.lock() {
            // A drain that is over wants to know no more.
            let _ = sender.send(Closed { key: id, acknowledged: end.acknowledged });
        }
    }
}

/// A connection as the close manager reaches it.
struct Reachable {
    client: Arc<Client>,
    clock: Arc<WallClock>,
}

impl Closable for Reachable {
    fn come_back(&self, after: Duration) {
        say_goodbye(&self.client, after, &self.clock);
    }

    fn start_close(&self, frame: CloseFrame) {
        let code = SendableCode::try_from(frame.code).unwrap_or(SendableCode::GOING_AWAY);
        self.client.close_for(EndReason::Drain, code, &frame.reason);
    }

    fn force(&self) {
        self.client.outbox().kill();
    }
}

impl<A: Application> WebSocketHandler<A> {
    /// Grants no upgrade from now on and closes every connection: told at the pace of `options`,
    /// forced at its deadline. Where the options say how fast clients may come back, each is told when by a
    /// `goodbye`; tunnels, which cannot be told, are closed last. The other nodes are told that this one goes. Answers how it went.
    pub async fn drain(&self, options: &CloseOptions) -> CloseReport {
        self.start_drain();
        if let Some(peers) = self.shared.peers()
            && !peers.balance.lock().is_alone()
        {
            // What is here is no part of what is to be level any more.
            self.shared.cluster.say_load(None);
        }
        let (sender, mut closed) = unbounded_channel();
        // Before the list is made: an end in between is reported, and so not waited for.
        *self.shared.drain.0.lock() = Some(sender);
        let mut connections = self.connections();
        // Who can come back goes first, each in its turn; a tunnel is not told, and stays until all were.
        connections.sort_by_key(|client| client.is_tunnel());
        let clock = &self.shared.clock;
        let reachable = connections
            .into_iter()
            .map(|client| (client.id(), Reachable { client, clock: clock.clone() }));
        let report = close_all(reachable, options, &mut closed).await;
        *self.shared.drain.0.lock() = None;
        self.shared.part().await;
        report
    }
}
