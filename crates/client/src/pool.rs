//! Connections that are shared: what one caller has done with, the next one with the same address
//! and token takes over.
//!
//! ```text
//!  get ──▶ waiting ──▶ opening ──▶ in use ──── guard dropped ──▶ idle ──▶ closing ──▶ gone
//!             │                      ▲                            │
//!             └──────────────────────┴──── same url and token ────┘
//! ```
//!
//! Who decides is [`slots`], which does no I/O; here are the waiting, the opening and the closing.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

pub use self::config::{PoolConfig, PoolError, PoolMetrics, Poolable};
pub use self::guard::Pooled;
use self::guard::Slot;
use self::place::Place;
use self::slots::{Action, Slots};

mod config;
mod guard;
mod place;
mod slots;

#[cfg(test)]
mod tests;

/// No wait is longer: what is configured must not carry a clock beyond its end.
const WAIT_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Connections by address and token, bounded for each host and in all.
///
/// Used within a tokio runtime. Dropping it closes what is idle at once, and what is in use when
/// it comes back.
pub struct Pool<C: Poolable> {
    shared: Arc<Shared<C>>,
}

type Opening<C> = Pin<Box<dyn Future<Output = Result<C, <C as Poolable>::Error>> + Send>>;

/// What the pool, its guards and its task have in common.
struct Shared<C: Poolable> {
    config: PoolConfig,
    open: Box<dyn Fn(String, String) -> Opening<C> + Send + Sync>,
    slots: Mutex<Slots<C, oneshot::Sender<Turn<C>>>>,
    /// Where connections are closed; known since the first call.
    runtime: OnceLock<Handle>,
    /// There may be a deadline where none was, or nobody is left to serve.
    news: Arc<Notify>,
    /// Nothing is closing any more.
    closed: Notify,
}

/// What a caller has waited for.
enum Turn<C: Poolable> {
    Ready(Pooled<C>),
    Open(Slot<C>),
}

impl<C: Poolable> Pool<C> {
    /// A pool that opens connections by `open`, which is given the url and the token.
    pub fn new<F, O>(config: PoolConfig, open: F) -> Self
    where
        F: Fn(String, String) -> O + Send + Sync + 'static,
        O: Future<Output = Result<C, C::Error>> + Send + 'static,
    {
        let shared = Shared {
            config,
            open: Box::new(move |url, token| Box::pin(open(url, token))),
            slots: Mutex::new(Slots::new(config)),
            runtime: OnceLock::new(),
            news: Arc::default(),
            closed: Notify::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// A connection to `url` by `token` for as long as the guard lives: an idle one, or a new one.
    /// Where there is no room, something idle makes way; where nothing is idle, those who ask
    /// wait in their order.
    ///
    /// # Errors
    ///
    /// Nothing came free or could be opened within `connection_timeout`, the connection failed, or
    /// the pool is closed.
    pub async fn get(&self, url: &str, token: &str) -> Result<Pooled<C>, PoolError<C::Error>> {
        self.shared.begin();
        let deadline = Instant::now() + self.shared.config.connection_timeout.min(WAIT_MAX);
        let (sender, receiver) = oneshot::channel();
        let ticket = self.shared.slots.lock().ask(Place::new(url, token), sender);
        let _ticket = Ticket { shared: &self.shared, ticket };
        self.shared.serve();
        let slot = match timeout_at(deadline, receiver).await {
            Ok(Ok(Turn::Ready(pooled))) => return Ok(pooled),
            Ok(Ok(Turn::Open(slot))) => slot,
            Ok(Err(_)) => return Err(PoolError::Closed),
            Err(_) => return Err(PoolError::Full),
        };
        let opening = (self.shared.open)(url.to_owned(), token.to_owned());
        match timeout_at(deadline, opening).await {
            Ok(Ok(connection)) => slot.fill(connection).ok_or(PoolError::Closed),
            Ok(Err(error)) => Err(PoolError::Open(error)),
            Err(_) => Err(PoolError::TimedOut),
        }
    }

    /// Closes all connections, those in use as well, and waits until they are closed. Who waits
    /// for one, or asks later, is refused.
    pub async fn close(&self) {
        self.shared.slots.lock().start_close();
        self.shared.serve();
        loop {
            let closed = self.shared.closed.notified();
            tokio::pin!(closed);
            closed.as_mut().enable();
            if self.shared.slots.lock().is_all_closed() {
                return;
            }
            closed.await;
        }
    }

    /// How much is open, idle and asked for.
    #[must_use]
    pub fn metrics(&self) -> PoolMetrics {
        self.shared.slots.lock().metrics()
    }
}

impl<C: Poolable> Drop for Pool<C> {
    fn drop(&mut self) {
        self.shared.slots.lock().start_retirement();
        self.shared.serve();
    }
}

impl<C: Poolable> fmt::Debug for Pool<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("config", &self.shared.config).finish_non_exhaustive()
    }
}

impl<C: Poolable> Shared<C> {
    /// Remembers the runtime, and starts the task that closes what is idle for long.
    fn begin(self: &Arc<Self>) {
        self.runtime.get_or_init(|| {
            let runtime = Handle::current();
            runtime.spawn(sweep(Arc::downgrade(self), Arc::clone(&self.news)));
            runtime
        });
    }

    /// Does what is to be done. Whatever changes the slots calls it, without the lock: what is
    /// handed over to somebody who has gone away comes back on the spot.
    fn serve(self: &Arc<Self>) {
        loop {
            let action = self.slots.lock().poll_action(Instant::now().into_std());
            let Some(action) = action else { return };
            match action {
                Action::Grant { waiter, id, connection } => {
                    let pooled = Pooled::new(Arc::clone(self), id, connection);
                    drop(waiter.send(Turn::Ready(pooled)));
                }
                Action::Open { waiter, place } => {
                    drop(waiter.send(Turn::Open(Slot::opening(Arc::clone(self), place))));
                }
                Action::Close { place, connection } => {
                    let slot = Slot::closing(Arc::clone(self), place);
                    self.close_in_background(slot, connection);
                }
                Action::Refuse { waiter } => drop(waiter),
            }
        }
    }

    fn close_in_background(&self, slot: Slot<C>, connection: Arc<C>) {
        let time_max = self.config.connection_timeout.min(WAIT_MAX);
        // Whatever was opened was asked for, and the runtime is known since then.
        let Some(runtime) = self.runtime.get() else { return };
        runtime.spawn(async move {
            // A peer that does not answer the closing keeps nobody waiting for its place.
            let _ = timeout(time_max, connection.close()).await;
            drop(slot);
        });
    }
}

impl<C: Poolable> Drop for Shared<C> {
    fn drop(&mut self) {
        self.news.notify_one();
    }
}

/// Closes what has been idle for long, as long as somebody has the pool or a guard of it.
async fn sweep<C: Poolable>(shared: Weak<Shared<C>>, news: Arc<Notify>) {
    loop {
        let Some(deadline) = shared.upgrade().map(|shared| shared.slots.lock().poll_timeout())
        else {
            return;
        };
        let due = async {
            match deadline {
                Some(deadline) => sleep_until(Instant::from_std(deadline)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = news.notified() => {}
            () = due => {
                let Some(shared) = shared.upgrade() else { return };
                shared.slots.lock().handle_timeout(Instant::now().into_std());
                shared.serve();
            }
        }
    }
}

/// Takes a caller who goes away out of the line.
struct Ticket<'a, C: Poolable> {
    shared: &'a Arc<Shared<C>>,
    ticket: u64,
}

impl<C: Poolable> Drop for Ticket<'_, C> {
    fn drop(&mut self) {
        self.shared.slots.lock().cancel(self.ticket);
    }
}
