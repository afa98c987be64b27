//! Prometheus metrics of every component, read when they are asked for.
//!
//! Components count for themselves, each in the way that costs its path nothing; this collector
//! turns their snapshots into the text format, each area in a file of its own. Names follow
//! Prometheus' conventions (base units, `_total` on counters alone, the unit before it), and label
//! sets are closed: nothing that a client sends becomes a label.

mod back_ends;
mod channels;
mod connections;
mod drain;
mod ends;
mod engine;
mod inspector;
mod limits;
mod messages;
mod page;
mod process;
pub(crate) mod tls;
mod tokens;
mod tunnels;

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, text},
    registry::Registry,
};
use ws_handler::{Application, WebSocketHandler};

pub(crate) use self::limits::PastLimits;
pub(crate) use self::page::Page;
use self::process::Process;
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
        }));
        let mut metrics = Self { registry, engine, marker: std::marker::PhantomData };
        let process = Process::now();
        metrics.add(move |page| process.encode(page));
        metrics
    }

    /// Tells of something else as well, which is asked with each scrape.
    pub(crate) fn add(
        &mut self,
        part: impl Fn(&mut Page<'_>) -> fmt::Result + Send + Sync + 'static,
    ) {
        self.registry.register_collector(Box::new(Part(part)));
    }

    /// With what went through tunnels.
    #[must_use]
    pub fn with_tunnels(mut self, tunnels: ws_tunnel::Tunnels) -> Self {
        self.registry.register_collector(Box::new(tunnels::TunnelSnapshots(tunnels)));
        self
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

/// A part that was added.
struct Part<F>(F);

impl<F> fmt::Debug for Part<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part").finish_non_exhaustive()
    }
}

impl<F> Collector for Part<F>
where
    F: Fn(&mut Page<'_>) -> fmt::Result + Send + Sync + 'static,
{
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        (self.0)(&mut Page::of(encoder))
    }
}

struct Snapshots<A> {
    handler: WebSocketHandler<A>,
    outcomes: Arc<Outcomes>,
    engine: Arc<EngineCounts>,
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
        self.ends(&mut page)?;
        self.messages(&mut page)?;
        self.compression(&mut page)?;
        self.limits(&mut page)?;
        self.revocations(&mut page)?;
        self.tokens(&mut page)?;
        self.channels(&mut page)?;
        self.engine(&mut page)?;
        self.inspector(&mut page)?;
        self.back_ends(&mut page)
    }
}
