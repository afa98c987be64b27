//! What one viewer has the inspector look at: a trace, and the rates of connections.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};
use ws_handler::Application;

use super::{Inner, ask::Fields, door::Visitor, fault::Fault};
use crate::inspector::{Gauge, NoTrace, Selection, Trace, shown};

/// Nothing is counted any longer once nobody has asked for so long.
const PATIENCE: Duration = Duration::from_secs(10);
/// As many lines as are told at once.
const LINES_MAX: usize = 64;

/// Ends with the viewer.
#[derive(Debug, Default)]
pub(super) struct Watching {
    trace: Option<Trace>,
    counting: Option<Counting>,
}

#[derive(Debug)]
struct Counting {
    gauge: Gauge,
    until: Instant,
}

impl Watching {
    /// What is to be told; never anything while nothing is traced. May be dropped and asked again.
    pub(super) async fn next(&mut self) -> Value {
        loop {
            let until = self.counting.as_ref().map(|counting| counting.until);
            tokio::select! {
                lines = Self::lines(&mut self.trace) => return lines,
                () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => {
                    self.counting = None;
                }
            }
        }
    }

    async fn lines(trace: &mut Option<Trace>) -> Value {
        let Some(tracing) = trace else { return std::future::pending().await };
        let mut lines = Vec::new();
        if let Some(first) = tracing.next().await {
            lines.push(shown(&first));
            while lines.len() < LINES_MAX
                && let Some(more) = tracing.next_at_hand()
            {
                lines.push(shown(&more));
            }
            return json!({ "type": "traced", "lines": lines, "state": tracing.state("state") });
        }
        let state = tracing.state("end");
        *trace = None;
        json!({ "type": "traced", "lines": lines, "state": state })
    }

    pub(super) fn stop(&mut self) -> Value {
        let state = self.trace.take().map(|trace| trace.state("end"));
        json!({ "type": "untraced", "state": state })
    }
}

impl<A: Application> Inner<A> {
    pub(super) fn trace(
        &self,
        fields: &Fields,
        visitor: &Visitor,
        watching: &mut Watching,
    ) -> Result<Value, Fault> {
        // The place of the one before is free for this one.
        watching.trace = None;
        let started = Trace::start(&self.handler, &fields.parameters(), visitor.address);
        let trace = started.map_err(|error| match error {
            NoTrace::Misread(misread) => Fault::of_misread(&misread),
            NoTrace::Watch(error) => Fault::of_watch(error),
        })?;
        let beginning = trace.beginning();
        watching.trace = Some(trace);
        Ok(json!({ "type": "tracing", "trace": beginning }))
    }

    /// The rates are those since this viewer has asked before; at first there are none.
    pub(super) async fn inspect(
        self: &Arc<Self>,
        fields: &Fields,
        watching: &mut Watching,
    ) -> Result<Value, Fault> {
        let selection = Selection::read(&fields.parameters());
        let selection = selection.map_err(|misread| Fault::of_misread(&misread))?;
        let counting = watching.counting.get_or_insert_with(|| {
            let gauge = Gauge::start(&self.handler);
            Counting { gauge, until: Instant::now() }
        });
        counting.until = Instant::now() + PATIENCE;
        let rates = counting.gauge.read();
        let looked = self.look(move |handler| selection.run(handler, &rates)).await;
        let mut answer = looked.ok_or(Fault::INTERNAL)?;
        answer["type"] = "inspected".into();
        Ok(answer)
    }
}
