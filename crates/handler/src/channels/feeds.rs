//! The channels that this node follows at the engine: each once, however many are subscribed here.
//!
//! ```text
//!   (first subscriber) ──► opening ──► open ──► (nobody for a while: forgotten at the engine)
//! ```
//!
//! In one process alone, what is not kept is not followed: there is nothing here for such a channel.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use tokio::{sync::OnceCell, time::Instant};
use ws_broker::{EngineError, Keep, Log as LogOf, ReadLimits, Status, WhenFull};
use ws_channels::{ChannelName, ChannelRule, History};
use ws_protocol::ServerMessage;

use super::{Hub, delivery::prepare, history::Log};
use crate::cluster::{channel_topic, history_log};

/// Who leaves and comes back, as a page that is loaded again does, finds the channel as it was.
const LINGER: Duration = Duration::from_secs(10);
/// Between two looks whether something was lost that nothing has come after.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// So many channels are looked after at once when the engine is back.
const AT_ONCE: usize = 64;
const SHARDS: usize = 32;
/// Longer than an engine that is there takes.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// A channel that is followed.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) name: ChannelName,
    /// What is kept of it, if anything is.
    pub(crate) log: Option<Box<Log>>,
    opened: OnceCell<()>,
    used: Mutex<Instant>,
}

type Shard = Mutex<HashMap<ChannelName, Arc<Feed>, ahash::RandomState>>;

/// All of them.
pub(crate) struct Feeds {
    hasher: ahash::RandomState,
    shards: Box<[Shard]>,
    /// Channels whose last subscriber has gone, and when to forget them.
    vacated: Mutex<VecDeque<(Instant, ChannelName)>>,
    is_forgetting: AtomicBool,
    /// The engine was away: something may have been missed.
    was_away: AtomicBool,
}

/// How much is kept of the channels of a rule.
pub(crate) fn keep_of(rule: &ChannelRule, event_window: Option<Duration>) -> Option<Arc<Keep>> {
    let History { size, ttl } = rule.history()?;
    Some(Arc::new(Keep {
        entries_max: size,
        ttl,
        when_full: WhenFull::DropOldest,
        event_window: event_window.unwrap_or_default(),
    }))
}

impl Feeds {
    pub(crate) fn new() -> Self {
        let hasher = ahash::RandomState::new();
        let shard = |_| Mutex::new(HashMap::with_hasher(hasher.clone()));
        Self {
            shards: (0..SHARDS).map(shard).collect(),
            hasher,
            vacated: Mutex::default(),
            is_forgetting: AtomicBool::new(false),
            was_away: AtomicBool::new(false),
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<Arc<Feed>> {
        self.shard(name).lock().get(name).cloned()
    }

    /// All of them, to be looked after one by one.
    pub(crate) fn all(&self) -> Vec<Arc<Feed>> {
        let all = self.shards.iter().map(|shard| shard.lock().values().cloned().collect());
        all.reduce(|mut all: Vec<_>, more| {
            all.extend(more);
            all
        })
        .unwrap_or_default()
    }

    fn shard(&self, name: &str) -> &Shard {
        &self.shards[self.hasher.hash_one(name) as usize % SHARDS]
    }
}

impl Feed {
    fn new(name: &ChannelName, keep: Option<Arc<Keep>>, now: Instant) -> Self {
        Self {
            name: name.clone(),
            log: keep.map(|keep| Box::new(Log::new(keep))),
            opened: OnceCell::new(),
            used: Mutex::new(now),
        }
    }

    /// Whether everything that is published from now on will come.
    pub(crate) fn is_open(&self) -> bool {
        self.opened.initialized()
    }

    /// Follows the channel at the engine, once for all who ask for it.
    pub(crate) async fn open(self: Arc<Self>, hub: Arc<Hub>) -> Result<(), EngineError> {
        let open = async || {
            let (engine, is_shared) = (&hub.cluster.engine, hub.cluster.is_shared);
            if is_shared {
                engine.subscribe(&channel_topic(&self.name)).await?;
                hub.ask_who_is_there(&self.name);
            }
            if let Some(log) = &self.log {
                let name = history_log(&self.name);
                let of = LogOf { name: &name, keep: log.keep() };
                log.start_opening();
                engine.follow(&of).await?;
                let page = engine.read(&of, 0, ReadLimits::NOTHING).await?;
                if hub.open_log(&self, log, page.head) {
                    hub.repair(&self);
                }
            }
            Ok(())
        };
        // Whatever the engine does: somebody waits for it, and reads nothing meanwhile.
        let opened = tokio::time::timeout(OPEN_TIMEOUT, self.opened.get_or_try_init(open)).await;
        let unknown = EngineError::Unknown { kind: hub.cluster.engine.kind() };
        opened.unwrap_or(Err(unknown)).copied()
    }
}

impl Hub {
    /// What is to be followed of a channel before somebody is subscribed to it; `None` if that is nothing.
    pub(crate) fn feed(self: &Arc<Self>, name: &ChannelName) -> Option<Arc<Feed>> {
        let keep = self.keep(name);
        if keep.is_none() && !self.cluster.is_shared {
            return None;
        }
        let now = Instant::now();
        let mut shard = self.feeds.shard(name).lock();
        // One of other rules, which nobody was subscribed to when they went, is not this one.
        if let Some(feed) = shard.get(name)
            && feed.log.is_some() == keep.is_some()
        {
            *feed.used.lock() = now;
            return Some(feed.clone());
        }
        let feed = Arc::new(Feed::new(name, keep, now));
        self.replaced(shard.insert(name.clone(), feed.clone()));
        drop(shard);
        // Perhaps nobody is subscribed in the end.
        self.look_later(name);
        Some(feed)
    }

    /// Another feed takes the place of that of a channel, or none where nothing is to be followed.
    pub(super) fn renew_feed(
        self: &Arc<Self>,
        name: &ChannelName,
        keep: Option<Arc<Keep>>,
    ) -> Option<Arc<Feed>> {
        let is_needed = keep.is_some() || self.cluster.is_shared;
        let feed = is_needed.then(|| Arc::new(Feed::new(name, keep, Instant::now())));
        let mut shard = self.feeds.shard(name).lock();
        let before = match &feed {
            Some(feed) => shard.insert(name.clone(), feed.clone()),
            None => shard.remove(name),
        };
        self.replaced(before);
        feed
    }

    /// With the lock held: who follows the log anew comes to the engine after this.
    fn replaced(&self, feed: Option<Arc<Feed>>) {
        let Some(feed) = feed else { return };
        if let Some(log) = &feed.log {
            let name = history_log(&feed.name);
            self.cluster.engine.unfollow(&LogOf { name: &name, keep: log.keep() });
        }
    }

    /// Follows channels before somebody asks for one after the other.
    pub(crate) fn open_ahead(self: &Arc<Self>, names: impl Iterator<Item = ChannelName>) {
        let feeds: Vec<_> = names.filter_map(|name| self.feed(&name)).collect();
        let feeds: Vec<_> = feeds.into_iter().filter(|feed| !feed.is_open()).collect();
        if feeds.len() < 2 {
            return;
        }
        let hub = self.clone();
        tokio::spawn(async move {
            let opening = stream::iter(feeds).map(|feed| feed.open(hub.clone()));
            // Whoever asks for one that could not be opened is told why.
            opening.buffer_unordered(AT_ONCE).for_each(async |_| {}).await;
        });
    }

    /// How much is kept of a channel, if anything is.
    pub(crate) fn keep(&self, name: &ChannelName) -> Option<Arc<Keep>> {
        if !self.rulebook.gist().has_keeps {
            return None;
        }
        self.in_force().keep(name).cloned()
    }

    /// The last subscriber has gone from a channel: it is followed for a little while yet.
    pub(crate) fn note_vacated(self: &Arc<Self>, name: &ChannelName) {
        let gist = self.rulebook.gist();
        // Rules of before may have had something kept.
        let may_be = gist.has_keeps || gist.generation != 0 || self.cluster.is_shared;
        let is_followed = may_be && self.feeds.shard(name).lock().contains_key(name);
        if is_followed {
            self.look_later(name);
        }
    }

    /// Looks after a while whether anybody is subscribed to a channel that is followed.
    fn look_later(self: &Arc<Self>, name: &ChannelName) {
        self.feeds.vacated.lock().push_back((Instant::now() + LINGER, name.clone()));
        if self.feeds.is_forgetting.swap(true, Ordering::AcqRel) {
            return;
        }
        match self.runtime() {
            Some(runtime) => drop(runtime.spawn(forget_vacated(Arc::downgrade(self)))),
            // The runtime has ended, and with it the engine's use of us.
            None => self.feeds.is_forgetting.store(false, Ordering::Release),
        }
    }

    fn forget(&self, name: &ChannelName) {
        let mut shard = self.feeds.shard(name).lock();
        let Some(feed) = shard.get(name) else { return };
        let is_used = self.table.channel(name).is_some()
            // Somebody is about to subscribe, or reads what it has missed.
            || Arc::strong_count(feed) > 1
            || feed.used.lock().elapsed() < LINGER;
        if is_used {
            // Whoever leaves last says so again. Who only looked does not.
            if self.table.channel(name).is_none() {
                let again = (Instant::now() + LINGER, name.clone());
                self.feeds.vacated.lock().push_back(again);
            }
            return;
        }
        let Some(feed) = shard.remove(name) else { return };
        // With the lock held: who follows it anew comes to the engine after this.
        let engine = &self.cluster.engine;
        if self.cluster.is_shared {
            engine.unsubscribe(&channel_topic(name));
        }
        if let Some(log) = &feed.log {
            engine.unfollow(&LogOf { name: &history_log(name), keep: log.keep() });
        }
        drop(shard);
        self.forget_who_is_elsewhere(name);
    }

    /// The engine is away, or back.
    pub(crate) fn handle_status(self: &Arc<Self>, status: &Status) {
        match status {
            Status::Starting => {}
            Status::Down(_) => self.feeds.was_away.store(true, Ordering::Release),
            Status::Up => {
                if self.feeds.was_away.swap(false, Ordering::AcqRel) && self.cluster.is_shared {
                    self.tell_all_of_a_gap();
                }
                self.restate_all();
                self.send_backlog();
                if let Some(runtime) = self.runtime() {
                    runtime.spawn(look_after(Arc::downgrade(self)));
                }
            }
        }
    }

    /// What other nodes published in channels without history while the engine was away has been
    /// missed by everybody here.
    fn tell_all_of_a_gap(&self) {
        let mut told = std::collections::HashSet::new();
        let timestamp = self.wall_ms(Instant::now().into_std());
        let gap = ServerMessage::Gap { channel: "*", dropped: 0, range: None };
        let gap = Arc::new(prepare(&gap, timestamp));
        for feed in self.feeds.all().iter().filter(|feed| feed.log.is_none()) {
            let Some(channel) = self.table.channel(&feed.name) else { continue };
            for member in channel.publish().members() {
                if told.insert(member.id()) {
                    member.outbox().send_lossy(gap.clone());
                }
            }
        }
    }
}

/// Looks after everything now and then, while there is somebody to look for: what an engine loses on the
/// way, and nothing follows, is noticed by nobody else.
pub(crate) async fn keep_looking(hub: Weak<Hub>) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        if hub.strong_count() == 0 {
            return;
        }
        look_after(hub.clone()).await;
    }
}

/// Opens what could not be opened, and looks whether anything is missing in what is open.
async fn look_after(hub: Weak<Hub>) {
    let Some(shared) = hub.upgrade() else { return };
    let feeds = shared.feeds.all();
    stream::iter(feeds)
        .for_each_concurrent(AT_ONCE, async |feed| {
            if feed.is_open() {
                shared.verify(&feed).await;
            } else if let Err(error) = feed.clone().open(shared.clone()).await {
                tracing::debug!(channel = %feed.name, %error, "not followed yet");
            }
        })
        .await;
}

/// Runs while there is something to be forgotten.
async fn forget_vacated(hub: Weak<Hub>) {
    loop {
        let Some(shared) = hub.upgrade() else { return };
        let next = shared.feeds.vacated.lock().front().map(|(due, _)| *due);
        let Some(due) = next else {
            shared.feeds.is_forgetting.store(false, Ordering::Release);
            // Whoever came in between saw that we were running.
            let is_needed = !shared.feeds.vacated.lock().is_empty();
            if is_needed && !shared.feeds.is_forgetting.swap(true, Ordering::AcqRel) {
                continue;
            }
            return;
        };
        drop(shared);
        tokio::time::sleep_until(due).await;
        let Some(shared) = hub.upgrade() else { return };
        loop {
            let now = Instant::now();
            let mut vacated = shared.feeds.vacated.lock();
            let due = vacated.pop_front_if(|(due, _)| *due <= now);
            drop(vacated);
            let Some((_, name)) = due else { break };
            shared.forget(&name);
        }
    }
}
