//! The console: a page for people who look at a gateway, and the WebSocket that it looks through.
//!
//! Components count for themselves, and what they have counted is read here once a second, by one task for
//! all viewers, and only while there is one. Nothing is added to the way of a message. A viewer is no client
//! of the handler: it is in no list of connections, and takes nobody's place.

use std::{
    fmt,
    num::{NonZeroU32, NonZeroUsize},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use axum::{Router, routing::get};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{
    sync::{Semaphore, watch},
    time::Instant,
};
use tungstenite::Utf8Bytes;
use ws_auth::TokenMinter;
use ws_compression::{CompressionConfig, CompressionManager};
use ws_connection::ConnectionConfig;
use ws_handler::{Application, WebSocketHandler};
use ws_rate_limiter::{IpKey, KeyedLimiter, TokenBucket};

use crate::{http::Key, metered::EngineCounts, outcomes::Outcomes};

mod ask;
mod door;
mod fault;
mod files;
mod looks;
mod orders;
mod pages;
pub(crate) mod process;
mod sample;
mod sampler;
#[cfg(test)]
mod tests;
mod viewer;
mod watching;

/// How many may look at once.
const VIEWERS_MAX: usize = 16;
/// Looks at many channels or connections that are under way at once, as of the API's.
const LOOKS_MAX: usize = 1;
/// Wrong keys of one address: so many at once, and so many a minute.
const GUESSES_PER_MINUTE: NonZeroU32 = NonZeroU32::new(10).unwrap();
/// Addresses whose guesses are remembered.
const GUESSERS_MAX: NonZeroUsize = NonZeroUsize::new(4096).unwrap();
/// How long viewers may take to hear that the gateway goes.
const FAREWELL: Duration = Duration::from_secs(1);

/// What a console is told when it is built.
pub(crate) struct ConsoleOptions {
    /// What a viewer must know.
    pub(crate) key: Key,
    /// Whether the gateway runs on somebody's laptop.
    pub(crate) dev: bool,
    /// Where clients connect.
    pub(crate) websocket_path: Box<str>,
    /// What a viewer is told of the configuration at first.
    pub(crate) settings: Value,
    /// Makes tokens for whoever tries things out; there is none but with `--dev`.
    pub(crate) minter: Option<TokenMinter>,
}

/// The console of one gateway.
pub(crate) struct Console<A>(Arc<Inner<A>>);

struct Inner<A> {
    handler: WebSocketHandler<A>,
    outcomes: Arc<Outcomes>,
    engine: Arc<EngineCounts>,
    options: ConsoleOptions,
    /// What a viewer is told of the configuration.
    settings: ArcSwap<Value>,
    started: Instant,
    connection: Arc<ConnectionConfig>,
    compression: CompressionManager,
    /// One for each viewer.
    places: Arc<Semaphore>,
    looks: Semaphore,
    guesses: KeyedLimiter<IpKey, TokenBucket>,
    news: watch::Sender<News>,
    sampling: Mutex<Sampling>,
}

/// What all viewers are told.
#[derive(Clone, Debug, Default)]
enum News {
    #[default]
    None,
    Sample(Utf8Bytes),
    /// The gateway goes.
    Farewell,
}

/// What becomes of the one task that samples.
#[derive(Debug, Default)]
struct Sampling {
    is_running: bool,
    /// How often it has looked so far.
    samples: u64,
}

impl<A> Clone for Console<A> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<A> fmt::Debug for Console<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console").field("dev", &self.0.options.dev).finish_non_exhaustive()
    }
}

impl<A: Application> Console<A> {
    /// A console that shows what the handler, its upstream and its engine count.
    pub(crate) fn new(
        handler: WebSocketHandler<A>,
        outcomes: Arc<Outcomes>,
        engine: Arc<EngineCounts>,
        options: ConsoleOptions,
    ) -> Self {
        Self(Arc::new(Inner {
            handler,
            outcomes,
            engine,
            settings: ArcSwap::from_pointee(options.settings.clone()),
            options,
            started: Instant::now(),
            connection: Arc::new(viewer::connection()),
            // What is sent is small, or asked for by a person.
            compression: CompressionManager::new(CompressionConfig::disabled()),
            places: Arc::new(Semaphore::new(VIEWERS_MAX)),
            looks: Semaphore::new(LOOKS_MAX),
            guesses: KeyedLimiter::new(TokenBucket::per_minute(GUESSES_PER_MINUTE), GUESSERS_MAX),
            news: watch::Sender::default(),
            sampling: Mutex::default(),
        }))
    }

    /// The page, its files and its WebSocket.
    pub(crate) fn routes(&self) -> Router {
        Router::new()
            .route("/", get(pages::index))
            .route("/console", get(pages::elsewhere))
            .route("/console/ws", get(door::enter::<A>).connect(door::enter::<A>))
            .route("/console/{file}", get(pages::file))
            .with_state(self.clone())
    }

    pub(crate) fn handler(&self) -> &WebSocketHandler<A> {
        &self.0.handler
    }

    /// Looks at much, when it is its turn and where that holds up no connection.
    pub(crate) async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&WebSocketHandler<A>) -> T + Send + 'static,
    ) -> Option<T> {
        self.0.look(look).await
    }

    /// The key that it demands.
    pub(crate) fn key(&self) -> Key {
        self.0.options.key.clone()
    }

    /// Whoever looks from now on is told this of the configuration.
    pub(crate) fn set_settings(&self, settings: Value) {
        self.0.settings.store(Arc::new(settings));
    }

    /// Tells all viewers that the gateway goes, and waits a moment for those who listen.
    pub(crate) async fn close(&self) {
        self.0.news.send_replace(News::Farewell);
        let gone = self.0.places.acquire_many(VIEWERS_MAX as u32);
        let _ = tokio::time::timeout(FAREWELL, gone).await;
    }
}

impl<A: Application> Inner<A> {
    fn viewers(&self) -> usize {
        VIEWERS_MAX - self.places.available_permits()
    }

    fn now_ms(&self) -> u64 {
        self.handler.clock().wall_ms(Instant::now().into_std())
    }

    /// Looks at much, when it is its turn and where that holds up no connection.
    async fn look<T: Send + 'static>(
        self: &Arc<Self>,
        look: impl FnOnce(&WebSocketHandler<A>) -> T + Send + 'static,
    ) -> Option<T> {
        let handler = self.handler.clone();
        let _turn = self.looks.acquire().await.ok()?;
        tokio::task::spawn_blocking(move || look(&handler)).await.ok()
    }

    /// What a viewer is told first.
    fn hello(&self) -> Value {
        let options = &self.options;
        let now = self.now_ms();
        let uptime = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        json!({
            "type": "hello",
            "version": env!("CARGO_PKG_VERSION"),
            "dev": options.dev,
            "node": format!("{:016x}", self.handler.node()),
            "engine": self.handler.config().engine.kind(),
            "websocketPath": options.websocket_path,
            "startedAt": now.saturating_sub(uptime),
            "now": now,
            "settings": &**self.settings.load(),
            "canMint": options.minter.is_some(),
        })
    }
}
