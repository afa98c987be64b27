//! Small values, changed by compare-and-set.

use std::{collections::BTreeMap, ops::Bound};

use bytes::Bytes;
use parking_lot::RwLock;

use crate::{Conflict, EngineError, Record, Revision};

use super::KIND;

/// Ordered by key, so that a prefix is a range.
#[derive(Debug, Default)]
pub(super) struct Records {
    table: RwLock<Table>,
}

#[derive(Debug, Default)]
struct Table {
    by_key: BTreeMap<Box<str>, Record>,
    /// Of all changes of all keys, so that no two are the same even if the key was away.
    last_revision: u64,
    bytes: usize,
}

impl Records {
    pub(super) fn get(&self, key: &str) -> Option<Record> {
        self.table.read().by_key.get(key).cloned()
    }

    pub(super) fn put(
        &self,
        key: &str,
        value: Option<Bytes>,
        expected: Option<Revision>,
        bytes_max: usize,
    ) -> Result<Result<Revision, Conflict>, EngineError> {
        let mut table = self.table.write();
        let current = table.by_key.get(key);
        if current.map(|record| record.revision) != expected {
            return Ok(Err(Conflict { current: current.cloned() }));
        }
        let old_bytes = current.map_or(0, |record| bytes(key, &record.value));
        let new_bytes = value.as_ref().map_or(0, |value| bytes(key, value));
        if new_bytes > old_bytes && table.bytes + new_bytes - old_bytes > bytes_max {
            let reason = "the records are as large as they may be".into();
            return Err(EngineError::Refused { kind: KIND, reason });
        }
        table.bytes = table.bytes + new_bytes - old_bytes;
        table.last_revision += 1;
        let revision = Revision(table.last_revision);
        match (value, table.by_key.get_mut(key)) {
            (Some(value), Some(record)) => *record = Record { value, revision },
            (Some(value), None) => {
                table.by_key.insert(key.into(), Record { value, revision });
            }
            (None, _) => {
                table.by_key.remove(key);
            }
        }
        Ok(Ok(revision))
    }

    pub(super) fn keys(&self, prefix: &str) -> Vec<String> {
        let table = self.table.read();
        let from = (Bound::Included(prefix), Bound::Unbounded);
        let keys = table.by_key.range::<str, _>(from).map(|(key, _)| &**key);
        keys.take_while(|key| key.starts_with(prefix)).map(str::to_owned).collect()
    }

    /// How many there are, and the memory that they take.
    pub(super) fn size(&self) -> (usize, usize) {
        let table = self.table.read();
        (table.by_key.len(), table.bytes)
    }
}

/// What a record takes: its text, and its share of the tree's nodes, which are two thirds full.
fn bytes(key: &str, value: &Bytes) -> usize {
    key.len() + value.len() + (size_of::<Box<str>>() + size_of::<Record>()) * 3 / 2
}
