//! What is too much, and what is too old.

use std::collections::{HashMap, HashSet};

use proptest::{collection::vec, prelude::*};

use super::*;

fn bounded(logs_bytes_max: usize) -> MemoryConfig {
    MemoryConfig { logs_bytes_max, ..MemoryConfig::default() }
}

#[test]
fn the_log_that_is_silent_for_the_longest_goes_first() {
    let cluster = MemoryCluster::with_config(bounded(100_000));
    let engine = cluster.node();
    let payload = "x".repeat(1_000);
    for name in 0..60 {
        append(&engine, &format!("h:{name}"), &payload);
        cluster.advance(Duration::from_millis(10));
        // It is not silent.
        append(&engine, "h:busy", &payload);
        cluster.advance(Duration::from_millis(10));
    }
    let stats = engine.stats().logs;
    assert!(stats.bytes <= 100_000, "{} bytes", stats.bytes);
    assert!(stats.evicted_logs > 0 && stats.evicted_entries == stats.evicted_logs);
    let kept: Vec<bool> =
        (0..60).map(|name| !read(&engine, &format!("h:{name}"), 0).entries.is_empty()).collect();
    assert!(kept.is_sorted(), "only older ones are gone: {kept:?}");
    assert_eq!(read(&engine, "h:busy", 0).entries.len(), 60);
}

#[test]
fn who_has_read_all_of_an_evicted_log_has_missed_nothing() {
    let cluster = MemoryCluster::with_config(bounded(2_000_000));
    let engine = cluster.node();
    let head = append(&engine, "h:old", "one").position;
    cluster.advance(Duration::from_millis(1));
    let payload = "x".repeat(500_000);
    for number in 0..6 {
        append(&engine, &format!("h:{number}"), &payload);
    }
    let page = read(&engine, "h:old", head.offset);
    assert_eq!((page.head, page.is_complete, page.entries.len()), (head, true, 0));
    assert!(!read(&engine, "h:old", 0).is_complete);
    let next = append(&engine, "h:old", "two").position;
    assert_eq!((next.epoch, next.offset), (head.epoch, head.offset + 1));
}

#[test]
fn a_log_that_is_too_large_by_itself_loses_its_older_half() {
    let engine = Memory::with_config(bounded(100_000));
    let keep = Keep { entries_max: NonZeroU32::MAX, ..KEEP };
    let log = Log { name: "h:a", keep: &keep };
    for _ in 0..2_000 {
        now(engine.append(&log, "x".repeat(200).into(), None)).unwrap();
        assert!(engine.stats().logs.bytes <= 100_000);
    }
    let page = now(engine.read(&log, 0, ALL)).unwrap();
    assert!((100..500).contains(&page.entries.len()), "{} are kept", page.entries.len());
    assert!(!page.is_complete);
    assert_eq!(page.entries.last().map(|entry| entry.position), Some(page.head));
}

#[test]
fn a_log_whose_position_was_forgotten_has_another_life() {
    let cluster = MemoryCluster::with_config(bounded(10_000));
    let engine = cluster.node();
    let first = append(&engine, "h:first", "one").position;
    let mut epochs = HashSet::from([first.epoch]);
    for number in 0..2_000 {
        epochs.insert(append(&engine, &format!("h:{number}"), "x").position.epoch);
        cluster.advance(Duration::from_millis(1));
    }
    let stats = engine.stats().logs;
    assert!(stats.forgotten > 0 && stats.heads <= 32 * 3, "{stats:?}");
    let again = append(&engine, "h:first", "two").position;
    assert_ne!(again.epoch, first.epoch);
    assert_eq!(again.offset, 1);
    assert!(epochs.iter().all(|epoch| *epoch < 1 << 53));
}

#[test]
fn what_is_too_old_goes_without_being_asked_for() {
    let cluster = MemoryCluster::new();
    let engine = cluster.node();
    for number in 0..1_000 {
        append(&engine, &format!("h:{number}"), "x");
    }
    cluster.advance(Duration::from_secs(62));
    // Appends to other logs are enough.
    for number in 0..2_000 {
        append(&engine, &format!("h:new {number}"), "x");
    }
    let stats = engine.stats().logs;
    assert_eq!((stats.expired, stats.logs, stats.heads), (1_000, 2_000, 1_000));
    // Asking how it is is enough as well, sooner or later.
    cluster.advance(Duration::from_secs(62));
    while engine.stats().logs.logs > 0 {}
    assert_eq!(engine.stats().logs.bytes, 0);
}

#[test]
fn records_that_are_too_much_are_refused() {
    let config = MemoryConfig { records_bytes_max: 10_000, ..MemoryConfig::default() };
    let engine = Memory::with_config(config);
    let large = Bytes::from(vec![b'x'; 8_000]);
    let revision = now(engine.put("a", Some(large.clone()), None)).unwrap().unwrap();
    let refused = now(engine.put("b", Some(large.clone()), None));
    assert!(matches!(refused, Err(EngineError::Refused { .. })));
    // What is no larger than it was, and what goes, is not refused.
    let revision = now(engine.put("a", Some(large.clone()), Some(revision))).unwrap().unwrap();
    now(engine.put("a", None, Some(revision))).unwrap().unwrap();
    now(engine.put("b", Some(large), None)).unwrap().unwrap();
}

/// What was appended to a log in one of its lives.
#[derive(Default)]
struct Life {
    appended: Vec<(u64, Bytes)>,
}

proptest! {
    /// Whatever is evicted, expired and forgotten: who is told that a page is complete has it complete.
    #[test]
    fn nobody_is_told_that_all_is_there_when_it_is_not(
        steps in vec((0..12_u8, 0..600_usize, 0..20_u64, 0..4_000_u64), 1..300)
    ) {
        let cluster = MemoryCluster::with_config(bounded(6_000));
        let engine = cluster.node();
        let keep = Keep { entries_max: NonZeroU32::new(5).unwrap(), ..KEEP };
        let mut lives: HashMap<(u8, u64), Life> = HashMap::new();
        for (name, bytes, after, ms) in steps {
            let text = format!("h:{name}");
            let log = Log { name: &text, keep: &keep };
            let payload = Bytes::from(vec![name; bytes]);
            let position = now(engine.append(&log, payload.clone(), None)).unwrap().position;
            let life = lives.entry((name, position.epoch)).or_default();
            prop_assert_eq!(position.offset, life.appended.len() as u64 + 1);
            life.appended.push((position.offset, payload));
            cluster.advance(Duration::from_millis(ms));
            let other = (name + 1) % 12;
            let text = format!("h:{other}");
            let page = now(engine.read(&Log { name: &text, keep: &keep }, after, ALL)).unwrap();
            let appended = lives.get(&(other, page.head.epoch));
            let appended = appended.map_or(&[][..], |life| &life.appended);
            prop_assert_eq!(page.head.offset, appended.len() as u64);
            let read: Vec<_> =
                page.entries.into_iter().map(|entry| (entry.position.offset, entry.payload)).collect();
            let missed: Vec<_> =
                appended.iter().filter(|(offset, _)| *offset > after).cloned().collect();
            if page.is_complete {
                prop_assert_eq!(read, missed);
            } else {
                prop_assert!(missed.ends_with(&read));
            }
            prop_assert!(cluster.stats().logs.bytes <= 6_000);
        }
    }
}
