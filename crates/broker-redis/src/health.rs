//! Whether all that is needed is there, and who is told.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;
use ws_broker::{Listener, Status};

use crate::error::StartError;

/// One connection, or the map of a cluster.
pub(crate) type Part = u64;

/// The map of a cluster.
pub(crate) const MAP: Part = 0;

/// All parts together: up when each of them is.
#[derive(Debug)]
pub(crate) struct Health {
    /// Held while the listener is told, so that it is told in order.
    parts: Mutex<HashMap<Part, Option<Arc<str>>>>,
    /// Apart, so that it can be asked from anywhere.
    status: RwLock<Status>,
    listener: OnceLock<Told>,
    first: watch::Sender<Option<Result<(), StartError>>>,
}

struct Told(Arc<dyn Listener>);

impl std::fmt::Debug for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Listener")
    }
}

impl Health {
    pub(crate) fn new() -> Self {
        Self {
            parts: Mutex::default(),
            status: RwLock::new(Status::Starting),
            listener: OnceLock::new(),
            first: watch::Sender::new(None),
        }
    }

    pub(crate) fn status(&self) -> Status {
        self.status.read().clone()
    }

    pub(crate) fn listener(&self) -> Option<&Arc<dyn Listener>> {
        self.listener.get().map(|told| &told.0)
    }

    /// How many parts that are connections are up.
    pub(crate) fn connections(&self) -> usize {
        let parts = self.parts.lock();
        parts.iter().filter(|(part, reason)| **part != MAP && reason.is_none()).count()
    }

    /// From now on, this one is told; at once, if there is something to tell.
    pub(crate) fn start(&self, listener: Arc<dyn Listener>) {
        let _told_in_order = self.parts.lock();
        let status = self.status();
        let is_first = self.listener.set(Told(listener)).is_ok();
        if let Some(listener) = self.listener()
            && is_first
            && status != Status::Starting
        {
            listener.handle_status(&status);
        }
    }

    /// Until it was up once, or a first try failed.
    pub(crate) async fn ready(&self) -> Result<(), StartError> {
        let mut first = self.first.subscribe();
        match first.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(outcome)) => outcome.clone(),
            _ => Ok(()),
        }
    }

    /// There is another part, which is not up yet.
    pub(crate) fn add(&self, part: Part, reason: Arc<str>) {
        let mut parts = self.parts.lock();
        parts.insert(part, Some(reason));
        self.tell(&parts, false);
    }

    /// There is one part less.
    pub(crate) fn remove(&self, part: Part) {
        let mut parts = self.parts.lock();
        if parts.remove(&part).is_some() {
            self.tell(&parts, false);
        }
    }

    /// A part is up, also if it was before and may have missed something.
    pub(crate) fn up(&self, part: Part) {
        let mut parts = self.parts.lock();
        if let Some(reason) = parts.get_mut(&part) {
            *reason = None;
            self.tell(&parts, true);
        }
    }

    /// A part is not up.
    pub(crate) fn down(&self, part: Part, error: &StartError) {
        let mut parts = self.parts.lock();
        if let Some(reason) = parts.get_mut(&part) {
            *reason = Some(error.to_string().into());
            self.tell(&parts, false);
        }
        drop(parts);
        self.first.send_if_modified(|first| {
            let is_first = first.is_none();
            if is_first {
                tracing::warn!(%error, "redis is not available; it is being tried");
            }
            *first = Some(match first.take() {
                Some(Ok(())) => Ok(()),
                _ => Err(error.clone()),
            });
            is_first
        });
    }

    fn tell(&self, parts: &HashMap<Part, Option<Arc<str>>>, is_news: bool) {
        let down = parts.values().flatten().next();
        let now = match down {
            None if parts.is_empty() => return,
            None => Status::Up,
            Some(reason) => Status::Down(reason.clone()),
        };
        let before = self.status();
        let changes = match (&before, &now) {
            // Never reached so far.
            (Status::Starting, Status::Down(_)) => false,
            (Status::Up, Status::Up) => is_news,
            (Status::Down(_), Status::Down(_)) => false,
            _ => true,
        };
        if !changes {
            if matches!((&before, &now), (Status::Down(_), Status::Down(_))) {
                *self.status.write() = now;
            }
            return;
        }
        match &now {
            Status::Up => {
                tracing::info!("redis is up");
                self.first.send_replace(Some(Ok(())));
            }
            Status::Down(reason) => tracing::warn!(%reason, "redis is away"),
            Status::Starting => {}
        }
        *self.status.write() = now.clone();
        if let Some(listener) = self.listener() {
            listener.handle_status(&now);
        }
    }
}
