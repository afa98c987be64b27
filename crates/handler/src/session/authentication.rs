//! Authentication by message: the first one, and refreshes in place (DESIGN §4.5).

use std::{sync::Arc, time::Instant};

use ws_auth::{AuthError, Fault, Identity};
use ws_channels::{Action, ChannelName, Grants};
use ws_close_manager::SendableCode;
use ws_protocol::{Auth, ErrorCode, Id, ServerMessage, Session as SessionInfo};
use ws_rate_limiter::TierId;
use ws_transport::Replies;

use super::{GatewaySession, State, promise::Promise};
use crate::{
    admission::Place,
    application::Application,
    client::Client,
    clock::millis,
    config::AuthMode,
    end_reason::EndReason,
    expiry::Expiry,
    identification::{Identification, LateIdentification},
    lifecycle,
    policy::InForce,
    registry::TooMany,
    rejection::credential_sentence,
};

/// A verification that waits for keys. A deadline and a place among those that wait have only first
/// authentications; a refresh has its previous expiry.
#[derive(Debug)]
pub(super) struct Verification {
    pub(super) deadline: Option<Instant>,
    pending: Option<Place>,
    pub(super) previous: Option<Expiry>,
    asked: Asked,
    verdict: Promise<Verdict>,
}

/// What a verification finds.
type Verdict = Result<Arc<Identity>, AuthError>;

/// What an `auth` message asked for, kept while its token is being verified.
#[derive(Debug, Default)]
pub(super) struct Asked {
    id: Option<Box<serde_json::value::RawValue>>,
    session_id: Option<Box<str>>,
    channels: Vec<Box<str>>,
}

impl<A: Application> GatewaySession<A> {
    #[inline(never)]
    pub(super) fn handle_auth(
        &mut self,
        auth: &Auth<'_>,
        id: Option<Id<'_>>,
        replies: &mut Replies<'_>,
    ) {
        if self.shared.in_force().auth_mode == AuthMode::None {
            return self.send_error(ErrorCode::Unsupported, None, id, None, replies);
        }
        let asked = Asked {
            id: id.map(|id| id.raw().to_owned()),
            session_id: auth.session_id.as_deref().map(Box::from),
            channels: auth.channels.iter().map(|channel| Box::from(&**channel)).collect(),
        };
        let wall = self.shared.clock.wall(replies.now());
        match self.shared.authenticator.identify(auth.token.reveal(), wall) {
            Identification::Known(identity) if self.shared.revoking.is_known() => {
                self.accept_unless_revoked(&identity, asked, replies);
            }
            Identification::Known(identity) => {
                let shared = self.shared.clone();
                let known = async move { shared.revoking.known().await.map(|()| identity) };
                self.verify_later(Box::pin(known), asked);
            }
            Identification::Refused(error) => self.refuse(&error, &asked, replies),
            Identification::Later(identified) => self.verify_later(identified, asked),
        }
    }

    /// Fetching keys takes a while: reading stops, so that what the client says next waits for the
    /// verdict without a buffer of ours.
    fn verify_later(&mut self, identified: LateIdentification, asked: Asked) {
        let state = std::mem::replace(&mut self.state, State::Ending);
        let (deadline, pending, previous) = match state {
            State::Waiting { deadline, pending } => (Some(deadline), Some(pending), None),
            State::Active { expiry } => (None, None, expiry),
            other => return self.state = other,
        };
        let verdict = Promise::of(self.client(), Err(AuthError::KeysUnavailable), identified);
        self.state = State::Verifying(Box::new(Verification {
            deadline,
            pending,
            previous,
            asked,
            verdict,
        }));
    }

    /// The verdict that [`GatewaySession::verify_later`] waited for.
    pub(super) fn handle_verdict(&mut self, replies: &mut Replies<'_>) {
        let State::Verifying(verification) = &self.state else { return };
        let Some(verdict) = verification.verdict.take() else { return };
        let State::Verifying(verification) = std::mem::replace(&mut self.state, State::Ending)
        else {
            return;
        };
        let Verification { deadline, pending, previous, asked, .. } = *verification;
        self.state = match (deadline, pending) {
            (Some(deadline), Some(pending)) => State::Waiting { deadline, pending },
            _ => State::Active { expiry: previous },
        };
        match verdict {
            // It was asked for when the list was known, and that has come into doubt meanwhile.
            Ok(_) if !self.shared.revoking.is_known() => {
                self.refuse(&AuthError::RevocationsUnknown, &asked, replies);
            }
            Ok(identity) => self.accept_unless_revoked(&identity, asked, replies),
            Err(error) => self.refuse(&error, &asked, replies),
        }
    }

    fn refuse(&mut self, error: &AuthError, asked: &Asked, replies: &mut Replies<'_>) {
        lifecycle::token_refused(self.client(), error);
        // A token that we cannot judge is no reason never to come back.
        let (code, why, close) = match error.fault() {
            Fault::Token if *error == AuthError::Expired => {
                (ErrorCode::TokenExpired, EndReason::TokenExpired, SendableCode::POLICY)
            }
            Fault::Token if *error == AuthError::Revoked => {
                (ErrorCode::TokenRevoked, EndReason::TokenRevoked, SendableCode::POLICY)
            }
            Fault::Token => {
                (ErrorCode::InvalidToken, EndReason::TokenInvalid, SendableCode::POLICY)
            }
            Fault::Keys if *error == AuthError::RevocationsUnknown => {
                (ErrorCode::BrokerUnavailable, EndReason::Engine, SendableCode::TRY_AGAIN)
            }
            Fault::Keys => {
                (ErrorCode::Internal, EndReason::KeysUnavailable, SendableCode::TRY_AGAIN)
            }
        };
        let sentence = credential_sentence(error);
        let message = sentence.into();
        self.shared.counters.errors.add(code as usize);
        let refusal =
            ServerMessage::Error { code, message, request_id: None, retry_after_ms: None };
        self.send(&refusal, asked.id(), replies);
        // A refresh that fails leaves the old token in force; it ends by its own expiry.
        if let State::Waiting { .. } = self.state {
            self.end(why, close, sentence, replies);
        }
    }

    fn accept_unless_revoked(
        &mut self,
        identity: &Arc<Identity>,
        asked: Asked,
        replies: &mut Replies<'_>,
    ) {
        let wall = self.shared.clock.wall(replies.now());
        match self.shared.revoking.judge(identity, wall) {
            Ok(()) => self.accept(identity, asked, replies),
            Err(error) => self.refuse(&error, &asked, replies),
        }
    }

    fn accept(&mut self, identity: &Arc<Identity>, asked: Asked, replies: &mut Replies<'_>) {
        let now = replies.now();
        let first = matches!(self.state, State::Waiting { .. });
        let code = match self.identity.clone() {
            Some(known) if !known.is_same_user(identity) => {
                lifecycle::user_mismatch(self.client());
                Some(ErrorCode::UserMismatch)
            }
            Some(_) => {
                self.renew(identity.clone(), now);
                None
            }
            None => match self.register(identity.clone(), now) {
                Ok(()) => None,
                Err(TooMany) => {
                    lifecycle::too_many(self.client(), &identity.user_id);
                    Some(ErrorCode::TooManyConnections)
                }
            },
        };
        if let Some(code) = code {
            self.send_error(code, None, asked.id(), None, replies);
            let why = EndReason::of_refusal(code);
            return self.end(why, SendableCode::POLICY, code.sentence(), replies);
        }
        // Whoever revokes it from now on finds us; whoever did before is found here.
        if self.is_revoked(now) {
            let code = ErrorCode::TokenRevoked;
            self.send_error(code, None, asked.id(), None, replies);
            let (why, close) = (EndReason::TokenRevoked, SendableCode::UNAUTHORIZED);
            return self.end(why, close, code.sentence(), replies);
        }
        // Whoever has said who it is may send what the configuration allows.
        replies.set_sizes(self.shared.in_force().connection.sizes());
        if first {
            return self.enter(Some(asked), replies);
        }
        self.leave_uncovered(replies);
        self.welcome(Some(&asked), replies);
    }

    /// Answers which of the channels that were asked for are open to the user.
    pub(super) fn send_authenticated(
        &self,
        asked: &Asked,
        replies: &mut Replies<'_>,
    ) -> Vec<ChannelName> {
        let Some(identity) = &self.identity else { return Vec::new() };
        let own_id = self.client().id().to_string();
        let session_id = identity.session_id.as_deref().or(asked.session_id.as_deref());
        let bearer = self.bearer();
        let in_force = self.shared.in_force();
        let is_open = |name: &ChannelName| {
            self.shared.hub.authorize(&in_force, name, Action::Subscribe, &bearer).is_ok()
        };
        let named = asked.channels.iter().filter_map(|channel| ChannelName::new(channel).ok());
        let names: Vec<ChannelName> = named.filter(is_open).collect();
        // Who asks for none is told what the token names.
        let granted = identity.channels.as_ref().filter(|_| asked.channels.is_empty());
        let available: Vec<&str> = match granted {
            Some(granted) => granted.iter().collect(),
            None => names.iter().map(ChannelName::as_str).collect(),
        };
        let permissions: Vec<&str> = match &identity.permissions {
            Some(permissions) => permissions.iter().collect(),
            None => vec!["read", "write"],
        };
        let message = ServerMessage::Authenticated(SessionInfo {
            user_id: &identity.user_id,
            session_id: session_id.unwrap_or(&own_id),
            available_channels: &available,
            permissions: &permissions,
            expires_at: identity.expires_at.map(millis),
        });
        self.send(&message, asked.id(), replies);
        names
    }

    /// Adds the connection to its user's, unless the user has too many.
    pub(super) fn register(
        &mut self,
        identity: Arc<Identity>,
        now: Instant,
    ) -> Result<(), TooMany> {
        let max = self.shared.in_force().limits.connections_per_user_max.map(usize::from);
        let registry = &self.shared.registry;
        registry.insert_user(&identity, self.client().clone(), max)?;
        self.limit_key = self.shared.keys.hash_one(&*identity.user_id);
        self.renew(identity, now);
        Ok(())
    }

    /// Whether the token was taken back while the connection was being registered.
    pub(super) fn is_revoked(&self, now: Instant) -> bool {
        let Some(identity) = &self.identity else { return false };
        self.shared.revoking.judge(identity, self.shared.clock.wall(now)).is_err()
    }

    /// Puts an identity in force: its tier, and its expiry.
    fn renew(&mut self, identity: Arc<Identity>, now: Instant) {
        let expiry = Expiry::of(&identity, &self.shared.clock, now);
        let grants = grants_of(&identity, self.client());
        if grants.is_some() || self.rare.is_some() {
            self.rare().grants = grants;
        }
        self.client().set_identity(identity.clone());
        self.identity = Some(identity);
        self.state = State::Active { expiry };
        self.find_tier(&self.shared.in_force());
    }

    /// Looks up what the limits that are in force call the user's tier.
    #[cold]
    pub(super) fn find_tier(&mut self, in_force: &InForce) {
        let tier = self.identity.as_ref().and_then(|identity| identity.tier.as_deref());
        let messages = in_force.limits.messages.as_ref();
        self.tier = messages.map_or_else(TierId::default, |messages| messages.tier_id(tier));
    }
}

/// What a token leaves of what rules allow; `None` if it says nothing about channels.
fn grants_of(identity: &Identity, client: &Client) -> Option<Grants> {
    let (channels, permissions) = (identity.channels.as_ref(), identity.permissions.as_ref());
    if channels.is_none() && permissions.is_none() {
        return None;
    }
    let words = permissions.map(ws_auth::Names::iter);
    let grants = Grants::new(channels.map(ws_auth::Names::iter), words).unwrap_or_else(|error| {
        // To leave the list out would give what the issuer has not given.
        lifecycle::unusable_channels(client, &error);
        Grants::none()
    });
    Some(grants)
}

impl Asked {
    /// The session that the client says it goes on with.
    pub(super) fn session_id(&self) -> Option<&str> {
        self.session_id.as_deref()
    }

    pub(super) fn id(&self) -> Option<Id<'_>> {
        self.id.as_deref().and_then(Id::new)
    }
}
