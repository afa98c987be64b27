//! What clients call themselves, each text kept once.

use std::sync::Arc;

use ahash::RandomState;
use hashbrown::HashSet;
use http::{HeaderMap, header};
use parking_lot::RwLock;

/// As much of a name is kept.
const BYTES_MAX: usize = 128;
/// As many different names are kept to be shared. One beyond them is kept by its own connection alone.
const SHARED_MAX: usize = 1024;

/// A thousand clients of one version have one text between them.
#[derive(Debug, Default)]
pub(crate) struct Agents(RwLock<HashSet<Arc<str>, RandomState>>);

impl Agents {
    /// What the sender of these headers calls itself.
    pub(crate) fn of(&self, headers: &HeaderMap) -> Option<Arc<str>> {
        // What is not visible ASCII is nobody's name, and ends in no terminal.
        let name = headers.get(header::USER_AGENT)?.to_str().ok()?.trim();
        let name = &name[..name.floor_char_boundary(BYTES_MAX)];
        if name.is_empty() {
            return None;
        }
        if let Some(known) = self.0.read().get(name) {
            return Some(known.clone());
        }
        let mut shared = self.0.write();
        if shared.len() >= SHARED_MAX {
            // Those that nobody has any more.
            shared.retain(|name| Arc::strong_count(name) > 1);
        }
        let name: Arc<str> = name.into();
        if shared.len() < SHARED_MAX {
            return Some(shared.get_or_insert(name).clone());
        }
        Some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> HeaderMap {
        let value = http::HeaderValue::from_bytes(name.as_bytes()).unwrap();
        HeaderMap::from_iter([(header::USER_AGENT, value)])
    }

    #[test]
    fn clients_of_one_version_share_its_name() {
        let agents = Agents::default();
        let (one, other) = (agents.of(&named("a/1")), agents.of(&named("a/1")));
        assert!(Arc::ptr_eq(&one.unwrap(), &other.unwrap()));
        assert_eq!(agents.of(&named(&"x".repeat(500))).unwrap().len(), BYTES_MAX);
        assert_eq!(agents.of(&HeaderMap::new()), None);
        assert_eq!(agents.of(&named("ä")), None, "not visible ASCII");
    }

    #[test]
    fn a_spray_of_names_does_not_grow_the_table() {
        let agents = Agents::default();
        let held: Vec<_> =
            (0..SHARED_MAX + 10).map(|n| agents.of(&named(&n.to_string())).unwrap()).collect();
        assert_eq!(agents.0.read().len(), SHARED_MAX);
        drop(held);
        agents.of(&named("after")).unwrap();
        assert_eq!(agents.0.read().len(), 1, "names of nobody make way");
    }
}
