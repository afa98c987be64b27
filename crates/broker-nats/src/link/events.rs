//! What the client library says of its connection.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_nats::{ClientError, Event, ServerError};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Flags rather than a queue: a flood of events takes no memory.
#[derive(Debug, Default)]
pub(crate) struct Events {
    pub(super) changed: Notify,
    /// The connection broke since this was looked at.
    pub(super) broke: AtomicBool,
    /// Messages were dropped since this was looked at, as they were not taken fast enough.
    pub(super) missed: AtomicBool,
    /// Who listens has not heard anything so far.
    pub(super) is_new_listener: AtomicBool,
    pub(super) messages_missed: AtomicU64,
    /// Why it is down, as far as it is known.
    pub(super) reason: Mutex<Option<String>>,
}

impl Events {
    /// Must be quick: while it runs, events beyond a few are lost.
    pub(super) fn handle(&self, event: &Event) {
        match event {
            Event::Disconnected | Event::Closed => self.broke.store(true, Ordering::Release),
            Event::SlowConsumer(_) => {
                self.messages_missed.fetch_add(1, Ordering::Relaxed);
                self.missed.store(true, Ordering::Release);
            }
            Event::ClientError(ClientError::Other(error)) => self.set_reason(error),
            Event::ServerError(ServerError::AuthorizationViolation) => {
                self.set_reason("the server does not let us in any more");
            }
            Event::ServerError(ServerError::Other(error)) => {
                tracing::warn!(error, "the NATS server complains");
                self.set_reason(error);
            }
            Event::Connected => *self.reason.lock() = None,
            _ => {}
        }
        self.changed.notify_one();
    }

    fn set_reason(&self, reason: &str) {
        *self.reason.lock() = Some(reason.to_owned());
    }
}
