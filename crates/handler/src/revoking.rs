//! Tokens that are taken back: on all nodes, and for those who are connected.

use std::{
    num::{NonZeroU32, NonZeroUsize},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use ws_auth::{AuthError, Identity, Revocation, Revocations, Revoked};
use ws_broker::{EngineError, Entry, Keep, Log, Status, WhenFull};
use ws_close_manager::SendableCode;
use ws_protocol::{ErrorCode, ServerMessage};

use crate::{
    application::Application,
    client::Client,
    clock::millis,
    config::AuthMode,
    end_reason::EndReason,
    handler::{Shared, WebSocketHandler},
    lifecycle,
};

mod known;
mod reading;

use known::Known;

/// The log in which all nodes find what was revoked.
pub(crate) const LOG: &str = "revoked";
/// Tokens say in whole seconds when they were issued, so that no word is about more than the second that it was
/// said in. Where another node's clock is ahead of ours by more, that is no reason to wait for it.
const AHEAD_MAX: Duration = Duration::from_secs(1);
/// What was said lately is not said twice, when several nodes find that it is missing.
const EVENT_WINDOW: Duration = Duration::from_secs(3600);

/// How much is remembered of tokens that were taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevocationConfig {
    /// At most so many revocations; one more is refused.
    pub entries_max: NonZeroU32,
    /// For how long one is remembered unless it says so itself: as long as a token may live.
    pub lifetime: Duration,
    /// Whether no token is taken before the list of all nodes has been read: since the start, and again when
    /// the engine is back. Who comes meanwhile waits for a second, and is then refused as one who may
    /// come again.
    pub is_required: bool,
}

impl Default for RevocationConfig {
    /// 100,000, for thirty days, and no token is taken unless they are known.
    fn default() -> Self {
        Self {
            entries_max: const { NonZeroU32::new(100_000).unwrap() },
            lifetime: Duration::from_secs(30 * 24 * 3600),
            is_required: true,
        }
    }
}

/// What a handler knows of it.
#[derive(Debug)]
pub(crate) struct Revoking {
    table: Revocations,
    keep: Keep,
    /// Whether there is a log at all.
    is_on: bool,
    known: Known,
    /// There may be something in the log.
    news: Arc<Notify>,
}

/// A revocation as it stands in the log. Times are in ms since 1970.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Word {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jti: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sub: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    issued_before: Option<u64>,
    until: u64,
}

impl Revoking {
    pub(crate) fn new(config: Option<RevocationConfig>) -> Self {
        let is_on = config.is_some();
        let RevocationConfig { entries_max, lifetime, is_required } = config.unwrap_or_default();
        let max = NonZeroUsize::new(entries_max.get() as usize).unwrap_or(NonZeroUsize::MIN);
        let keep = Keep {
            entries_max,
            ttl: lifetime,
            when_full: WhenFull::Refuse,
            event_window: EVENT_WINDOW,
        };
        let known = Known::new(is_on && is_required);
        Self { table: Revocations::new(max), keep, is_on, known, news: Arc::default() }
    }

    /// Whether a token that was verified is still good.
    pub(crate) fn judge(&self, identity: &Identity, wall: SystemTime) -> Result<(), AuthError> {
        self.table.judge(identity, wall)
    }

    /// Whether it is known what was revoked.
    pub(crate) fn is_known(&self) -> bool {
        self.known.is_good()
    }

    /// Waits for a moment until that is known.
    pub(crate) async fn known(&self) -> Result<(), AuthError> {
        self.known.wait().await
    }

    /// Something was appended to the log.
    pub(crate) fn note_news(&self) {
        self.news.notify_one();
    }

    /// The engine is away, or back; then something may have been revoked that is not known here.
    pub(crate) fn handle_status(&self, status: &Status) {
        if *status == Status::Up {
            self.known.doubt();
        }
        self.news.notify_one();
    }

    pub(crate) fn forget_expired(&self, wall: SystemTime) {
        self.table.forget_expired(wall);
    }

    fn log(&self) -> Log<'_> {
        Log { name: LOG, keep: &self.keep }
    }
}

impl<A: Application> WebSocketHandler<A> {
    /// Whether tokens are refused because the list of those that were revoked was not read since the start.
    pub fn awaits_revocations(&self) -> bool {
        let is_asked = self.shared.in_force().auth_mode != AuthMode::None;
        is_asked && self.shared.revoking.known.is_awaited()
    }

    /// What was revoked and is not over, on all nodes.
    pub fn revocations(&self) -> &Revocations {
        &self.shared.revoking.table
    }

    /// Takes tokens back. With the answer the engine keeps it, new upgrades with such a token are refused on
    /// this node, and its connections that came with one are told `token_revoked` and closed with 3000;
    /// other nodes follow as soon as the engine tells them. Answers how many connections of this node those are.
    ///
    /// Where the instant before which tokens must have been issued lies ahead, connections are closed when it
    /// has come: a token that is fetched then is a fresh one.
    ///
    /// # Errors
    ///
    /// If the engine does not keep it: nothing was revoked then, or after [`EngineError::Unknown`] it may
    /// have been.
    pub async fn revoke(&self, revocation: Revocation) -> Result<usize, EngineError> {
        let shared = &self.shared;
        let word = Word::of(&revocation);
        let engine = &shared.cluster.engine;
        engine.append(&shared.revoking.log(), word.encode(), None).await?;
        let meant = shared.connections_of(std::slice::from_ref(&revocation)).len();
        shared.take_back(vec![revocation]);
        Ok(meant)
    }
}

impl<A: Application> Shared<A> {
    /// Reads what was revoked, now and as long as the handler lives. Must be called within a runtime.
    pub(crate) fn start_revoking(self: &Arc<Self>) {
        if !self.revoking.is_on {
            return;
        }
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(reading::keep_reading(Arc::downgrade(self)))),
            Err(_) => {
                tracing::warn!("no runtime to read what was revoked in");
                self.revoking.known.give_up();
            }
        }
    }

    /// Puts revocations in force on this node. Whoever is connected is looked at for what was not known: a word is
    /// heard where it is said, and read in the log again.
    fn take_back(self: &Arc<Self>, mut revocations: Vec<Revocation>) {
        let wall = self.wall_now();
        let mut pause = Duration::ZERO;
        revocations.retain(|revocation| {
            let is_news = self.revoking.table.revoke(revocation, wall).unwrap_or_else(|error| {
                tracing::error!(%error, "a revoked token may be used on this node");
                true
            });
            if is_news {
                pause = pause.max(time_until(&revocation.revoked, wall));
            }
            is_news
        });
        if revocations.is_empty() {
            return;
        }
        if pause.is_zero() {
            return self.turn_out(&revocations);
        }
        // Who comes back with a token of this very second could not be told from who has had one.
        let pause = pause.min(AHEAD_MAX);
        let shared = Arc::downgrade(self);
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            if let Some(shared) = shared.upgrade() {
                shared.turn_out(&revocations);
            }
        });
    }

    fn turn_out(&self, revocations: &[Revocation]) {
        // Of two words that mean it, it is told one.
        for client in self.connections_of(revocations).iter().filter(|it| !it.is_closing()) {
            self.tell_revoked(client);
            client.close_for(
                EndReason::TokenRevoked,
                SendableCode::UNAUTHORIZED,
                ErrorCode::TokenRevoked.sentence(),
            );
        }
    }

    fn tell_revoked(&self, client: &Client) {
        lifecycle::token_revoked(client);
        if !client.is_welcome() {
            // A tunnel carries bytes, and is told nothing; who has not been let in finds it in the close frame.
            return;
        }
        let code = ErrorCode::TokenRevoked;
        self.counters.errors.add(code as usize);
        let (message, request_id, retry_after_ms) = (code.sentence().into(), None, None);
        let error = ServerMessage::Error { code, message, request_id, retry_after_ms };
        let now = tokio::time::Instant::now().into_std();
        let mut text = Vec::with_capacity(128);
        error.encode(None, self.clock.wall_ms(now), &mut text);
        // One that is closing already has nobody to tell.
        let _ = str::from_utf8(&text).map(|text| client.send_text(text));
    }

    /// The connections of this node that came with one of the tokens.
    fn connections_of(&self, revocations: &[Revocation]) -> Vec<Arc<Client>> {
        let is_meant = |client: &Arc<Client>| {
            client.identity().is_some_and(|identity| {
                revocations.iter().any(|revocation| revocation.revoked.means(&identity))
            })
        };
        if let [Revocation { revoked: Revoked::User(user, _), .. }] = revocations {
            let mut clients = self.registry.of_user(user);
            clients.retain(is_meant);
            return clients;
        }
        let wall = self.wall_now();
        // Many words, as after an outage, are asked by their names, and not one after the other.
        let is_meant = |client: &Arc<Client>| match revocations {
            [_] => is_meant(client),
            _ => client
                .identity()
                .is_some_and(|identity| self.revoking.judge(&identity, wall).is_err()),
        };
        let mut clients = Vec::new();
        self.registry.for_each(|client| {
            if is_meant(client) {
                clients.push(client.clone());
            }
        });
        clients
    }

    fn wall_now(&self) -> SystemTime {
        self.clock.wall(tokio::time::Instant::now().into_std())
    }
}

impl Word {
    fn of(revocation: &Revocation) -> Self {
        let until = millis(revocation.until);
        let (jti, sub, before) = match &revocation.revoked {
            Revoked::Token(id) => (Some(id.clone()), None, None),
            Revoked::User(name, before) => (None, Some(name.clone()), Some(*before)),
            Revoked::Everybody(before) => (None, None, Some(*before)),
        };
        Self { jti, sub, issued_before: before.map(millis), until }
    }

    fn encode(&self) -> Bytes {
        // Strings and numbers: there is nothing that could not be written.
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    fn read(entry: &Entry) -> Option<Revocation> {
        let word: Self = serde_json::from_slice(&entry.payload)
            .inspect_err(|error| tracing::warn!(%error, "a revocation is not understood"))
            .ok()?;
        let at = |ms: u64| UNIX_EPOCH.checked_add(Duration::from_millis(ms));
        let before = word.issued_before.and_then(at);
        let revoked = match (word.jti, word.sub, before) {
            (Some(id), _, _) => Revoked::Token(id),
            (None, Some(name), Some(before)) => Revoked::User(name, before),
            (None, None, Some(before)) => Revoked::Everybody(before),
            (None, _, None) => return None,
        };
        Some(Revocation { revoked, until: at(word.until)? })
    }
}

/// How long until all of what is meant has been issued.
fn time_until(revoked: &Revoked, wall: SystemTime) -> Duration {
    let before = match revoked {
        Revoked::Token(_) => return Duration::ZERO,
        Revoked::User(_, before) | Revoked::Everybody(before) => before,
    };
    before.duration_since(wall).unwrap_or_default()
}
