//! One connection's session: greeting, routing, limits, end.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use ws_auth::Identity;
use ws_channels::{ChannelName, Grants};
use ws_close_manager::SendableCode;
use ws_connection::{End, Event, ProtocolError, Timeout};
use ws_protocol::{Correlation, ErrorCode, Id, MissedRange, ServerMessage};
use ws_rate_limiter::{Strikes, TierId};
use ws_transport::{Missed, Observer, Replies, Session, Wake};

use crate::{
    admission::{Place, TunnelTerms},
    application::Application,
    channels::{Bearer, Member, Subscriber, delivery::Batch},
    client::Client,
    clock::millis,
    end_reason::EndReason,
    expiry::{Due, Expiry},
    handler::Shared,
    lifecycle,
    policy::{InForce, Policy},
};

mod appending;
mod authentication;
mod bridging;
mod directing;
mod ending;
mod entering;
mod letters;
mod promise;
mod publishing;
mod recovering;
mod routing;
mod showing;
mod subscribing;
mod traced;
mod waiting;

use authentication::Verification;
use bridging::Bridged;
use letters::Mail;
use recovering::Recovery;
use waiting::Waiting;

/// The handler's side of one connection; made by
/// [`WebSocketHandler::serve`](crate::WebSocketHandler::serve).
#[derive(Debug)]
pub struct GatewaySession<A: Application> {
    shared: Arc<Shared<A>>,
    /// What it is subscribed to, and the client itself.
    subscriber: Subscriber,
    state: State,
    identity: Option<Arc<Identity>>,
    /// What it has published and is not delivered yet; none between two reads.
    outgoing: Option<Box<Batch>>,
    rare: Option<Box<Rare>>,
    /// The user's key and tier in the message limiter.
    limit_key: u64,
    tier: TierId,
    /// The policy by which its last message went. Let go of with the next sign of the heartbeat, so that nobody who
    /// says nothing keeps one that has been replaced.
    in_force: Option<Arc<InForce>>,
    /// The application knows of the connection, and wants to know of its end.
    is_started: bool,
    /// Its user's connections are counted on all nodes, and it is one of them.
    is_counted: bool,
    /// The end has been told to whoever wants to know of it.
    is_over: bool,
    _place: Place,
}

/// What few sessions have.
#[derive(Debug, Default)]
struct Rare {
    /// None while the limits were kept to, as nearly all do.
    strikes: Option<Box<Strikes>>,
    /// What the token leaves of what rules allow, if it says anything about channels.
    grants: Option<Grants>,
    waiting: Option<Box<Waiting>>,
    /// The path of the upgrade, if a connection type may mean it.
    path: Option<Arc<str>>,
    /// The channels of that path, until it is in them.
    path_channels: VecDeque<ChannelName>,
    /// The channels that the application put it into, whatever rules and token allow.
    ordered: Vec<ChannelName>,
    /// Held for as long as it lives.
    place: Option<ws_channels::Place<Member>>,
    /// Channels in which it is sent what it has missed, one after the other.
    recoveries: VecDeque<Recovery>,
    /// What was kept for its user, if anything was.
    mail: Option<Box<Mail>>,
    /// What was agreed upon, if it is to be a tunnel.
    tunnel: Option<TunnelTerms>,
}

/// What an admission gives to the session that it begins.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) identity: Option<Arc<Identity>>,
    pub(crate) place: Place,
    pub(crate) pending: Option<(Place, Duration)>,
    /// The path of the upgrade, if a connection type means it.
    pub(crate) path: Option<Arc<str>>,
    pub(crate) tunnel: Option<TunnelTerms>,
}

/// ```text
///   ┌─────────┐ auth message   ┌───────────┐ keys fetched   ┌────────┐
///   │ waiting │ ─────────────▶ │ verifying │ ─────────────▶ │ active │ ◀── token with the upgrade
///   └────┬────┘ (keys at hand: straight to active)          └───┬────┘
///        │ deadline, anything else, bad token                   │ close, expiry, limits
///        ▼                                                      ▼
///   ┌────────────────────────────────────────────────────────────────┐
///   │ ending: nothing that arrives is looked at                      │
///   └────────────────────────────────────────────────────────────────┘
/// ```
#[derive(Debug)]
enum State {
    /// The first message must authenticate.
    Waiting {
        deadline: Instant,
        pending: Place,
    },
    /// The token's keys are being fetched; nothing is read meanwhile.
    Verifying(Box<Verification>),
    /// Served. Nobody has to authenticate where there is no identity.
    Active {
        expiry: Option<Expiry>,
    },
    /// A tunnel: what arrives is for somebody else.
    Bridged(Box<Bridged>),
    Ending,
}

impl<A: Application> GatewaySession<A> {
    /// Registers the connection and says what its first message is. None for a connection that is
    /// closed at once: its user has too many.
    pub(crate) fn open(
        shared: Arc<Shared<A>>,
        client: Arc<Client>,
        opening: Opening,
        now: Instant,
    ) -> (Self, Option<Vec<u8>>) {
        let Opening { identity, place, pending, path, tunnel } = opening;
        // As it was judged at the door, whatever the policy says by now.
        let state = match pending {
            Some((pending, timeout)) => State::Waiting { deadline: now + timeout, pending },
            None => State::Active { expiry: None },
        };
        shared.registry.insert(client.clone());
        // Until it is known who it is, the address is what limits go by.
        let limit_key = shared.keys.hash_one(ws_rate_limiter::ip_key(client.address()));
        let tier = TierId::default();
        let table = shared.hub.table.clone();
        let mut session = Self {
            shared,
            subscriber: Subscriber::new(table, client),
            state,
            identity: None,
            outgoing: None,
            rare: path.map(|path| Box::new(Rare { path: Some(path), tunnel, ..Rare::default() })),
            limit_key,
            tier,
            in_force: None,
            is_started: false,
            is_counted: false,
            is_over: false,
            _place: place,
        };
        // After the registration: a drain lists whoever is registered when it starts, and whoever
        // registers later sees here that it has.
        if session.shared.draining.load(Ordering::Relaxed) {
            session.turn_away(SendableCode::RESTART, ErrorCode::ShuttingDown);
            return (session, None);
        }
        if let Some(identity) = identity
            && session.register(identity.clone(), now).is_err()
        {
            lifecycle::too_many(session.client(), &identity.user_id);
            session.turn_away(SendableCode::POLICY, ErrorCode::TooManyConnections);
            return (session, None);
        }
        if session.is_revoked(now) {
            session.turn_away(SendableCode::UNAUTHORIZED, ErrorCode::TokenRevoked);
            return (session, None);
        }
        if matches!(session.state, State::Active { .. }) {
            if session.shared.in_force().gatekeeper.is_some()
                || session.rare.is_some()
                || session.is_to_be_counted()
            {
                // There is more to ask and to tell than fits into a greeting.
                session.enter_soon();
                session.show_opening(None);
                return (session, None);
            }
            session.start(None);
        }
        lifecycle::connected(session.client());
        let greeting = session.greeting(now);
        session.show_opening(Some(&greeting));
        (session, Some(greeting))
    }

    /// Closes a connection that was accepted only to be told why it is not served.
    fn turn_away(&mut self, code: SendableCode, why: ErrorCode) {
        self.state = State::Ending;
        self.client().close_for(EndReason::of_refusal(why), code, why.sentence());
    }

    fn client(&self) -> &Arc<Client> {
        self.subscriber.member()
    }

    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    fn bearer(&self) -> Bearer<'_> {
        let grants = self.rare.as_ref().and_then(|rare| rare.grants.as_ref());
        Bearer { identity: self.identity.as_deref(), grants }
    }

    fn is_ending(&self) -> bool {
        matches!(self.state, State::Ending)
    }

    /// Tells the application, once it is known who is there.
    fn start(&mut self, device: Option<&str>) {
        self.is_started = true;
        self.client().note_welcome();
        self.shared.application.handle_connect(self.client());
        self.look_for_letters(device);
    }

    fn greeting(&self, now: Instant) -> Vec<u8> {
        let client_id = self.client().id().to_string();
        let user_id = self.client().user_id();
        let message = ServerMessage::Connected {
            client_id: &client_id,
            user_id: user_id.as_deref(),
            heartbeat_ms: self.shared.in_force().heartbeat_ms,
        };
        let mut text = Vec::with_capacity(192);
        message.encode(None, self.shared.clock.wall_ms(now), &mut text);
        text
    }

    fn send(&self, message: &ServerMessage<'_>, id: Option<Id<'_>>, replies: &mut Replies<'_>) {
        let timestamp = self.shared.clock.wall_ms(replies.now());
        // A connection that is closing has nobody to tell.
        let _ = replies.send_text_with(|out| message.encode(id, timestamp, out));
    }

    fn send_error(
        &self,
        code: ErrorCode,
        retry_after: Option<Duration>,
        id: Option<Id<'_>>,
        request_id: Option<Id<'_>>,
        replies: &mut Replies<'_>,
    ) {
        self.shared.counters.errors.add(code as usize);
        // Rounded up: whoever waits as long as it is told must not come too early.
        let retry_after_ms = retry_after.map(|it| it.as_nanos().div_ceil(1_000_000).max(1) as u64);
        let message = code.sentence().into();
        let error = ServerMessage::Error { code, message, request_id, retry_after_ms };
        self.send(&error, id, replies);
    }

    /// Starts the closing handshake, and notes why.
    fn end(&mut self, why: EndReason, code: SendableCode, reason: &str, replies: &mut Replies<'_>) {
        self.state = State::Ending;
        self.client().note_end(why);
        replies.start_close(code, reason);
    }

    /// The policy that is in force, for one message; to be put back behind it. Nearly always the one that was put
    /// back last: then a number was compared.
    #[inline]
    fn take_policy(&mut self) -> Arc<InForce> {
        match self.in_force.take() {
            Some(known) if self.shared.rulebook.is_in_force(&known) => known,
            _ => self.find_policy(),
        }
    }

    #[cold]
    fn find_policy(&mut self) -> Arc<InForce> {
        let in_force = self.shared.rulebook.to_keep();
        self.find_tier(&in_force);
        in_force
    }

    /// The limit is elsewhere: this is the line in the log that says who comes near it.
    fn note_size(&self, policy: &Policy, len: usize) {
        let sizes = policy.connection.sizes();
        if len as u64 > sizes.warn() {
            lifecycle::large_message(self.client(), len, sizes.max());
        }
    }

    fn handle_failure(&self, error: ProtocolError) {
        if let ProtocolError::TooLarge(too_large) = error {
            let user_id = self.client().user_id();
            let connection_id = self.client().id().to_string();
            self.shared.config.validator.record_violation(
                too_large,
                user_id.as_deref(),
                &connection_id,
            );
        }
        lifecycle::protocol_violation(self.client(), &error);
    }

    fn handle_deadline(&mut self, replies: &mut Replies<'_>) {
        let now = replies.now();
        match &mut self.state {
            State::Waiting { deadline, .. } => {
                let deadline = *deadline;
                self.judge_silence(deadline, replies);
            }
            State::Verifying(verification) => match verification.deadline {
                Some(deadline) => self.judge_silence(deadline, replies),
                None => {
                    let due =
                        verification.previous.as_mut().and_then(|expiry| expiry.take_due(now));
                    self.handle_expiry(due, replies);
                }
            },
            State::Active { expiry } => {
                let due = expiry.as_mut().and_then(|expiry| expiry.take_due(now));
                self.handle_expiry(due, replies);
            }
            State::Bridged(bridged) => {
                let due = bridged.expiry.as_mut().and_then(|expiry| expiry.take_due(now));
                self.handle_tunnel_expiry(due, replies);
            }
            State::Ending => {}
        }
    }

    fn judge_silence(&mut self, deadline: Instant, replies: &mut Replies<'_>) {
        if replies.now() >= deadline {
            lifecycle::auth_timeout(self.client());
            self.send_error(ErrorCode::AuthTimeout, None, None, None, replies);
            let reason = ErrorCode::AuthTimeout.sentence();
            self.end(EndReason::AuthTimeout, SendableCode::POLICY, reason, replies);
        }
    }

    /// A slow client is told what it goes without.
    fn tell_missed(&self, missed: &Missed, replies: &mut Replies<'_>) {
        let epoch;
        let range = match missed.range {
            Some((of, from_offset, to_offset)) => {
                epoch = of.to_string();
                Some(MissedRange { epoch: &epoch, from_offset, to_offset })
            }
            None => None,
        };
        let (channel, dropped) = (&*missed.channel, missed.dropped);
        self.send(&ServerMessage::Gap { channel, dropped, range }, None, replies);
    }

    /// What is at hand and has not been sent goes when everything before it has left.
    fn go_on_sending(&self, replies: &mut Replies<'_>) {
        let has_letters = |rare: &Rare| rare.mail.as_ref().is_some_and(|mail| mail.has_letters());
        if self.rare.as_ref().is_some_and(|rare| has_letters(rare)) || self.has_page() {
            replies.send_more_later();
        }
    }

    fn handle_expiry(&mut self, due: Option<Due>, replies: &mut Replies<'_>) {
        match due {
            Some(Due::Warning) => {
                let expires_at = self.client().identity().and_then(|identity| identity.expires_at);
                let expires_at = expires_at.map_or(0, millis);
                self.send(&ServerMessage::TokenExpiring { expires_at }, None, replies);
            }
            Some(Due::End) => {
                lifecycle::token_expired(self.client());
                self.send_error(ErrorCode::TokenExpired, None, None, None, replies);
                let reason = ErrorCode::TokenExpired.sentence();
                self.end(EndReason::TokenExpired, SendableCode::UNAUTHORIZED, reason, replies);
            }
            None => {}
        }
    }
}

impl<A: Application> Session for GatewaySession<A> {
    fn handle_event(&mut self, event: Event<'_>, replies: &mut Replies<'_>) {
        match &mut self.state {
            State::Ending => return,
            State::Bridged(_) => {
                self.in_force = None;
                return self.handle_tunnel_event(event, replies);
            }
            State::Waiting { .. } | State::Verifying(_) | State::Active { .. } => {}
        }
        self.client().note_health(true);
        match event {
            Event::Text(text) => {
                // Once for all that is asked about it.
                let in_force = self.take_policy();
                self.note_size(&in_force, text.len());
                self.handle_text(text, &in_force, replies);
                self.in_force = Some(in_force);
            }
            Event::Binary(bytes) => {
                let in_force = self.take_policy();
                self.note_size(&in_force, bytes.len());
                let cost = in_force.limits.costs.of(None, bytes.len());
                if self.is_permitted(&in_force, cost, &Correlation::default(), replies) {
                    self.send_error(ErrorCode::BadJson, None, None, None, replies);
                }
                self.in_force = Some(in_force);
            }
            Event::Pong { round_trip: Some(round_trip), .. } => {
                self.in_force = None;
                self.client().note_latency(round_trip);
                self.shared.counters.note_round_trip(round_trip);
            }
            Event::Failed(error) => {
                self.handle_failure(error);
                self.state = State::Ending;
            }
            Event::Close(_) => self.state = State::Ending,
            // Who says no more than that is not pinged.
            Event::Ping(_) | Event::Pong { round_trip: None, .. } => self.in_force = None,
        }
    }

    fn handle_wake(&mut self, wake: Wake, replies: &mut Replies<'_>) {
        if let State::Bridged(_) = self.state
            && !self.handle_tunnel_wake(wake, replies)
        {
            return;
        }
        match wake {
            Wake::Connection(Timeout::PingSent) => {
                self.in_force = None;
                self.shared.counters.pings.count();
                self.client().note_health(replies.connection().is_healthy());
                if self.shared.in_force().json_ping && !self.is_tunnel() {
                    self.send(&ServerMessage::Ping, None, replies);
                }
            }
            Wake::Connection(Timeout::Dead) => {
                let stats = replies.connection().heartbeat_stats(replies.now());
                lifecycle::dead(self.client(), stats);
            }
            Wake::Connection(Timeout::Idle) => {
                lifecycle::idle(self.client());
                self.client().note_end(EndReason::Idle);
            }
            Wake::Connection(Timeout::CloseOverdue) => {}
            Wake::Timer => self.handle_deadline(replies),
            Wake::Nudged => {
                if replies.connection().is_closing() {
                    // Somebody has closed it while it waited: nothing comes of that any more.
                    self.state = State::Ending;
                }
                self.handle_verdict(replies);
                self.go_on(replies);
                self.handle_orders(replies);
                self.go_on_sending(replies);
            }
            // Nothing that is read for it leaves any more.
            Wake::Drained if replies.connection().is_closing() => {}
            Wake::Drained => {
                self.send_letters(replies);
                self.send_page(replies);
                self.go_on_sending(replies);
            }
        }
    }

    fn handle_caught_up(&mut self, _replies: &mut Replies<'_>) {
        self.deliver_outgoing();
    }

    fn handle_missed(&mut self, missed: &Missed, replies: &mut Replies<'_>) {
        self.tell_missed(missed, replies);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Waiting { deadline, .. } => Some(*deadline),
            State::Verifying(verification) => {
                let previous = verification.previous.as_ref();
                verification.deadline.or(previous.map(Expiry::poll_timeout))
            }
            State::Active { expiry } => expiry.as_ref().map(Expiry::poll_timeout),
            State::Bridged(bridged) => bridged.expiry.as_ref().map(Expiry::poll_timeout),
            State::Ending => None,
        }
    }

    fn observer(&self) -> Option<Arc<dyn Observer>> {
        let shared = &self.shared;
        if shared.tap.is_open() { shared.tap.observer(self.client(), &shared.clock) } else { None }
    }

    fn is_ready(&self) -> bool {
        match &self.state {
            State::Verifying(_) => false,
            State::Bridged(bridged) => bridged.is_ready(),
            State::Waiting { .. } | State::Active { .. } | State::Ending => !self.is_waiting(),
        }
    }

    fn handle_end(&mut self, end: End) {
        self.finish(&end);
    }
}
