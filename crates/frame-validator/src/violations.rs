//! The memory of violations: bounded, and off the path of messages.

use std::collections::VecDeque;

use lru::LruCache;

use crate::{TooLarge, ValidatorConfig};

/// One message that was refused.
///
/// It carries no time, because this crate reads no clock: `number` orders it, and whoever records it
/// logs it with the time of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The how-manieth it is since the validator was made, from 1.
    pub number: u64,
    /// What was too large, and for which limit.
    pub too_large: TooLarge,
    /// Whose connection it was, if that was known yet.
    pub user_id: Option<Box<str>>,
    /// The connection that it came from.
    pub connection_id: Box<str>,
}

/// Identifiers come from tokens and may be kilobytes long; nobody needs more to recognize one.
const ID_BYTES_MAX: usize = 128;

#[derive(Debug)]
pub(crate) struct ViolationLog {
    total: u64,
    largest: u64,
    recent_max: usize,
    recent: VecDeque<Violation>,
    by_user: Offenders,
    by_connection: Offenders,
}

impl ViolationLog {
    pub(crate) fn new(config: &ValidatorConfig) -> Self {
        Self {
            total: 0,
            largest: 0,
            recent_max: config.recent_max,
            recent: VecDeque::new(),
            by_user: Offenders::new(config.offenders_max),
            by_connection: Offenders::new(config.offenders_max),
        }
    }

    pub(crate) fn record(
        &mut self,
        too_large: TooLarge,
        user_id: Option<&str>,
        connection_id: &str,
    ) {
        let user_id = user_id.map(recognizable);
        let connection_id = recognizable(connection_id);
        self.total += 1;
        self.largest = self.largest.max(too_large.size);
        if let Some(user_id) = user_id {
            self.by_user.count(user_id);
        }
        self.by_connection.count(connection_id);
        if self.recent_max == 0 {
            return;
        }
        while self.recent.len() >= self.recent_max {
            self.recent.pop_front();
        }
        self.recent.push_back(Violation {
            number: self.total,
            too_large,
            user_id: user_id.map(Box::from),
            connection_id: Box::from(connection_id),
        });
        debug_assert!(self.recent.len() <= self.recent_max);
    }

    pub(crate) const fn total(&self) -> u64 {
        self.total
    }

    pub(crate) const fn largest(&self) -> u64 {
        self.largest
    }

    pub(crate) fn of_user(&self, user_id: &str) -> u64 {
        self.by_user.of(recognizable(user_id))
    }

    pub(crate) fn of_connection(&self, connection_id: &str) -> u64 {
        self.by_connection.of(recognizable(connection_id))
    }

    pub(crate) fn forget_connection(&mut self, connection_id: &str) {
        self.by_connection.table.pop(recognizable(connection_id));
    }

    pub(crate) fn recent(&self) -> impl Iterator<Item = &Violation> {
        self.recent.iter().rev()
    }
}

/// Who offended how often; who did so longest ago makes room.
#[derive(Debug)]
struct Offenders {
    offenders_max: usize,
    // Unbounded for the table only: it would reserve its whole capacity at once otherwise.
    table: LruCache<Box<str>, u64>,
}

impl Offenders {
    fn new(offenders_max: usize) -> Self {
        Self { offenders_max, table: LruCache::unbounded() }
    }

    fn count(&mut self, id: &str) {
        if let Some(count) = self.table.get_mut(id) {
            *count += 1;
            return;
        }
        if self.offenders_max == 0 {
            return;
        }
        while self.table.len() >= self.offenders_max {
            self.table.pop_lru();
        }
        self.table.put(Box::from(id), 1);
        debug_assert!(self.table.len() <= self.offenders_max);
    }

    fn of(&self, id: &str) -> u64 {
        self.table.peek(id).copied().unwrap_or(0)
    }
}

fn recognizable(id: &str) -> &str {
    &id[..id.floor_char_boundary(ID_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOO_LARGE: TooLarge = TooLarge { size: 20, max: 10 };

    fn log(recent_max: usize, offenders_max: usize) -> ViolationLog {
        ViolationLog::new(&ValidatorConfig {
            recent_max,
            offenders_max,
            ..ValidatorConfig::default()
        })
    }

    #[test]
    fn newest_violation_comes_first_and_the_oldest_falls_off() {
        let mut log = log(2, 8);
        for connection in ["a", "b", "c"] {
            log.record(TOO_LARGE, None, connection);
        }
        let recent: Vec<_> = log.recent().map(|v| (v.number, &*v.connection_id)).collect();
        assert_eq!(recent, [(3, "c"), (2, "b")]);
        assert_eq!(log.total(), 3);
    }

    #[test]
    fn who_offended_longest_ago_makes_room() {
        let mut log = log(8, 2);
        for connection in ["a", "b", "a", "c"] {
            log.record(TOO_LARGE, Some("user"), connection);
        }
        let counts = ["a", "b", "c"].map(|connection| log.of_connection(connection));
        assert_eq!(counts, [2, 0, 1]);
        assert_eq!(log.of_user("user"), 4);
    }

    #[test]
    fn zero_keeps_nothing_but_the_total() {
        let mut log = log(0, 0);
        log.record(TOO_LARGE, Some("user"), "a");
        assert_eq!(log.recent().count(), 0);
        assert_eq!((log.of_user("user"), log.of_connection("a"), log.total()), (0, 0, 1));
    }

    #[test]
    fn long_identifier_is_cut_on_a_character_boundary_and_still_found() {
        let mut log = log(1, 1);
        let id = "ü".repeat(1000);
        let odd = format!("x{id}");
        log.record(TOO_LARGE, Some(&id), &odd);
        assert_eq!((log.of_user(&id), log.of_connection(&odd)), (1, 1));
        let violation = log.recent().next().unwrap();
        assert_eq!(violation.user_id.as_deref().map(str::len), Some(128));
        assert_eq!(violation.connection_id.len(), 127);
    }
}
