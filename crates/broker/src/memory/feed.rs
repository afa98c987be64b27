//! Telling everybody who follows, one thing after the other, without a task and without waiting.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use ahash::RandomState;
use parking_lot::Mutex;

use super::link::{Link, Told};

/// Who follows one topic or one log.
///
/// Who has something to tell queues it and calls [`tell`](Self::tell). Whoever comes first tells everything,
/// also what others queue meanwhile; they go on with their work. So nobody waits for a
/// listener that is not theirs, and the order is that of the queue.
#[derive(Debug)]
pub(super) struct Feed<T> {
    name: Arc<str>,
    state: Mutex<State<T>>,
}

#[derive(Debug)]
struct State<T> {
    waiting: VecDeque<T>,
    is_telling: bool,
    /// Replaced, never changed, as they are being told meanwhile.
    followers: Arc<[Arc<Link>]>,
}

/// Feeds by name. One without followers stays as long as somebody is telling what they were to hear: who
/// follows again then is told the rest, and what comes later behind it.
#[derive(Debug)]
pub(super) struct Feeds<T> {
    by_name: HashMap<Arc<str>, Arc<Feed<T>>, RandomState>,
}

impl<T: Told> Feed<T> {
    fn new(name: Arc<str>) -> Self {
        let state = State { waiting: VecDeque::new(), is_telling: false, followers: Arc::new([]) };
        Self { name, state: Mutex::new(state) }
    }

    pub(super) fn waiting(&self) -> usize {
        self.state.lock().waiting.len()
    }

    pub(super) fn queue(&self, news: T) {
        self.state.lock().waiting.push_back(news);
    }

    /// Queues it, unless so much waits already.
    pub(super) fn try_queue(&self, news: T, waiting_max: usize) -> bool {
        let mut state = self.state.lock();
        let has_room = state.waiting.len() < waiting_max;
        if has_room {
            state.waiting.push_back(news);
        }
        has_room
    }

    /// Tells what is queued, unless somebody does already. Whether nobody follows any more: then it can
    /// be [swept](Feeds::sweep).
    pub(super) fn tell(&self) -> bool {
        let mut state = self.state.lock();
        if state.is_telling {
            return false;
        }
        // If a listener panics, the next one to come goes on with what is left.
        let _turn = Turn(self);
        while let Some(news) = state.waiting.pop_front() {
            state.is_telling = true;
            let followers = Arc::clone(&state.followers);
            drop(state);
            if let [others @ .., last] = &*followers {
                for link in others {
                    link.tell(&self.name, news.clone());
                }
                last.tell(&self.name, news);
            }
            state = self.state.lock();
        }
        // In the same breath as the queue was seen to be empty, or what is queued next stays there.
        state.is_telling = false;
        let is_left = state.followers.is_empty();
        drop(state);
        is_left
    }
}

/// Ends the telling if a panic ends it.
struct Turn<'a, T>(&'a Feed<T>);

impl<T> Drop for Turn<'_, T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.state.lock().is_telling = false;
        }
    }
}

impl<T: Told> Feeds<T> {
    pub(super) fn new() -> Self {
        Self { by_name: HashMap::default() }
    }

    pub(super) fn get(&self, name: &str) -> Option<Arc<Feed<T>>> {
        if self.by_name.is_empty() { None } else { self.by_name.get(name).cloned() }
    }

    pub(super) fn follow(&mut self, name: &str, link: &Arc<Link>) {
        let feed = match self.by_name.get(name) {
            Some(feed) => feed,
            None => {
                let name: Arc<str> = name.into();
                self.by_name.entry(Arc::clone(&name)).or_insert_with(|| Arc::new(Feed::new(name)))
            }
        };
        let mut state = feed.state.lock();
        if !state.followers.iter().any(|follower| Arc::ptr_eq(follower, link)) {
            state.followers = state.followers.iter().chain([link]).cloned().collect();
        }
    }

    pub(super) fn unfollow(&mut self, name: &str, link: &Arc<Link>) {
        if let Some(feed) = self.by_name.get(name)
            && feed.leave(link)
        {
            self.by_name.remove(name);
        }
    }

    /// Forgets a feed that nobody follows and nobody uses.
    pub(super) fn sweep(&mut self, name: &str) {
        if self.by_name.get(name).is_some_and(|feed| feed.state.lock().is_unused()) {
            self.by_name.remove(name);
        }
    }

    /// Somebody follows nothing any more.
    pub(super) fn forget(&mut self, link: &Arc<Link>) {
        self.by_name.retain(|_, feed| !feed.leave(link));
    }

    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }
}

impl<T> Feed<T> {
    /// Whether nobody is left, and nothing is left to be told.
    fn leave(&self, link: &Arc<Link>) -> bool {
        let mut state = self.state.lock();
        let is_other = |follower: &&Arc<Link>| !Arc::ptr_eq(follower, link);
        state.followers = state.followers.iter().filter(is_other).cloned().collect();
        state.is_unused()
    }
}

impl<T> State<T> {
    fn is_unused(&self) -> bool {
        self.followers.is_empty() && self.waiting.is_empty() && !self.is_telling
    }
}
