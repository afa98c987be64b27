//! Messages of which somebody wants to know what became of them.

use ws_channels::ChannelName;
use ws_protocol::{ClientMessage, Incoming};
use ws_traces::{Kind, Step, TraceContext, enter};
use ws_transport::Replies;

use super::GatewaySession;
use crate::{application::Application, policy::InForce};

impl<A: Application> GatewaySession<A> {
    /// Routes a message as a step of the trace that it names, or of one that begins with it.
    #[cold]
    pub(super) fn route_traced(
        &mut self,
        incoming: &Incoming<'_>,
        bytes: usize,
        in_force: &InForce,
        replies: &mut Replies<'_>,
    ) {
        let mut step = self.message_step(incoming);
        if step.is_recorded() {
            step.note("ws.message.bytes", bytes);
            step.note("ws.connection.id", self.client().id().to_string());
            if let Some(user_id) = self.client().user_id() {
                step.note("user.id", &*user_id);
            }
            if let Some(channel) = channel_of(&incoming.message) {
                step.note("ws.channel", channel);
            }
        }
        let entered = enter(step.context());
        self.route(incoming, in_force, replies);
        drop(entered);
        self.shared.hub.end(step);
    }

    /// What is no `traceparent` begins a trace of its own, as the standard has it.
    fn message_step(&self, incoming: &Incoming<'_>) -> Step {
        let hub = &self.shared.hub;
        let Some(tracer) = hub.tracer.get() else { return Step::NOTHING };
        let remote = incoming.traceparent.as_deref();
        let remote = remote.and_then(|text| TraceContext::parse(text).ok());
        let name = incoming.message.client_type().name();
        tracer.begin(name, Kind::Server, remote, hub.wall())
    }

    /// Delivers what was published so far, what belongs to a trace last: its own step is this.
    #[cold]
    pub(super) fn deliver_traced(&mut self, channel: &ChannelName) {
        let Some(batch) = self.outgoing.take() else { return };
        let hub = &self.shared.hub;
        hub.delivered(channel, || hub.deliver_batch(batch));
    }
}

fn channel_of<'m>(message: &'m ClientMessage<'_>) -> Option<&'m str> {
    match message {
        ClientMessage::Subscribe { channel, .. }
        | ClientMessage::Unsubscribe { channel }
        | ClientMessage::Presence { channel } => Some(channel),
        ClientMessage::Publish(publication) => Some(&publication.channel),
        ClientMessage::JoinRoom { room_id }
        | ClientMessage::LeaveRoom { room_id }
        | ClientMessage::RoomMessage { room_id, .. }
        | ClientMessage::Typing { room_id } => Some(room_id),
        ClientMessage::Auth(_)
        | ClientMessage::Request { .. }
        | ClientMessage::Chat { .. }
        | ClientMessage::Ack { .. }
        | ClientMessage::Ping
        | ClientMessage::Pong
        | ClientMessage::Heartbeat
        | ClientMessage::Custom(_) => None,
    }
}
