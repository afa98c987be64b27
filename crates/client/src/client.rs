//! The handle that an application holds.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;
use tokio::{
    sync::{Notify, broadcast, watch},
    time::Instant,
};

use crate::{
    builder::ClientBuilder,
    error::{Error, Refusal, Stopped},
    machine::Machine,
};

mod asking;
mod following;
mod pooled;

pub use asking::{Pending, PublishOptions, Published, RequestOptions, SendOptions, Sent};
pub use following::SubscribeOptions;

/// A connection that comes back, shared by all clones of this handle.
///
/// It lives as long as a handle, a subscription, a room or an inbox of it does, or until [`close`](Self::close).
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) lease: Arc<Lease>,
}

/// Where a client is.
///
/// ```text
/// Disconnected ─▶ Connecting ─▶ Authenticating ─▶ Connected
///      ▲              ▲                               │
///      │              └───────── Reconnecting ◀───────┤
///      └── closed, 1000                               │
///                        Error ◀── 1008, 401, used up ┘
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Not begun, or over: closed here, or by the server with 1000.
    Disconnected,
    /// An attempt is under way.
    Connecting,
    /// The socket is open, and the server has not said yet who we are.
    Authenticating,
    /// All is well.
    Connected,
    /// The next attempt is waited for.
    Reconnecting,
    /// Over, because trying again would end the same way.
    Error,
}

/// What is counted, and when what was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// When the last connection became good.
    pub connected_at: Option<SystemTime>,
    /// When something was heard last.
    pub last_message_at: Option<SystemTime>,
    /// Messages that were sent, of any kind.
    pub messages_sent: u64,
    /// Messages that were received, of any kind.
    pub messages_received: u64,
    /// Connections that broke, attempts that failed, and errors that the server told.
    pub errors: u64,
    /// Attempts since the last good connection; 0 while there is one.
    pub reconnect_attempts: u32,
}

/// What an application may want to know beside the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// The server told of an error that belongs to no call.
    ServerError(Refusal),
    /// The server goes, and may have said when to come back.
    Goodbye {
        /// How long after the end; zero if it did not say, and the delays decide.
        reconnect_after: Duration,
    },
    /// The token runs out; a fresh one is being fetched.
    TokenExpiring,
    /// An upgrade was refused.
    Refused {
        /// The HTTP status.
        status: u16,
        /// What the server said.
        message: String,
    },
}

/// What the handle and the driver share.
pub(crate) struct Shared {
    pub(crate) machine: Mutex<Machine>,
    /// There is something new for the driver.
    pub(crate) news: Notify,
    pub(crate) states: watch::Sender<State>,
    pub(crate) events: broadcast::Sender<ClientEvent>,
}

/// Ends the client with the last of its kind.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) shared: Arc<Shared>,
}

impl Client {
    /// A client for an address, `ws://…` or `wss://…`.
    pub fn builder(address: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(address.into())
    }

    /// Waits until it is connected for the first time, or again.
    pub async fn ready(&self) -> Result<(), Error> {
        let mut states = self.states();
        let is_decided = |state: &State| *state == State::Connected || self.stopped().is_some();
        // The sender lives as long as this handle.
        let _ = states.wait_for(is_decided).await;
        self.stopped().map_or(Ok(()), |stopped| Err(Error::Closed(stopped)))
    }

    /// Where it is.
    pub fn state(&self) -> State {
        *self.lease.shared.states.borrow()
    }

    /// Where it is, now and whenever that changes.
    pub fn states(&self) -> watch::Receiver<State> {
        self.lease.shared.states.subscribe()
    }

    /// Errors, farewells and refusals from now on. Who does not fetch them misses the oldest.
    pub fn events(&self) -> broadcast::Receiver<ClientEvent> {
        self.lease.shared.events.subscribe()
    }

    /// Why it has stopped, once it has.
    pub fn stopped(&self) -> Option<Stopped> {
        self.lease.shared.machine.lock().stopped().cloned()
    }

    /// What is counted.
    pub fn metrics(&self) -> Metrics {
        let machine = self.lease.shared.machine.lock();
        let counts = machine.counts();
        drop(machine);
        Metrics {
            connected_at: counts.connected_at.map(wall),
            last_message_at: counts.last_message_at.map(wall),
            messages_sent: counts.sent,
            messages_received: counts.received,
            errors: counts.errors,
            reconnect_attempts: counts.attempts,
        }
    }

    /// Says goodbye with 1000 and ends. Calls that have no answer fail; subscriptions end.
    pub async fn close(&self) {
        self.lease.shared.change(|machine, now| machine.start_close("", now));
        let mut states = self.states();
        // The driver drops its socket once the server has answered, or has not in time.
        let _ = states.wait_for(|_| self.lease.shared.machine.lock().is_over()).await;
    }
}

impl Shared {
    /// Does something to the machine, and lets the driver look at it.
    pub(crate) fn change<T>(
        &self,
        change: impl FnOnce(&mut Machine, std::time::Instant) -> T,
    ) -> T {
        let outcome = change(&mut self.machine.lock(), Instant::now().into_std());
        self.news.notify_one();
        outcome
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("state", &*self.states.borrow()).finish_non_exhaustive()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.shared.change(|machine, now| machine.start_close("", now));
    }
}

/// By the wall's clock, as far as it went evenly since.
#[expect(
    clippy::disallowed_methods,
    reason = "for people who look at metrics, not for any decision"
)]
fn wall(at: std::time::Instant) -> SystemTime {
    let ago = Instant::now().into_std().saturating_duration_since(at);
    SystemTime::now().checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH)
}
