//! What a connection that follows hears.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use parking_lot::Mutex;
use redis::{
    PushInfo, PushKind, Value,
    aio::{AsyncPushSender, SendError},
};
use tokio::sync::Notify;

use crate::{answers, hub::Hub, names::Source};

/// What a connection that follows hears, until it is closed.
#[derive(Debug)]
pub(crate) struct Ear {
    hub: Arc<Hub>,
    /// Held while the listener is told: once it is closed, nothing of this connection comes any more, and
    /// nothing overtakes it on the next.
    is_open: Mutex<bool>,
    /// The connection is of no use any more.
    pub(crate) gone: Notify,
    /// How many channels were left by ourselves, without the server having said so yet.
    pub(crate) leaving: AtomicUsize,
}

impl Ear {
    pub(crate) fn new(hub: Arc<Hub>) -> Arc<Self> {
        let (gone, leaving) = (Notify::new(), AtomicUsize::new(0));
        Arc::new(Self { hub, is_open: Mutex::new(true), gone, leaving })
    }

    pub(crate) fn close(&self) {
        *self.is_open.lock() = false;
    }

    fn hear(&self, channel: &[u8], payload: Bytes) {
        let Some(listener) = self.hub.health.listener() else { return };
        let counters = &self.hub.counters;
        match self.hub.names.source(channel) {
            Some(Source::Topic(topic)) => {
                counters.messages.add(1);
                listener.handle_message(topic, payload);
            }
            Some(Source::Log(log)) => {
                if let Some(entry) = answers::entry(payload) {
                    counters.entries.add(1);
                    listener.handle_entry(&log, entry);
                }
            }
            None => {}
        }
    }
}

impl AsyncPushSender for Ear {
    fn send(&self, info: PushInfo) -> Result<(), SendError> {
        match info.kind {
            PushKind::Message | PushKind::SMessage => {
                let is_open = self.is_open.lock();
                if *is_open
                    && let Ok([Value::BulkString(channel), Value::BulkString(payload)]) =
                        <[Value; 2]>::try_from(info.data)
                {
                    self.hear(&channel, payload.into());
                }
            }
            PushKind::SUnsubscribe => {
                let is_ours =
                    self.leaving.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
                        count.checked_sub(1)
                    });
                // The slot went to another server.
                if is_ours.is_err() {
                    self.hub.stale.notify_one();
                    self.gone.notify_one();
                }
            }
            PushKind::Disconnection => self.gone.notify_one(),
            _ => {}
        }
        Ok(())
    }
}
