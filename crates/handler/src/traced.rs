//! The steps of a trace: an upgrade, a hop over the engine, a delivery. Messages are in `session/traced.rs`.

use std::{
    net::IpAddr,
    pin::pin,
    time::{Instant, SystemTime},
};

use http::Request;
use ws_broker::{Answer, Appended, EngineError};
use ws_channels::ChannelName;
use ws_traces::{Kind, Step, TraceContext, Tracer, Within, current, enter};

use crate::{
    admission::Admission, application::Application, channels::Hub, handler::WebSocketHandler,
    rejection::Rejection,
};

impl<A: Application> WebSocketHandler<A> {
    /// Tells of traces from now on: of upgrades, messages, hops over the engine and deliveries. Without it, and before,
    /// what clients say of traces is not looked at. The first tracer stays; `false` if there is one already.
    pub fn trace_with(&self, tracer: Tracer) -> bool {
        self.shared.hub.tracer.set(tracer).is_ok()
    }

    /// Who tells of traces, if anybody does.
    pub fn tracer(&self) -> Option<&Tracer> {
        self.shared.hub.tracer.get()
    }

    /// Judges an upgrade, as a step of the trace that its header names, or of one that begins with it.
    pub(crate) async fn admit_traced(
        &self,
        request: &Request<()>,
        address: IpAddr,
        now: Instant,
    ) -> Result<Admission, Rejection> {
        let hub = &self.shared.hub;
        let Some(tracer) = hub.tracer.get() else {
            return self.shared.admit(request, address, now).await;
        };
        let mut headers = request.headers().get_all("traceparent").iter();
        // Two of them are none.
        let remote = match (headers.next(), headers.next()) {
            (Some(text), None) => text.to_str().ok().and_then(|it| TraceContext::parse(it).ok()),
            _ => None,
        };
        let mut step = tracer.begin("upgrade", Kind::Server, remote, hub.clock.wall(now));
        let admitting = pin!(self.shared.admit(request, address, now));
        let admitted = Within::new(step.context(), admitting).await;
        if step.is_recorded() {
            step.note("url.path", request.uri().path());
            step.note("client.address", address.to_string());
            match &admitted {
                Ok(admission) => {
                    let user_id = admission.identity().map(|identity| &*identity.user_id);
                    user_id.into_iter().for_each(|user_id| step.note("user.id", user_id));
                }
                Err(rejection) => step.fail(rejection.label()),
            }
        }
        hub.end(step);
        admitted
    }
}

impl Hub {
    pub(crate) fn wall(&self) -> SystemTime {
        self.clock.wall(tokio::time::Instant::now().into_std())
    }

    pub(crate) fn end(&self, step: Step) {
        if step.is_recorded() {
            step.end(self.wall());
        }
    }

    /// Something of a trace goes to the engine.
    pub(crate) fn hop(
        &self,
        trace: Option<TraceContext>,
        name: &'static str,
        channel: &ChannelName,
    ) -> Step {
        let (Some(_), Some(tracer)) = (trace, self.tracer.get()) else { return Step::NOTHING };
        let mut hop = tracer.begin_within(name, Kind::Producer, trace, self.wall());
        hop.note("messaging.system", self.cluster.engine.kind());
        hop.note("ws.channel", channel.as_str());
        hop
    }

    /// The engine has taken it, or has not.
    pub(crate) fn end_hop(&self, mut hop: Step, error: Option<&EngineError>) {
        if error.is_some() {
            hop.fail("the engine did not take it");
        }
        self.end(hop);
    }

    /// The hop is over when the engine has answered.
    pub(crate) fn until_kept(&self, mut hop: Step, answer: Answer<Appended>) -> Answer<Appended> {
        if !hop.is_recorded() {
            return answer;
        }
        let clock = self.clock.clone();
        Box::pin(async move {
            let appended = answer.await;
            if appended.is_err() {
                hop.fail("the engine did not keep it");
            }
            hop.end(clock.wall(tokio::time::Instant::now().into_std()));
            appended
        })
    }

    /// Something came over the engine and is delivered here. `deliver` answers to how many.
    pub(crate) fn arrived(
        &self,
        trace: Option<TraceContext>,
        channel: &ChannelName,
        deliver: impl FnOnce() -> usize,
    ) {
        let (Some(_), Some(tracer)) = (trace, self.tracer.get()) else {
            deliver();
            return;
        };
        let mut arrival = tracer.begin("broker receive", Kind::Consumer, trace, self.wall());
        arrival.note("messaging.system", self.cluster.engine.kind());
        arrival.note("ws.channel", channel.as_str());
        let entered = enter(arrival.context());
        self.delivered(channel, deliver);
        drop(entered);
        self.end(arrival);
    }

    /// Something is delivered here, of what is being done. `deliver` answers to how many, and so does this.
    pub(crate) fn delivered(
        &self,
        channel: &ChannelName,
        deliver: impl FnOnce() -> usize,
    ) -> usize {
        let (Some(trace), Some(tracer)) = (current(), self.tracer.get()) else { return deliver() };
        let mut delivery =
            tracer.begin_within("delivery", Kind::Internal, Some(trace), self.wall());
        let receivers = deliver();
        delivery.note("ws.channel", channel.as_str());
        delivery.note("ws.receivers", receivers);
        self.end(delivery);
        receivers
    }
}
