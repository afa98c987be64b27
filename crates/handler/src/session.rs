//! One connection's session: greeting, routing, limits, end.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use ws_auth::Identity;
use ws_close_manager::SendableCode;
use ws_connection::{End, Event, ProtocolError, Timeout};
use ws_protocol::{ClientMessage, Correlation, ErrorCode, Id, Incoming, ServerMessage};
use ws_rate_limiter::{Strikes, TierId, Verdict};
use ws_transport::{Replies, Session, Wake};

use crate::{
    admission::Place,
    application::{Application, Responder},
    client::Client,
    clock::millis,
    config::AuthMode,
    expiry::{Due, Expiry},
    handler::Shared,
    lifecycle,
};

mod authentication;
mod ending;

use authentication::Verification;

/// The handler's side of one connection; made by
/// [`WebSocketHandler::serve`](crate::WebSocketHandler::serve).
#[derive(Debug)]
pub struct GatewaySession<A: Application> {
    shared: Arc<Shared<A>>,
    client: Arc<Client>,
    state: State,
    /// None while the limits were kept to, as nearly all do.
    strikes: Option<Box<Strikes>>,
    /// The user's key and tier in the message limiter.
    limit_key: u64,
    tier: TierId,
    /// The application knows of the connection, and wants to know of its end.
    is_started: bool,
    /// The end has been told to whoever wants to know of it.
    is_over: bool,
    _place: Place,
}

/// What an admission gives to the session that it begins.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) identity: Option<Arc<Identity>>,
    pub(crate) place: Place,
    pub(crate) pending: Option<Place>,
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
        let Opening { identity, place, pending } = opening;
        let state = match (shared.config.auth_mode, pending) {
            (AuthMode::Message { timeout, .. }, Some(pending)) => {
                State::Waiting { deadline: now + timeout, pending }
            }
            _ => State::Active { expiry: None },
        };
        shared.registry.insert(client.clone());
        // Until it is known who it is, the address is what limits go by.
        let limit_key = shared.keys.hash_one(ws_rate_limiter::ip_key(client.address()));
        let tier = TierId::default();
        let mut session = Self {
            shared,
            client,
            state,
            strikes: None,
            limit_key,
            tier,
            is_started: false,
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
            lifecycle::too_many(&session.client, &identity.user_id);
            session.turn_away(SendableCode::POLICY, ErrorCode::TooManyConnections);
            return (session, None);
        }
        lifecycle::connected(&session.client);
        if matches!(session.state, State::Active { .. }) {
            session.start();
        }
        let greeting = session.greeting(now);
        (session, Some(greeting))
    }

    /// Closes a connection that was accepted only to be told why it is not served.
    fn turn_away(&mut self, code: SendableCode, why: ErrorCode) {
        self.state = State::Ending;
        self.client.close(code, why.sentence());
    }

    /// Tells the application, once it is known who is there.
    fn start(&mut self) {
        self.is_started = true;
        self.shared.application.handle_connect(&self.client);
    }

    fn greeting(&self, now: Instant) -> Vec<u8> {
        let client_id = self.client.id().to_string();
        let user_id = self.client.user_id();
        let message = ServerMessage::Connected {
            client_id: &client_id,
            user_id: user_id.as_deref(),
            heartbeat_ms: self.shared.config.heartbeat_ms,
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
        let retry_after_ms = retry_after.map(|it| it.as_millis().max(1) as u64);
        let message = code.sentence().into();
        let error = ServerMessage::Error { code, message, request_id, retry_after_ms };
        self.send(&error, id, replies);
    }

    fn end(&mut self, code: SendableCode, reason: &str, replies: &mut Replies<'_>) {
        self.state = State::Ending;
        self.client.note_closing();
        replies.start_close(code, reason);
    }

    fn handle_text(&mut self, text: &str, replies: &mut Replies<'_>) {
        let incoming = match ClientMessage::parse(text) {
            Ok(incoming) => incoming,
            Err(error) => {
                // Nonsense counts like any message: a flood of it is a flood.
                if self.is_permitted(&error.correlation, replies) {
                    self.shared.counters.errors.add(error.code() as usize);
                    let timestamp = self.shared.clock.wall_ms(replies.now());
                    let _ = replies.send_text_with(|out| error.encode(timestamp, out));
                }
                return;
            }
        };
        self.shared.counters.messages.add(incoming.message.client_type() as usize);
        let is_free = matches!(
            incoming.message,
            ClientMessage::Pong | ClientMessage::Ack { .. } | ClientMessage::Unsubscribe { .. }
        );
        if !is_free && !self.is_permitted(&incoming.correlation(), replies) {
            return;
        }
        self.route(&incoming, replies);
    }

    fn route(&mut self, incoming: &Incoming<'_>, replies: &mut Replies<'_>) {
        match &incoming.message {
            ClientMessage::Ping => self.send(&ServerMessage::Pong, incoming.id, replies),
            ClientMessage::Pong | ClientMessage::Heartbeat => {}
            ClientMessage::Auth(auth) => self.handle_auth(auth, incoming.id, replies),
            _ if matches!(self.state, State::Waiting { .. }) => {
                let Correlation { id, request_id } = incoming.correlation();
                self.send_error(ErrorCode::Unauthorized, None, id, request_id, replies);
                self.end(SendableCode::POLICY, "Authentication required", replies);
            }
            ClientMessage::Request { request_id, payload } => {
                let responder = Responder {
                    client: &self.client,
                    clock: &self.shared.clock,
                    counters: &self.shared.counters,
                    replies,
                    request_id: *request_id,
                    id: incoming.id,
                    answered: false,
                };
                self.shared.application.handle_request(&self.client, payload, responder);
            }
            message => {
                let application = &self.shared.application;
                let is_served = application.handle_message(&self.client, incoming, replies);
                // An `ack` wants no answer unless it names itself, and is never limited: it must not
                // be worth a flood.
                let is_mute = matches!(message, ClientMessage::Ack { .. }) && incoming.id.is_none();
                if !is_served && !is_mute {
                    self.send_error(ErrorCode::Unsupported, None, incoming.id, None, replies);
                }
            }
        }
    }

    /// The ladder of DESIGN §4.6: dropped and told once, and in the end closed.
    fn is_permitted(&mut self, correlation: &Correlation<'_>, replies: &mut Replies<'_>) -> bool {
        let now = replies.now();
        let limits = &self.shared.config.limits;
        let Some(messages) = &limits.messages else { return true };
        let Err(denied) = messages.check(self.tier, &self.limit_key, now) else { return true };
        let strikes = self.strikes.get_or_insert_default();
        let verdict = limits.ladder.judge(strikes, Err(denied), now);
        match verdict {
            Verdict::Allow => return true,
            Verdict::Drop { retry_at, first_in_burst: true } => {
                lifecycle::rate_limited(&self.client);
                let wait = Some(retry_at.saturating_duration_since(now));
                let Correlation { id, request_id } = *correlation;
                self.send_error(ErrorCode::RateLimited, wait, id, request_id, replies);
            }
            Verdict::Drop { first_in_burst: false, .. } => {}
            Verdict::Close => {
                lifecycle::rate_limit_abuse(&self.client);
                self.end(SendableCode::POLICY, ErrorCode::RateLimited.sentence(), replies);
            }
        }
        self.shared.counters.rate_limited.count();
        false
    }

    /// The limit is elsewhere: this is the line in the log that says who comes near it.
    fn note_size(&self, len: usize) {
        let sizes = self.shared.config.connection.sizes();
        if len as u64 > sizes.warn() {
            lifecycle::large_message(&self.client, len, sizes.max());
        }
    }

    fn handle_failure(&self, error: ProtocolError) {
        if let ProtocolError::TooLarge(too_large) = error {
            let user_id = self.client.user_id();
            let connection_id = self.client.id().to_string();
            self.shared.config.validator.record_violation(
                too_large,
                user_id.as_deref(),
                &connection_id,
            );
        }
        lifecycle::protocol_violation(&self.client, &error);
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
            State::Ending => {}
        }
    }

    fn judge_silence(&mut self, deadline: Instant, replies: &mut Replies<'_>) {
        if replies.now() >= deadline {
            lifecycle::auth_timeout(&self.client);
            self.send_error(ErrorCode::AuthTimeout, None, None, None, replies);
            self.end(SendableCode::POLICY, ErrorCode::AuthTimeout.sentence(), replies);
        }
    }

    fn handle_expiry(&mut self, due: Option<Due>, replies: &mut Replies<'_>) {
        match due {
            Some(Due::Warning) => {
                let expires_at = self.client.identity().and_then(|identity| identity.expires_at);
                let expires_at = expires_at.map_or(0, millis);
                self.send(&ServerMessage::TokenExpiring { expires_at }, None, replies);
            }
            Some(Due::End) => {
                lifecycle::token_expired(&self.client);
                self.send_error(ErrorCode::TokenExpired, None, None, None, replies);
                let reason = ErrorCode::TokenExpired.sentence();
                self.end(SendableCode::UNAUTHORIZED, reason, replies);
            }
            None => {}
        }
    }
}

impl<A: Application> Session for GatewaySession<A> {
    fn handle_event(&mut self, event: Event<'_>, replies: &mut Replies<'_>) {
        if let State::Ending = self.state {
            return;
        }
        self.client.note_health(true);
        match event {
            Event::Text(text) => {
                self.note_size(text.len());
                self.handle_text(text, replies);
            }
            Event::Binary(bytes) => {
                self.note_size(bytes.len());
                if self.is_permitted(&Correlation::default(), replies) {
                    self.send_error(ErrorCode::BadJson, None, None, None, replies);
                }
            }
            Event::Pong { round_trip: Some(round_trip), .. } => {
                self.client.note_latency(round_trip);
                self.shared.counters.note_round_trip(round_trip);
            }
            Event::Failed(error) => {
                self.handle_failure(error);
                self.state = State::Ending;
            }
            Event::Close(_) => self.state = State::Ending,
            Event::Ping(_) | Event::Pong { round_trip: None, .. } => {}
        }
    }

    fn handle_wake(&mut self, wake: Wake, replies: &mut Replies<'_>) {
        match wake {
            Wake::Connection(Timeout::PingSent) => {
                self.shared.counters.pings.count();
                self.client.note_health(replies.connection().is_healthy());
                if self.shared.config.json_ping {
                    self.send(&ServerMessage::Ping, None, replies);
                }
            }
            Wake::Connection(Timeout::Dead) => {
                let stats = replies.connection().heartbeat_stats(replies.now());
                lifecycle::dead(&self.client, stats);
            }
            Wake::Connection(Timeout::Idle) => {
                lifecycle::idle(&self.client);
                self.client.note_closing();
            }
            Wake::Connection(Timeout::CloseOverdue) => {}
            Wake::Timer => self.handle_deadline(replies),
            Wake::Nudged => self.handle_verdict(replies),
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Waiting { deadline, .. } => Some(*deadline),
            State::Verifying(verification) => {
                let previous = verification.previous.as_ref();
                verification.deadline.or(previous.map(Expiry::poll_timeout))
            }
            State::Active { expiry } => expiry.as_ref().map(Expiry::poll_timeout),
            State::Ending => None,
        }
    }

    fn is_ready(&self) -> bool {
        !matches!(self.state, State::Verifying(_))
    }

    fn handle_end(&mut self, end: End) {
        self.finish(&end);
    }
}
