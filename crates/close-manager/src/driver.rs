//! Closing many on tokio's clock, over anything that can be closed.

use std::{
    collections::HashMap,
    hash::Hash,
    time::{Duration, Instant},
};

use tokio::sync::mpsc::UnboundedReceiver;
use tungstenite::protocol::CloseFrame;

use crate::{CloseOptions, CloseReport, GracefulCloseManager, Returns};

#[cfg(test)]
mod tests;

/// How [`close_all`] reaches a connection, usually through the queue of the task that owns it.
///
/// No call may block. `start_close` is called once at most, right behind `come_back` where the options say
/// when that is, then perhaps `force`, once at most; nothing is called after the connection was reported
/// [`Closed`].
pub trait Closable {
    /// Tell the peer to come back so long after the end, which is next.
    fn come_back(&self, _after: Duration) {}

    /// Write this close frame, and nothing after it.
    fn start_close(&self, frame: CloseFrame);

    /// Drop the transport now: the deadline has passed.
    fn force(&self);
}

/// A connection is gone, says the task that owned it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed<K> {
    /// Which.
    pub key: K,
    /// Whether the peer answered our close frame.
    pub acknowledged: bool,
}

/// How many connections are told before other tasks get a turn.
const TOLD_AT_ONCE: usize = 64;

/// Closes all these connections, one after the other as they are named, and returns when each has been reported through `closed` or forced.
/// That is by the deadline of `options` at the latest, whatever the peers and the tasks do.
///
/// Dropping the future stops it: who has not been told stays open.
pub async fn close_all<K, C>(
    connections: impl IntoIterator<Item = (K, C)>,
    options: &CloseOptions,
    closed: &mut UnboundedReceiver<Closed<K>>,
) -> CloseReport
where
    K: Clone + Eq + Hash,
    C: Closable,
{
    let connections: Vec<(K, C)> = connections.into_iter().collect();
    // They are told in the order in which they are named.
    let order: Vec<K> = connections.iter().map(|(key, _)| key.clone()).collect();
    let connections: HashMap<K, C> = connections.into_iter().collect();
    let mut manager = GracefulCloseManager::default();
    let started = clock();
    manager.close_all(order, options, started);
    let mut returns = options.returns.map(|pace| Returns::new(pace, connections.len(), started));
    loop {
        let now = clock();
        while let Ok(Closed { key, acknowledged }) = closed.try_recv() {
            manager.handle_closed(&key, acknowledged, now);
        }
        manager.handle_timeout(now);
        while let Some(key) = manager.poll_force(now) {
            if let Some(connection) = connections.get(&key) {
                connection.force();
            }
        }
        let mut told = 0;
        while told < TOLD_AT_ONCE
            && let Some((key, frame)) = manager.poll_close(now)
        {
            if let Some(connection) = connections.get(&key) {
                if let Some(returns) = &mut returns {
                    connection.come_back(returns.next(now));
                }
                connection.start_close(frame);
            }
            told += 1;
        }
        let Some(deadline) = manager.poll_timeout() else {
            return manager.report();
        };
        if told == TOLD_AT_ONCE {
            tokio::task::yield_now().await;
            continue;
        }
        match tokio::time::timeout_at(deadline.into(), closed.recv()).await {
            Ok(Some(Closed { key, acknowledged })) => {
                manager.handle_closed(&key, acknowledged, clock());
            }
            // All senders are gone. Whoever did not report has until the deadline all the same.
            Ok(None) => tokio::time::sleep_until(deadline.into()).await,
            Err(_elapsed) => {}
        }
    }
}

/// Through tokio, so that a test that pauses time moves this clock, too.
pub(crate) fn clock() -> Instant {
    tokio::time::Instant::now().into_std()
}
