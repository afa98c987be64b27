//! Prometheus metrics of every component, read when they are asked for.
//!
//! Components count for themselves, each in the way that costs its path nothing; this collector
//! turns their snapshots into the text format, each area in a file of its own. Names follow
//! Prometheus' conventions (base units, `_total` on counters alone, the unit before it), and label
//! sets are closed: nothing that a client sends becomes a label.

mod back_ends;
mod channels;
mod connections;
mod engine;
mod limits;
mod messages;
mod page;
mod process;
mod tokens;

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, text},
    registry::Registry,
};
use ws_handler::{Application, WebSocketHandler};

use self::{page::Page, process::Process};
use crate::{metered::EngineCounts, outcomes::Outcomes};

/// The metrics of one gateway.
pub struct Metrics<A> {
    registry: Registry,
    engine: Arc<EngineCounts>,
    marker: std::marker::PhantomData<fn() -> A>,
}

impl<A> fmt::Debug for Metrics<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl<A: Application> Metrics<A> {
    /// Metrics over what the handler, its upstream and its engine count.
    pub fn new(
        handler: WebSocketHandler<A>,
        outcomes: Arc<Outcomes>,
        engine: Arc<EngineCounts>,
    ) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Snapshots {
            handler,
            outcomes,
            engine: engine.clone(),
            process: Process::now(),
        }));
        Self { registry, engine, marker: std::marker::PhantomData }
    }

    /// What the engine did.
    pub(crate) fn engine(&self) -> &EngineCounts {
        &self.engine
    }

    /// The text that Prometheus scrapes.
    pub fn encode(&self) -> String {
        let mut text = String::with_capacity(16 * 1024);
        // Writing to a string does not fail.
        let _ = text::encode(&mut text, &self.registry);
        text
    }
}

struct Snapshots<A> {
    handler: WebSocketHandler<A>,
    outcomes: Arc<Outcomes>,
    engine: Arc<EngineCounts>,
    process: Process,
}

impl<A> fmt::Debug for Snapshots<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshots").finish_non_exhaustive()
    }
}

impl<A: Application> Collector for Snapshots<A> {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page::of(encoder);
        self.connections(&mut page)?;
        self.messages(&mut page)?;
        self.compression(&mut page)?;
        self.limits(&mut page)?;
        self.tokens(&mut page)?;
        self.channels(&mut page)?;
        self.engine(&mut page)?;
        self.back_ends(&mut page)?;
        self.process.encode(&mut page)
    }
}
