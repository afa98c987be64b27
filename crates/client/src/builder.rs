//! From what the application wants to a client that runs.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue};
use parking_lot::Mutex;
use tokio::{
    runtime::Handle,
    sync::{Notify, broadcast, watch},
    time::Instant,
};

use crate::{
    backoff::BackoffConfig,
    client::{Client, Lease, Shared, State},
    dial::{Connect, Dialer, DialerConfig},
    driver::{Driver, Network},
    error::Error,
    machine::{Machine, MachineConfig},
    network::NetworkSource,
    probe::{HealthProbe, ProbeConfig},
    queue::QueueConfig,
};

/// How many events wait for who fetches them.
const EVENTS_MAX: usize = 64;

/// Why there is no token now. It is tried again.
pub type TokenError = Box<dyn std::error::Error + Send + Sync>;

/// A token that is being fetched.
pub(crate) type Fetching = Pin<Box<dyn Future<Output = Result<String, TokenError>> + Send>>;

/// Where a token goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenIn {
    /// `Authorization: Bearer`.
    #[default]
    Header,
    /// The subprotocol `bearer.<token>`, as browsers do it.
    Protocol,
    /// The first message.
    Message,
}

/// Fetches tokens.
#[derive(Clone)]
pub(crate) struct TokenSource(Arc<dyn Fn() -> Fetching + Send + Sync>);

impl TokenSource {
    pub(crate) fn fetch(&self) -> Fetching {
        (self.0)()
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSource")
    }
}

/// A client that has not begun.
#[must_use]
pub struct ClientBuilder {
    dialer: DialerConfig,
    machine: MachineConfig,
    source: Option<TokenSource>,
    token_in: TokenIn,
    network: Option<Box<dyn NetworkSource>>,
    is_probed: bool,
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("dialer", &self.dialer).finish_non_exhaustive()
    }
}

impl ClientBuilder {
    pub(crate) fn new(address: String) -> Self {
        Self {
            dialer: DialerConfig::new(address),
            machine: MachineConfig {
                backoff: BackoffConfig::default(),
                queue: QueueConfig::default(),
                connect_timeout: Duration::from_secs(10),
                ack_timeout: Duration::from_secs(10),
                request_timeout: Duration::from_secs(10),
                grace: Duration::from_secs(5),
                has_token: false,
                session_id: None,
                random: rand::random,
            },
            source: None,
            token_in: TokenIn::default(),
            network: None,
            is_probed: false,
        }
    }

    /// A token that is good for as long as this client is needed.
    pub fn token(self, token: impl Into<String>) -> Self {
        let token = token.into();
        self.token_source(move || {
            let token = token.clone();
            async move { Ok::<_, TokenError>(token) }
        })
    }

    /// Fetches a token: for each attempt, and when the one in use runs out.
    pub fn token_source<F, Fut, E>(mut self, source: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<String, E>> + Send + 'static,
        E: Into<TokenError>,
    {
        self.source = Some(TokenSource(Arc::new(move || {
            let fetching = source();
            Box::pin(async move { fetching.await.map_err(Into::into) })
        })));
        self
    }

    /// Where the token goes. Default: [`TokenIn::Header`].
    pub fn token_in(mut self, token_in: TokenIn) -> Self {
        self.token_in = token_in;
        self
    }

    /// Names this device, whose inbox is its own. The token then goes as the first message, which is where a
    /// device is named.
    pub fn session_id(mut self, session_id: impl Into<String>) -> Self {
        self.machine.session_id = Some(session_id.into());
        self
    }

    /// A header of the upgrade, such as `Origin`.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.dialer.headers.push((name, value));
        self
    }

    /// A subprotocol to offer; the gateway's own is offered where a token goes with it.
    pub fn protocol(mut self, protocol: impl Into<String>) -> Self {
        self.dialer.protocols.push(protocol.into());
        self
    }

    /// Whether permessage-deflate is offered. Default: it is.
    pub fn compression(mut self, is_offered: bool) -> Self {
        self.dialer.compression = is_offered;
        self
    }

    /// Whom to trust with `wss://`, instead of the platform's roots.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, config: Arc<rustls::ClientConfig>) -> Self {
        self.dialer.tls = Some(config);
        self
    }

    /// What connects, instead of TCP and TLS: a tunnel, a Unix socket, memory.
    pub fn transport(mut self, connect: impl Connect) -> Self {
        self.dialer.connect = Some(Arc::new(connect));
        self
    }

    /// When to come back.
    pub fn backoff(mut self, backoff: BackoffConfig) -> Self {
        self.machine.backoff = backoff;
        self
    }

    /// What may wait to be sent, and how it is sent.
    pub fn queue(mut self, queue: QueueConfig) -> Self {
        self.machine.queue = queue;
        self
    }

    /// Who knows how the network is.
    pub fn network(mut self, source: impl NetworkSource) -> Self {
        self.network = Some(Box::new(source));
        self
    }

    /// Finds out how the network is by asking for `/health`, every 30 s and when a connection is lost; not where
    /// [`network`](Self::network) says who knows.
    pub fn probe_network(mut self) -> Self {
        self.is_probed = true;
        self
    }

    /// For an attempt: the token, connecting, the handshake, the greeting. Default: 10 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.machine.connect_timeout = timeout;
        self.dialer.timeout = timeout;
        self
    }

    /// How long the answer to a request may take, once it was sent. Default: 10 s.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.machine.request_timeout = timeout;
        self
    }

    /// How long the server may take to acknowledge what was sent, before a publish goes again and anything else has
    /// failed as unconfirmed. Default: 10 s.
    pub fn ack_timeout(mut self, timeout: Duration) -> Self {
        self.machine.ack_timeout = timeout;
        self
    }

    /// How long the server may take to answer when it was silent for as long as it said it would not be. Default: 5 s.
    pub fn liveness_grace(mut self, grace: Duration) -> Self {
        self.machine.grace = grace;
        self
    }

    /// Begins: connects in the background. Must be called within a tokio runtime. An error is an address or a
    /// header that can never do.
    pub fn connect(self) -> Result<Client, Error> {
        let runtime = Handle::try_current()
            .map_err(|_| Error::Invalid("a client needs a tokio runtime".to_owned()))?;
        let Self { dialer: config, mut machine, source, token_in, network, is_probed } = self;
        machine.has_token = source.is_some();
        let token_in = if machine.session_id.is_some() { TokenIn::Message } else { token_in };
        let invalid = |error: crate::dial::DialError| Error::Invalid(error.to_string());
        // Whoever knows better is not asked after.
        let probe = match is_probed && network.is_none() {
            true => Some(HealthProbe::start(&ProbeConfig::beside(&config)).map_err(invalid)?),
            false => None,
        };
        let dialer = Dialer::new(config).map_err(invalid)?;
        let mut network = match (&probe, network) {
            (_, Some(source)) => Some(source.watch()),
            (Some(probe), None) => Some(probe.watch()),
            (None, None) => None,
        };
        let (mut machine, now) = (Machine::new(machine), Instant::now().into_std());
        if let Some(status) = &mut network {
            machine.handle_network(*status.borrow_and_update(), now);
        }
        machine.start(now);
        let shared = Arc::new(Shared {
            machine: Mutex::new(machine),
            news: Notify::new(),
            states: watch::Sender::new(State::Connecting),
            events: broadcast::Sender::new(EVENTS_MAX),
        });
        let network = Network::new(network, probe);
        let driver = Driver::new(shared.clone(), dialer, source, token_in, network);
        runtime.spawn(driver.run());
        Ok(Client { lease: Arc::new(Lease { shared }) })
    }
}
