//! The engine between nodes.

use std::fmt;

use ws_broker::Status;
use ws_handler::Application;

use super::{Snapshots, page::Page};
use crate::metered::Call;

impl<A: Application> Snapshots<A> {
    pub(super) fn engine(&self, page: &mut Page<'_>) -> fmt::Result {
        let engine = &self.handler.config().engine;
        let up = [(engine.kind(), u64::from(engine.status() == Status::Up))];
        page.gauges("ws_broker_up", "1 while the engine is reached", "engine", &up)?;
        let counts = &self.engine;
        let publishes = "Messages to other nodes, by what became of them";
        page.counters(
            "ws_broker_publishes_total",
            publishes,
            "outcome",
            &counts.outcomes(Call::Publish),
        )?;
        let appends = "Messages to be kept, by what became of them";
        page.counters(
            "ws_broker_appends_total",
            appends,
            "outcome",
            &counts.outcomes(Call::Append),
        )?;
        page.counters(
            "ws_broker_reads_total",
            "Reads of logs",
            "outcome",
            &counts.outcomes(Call::Read),
        )?;
        let records = "Reads and changes of records, by what became of them";
        page.counters(
            "ws_broker_records_total",
            records,
            "outcome",
            &counts.outcomes(Call::Record),
        )?;
        let follows = "Topics and logs that were to be followed, by what became of it";
        page.counters(
            "ws_broker_follows_total",
            follows,
            "outcome",
            &counts.outcomes(Call::Follow),
        )?;
        page.counters(
            "ws_broker_errors_total",
            "Failed calls of the engine",
            "kind",
            &counts.failures(),
        )?;
        let received = "What came from the engine: messages of topics, entries of logs";
        page.counters("ws_broker_received_total", received, "kind", &counts.received())?;
        page.gauge("ws_broker_pending", "Calls whose answers are awaited", counts.pending())?;
        let reconnects = "How often the engine was back after it had been away";
        page.counter("ws_broker_reconnects_total", reconnects, counts.reconnects())
    }
}
