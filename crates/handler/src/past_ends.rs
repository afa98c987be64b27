//! How the last connections of a user ended, also of one who is gone.

use std::{
    borrow::Cow,
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use ahash::RandomState;
use parking_lot::Mutex;

use crate::{client::ConnectionId, end_reason::EndReason};

/// Ends of one user that are kept.
const PER_USER: usize = 8;

/// A connection that is over, and how that came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastEnd {
    /// The connection.
    pub connection: ConnectionId,
    /// Where it came from.
    pub address: IpAddr,
    /// Why it ended.
    pub reason: EndReason,
    /// The code of the close frame, if there was one.
    pub code: Option<u16>,
    /// The rule that the peer broke, if that was it.
    pub rule: Option<Cow<'static, str>>,
    /// When it was opened, in ms since 1970.
    pub connected_at_ms: u64,
    /// When it ended, in ms since 1970.
    pub ended_at_ms: u64,
    /// The last round trip of the heartbeat.
    pub latency: Option<Duration>,
    /// How long nothing had come from the peer, where that is known.
    pub silent_for: Option<Duration>,
    /// What waited to be written.
    pub queued_bytes: usize,
}

/// The last ends of the users whose connections ended last: so many users, eight ends each.
///
/// Users are kept in two halves. When the younger is full it becomes the older one, and who is in the
/// older and has had no end since is forgotten.
#[derive(Debug)]
pub(crate) struct PastEnds {
    users_max: usize,
    halves: Mutex<Halves>,
}

type Users = HashMap<Arc<str>, VecDeque<PastEnd>, RandomState>;

#[derive(Debug, Default)]
struct Halves {
    younger: Users,
    older: Users,
}

impl PastEnds {
    pub(crate) fn new(users_max: usize) -> Self {
        Self { users_max, halves: Mutex::default() }
    }

    /// Whether anything is kept at all.
    pub(crate) fn is_kept(&self) -> bool {
        self.users_max > 0
    }

    pub(crate) fn note(&self, user: &Arc<str>, end: PastEnd) {
        if !self.is_kept() {
            return;
        }
        let mut guard = self.halves.lock();
        let halves = &mut *guard;
        let mut forgotten = None;
        if !halves.younger.contains_key(user) {
            if halves.younger.len() >= self.users_max.div_ceil(2) {
                let younger = std::mem::take(&mut halves.younger);
                forgotten = Some(std::mem::replace(&mut halves.older, younger));
            }
            let known = halves.older.remove(user).unwrap_or_default();
            halves.younger.insert(user.clone(), known);
        }
        if let Some(ends) = halves.younger.get_mut(user) {
            if ends.len() == PER_USER {
                ends.pop_front();
            }
            ends.push_back(end);
        }
        drop(guard);
        // Frees thousands of them: nobody is to wait for that.
        drop(forgotten);
    }

    /// The last one first.
    pub(crate) fn of_user(&self, user: &str) -> Vec<PastEnd> {
        let halves = self.halves.lock();
        let ends = halves.younger.get(user).or_else(|| halves.older.get(user));
        ends.map_or_else(Vec::new, |ends| ends.iter().rev().cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(ended_at_ms: u64) -> PastEnd {
        PastEnd {
            connection: ConnectionId::random(),
            address: IpAddr::from([192, 0, 2, 1]),
            reason: EndReason::Slow,
            code: Some(1013),
            rule: None,
            connected_at_ms: 0,
            ended_at_ms,
            latency: None,
            silent_for: None,
            queued_bytes: 7,
        }
    }

    fn times(ends: &PastEnds, user: &str) -> Vec<u64> {
        ends.of_user(user).iter().map(|end| end.ended_at_ms).collect()
    }

    #[test]
    fn the_last_eight_ends_of_a_user_are_kept_the_last_one_first() {
        let ends = PastEnds::new(100);
        (0..20).for_each(|at| ends.note(&"ada".into(), end(at)));
        assert_eq!(times(&ends, "ada"), [19, 18, 17, 16, 15, 14, 13, 12]);
        assert!(times(&ends, "bob").is_empty());
    }

    #[test]
    fn so_many_users_are_kept_and_those_whose_ends_are_oldest_are_forgotten() {
        let ends = PastEnds::new(100);
        for user in 0..1000 {
            ends.note(&user.to_string().into(), end(user));
            // Who ends again and again is not forgotten for the sake of a crowd.
            if user % 20 == 0 {
                ends.note(&"ada".into(), end(user));
            }
        }
        let halves = ends.halves.lock();
        assert!(halves.younger.len() + halves.older.len() <= 100);
        drop(halves);
        assert_eq!(times(&ends, "ada").len(), 8);
        assert_eq!(times(&ends, "999"), [999]);
        assert!((950..1000).all(|user: u32| !times(&ends, &user.to_string()).is_empty()));
        assert!(times(&ends, "800").is_empty());
    }

    #[test]
    fn where_none_are_to_be_kept_none_are() {
        let ends = PastEnds::new(0);
        ends.note(&"ada".into(), end(1));
        assert!(times(&ends, "ada").is_empty());
        assert!(!ends.is_kept());
    }
}
