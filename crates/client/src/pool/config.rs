//! The bounds of a pool, what it can hold, and what it says when it cannot help.

use std::future::Future;
use std::time::Duration;

/// How many connections a pool has, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    /// How many connections may be open at a time, those being opened and closed among them; zero
    /// counts as one.
    pub connections_max: usize,
    /// How many of them to one host and port, whatever the path and the token; zero counts as one.
    pub connections_per_host_max: usize,
    /// How long a call waits for a connection in all. A closing takes its place for as long at
    /// most.
    pub connection_timeout: Duration,
    /// How long a connection that nobody uses is kept; zero: not at all.
    pub idle_timeout: Duration,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            connections_max: 32,
            connections_per_host_max: 4,
            connection_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
        }
    }
}

/// What a pool can hold.
pub trait Poolable: Send + Sync + 'static {
    /// Why one could not be opened.
    type Error: std::error::Error + Send + 'static;

    /// Whether it can be given to the next one. Asked whenever it changes hands, under a lock: it
    /// must not block.
    fn is_healthy(&self) -> bool;

    /// Ends it. Called once, in a task of its own; it is dropped unfinished if it takes longer
    /// than `connection_timeout`.
    fn close(&self) -> impl Future<Output = ()> + Send;
}

/// A pool could not give out a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError<E> {
    /// As many are open as may, and none came free in time.
    #[error("as many connections are open as may, and none came free in time")]
    Full,
    /// None could be opened in time.
    #[error("no connection could be opened in time")]
    TimedOut,
    /// The pool is closed.
    #[error("the pool is closed")]
    Closed,
    /// None could be opened.
    #[error(transparent)]
    Open(E),
}

/// What a pool has at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolMetrics {
    /// Connections that take a place: opening, in use, idle or closing.
    pub open: usize,
    /// Those that nobody uses.
    pub idle: usize,
    /// Calls that wait for a place.
    pub waiting: usize,
}
