//! Closing all connections at a pace, by one deadline.

use std::sync::Arc;

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tungstenite::protocol::CloseFrame;
use ws_close_manager::{Closable, CloseOptions, CloseReport, Closed, SendableCode, close_all};
use ws_connection::End;

use crate::{
    application::Application,
    client::{Client, ConnectionId},
    end_reason::EndReason,
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
struct Reachable(Arc<Client>);

impl Closable for Reachable {
    fn start_close(&self, frame: CloseFrame) {
        let code = SendableCode::try_from(frame.code).unwrap_or(SendableCode::GOING_AWAY);
        self.0.close_for(EndReason::Drain, code, &frame.reason);
    }

    fn force(&self) {
        self.0.outbox().kill();
    }
}

impl<A: Application> WebSocketHandler<A> {
    /// Grants no upgrade from now on and closes every connection: told at the pace of `options`,
    /// forced at its deadline. The other nodes are told that this one goes. Answers how it went.
    pub async fn drain(&self, options: &CloseOptions) -> CloseReport {
        self.start_drain();
        let (sender, mut closed) = unbounded_channel();
        // Before the list is made: an end in between is reported, and so not waited for.
        *self.shared.drain.0.lock() = Some(sender);
        let connections = self.connections();
        let reachable = connections.into_iter().map(|client| (client.id(), Reachable(client)));
        let report = close_all(reachable, options, &mut closed).await;
        *self.shared.drain.0.lock() = None;
        self.shared.part().await;
        report
    }
}
