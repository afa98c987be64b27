//! What a caller holds, and what holds a place while there is no connection in it.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use tokio::time::Instant;

use super::place::Place;
use super::{Poolable, Shared};

/// A connection that is in use. It goes back to its pool when this is dropped.
pub struct Pooled<C: Poolable> {
    shared: Arc<Shared<C>>,
    id: u64,
    connection: Arc<C>,
}

impl<C: Poolable> Pooled<C> {
    pub(super) const fn new(shared: Arc<Shared<C>>, id: u64, connection: Arc<C>) -> Self {
        Self { shared, id, connection }
    }
}

impl<C: Poolable> Deref for Pooled<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.connection
    }
}

impl<C: Poolable> Drop for Pooled<C> {
    fn drop(&mut self) {
        let is_news = {
            let mut slots = self.shared.slots.lock();
            slots.handle_released(self.id, Instant::now().into_std());
            slots.metrics().idle == 1
        };
        if is_news {
            self.shared.news.notify_one();
        }
        self.shared.serve();
    }
}

impl<C: Poolable + fmt::Debug> fmt::Debug for Pooled<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pooled").field(&self.connection).finish()
    }
}

/// A place that is taken while a connection is opened or closed. It is free when this is dropped.
pub(super) struct Slot<C: Poolable> {
    shared: Arc<Shared<C>>,
    /// `None`: a connection is in it.
    place: Option<Arc<Place>>,
    is_closing: bool,
}

impl<C: Poolable> Slot<C> {
    pub(super) const fn opening(shared: Arc<Shared<C>>, place: Arc<Place>) -> Self {
        Self { shared, place: Some(place), is_closing: false }
    }

    pub(super) const fn closing(shared: Arc<Shared<C>>, place: Arc<Place>) -> Self {
        Self { shared, place: Some(place), is_closing: true }
    }

    /// Puts the connection in that was opened. If the pool was closed meanwhile, so is it.
    pub(super) fn fill(mut self, connection: C) -> Option<Pooled<C>> {
        let place = self.place.take()?;
        let connection = Arc::new(connection);
        let id = self.shared.slots.lock().handle_opened(place, Arc::clone(&connection));
        let pooled = id.map(|id| Pooled::new(Arc::clone(&self.shared), id, connection));
        self.shared.serve();
        pooled
    }
}

impl<C: Poolable> Drop for Slot<C> {
    fn drop(&mut self) {
        let Some(place) = self.place.take() else { return };
        let is_all_closed = {
            let mut slots = self.shared.slots.lock();
            if self.is_closing {
                slots.handle_closed(&place);
            } else {
                slots.handle_failed(&place);
            }
            slots.is_all_closed()
        };
        if is_all_closed {
            self.shared.closed.notify_waiters();
        }
        self.shared.serve();
    }
}
