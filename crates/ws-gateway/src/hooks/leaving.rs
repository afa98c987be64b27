//! Who leaves, and whether the user is still there: on this gateway that is known at once, on others when the
//! engine has answered.

use std::collections::{HashMap, hash_map::Entry};

use parking_lot::Mutex;

/// So many wait for the answer of the engine; of more it is not said whether the user is still there.
const WAITING_MAX: usize = 16 * 1024;

/// A connection that is gone, as it will be told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gone {
    pub(super) connection_id: String,
    pub(super) code: Option<u16>,
    pub(super) reason: &'static str,
    pub(super) lived_ms: u64,
}

/// What is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// The connection, or none where the user alone is told of.
    pub(super) gone: Option<Gone>,
    pub(super) online: Option<bool>,
}

/// The users of this gateway.
#[derive(Debug, Default)]
pub(super) struct Leaving {
    users: Mutex<Users>,
}

#[derive(Debug, Default)]
struct Users {
    by_name: HashMap<Box<str>, Local>,
    waiting: usize,
}

#[derive(Debug, Default)]
struct Local {
    connections: usize,
    /// The last one here, of which it is not known yet whether it was the last of all.
    last: Option<Gone>,
    /// All are gone, as was said before this gateway had heard of each.
    is_offline: bool,
}

impl Leaving {
    /// A connection of a user is there.
    pub(super) fn handle_connect(&self, user: &str) -> Option<Word> {
        let mut users = self.users.lock();
        let local = users.by_name.entry(user.into()).or_default();
        local.connections += 1;
        // It had been gone, and is back.
        std::mem::take(&mut local.is_offline).then_some(Word { gone: None, online: Some(false) })
    }

    /// A connection of a user is gone: what is to be told at once. `None`: it waits for
    /// [`handle_offline`](Self::handle_offline) or [`give_up`](Self::give_up).
    pub(super) fn handle_disconnect(&self, user: &str, gone: Gone) -> Option<Word> {
        let mut users = self.users.lock();
        let Users { by_name, waiting } = &mut *users;
        let Entry::Occupied(mut entry) = by_name.entry(user.into()) else {
            return Some(Word { gone: Some(gone), online: None });
        };
        let local = entry.get_mut();
        local.connections = local.connections.saturating_sub(1);
        if local.connections > 0 {
            return Some(Word { gone: Some(gone), online: Some(true) });
        }
        if local.is_offline {
            *waiting -= usize::from(entry.remove().last.is_some());
            return Some(Word { gone: Some(gone), online: Some(false) });
        }
        if local.last.is_none() && *waiting >= WAITING_MAX {
            entry.remove();
            return Some(Word { gone: Some(gone), online: None });
        }
        *waiting += usize::from(local.last.is_none());
        // It came and went while the one before was waiting: of that one it is known that it was not the last.
        let before = local.last.replace(gone);
        before.map(|gone| Word { gone: Some(gone), online: Some(true) })
    }

    /// The last connection of a user is gone, on all gateways.
    pub(super) fn handle_offline(&self, user: &str) -> Option<Word> {
        let mut users = self.users.lock();
        let Users { by_name, waiting } = &mut *users;
        let Entry::Occupied(mut entry) = by_name.entry(user.into()) else {
            return Some(Word { gone: None, online: Some(false) });
        };
        if entry.get().connections > 0 {
            entry.get_mut().is_offline = true;
            return None;
        }
        let last = entry.remove().last;
        *waiting -= usize::from(last.is_some());
        Some(Word { gone: last, online: Some(false) })
    }

    /// It was waited for long enough: the user is somewhere else, or here again.
    pub(super) fn give_up(&self, user: &str, connection_id: &str) -> Option<Word> {
        let mut users = self.users.lock();
        let Users { by_name, waiting } = &mut *users;
        let Entry::Occupied(mut entry) = by_name.entry(user.into()) else { return None };
        let is_this = |gone: &Gone| gone.connection_id == connection_id;
        if !entry.get().last.as_ref().is_some_and(is_this) {
            return None;
        }
        let last = entry.get_mut().last.take();
        *waiting -= 1;
        if entry.get().connections == 0 {
            entry.remove();
        }
        Some(Word { gone: last, online: Some(true) })
    }

    /// Whether nobody waits.
    pub(super) fn is_settled(&self) -> bool {
        self.users.lock().waiting == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gone(id: &str) -> Gone {
        Gone { connection_id: id.to_owned(), code: None, reason: "io", lived_ms: 0 }
    }

    fn word(id: Option<&str>, online: bool) -> Option<Word> {
        Some(Word { gone: id.map(gone), online: Some(online) })
    }

    #[test]
    fn the_last_connection_says_that_its_user_is_offline_and_no_other_does() {
        let leaving = Leaving::default();
        assert_eq!(leaving.handle_connect("ada"), None);
        assert_eq!(leaving.handle_connect("ada"), None);
        assert_eq!(leaving.handle_disconnect("ada", gone("a")), word(Some("a"), true));
        assert_eq!(leaving.handle_disconnect("ada", gone("b")), None);
        assert!(!leaving.is_settled());
        assert_eq!(leaving.handle_offline("ada"), word(Some("b"), false));
        assert!(leaving.is_settled());
        assert_eq!(leaving.give_up("ada", "b"), None);
    }

    #[test]
    fn who_is_elsewhere_or_back_is_online() {
        let leaving = Leaving::default();
        leaving.handle_connect("ada");
        assert_eq!(leaving.handle_disconnect("ada", gone("a")), None);
        assert_eq!(leaving.give_up("ada", "a"), word(Some("a"), true));
        assert_eq!(leaving.give_up("ada", "a"), None);
        leaving.handle_connect("ada");
        assert_eq!(leaving.handle_disconnect("ada", gone("b")), None);
        leaving.handle_connect("ada");
        assert_eq!(leaving.handle_disconnect("ada", gone("c")), word(Some("b"), true));
        assert_eq!(leaving.give_up("ada", "b"), None);
        assert_eq!(leaving.handle_offline("ada"), word(Some("c"), false));
        assert!(leaving.is_settled());
    }

    #[test]
    fn who_was_on_a_gateway_that_died_is_told_of_without_a_connection() {
        let leaving = Leaving::default();
        assert_eq!(leaving.handle_offline("bob"), word(None, false));
    }

    #[test]
    fn that_all_are_gone_may_be_said_before_each_is_told_of() {
        let leaving = Leaving::default();
        leaving.handle_connect("ada");
        leaving.handle_connect("ada");
        assert_eq!(leaving.handle_disconnect("ada", gone("a")), word(Some("a"), true));
        assert_eq!(leaving.handle_offline("ada"), None);
        assert_eq!(leaving.handle_disconnect("ada", gone("b")), word(Some("b"), false));
        leaving.handle_connect("ada");
        assert_eq!(leaving.handle_offline("ada"), None);
        assert_eq!(leaving.handle_connect("ada"), word(None, false), "gone, and back");
    }
}
