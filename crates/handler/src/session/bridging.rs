//! A connection that is a tunnel: let in like any other, and then somebody else's.

use ws_close_manager::SendableCode;
use ws_connection::{End, Event};
use ws_protocol::ErrorCode;
use ws_transport::{Replies, Wake};

use super::{GatewaySession, State};
use crate::{
    application::Application,
    end_reason::EndReason,
    expiry::{Due, Expiry},
    lifecycle,
    tunnels::{Bridge, TunnelOpening},
};

/// What a tunnel is while it lasts.
#[derive(Debug)]
pub(super) struct Bridged {
    pub(super) expiry: Option<Expiry>,
    bridge: Bridge,
}

impl Bridged {
    pub(super) fn is_ready(&self) -> bool {
        self.bridge.0.is_ready()
    }

    pub(super) fn handle_end(&mut self, end: End) {
        self.bridge.0.handle_end(end);
    }
}

impl<A: Application> GatewaySession<A> {
    /// Whether it is, or is to be, a tunnel: nothing is said to it in texts.
    pub(super) fn is_tunnel(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.tunnel.is_some())
    }

    /// Hands the connection over to whoever serves tunnels.
    pub(super) fn bridge(&mut self, replies: &mut Replies<'_>) {
        let policy = self.shared.in_force();
        let rare = self.rare.as_ref();
        let terms = rare.and_then(|rare| rare.tunnel);
        let path = rare.and_then(|rare| rare.path.clone());
        let target = path
            .and_then(|path| policy.types.target(&path).ok().flatten().and_then(|it| it.tunnel()));
        let (Some(target), Some(tunnels)) = (target, policy.tunnels.clone()) else {
            let reason = "There are no tunnels here";
            return self.end(EndReason::Tunnel, SendableCode::BAD_GATEWAY, reason, replies);
        };
        let opening = TunnelOpening {
            target: &target,
            client: self.client(),
            outbox: self.client().outbox().clone(),
            has_half_close: terms.is_some_and(|terms| terms.has_half_close),
        };
        match tunnels.open(opening) {
            Ok(session) => {
                lifecycle::tunnel_opened(self.client(), &target);
                let expiry = match &mut self.state {
                    State::Active { expiry } => expiry.take(),
                    _ => None,
                };
                self.state = State::Bridged(Box::new(Bridged { expiry, bridge: Bridge(session) }));
            }
            Err(refusal) => {
                lifecycle::tunnel_refused(self.client(), &target, &refusal.reason);
                self.end(EndReason::Tunnel, refusal.code, &refusal.reason, replies);
            }
        }
    }

    #[inline(never)]
    pub(super) fn handle_tunnel_event(&mut self, event: Event<'_>, replies: &mut Replies<'_>) {
        self.client().note_health(true);
        match event {
            Event::Pong { round_trip: Some(round_trip), .. } => {
                self.client().note_latency(round_trip);
                self.shared.counters.note_round_trip(round_trip);
            }
            Event::Failed(error) => {
                self.handle_failure(error);
                self.state = State::Ending;
                return;
            }
            _ => {}
        }
        if let State::Bridged(bridged) = &mut self.state {
            bridged.bridge.0.handle_event(event, replies);
        }
        self.note_tunnel_closing(replies);
    }

    /// Whether the wake is the session's own business as well.
    #[inline(never)]
    pub(super) fn handle_tunnel_wake(&mut self, wake: Wake, replies: &mut Replies<'_>) -> bool {
        if let State::Bridged(bridged) = &mut self.state {
            bridged.bridge.0.handle_wake(wake, replies);
        }
        match wake {
            Wake::Connection(_) | Wake::Timer => return true,
            // Channels and letters are for those who speak of them.
            Wake::Nudged => drop(self.client().take_orders()),
            Wake::Drained => {}
        }
        self.note_tunnel_closing(replies);
        false
    }

    /// A tunnel closes by itself when it is over.
    fn note_tunnel_closing(&self, replies: &Replies<'_>) {
        if replies.connection().is_closing() {
            self.client().note_end(EndReason::Tunnel);
        }
    }

    /// The token is told to nobody before it ends, and a tunnel cannot be given another.
    pub(super) fn handle_tunnel_expiry(&mut self, due: Option<Due>, replies: &mut Replies<'_>) {
        if due == Some(Due::End) {
            lifecycle::token_expired(self.client());
            let reason = ErrorCode::TokenExpired.sentence();
            self.end(EndReason::TokenExpired, SendableCode::UNAUTHORIZED, reason, replies);
        }
    }
}
