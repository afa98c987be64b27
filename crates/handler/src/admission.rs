//! The door: everything that is judged before an upgrade is granted.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::Guard;
use http::{HeaderMap, Request, header};
use ws_auth::{Identity, find_credential_in, select_subprotocol};
use ws_compression::{PerMessageDeflate, Role};
use ws_connection::handshake::Upgrade;
use ws_traces::TraceContext;

use crate::{
    application::Application, config::AuthMode, handler::Shared, identification::Identification,
    policy::Policy, rejection::Rejection, tunnels,
};

/// An upgrade that is granted: what the connection starts with.
#[derive(Debug)]
pub struct Admission {
    pub(crate) response: http::Response<()>,
    pub(crate) address: IpAddr,
    pub(crate) identity: Option<Arc<Identity>>,
    pub(crate) deflate: Option<PerMessageDeflate>,
    /// Its place among all connections.
    pub(crate) place: Place,
    /// Its place among those that wait for their authentication, if it does, and for how long it may.
    pub(crate) pending: Option<(Place, Duration)>,
    /// The path of the upgrade, if a connection type means it.
    pub(crate) path: Option<Arc<str>>,
    /// The trace that the upgrade belongs to, if to any.
    pub(crate) trace: Option<TraceContext>,
    /// What the client calls itself.
    pub(crate) agent: Option<Arc<str>>,
    /// What was agreed upon, if it is to be a tunnel.
    pub(crate) tunnel: Option<TunnelTerms>,
}

/// What a tunnel and its client have agreed upon.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TunnelTerms {
    /// Whether directions end one by one.
    pub(crate) has_half_close: bool,
}

impl Admission {
    /// The 101 response, for servers that write it themselves.
    pub fn response(&self) -> &http::Response<()> {
        &self.response
    }

    /// Who asks, where that is known already.
    pub fn identity(&self) -> Option<&Arc<Identity>> {
        self.identity.as_ref()
    }

    /// Where the client is, proxies that are trusted looked through.
    pub fn address(&self) -> IpAddr {
        self.address
    }
}

/// One of so many places, while it is held.
#[derive(Debug)]
pub(crate) struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(taken: &Arc<AtomicUsize>, max: Option<usize>) -> Result<Self, Rejection> {
        let before = taken.fetch_add(1, Ordering::Relaxed);
        // Given back by its drop if there was none.
        let place = Self(taken.clone());
        if max.is_some_and(|max| before >= max) { Err(Rejection::Full) } else { Ok(place) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<A: Application> Shared<A> {
    /// Cheap judgements first: nothing is verified for an address that is over its limit.
    pub(crate) async fn admit(
        &self,
        request: &Request<()>,
        address: IpAddr,
        now: Instant,
    ) -> Result<Admission, Rejection> {
        if self.draining.load(Ordering::Relaxed) {
            return Err(Rejection::Draining);
        }
        if self.is_out_of_memory.load(Ordering::Relaxed) {
            return Err(Rejection::OutOfMemory);
        }
        let upgrade = Upgrade::from_request(request)?;
        let headers = request.headers();
        // One for all of it, also where keys have to be fetched meanwhile; few wait at once.
        let policy = Guard::into_inner(self.in_force());
        judge_origin(&policy, headers)?;
        judge_rate(&policy, address, now)?;
        // Taken before anything is waited for: whoever is judged has a place, or has none.
        let limits = &policy.limits;
        let place = Place::take(&self.places, limits.connections_max.map(usize::from))?;
        let identity = self.authenticate_upgrade(&policy, request, now).await?;
        let path = request.uri().path();
        let target = policy.types.target(path);
        let is_tunnel = matches!(&target, Ok(Some(target)) if target.kind().is_tunnel());
        let path = (!matches!(target, Ok(None))).then(|| path.into());
        if is_tunnel && identity.is_none() && policy.auth_mode != AuthMode::None {
            // Its messages are somebody else's bytes: there is none to authenticate with.
            return Err(Rejection::NoCredential);
        }
        let pending = match (policy.auth_mode, &identity) {
            (AuthMode::Message { timeout, pending_max }, None) => {
                Some((Place::take(&self.pending, Some(pending_max))?, timeout))
            }
            _ => None,
        };

        let offered = Upgrade::extensions(headers);
        // What goes through a tunnel is mostly encrypted, and only grows by that.
        let accepted =
            (!is_tunnel).then(|| self.config.compression.accept_offer(offered)).flatten();
        let protocols = || {
            let lines = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
            lines.filter_map(|line| line.to_str().ok())
        };
        let tunnel = is_tunnel.then(|| {
            let mut offers = protocols().flat_map(|line| line.split(','));
            let has_half_close = offers.any(|offer| offer.trim() == tunnels::SUBPROTOCOL);
            TunnelTerms { has_half_close }
        });
        let protocol = match tunnel {
            Some(TunnelTerms { has_half_close: true }) => Some(tunnels::SUBPROTOCOL),
            _ => select_subprotocol(protocols()),
        };
        let extensions = accepted.as_ref().map(|accepted| &*accepted.response);
        let response = upgrade.response(protocol, extensions);
        let deflate =
            accepted.map(|accepted| self.config.compression.codec(Role::Server, accepted.params));
        let trace = ws_traces::current();
        let agent = self.agents.of(headers);
        Ok(Admission {
            response,
            address,
            identity,
            deflate,
            place,
            pending,
            path,
            trace,
            agent,
            tunnel,
        })
    }

    async fn authenticate_upgrade(
        &self,
        policy: &Policy,
        request: &Request<()>,
        now: Instant,
    ) -> Result<Option<Arc<Identity>>, Rejection> {
        if policy.auth_mode == AuthMode::None {
            return Ok(None);
        }
        let cookie = policy.auth_cookie.as_deref();
        let credential = find_credential_in(request.headers(), request.uri().query(), cookie)
            .map_err(|error| Rejection::Credential(error.into()))?;
        let Some(credential) = credential else {
            return match policy.auth_mode {
                AuthMode::Message { .. } => Ok(None),
                AuthMode::Upgrade | AuthMode::None => Err(Rejection::NoCredential),
            };
        };
        let wall = self.clock.wall(now);
        let identified = match self.authenticator.identify(credential.token(), wall) {
            Identification::Known(identity) => Ok(identity),
            Identification::Refused(error) => Err(error),
            Identification::Later(identified) => identified.await,
        };
        let identity = identified.map_err(Rejection::Credential)?;
        if !self.revoking.is_known() {
            self.revoking.known().await.map_err(Rejection::Credential)?;
        }
        self.revoking.judge(&identity, wall).map_err(Rejection::Credential)?;
        Ok(Some(identity))
    }
}

fn judge_origin(policy: &Policy, headers: &HeaderMap) -> Result<(), Rejection> {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let allowed = match (origins.next(), origins.next()) {
        (None, _) => policy.origins.allows(None),
        // What is not text is nobody's origin, and two origins are nobody's either.
        (Some(origin), None) => policy.origins.allows(Some(origin.to_str().unwrap_or("?"))),
        (Some(_), Some(_)) => false,
    };
    if allowed { Ok(()) } else { Err(Rejection::Origin) }
}

fn judge_rate(policy: &Policy, address: IpAddr, now: Instant) -> Result<(), Rejection> {
    let Some(connects) = &policy.limits.connects else { return Ok(()) };
    let key = ws_rate_limiter::ip_key(address);
    let shared = policy.limits.cluster.as_ref().and_then(|it| it.charge_connect(key, now));
    shared.unwrap_or_else(|| connects.check(&key, now)).map_err(|denied| {
        let retry_after_secs = denied.retry_after_secs(now);
        Rejection::RateLimited { retry_after_secs }
    })
}
