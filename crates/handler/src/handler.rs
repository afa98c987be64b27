//! The handler: from an upgrade request to the end of its connection.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Instant,
};

use arc_swap::Guard;
use bytes::Bytes;
use http::Request;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tungstenite::protocol::frame::coding::{Data, OpCode};
use ws_broker::Inbox;
use ws_connection::{
    Connection, ConnectionConfig, Prepared, encode_header, handshake::encode_response,
};
use ws_frame_validator::SizeLimits;
use ws_transport::{Driver, Meter, SendError};

use crate::{
    admission::Admission,
    agents::Agents,
    application::Application,
    breaks::Breaks,
    channels::{Hub, feeds::keep_looking},
    client::{Client, ConnectionId},
    clock::WallClock,
    cluster::{Cluster, Ear, peers::Peers},
    config::HandlerConfig,
    drain::Drain,
    gatekeeper::Gatekeeper,
    health::{Health, RecentHealth},
    identification::Authenticate,
    past_ends::{PastEnd, PastEnds},
    policy::{CurrentPolicy, InForce, Policy, Rulebook},
    registry::Registry,
    rejection::Rejection,
    revoking::Revoking,
    session::{GatewaySession, Opening},
    stats::{Counters, HandlerStats},
    tap::Tap,
};

/// Manages the life of every connection: upgrade, authentication, registration, routing, limits,
/// health, end. Cheap to clone.
///
/// It owns no listener and knows no configuration file: a server gives it sockets and requests.
#[derive(Debug)]
pub struct WebSocketHandler<A> {
    pub(crate) shared: Arc<Shared<A>>,
}

impl<A> Clone for WebSocketHandler<A> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

/// What all connections share.
pub(crate) struct Shared<A> {
    pub(crate) config: HandlerConfig,
    pub(crate) rulebook: Arc<Rulebook>,
    pub(crate) authenticator: Box<dyn Authenticate>,
    pub(crate) application: A,
    pub(crate) hub: Arc<Hub>,
    /// The other nodes, and what is kept.
    pub(crate) cluster: Arc<Cluster>,
    /// The other nodes' users and questions; none where there are no other nodes.
    pub(crate) peers: OnceLock<Peers>,
    /// What is kept for users who are away.
    pub(crate) inbox: Option<Arc<Inbox>>,
    pub(crate) clock: Arc<WallClock>,
    pub(crate) registry: Registry,
    pub(crate) counters: Arc<Counters>,
    pub(crate) meter: Arc<Meter>,
    /// Who looks at what passes.
    pub(crate) tap: Arc<Tap>,
    pub(crate) agents: Agents,
    /// Connections that wait for their authentication.
    pub(crate) pending: Arc<AtomicUsize>,
    /// Connections that are open or have been granted.
    pub(crate) places: Arc<AtomicUsize>,
    pub(crate) health: RecentHealth,
    pub(crate) revoking: Revoking,
    /// Somebody settles limits that are shared.
    pub(crate) is_leasing: AtomicBool,
    pub(crate) draining: AtomicBool,
    /// What is left of the memory is for those who are connected.
    pub(crate) is_out_of_memory: AtomicBool,
    pub(crate) drain: Drain,
    pub(crate) breaks: Breaks,
    pub(crate) past_ends: PastEnds,
    /// Keys of the message limiter are hashes of user names, so that no name is kept there.
    pub(crate) keys: ahash::RandomState,
}

impl<A: Application> WebSocketHandler<A> {
    /// A handler that serves `application` to whom `authenticator` knows.
    pub fn new(
        config: HandlerConfig,
        authenticator: impl Authenticate,
        clock: Arc<WallClock>,
        application: A,
    ) -> Self {
        Self::build(config, Box::new(authenticator), clock, application)
    }

    /// As [`WebSocketHandler::new`], with somebody who has the last word on who may connect, subscribe
    /// and publish: the [`gatekeeper`](Policy::gatekeeper) of the policy.
    pub fn with_gatekeeper(
        mut config: HandlerConfig,
        authenticator: impl Authenticate,
        clock: Arc<WallClock>,
        application: A,
        gatekeeper: impl Gatekeeper,
    ) -> Self {
        config.policy.gatekeeper = Some(Arc::new(gatekeeper));
        Self::build(config, Box::new(authenticator), clock, application)
    }

    fn build(
        mut config: HandlerConfig,
        authenticator: Box<dyn Authenticate>,
        clock: Arc<WallClock>,
        application: A,
    ) -> Self {
        let meter = Arc::new(Meter::new(config.validator.clone()));
        let now = tokio::time::Instant::now().into_std();
        let cluster = Arc::new(Cluster::new(config.engine.clone()));
        let past_ends = PastEnds::new(config.past_ends_users_max);
        let inbox = config.inbox.clone().map(|inbox| Inbox::new(config.engine.clone(), inbox));
        let revoking = Revoking::new(config.revocation);
        let channels = config.channels.clone();
        let event_window = channels.published.map(|published| published.window);
        let policy = std::mem::take(&mut config.policy);
        let rulebook = Arc::new(Rulebook::new(policy, event_window));
        let hub = Hub::new(channels, rulebook.clone(), cluster.clone(), clock.clone(), now);
        let hub = Arc::new(hub);
        let handler = Self {
            shared: Arc::new(Shared {
                rulebook,
                hub,
                cluster,
                peers: OnceLock::new(),
                inbox,
                config,
                authenticator,
                application,
                clock,
                registry: Registry::new(),
                counters: Arc::new(Counters::new()),
                meter,
                tap: Arc::new(Tap::new()),
                agents: Agents::default(),
                pending: Arc::default(),
                places: Arc::default(),
                health: RecentHealth::default(),
                revoking,
                is_leasing: AtomicBool::new(false),
                draining: AtomicBool::new(false),
                is_out_of_memory: AtomicBool::new(false),
                drain: Drain::default(),
                breaks: Breaks::new(now),
                past_ends,
                keys: ahash::RandomState::new(),
            }),
        };
        let shared = &handler.shared;
        if shared.cluster.is_shared
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(keep_looking(Arc::downgrade(&shared.hub)));
        }
        shared.cluster.engine.start(Arc::new(Ear(Arc::downgrade(shared))));
        shared.join();
        shared.start_revoking();
        shared.start_leasing();
        handler
    }

    /// Serves one upgrade request to the end: answers it, and drives its connection if it is
    /// granted. `early` is what was read beyond the request.
    pub async fn handle_upgrade<IO>(
        &self,
        io: IO,
        request: &Request<()>,
        peer: SocketAddr,
        early: Bytes,
    ) where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        match self.admit(request, peer).await {
            Ok(admission) => self.serve(io, admission, early).await,
            Err(rejection) => self.reject(io, &rejection).await,
        }
    }

    /// Judges an upgrade request. A rejection is counted and logged here; answer with its response.
    pub async fn admit(
        &self,
        request: &Request<()>,
        peer: SocketAddr,
    ) -> Result<Admission, Rejection> {
        let now = tokio::time::Instant::now().into_std();
        let address = self.client_address(peer, request);
        let admission = self.admit_traced(request, address, now).await;
        if let Err(rejection) = &admission {
            self.log_rejection(rejection, peer, address);
        }
        admission
    }

    /// Where a client is whose request came from `peer`: proxies that are trusted are looked through.
    pub fn client_address<B>(&self, peer: SocketAddr, request: &Request<B>) -> IpAddr {
        self.shared.in_force().trusted_proxies.client_address(peer, request.headers())
    }

    /// Counts and logs a rejection that [`WebSocketHandler::admit`] did not make, such as a head
    /// that could not be read.
    pub fn note_rejection(&self, rejection: &Rejection, peer: SocketAddr) {
        self.log_rejection(rejection, peer, peer.ip());
    }

    fn log_rejection(&self, rejection: &Rejection, peer: SocketAddr, address: IpAddr) {
        self.shared.counters.rejections.add(rejection.index());
        let code = rejection.label();
        match rejection {
            // The reason for us says more than the sentence for the client.
            Rejection::Credential(error) => {
                tracing::info!(%peer, %address, code, reason = %error, "upgrade refused");
            }
            other => tracing::info!(%peer, %address, code, reason = %other, "upgrade refused"),
        }
    }

    /// The connection of an admission, to be awaited or spawned: it writes the 101 response, and
    /// ends with the connection. Must be called within a tokio runtime.
    pub fn serve<IO>(
        &self,
        io: IO,
        mut admission: Admission,
        early: Bytes,
    ) -> Driver<IO, GatewaySession<A>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        // Has room for the greeting, too: both leave with one write.
        let mut first = Vec::with_capacity(384);
        encode_response(&std::mem::take(&mut admission.response).map(|()| ""), &mut first);
        self.drive(io, admission, first).with_early_input(early)
    }

    /// As [`WebSocketHandler::serve`], on a transport on which the 101 response was written by
    /// somebody else, such as hyper.
    pub fn serve_upgraded<IO>(&self, io: IO, admission: Admission) -> Driver<IO, GatewaySession<A>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        self.drive(io, admission, Vec::new())
    }

    /// A driver that writes `first`, then the greeting.
    fn drive<IO>(
        &self,
        io: IO,
        admission: Admission,
        mut first: Vec<u8>,
    ) -> Driver<IO, GatewaySession<A>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let shared = &self.shared;
        let now = tokio::time::Instant::now().into_std();
        let Admission {
            address,
            identity,
            deflate,
            place,
            pending,
            path,
            trace,
            agent,
            tunnel,
            ..
        } = admission;
        // What is done for the opening is done for the upgrade.
        let _entered = ws_traces::enter(trace);
        let policy = shared.in_force();
        let protocol = match (tunnel, &policy.tunnels) {
            (Some(_), Some(tunnels)) => {
                let own = ConnectionConfig::clone(&policy.connection);
                Arc::new(own.with_idle_timeout(tunnels.idle_timeout()))
            }
            _ => policy.connection.clone(),
        };
        let mut connection = Connection::new(protocol, deflate, rand::random(), now);
        if pending.is_some() {
            connection.set_sizes(unproven_sizes(policy.connection.sizes()));
        }
        let outbox_bytes_max = policy.limits.outbox_bytes_max;
        drop(policy);
        let is_tunnel = tunnel.is_some();
        let opening = Opening { identity, place, pending, path, tunnel };
        let mut greeting = None;
        let driver =
            Driver::new(io, connection, shared.meter.clone(), outbox_bytes_max, |outbox| {
                let id = ConnectionId::random();
                let connected_at = shared.clock.wall_ms(now);
                let client = Client::new(id, address, connected_at, outbox, None);
                let client = Arc::new(client.with_agent(agent).with_tunnel(is_tunnel));
                let (session, connected) =
                    GatewaySession::open(shared.clone(), client, opening, now);
                greeting = connected;
                session
            });
        // Small, so it is not worth compressing.
        if let Some(text) = greeting {
            encode_header(&mut first, true, false, OpCode::Data(Data::Text), text.len(), None);
            first.extend_from_slice(&text);
        }
        driver.with_first_output(first)
    }

    /// Answers a rejected upgrade and ends the transport.
    pub async fn reject<IO: AsyncWrite + Unpin>(&self, mut io: IO, rejection: &Rejection) {
        let mut bytes = Vec::with_capacity(512);
        encode_response(&rejection.response(), &mut bytes);
        // A peer that is gone does not hear it, and that is all.
        if io.write_all(&bytes).await.is_ok() {
            let _ = io.shutdown().await;
        }
    }

    /// How the connections are. Looks at each of them.
    pub fn check_connection_health(&self) -> Health {
        Health::of(&self.shared.registry)
    }

    /// How the connections were a moment ago, for whoever may be asked often: looking at all of them
    /// takes a twentieth of the time at most.
    pub fn recent_health(&self) -> Health {
        let now = || tokio::time::Instant::now().into_std();
        self.shared.health.get(now, || self.check_connection_health())
    }

    /// What happened so far.
    pub fn stats(&self) -> HandlerStats {
        HandlerStats::of(&self.shared)
    }

    /// Every connection of a user.
    pub fn connections_by_user_id(&self, user_id: &str) -> Vec<Arc<Client>> {
        self.shared.registry.of_user(user_id)
    }

    /// How the last connections of a user to this node ended, the last one first; also of a user who is gone.
    /// Of [so many users](HandlerConfig::past_ends_users_max) eight each are kept.
    pub fn ends_by_user_id(&self, user_id: &str) -> Vec<PastEnd> {
        self.shared.past_ends.of_user(user_id)
    }

    /// Every connection.
    pub fn connections(&self) -> Vec<Arc<Client>> {
        let mut all = Vec::with_capacity(self.shared.registry.len());
        self.shared.registry.for_each(|client| all.push(client.clone()));
        all
    }

    /// At most `max` connections behind `after`, or the first ones. Their order says nothing and stays as
    /// it is, so that all are seen page by page whoever comes and goes meanwhile; a page costs a small part
    /// of a look at all of them.
    pub fn connections_after(&self, after: Option<ConnectionId>, max: usize) -> Vec<Arc<Client>> {
        self.shared.registry.page(after, max)
    }

    /// One connection, while it lasts.
    pub fn connection(&self, id: ConnectionId) -> Option<Arc<Client>> {
        self.shared.registry.get(id)
    }

    /// How many connections there are.
    pub fn connection_count(&self) -> usize {
        self.shared.registry.len()
    }

    /// Grants no upgrade from now on; established connections are served as before.
    pub fn start_drain(&self) {
        self.shared.draining.store(true, Ordering::Relaxed);
    }

    /// Says whether there is memory for more connections. While there is none, upgrades are answered 503;
    /// established connections are served as before. Whoever measures it says so.
    pub fn set_out_of_memory(&self, is_out: bool) {
        self.shared.is_out_of_memory.store(is_out, Ordering::Relaxed);
    }

    /// What [`WebSocketHandler::set_out_of_memory`] was told last.
    pub fn is_out_of_memory(&self) -> bool {
        self.shared.is_out_of_memory.load(Ordering::Relaxed)
    }

    /// Whether [`WebSocketHandler::start_drain`] was called.
    pub fn is_draining(&self) -> bool {
        self.shared.draining.load(Ordering::Relaxed)
    }

    /// The application.
    pub fn application(&self) -> &A {
        &self.shared.application
    }

    /// Who says who somebody is.
    pub fn authenticator(&self) -> &dyn Authenticate {
        &*self.shared.authenticator
    }

    /// What other nodes call this one, and the log: another name with each start.
    pub fn node(&self) -> u64 {
        self.shared.cluster.node
    }

    /// What may change while it runs, as it is now.
    pub fn policy(&self) -> CurrentPolicy {
        CurrentPolicy(self.shared.in_force())
    }

    /// Puts another policy in force, for everybody and as a whole.
    ///
    /// Limits that say what they said before go on counting where they were. Connections that are there
    /// keep their [`connection`](Policy::connection) and the room of their outbox, and whoever is served
    /// goes on being served, whatever [`auth_mode`](Policy::auth_mode) says now.
    pub fn set_policy(&self, policy: Policy) {
        let hub = &self.shared.hub;
        hub.table.set_limits(policy.subscriptions);
        let get_ready = |before: &InForce, next: &InForce| hub.get_ready_for(before, next);
        let changing = self.shared.rulebook.replace(policy, get_ready);
        hub.conclude_change(&changing);
        self.shared.start_leasing();
    }

    /// What the handler was built with and keeps; its policy has gone where [`policy`](Self::policy) looks.
    pub fn config(&self) -> &HandlerConfig {
        &self.shared.config
    }

    /// Counts of all traffic.
    pub fn meter(&self) -> &Meter {
        &self.shared.meter
    }

    /// The time on messages.
    pub fn clock(&self) -> &Arc<WallClock> {
        &self.shared.clock
    }

    /// Throws away what limiters know of keys that have their full allowance again.
    pub fn forget_recovered(&self, now: Instant) {
        let policy = self.shared.in_force();
        let limits = &policy.limits;
        if let Some(connects) = &limits.connects {
            connects.forget_recovered(now);
        }
        if let Some(messages) = &limits.messages {
            messages.forget_recovered(now);
        }
        self.shared.hub.forget_recovered(now);
        self.shared.revoking.forget_expired(self.shared.clock.wall(now));
    }
}

impl<A> Shared<A> {
    /// What counts now. Whoever asks it more than one question keeps it until all are answered.
    #[inline]
    pub(crate) fn in_force(&self) -> Guard<Arc<InForce>> {
        self.rulebook.current()
    }
}

impl<A: Application> Shared<A> {
    /// Sends a message to every connection of a user; answers how many took it.
    pub(crate) fn send_to_user(&self, user_id: &str, message: Prepared) -> usize {
        let message = Arc::new(message);
        let mut sent = 0;
        for client in self.registry.of_user(user_id) {
            if !client.is_welcome() {
                continue;
            }
            match client.send(message.clone()) {
                Ok(()) => sent += 1,
                Err(SendError::Full(_)) => self.hub.close_slow(&client),
                Err(SendError::Closed(_)) => {}
            }
        }
        sent
    }
}

impl<A: fmt::Debug> fmt::Debug for Shared<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("config", &self.config)
            .field("application", &self.application)
            .field("hub", &self.hub)
            .finish_non_exhaustive()
    }
}

/// The largest message of a client that has not said who it is: has room for a token, and makes
/// those that may wait for their authentication a bounded amount of memory altogether.
const UNPROVEN_BYTES_MAX: u64 = 64 * 1024;

fn unproven_sizes(sizes: SizeLimits) -> SizeLimits {
    SizeLimits::with_max(sizes.max().min(UNPROVEN_BYTES_MAX)).unwrap_or(sizes)
}
