//! How the network is, by asking for `/health`.

use std::{fmt, io, sync::Arc, time::Duration};

use http::StatusCode;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    runtime::Handle,
    sync::{Notify, watch},
    time::{Instant, sleep, sleep_until, timeout},
};
use ws_connection::handshake::{HeadLimits, parse_response};
use ws_transport::ConnectError;

use crate::{
    dial::{Connect, DialError, DialerConfig, Target},
    network::{NetworkSource, NetworkStatus},
};

/// How often a probe may ask, however often it is told to.
const GAP_MIN: Duration = Duration::from_secs(1);
/// No reckoning with times shall overflow.
const INTERVAL_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// What is asked for, and how often.
#[derive(Clone)]
pub struct ProbeConfig {
    /// The WebSocket's address; the probe asks the same host and port, `https` for `wss`.
    pub address: String,
    /// What is asked for there. Any answer of 2xx means that the server can be reached.
    pub path: String,
    /// How often: on average, see [`HealthProbe`].
    pub interval: Duration,
    /// Without an answer within this time there is no network.
    pub timeout: Duration,
    /// What connects, instead of TCP and TLS.
    pub connect: Option<Arc<dyn Connect>>,
    /// Whom to trust, instead of the platform's roots.
    #[cfg(feature = "tls")]
    pub tls: Option<Arc<rustls::ClientConfig>>,
}

impl ProbeConfig {
    /// `/health` every 30 s, each within 10 s.
    pub fn new(address: impl Into<String>) -> Self {
        Self::beside(&DialerConfig::new(address))
    }

    /// As [`Self::new`], on the way that is given there.
    pub fn beside(dialer: &DialerConfig) -> Self {
        Self {
            address: dialer.address.clone(),
            path: "/health".to_owned(),
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(10),
            connect: dialer.connect.clone(),
            #[cfg(feature = "tls")]
            tls: dialer.tls.clone(),
        }
    }
}

impl fmt::Debug for ProbeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProbeConfig")
            .field("path", &self.path)
            .field("interval", &self.interval)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Asks for `/health` of the host that the WebSocket is on, and tells from the answer how the network is.
///
/// An answer of 2xx is timed, from before the connection is made (the classes are
/// [`NetworkStatus::of_latency`]); any other, and none in time, means offline. It asks when it
/// starts, when it is told to ([`Self::check_now`]), and then after half to one and a half intervals;
/// while it is offline after at most one. The spread keeps those who lost the same server
/// from returning to it at the same moment.
///
/// Each question takes a connection of its own, and nothing of the answer's body is read. The probe ends when
/// all its handles and all that watch it are gone.
#[derive(Clone)]
pub struct HealthProbe {
    status: watch::Receiver<NetworkStatus>,
    wanted: Arc<Notify>,
}

impl HealthProbe {
    /// Begins to ask, in the background; an error if the address cannot be used, or outside of a
    /// tokio runtime. Until the first answer the network counts as good.
    pub fn start(config: &ProbeConfig) -> Result<Self, DialError> {
        let runtime = Handle::try_current()
            .map_err(|_| DialError::Invalid("a probe needs a tokio runtime".to_owned()))?;
        let question = Question::new(config)?;
        let (sender, status) = watch::channel(NetworkStatus::default());
        let wanted = Arc::new(Notify::new());
        runtime.spawn(ask_on(question, config.interval, sender, wanted.clone()));
        Ok(Self { status, wanted })
    }

    /// What the last answer told.
    pub fn status(&self) -> NetworkStatus {
        *self.status.borrow()
    }

    /// Asks again at once, such as when the connection was lost; not more often than once a second.
    pub fn check_now(&self) {
        self.wanted.notify_one();
    }
}

impl NetworkSource for HealthProbe {
    fn watch(&self) -> watch::Receiver<NetworkStatus> {
        self.status.clone()
    }
}

impl fmt::Debug for HealthProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HealthProbe").field("status", &self.status()).finish_non_exhaustive()
    }
}

/// Asks until nobody listens any more.
async fn ask_on(
    question: Question,
    interval: Duration,
    sender: watch::Sender<NetworkStatus>,
    wanted: Arc<Notify>,
) {
    let asking = async {
        loop {
            let began = Instant::now();
            let status = question.ask().await;
            sender.send_if_modified(|known| std::mem::replace(known, status) != status);
            tokio::select! {
                () = sleep(pause(interval, status, rand::random())) => {}
                () = wanted.notified() => sleep_until(began + GAP_MIN).await,
            }
        }
    };
    tokio::select! {
        () = asking => {}
        () = sender.closed() => {}
    }
}

/// How long until the next question; `random` is in [0, 1).
fn pause(interval: Duration, status: NetworkStatus, random: f64) -> Duration {
    let spread = if status == NetworkStatus::Offline { random } else { 0.5 + random };
    interval.min(INTERVAL_MAX).mul_f64(spread).max(GAP_MIN)
}

/// One exchange of HTTP/1.1, of which only the status counts.
struct Question {
    target: Target,
    request: String,
    timeout: Duration,
}

impl Question {
    fn new(config: &ProbeConfig) -> Result<Self, DialError> {
        let target = Target::new(
            &config.address,
            config.connect.clone(),
            #[cfg(feature = "tls")]
            config.tls.clone(),
        )?;
        let target = target.with_path(&config.path)?;
        let host = target.uri().authority().map_or("", |authority| authority.as_str());
        let request =
            format!("GET {} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n", config.path);
        Ok(Self { target, request, timeout: config.timeout })
    }

    async fn ask(&self) -> NetworkStatus {
        let began = Instant::now();
        let answer = timeout(self.timeout, self.exchange()).await;
        match answer.unwrap_or(Err(DialError::TimedOut)) {
            Ok(status) if status.is_success() => return NetworkStatus::of_latency(began.elapsed()),
            Ok(status) => tracing::debug!(%status, "the server is not healthy"),
            Err(error) => tracing::debug!(%error, "the server is not to be reached"),
        }
        NetworkStatus::Offline
    }

    async fn exchange(&self) -> Result<StatusCode, DialError> {
        let mut wire = self.target.connect().await?;
        let failed = |error| DialError::from(ConnectError::Io(error));
        wire.write_all(self.request.as_bytes()).await.map_err(failed)?;
        // A TLS stream may hold it back.
        wire.flush().await.map_err(failed)?;
        let mut bytes = Vec::with_capacity(512);
        loop {
            let parsed = parse_response(&bytes, HeadLimits::default());
            match parsed.map_err(|error| DialError::from(ConnectError::Head(error)))? {
                // RFC 9110 §15.2: others come before the answer.
                Some((head, len)) if head.status().is_informational() => drop(bytes.drain(..len)),
                Some((head, _)) => return Ok(head.status()),
                None if wire.read_buf(&mut bytes).await.map_err(failed)? == 0 => {
                    return Err(failed(io::ErrorKind::UnexpectedEof.into()));
                }
                None => {}
            }
        }
    }
}
