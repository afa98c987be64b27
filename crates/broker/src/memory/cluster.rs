//! Several nodes in one process.

use std::{
    fmt,
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;

use super::{Memory, MemoryConfig, hub::Hub, stats::MemoryStats};

/// A memory engine with several nodes, for tests: what takes a server and a network otherwise happens
/// at once, and goes wrong on command.
///
/// All nodes together go [down](Self::set_down) and [up](Self::set_up) as if the server was stopped and
/// started; single ones by the switches that [`Memory`] has for that.
pub struct MemoryCluster {
    hub: Arc<Hub>,
    nodes: Mutex<Vec<Weak<Memory>>>,
    /// Why it is away.
    down: Mutex<Option<Arc<str>>>,
}

impl MemoryCluster {
    /// No node yet.
    #[must_use]
    pub fn new() -> Self {
        Self::with_config(MemoryConfig::default())
    }

    /// No node yet, with other bounds.
    #[must_use]
    pub fn with_config(config: MemoryConfig) -> Self {
        Self { hub: Arc::new(Hub::new(config)), nodes: Mutex::default(), down: Mutex::default() }
    }

    /// Another node; down if the engine is.
    #[must_use]
    pub fn node(&self) -> Arc<Memory> {
        let node = Arc::new(Memory::behind(Arc::clone(&self.hub), true));
        let mut nodes = self.nodes.lock();
        nodes.retain(|node| node.strong_count() > 0);
        nodes.push(Arc::downgrade(&node));
        if let Some(reason) = &*self.down.lock() {
            node.set_down(reason);
        }
        node
    }

    /// The engine is away for all nodes.
    pub fn set_down(&self, reason: &str) {
        *self.down.lock() = Some(reason.into());
        self.each(|node| node.set_down(reason));
    }

    /// The engine is back, with all that it had.
    pub fn set_up(&self) {
        *self.down.lock() = None;
        self.each(Memory::set_up);
    }

    /// Moves the engine's clock: what is older than it may be is gone, and nobody waited.
    pub fn advance(&self, time: Duration) {
        self.hub.clock.advance(time);
    }

    /// All logs are forgotten, as those of an engine that keeps them in memory are when it dies.
    pub fn forget(&self) {
        self.hub.forget_logs();
    }

    /// What it holds, and what it did.
    #[must_use]
    pub fn stats(&self) -> MemoryStats {
        self.hub.stats()
    }

    fn each(&self, act: impl Fn(&Memory)) {
        let nodes: Vec<_> = self.nodes.lock().iter().filter_map(Weak::upgrade).collect();
        nodes.iter().for_each(|node| act(node));
    }
}

impl Default for MemoryCluster {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryCluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryCluster").field("nodes", &self.nodes).finish_non_exhaustive()
    }
}
