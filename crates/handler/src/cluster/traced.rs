//! Messages to users as steps of a trace: the hop to other nodes, the arrival there, the delivery.

use ws_connection::Prepared;
use ws_traces::{Kind, Step, TraceContext, enter};

use crate::{application::Application, handler::Shared};

impl<A: Application> Shared<A> {
    /// Something of a trace goes to the nodes that have a user.
    pub(super) fn hop_to_user(&self, trace: Option<TraceContext>) -> Step {
        self.step_within("broker publish", Kind::Producer, trace)
    }

    /// Something for a user came from another node, with the context of its hop if that is recorded. Answers how
    /// many connections took it.
    pub(super) fn arrived_for_user(
        &self,
        traceparent: Option<&str>,
        user_id: &str,
        message: Prepared,
    ) -> usize {
        let trace = traceparent.and_then(|text| TraceContext::parse(text).ok());
        let arrival = self.step_within("broker receive", Kind::Consumer, trace);
        let entered = enter(arrival.context());
        let count = self.deliver_to_user(arrival.context(), user_id, message);
        drop(entered);
        self.hub.end(arrival);
        count
    }

    /// Something is delivered to the connections of a user here; answers how many took it.
    pub(crate) fn deliver_to_user(
        &self,
        trace: Option<TraceContext>,
        user_id: &str,
        message: Prepared,
    ) -> usize {
        let (Some(_), Some(tracer)) = (trace, self.hub.tracer.get()) else {
            return self.send_to_user(user_id, message);
        };
        let mut delivery = tracer.begin_within("delivery", Kind::Internal, trace, self.hub.wall());
        let receivers = self.send_to_user(user_id, message);
        if receivers > 0 {
            delivery.note("ws.receivers", receivers);
            self.hub.end(delivery);
        }
        receivers
    }

    fn step_within(&self, name: &'static str, kind: Kind, trace: Option<TraceContext>) -> Step {
        let (Some(_), Some(tracer)) = (trace, self.hub.tracer.get()) else { return Step::NOTHING };
        let mut step = tracer.begin_within(name, kind, trace, self.hub.wall());
        step.note("messaging.system", self.cluster.engine.kind());
        step
    }
}
