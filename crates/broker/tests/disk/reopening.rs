//! A folder that is closed and opened again.

use std::{num::NonZeroU32, time::Duration};

use ws_broker::{
    Disk, DiskConfig, Engine, EngineError, Keep, Log, OpenError, ReadLimits, WhenFull,
};

use super::folder::{
    ALL, Folder, KEEP, append, done, fill, log, open, outcome, payloads, read, small,
};

#[test]
fn everything_is_there_again_and_goes_on_where_it_was() {
    let folder = Folder::new();
    let disk = open(&folder, DiskConfig::default());
    let sent = fill(&disk, "h:a", 100, 10);
    let first = done(disk.append(&log("h:b"), "once".into(), Some("event"))).position;
    done(disk.remove(&log("h:a"), &[1, 50]));
    let revision = done(disk.put("user:a", Some("value".into()), None)).unwrap();
    let gone = done(disk.put("user:b", Some("gone".into()), None)).unwrap();
    done(disk.put("user:b", None, Some(gone))).unwrap();
    let before = read(&disk, "h:a", 0);
    drop(disk);

    let disk = open(&folder, DiskConfig::default());
    assert_eq!(disk.recovery().entries, 99);
    let after = read(&disk, "h:a", 0);
    assert_eq!(after, before);
    assert_eq!(payloads(&after).last(), sent.last());
    let again = done(disk.append(&log("h:b"), "twice".into(), Some("event")));
    assert!(again.is_repeated);
    assert_eq!(again.position, first);
    let next = append(&disk, "h:a", "next").position;
    assert_eq!((next.epoch, next.offset), (before.head.epoch, 101));
    let record = done(disk.get("user:a")).unwrap();
    assert_eq!((record.value, record.revision), ("value".into(), revision));
    assert_eq!(done(disk.get("user:b")), None);
    assert_eq!(done(disk.keys("user:")), ["user:a"]);
    let newer = done(disk.put("user:b", Some("back".into()), None)).unwrap();
    assert!(newer != gone && newer != revision);
}

#[test]
fn a_folder_is_open_once() {
    let folder = Folder::new();
    let disk = open(&folder, DiskConfig::default());
    let second = Disk::open(folder.path(), DiskConfig::default()).unwrap_err();
    assert!(matches!(second, OpenError::InUse(_)), "{second}");
    assert!(second.to_string().ends_with("is in use by another process"), "{second}");
    drop(disk);
    open(&folder, DiskConfig::default());
}

#[test]
fn a_later_format_is_left_alone() {
    let folder = Folder::new();
    append(&open(&folder, DiskConfig::default()), "h:a", "entry");
    let file = folder.segments().pop().unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[8] = 9;
    std::fs::write(&file, &bytes).unwrap();
    let error = Disk::open(folder.path(), DiskConfig::default()).unwrap_err();
    assert!(matches!(error, OpenError::NewerFormat { found: 9, known: 1, .. }), "{error}");
    assert_eq!(std::fs::read(&file).unwrap(), bytes);
}

#[test]
fn what_was_dropped_does_not_come_back() {
    let folder = Folder::new();
    let keep = Keep { entries_max: NonZeroU32::new(10).unwrap(), ..KEEP };
    let bounded = Log { name: "h:a", keep: &keep };
    let disk = open(&folder, DiskConfig::default());
    for _ in 0..25 {
        done(disk.append(&bounded, "entry".into(), None));
    }
    let before = done(disk.read(&bounded, 15, ALL));
    assert!(before.is_complete && before.entries.len() == 10);
    drop(disk);
    let disk = open(&folder, DiskConfig::default());
    assert_eq!(done(disk.read(&bounded, 15, ALL)), before);
    assert!(!done(disk.read(&bounded, 14, ALL)).is_complete);
}

#[test]
fn what_was_promised_is_kept_by_a_log_that_refuses() {
    let folder = Folder::new();
    let keep =
        Keep { entries_max: NonZeroU32::new(3).unwrap(), when_full: WhenFull::Refuse, ..KEEP };
    let inbox = Log { name: "inbox:a", keep: &keep };
    let disk = open(&folder, DiskConfig::default());
    for _ in 0..3 {
        done(disk.append(&inbox, "entry".into(), None));
    }
    drop(disk);
    let disk = open(&folder, DiskConfig::default());
    assert_eq!(outcome(disk.append(&inbox, "more".into(), None)), Err(EngineError::Full));
    done(disk.remove(&inbox, &[2]));
    done(disk.append(&inbox, "more".into(), None));
    assert_eq!(payloads(&read(&disk, "inbox:a", 0)), ["entry", "entry", "more"]);
}

#[test]
fn a_log_that_nobody_uses_is_forgotten_and_begins_with_another_epoch() {
    let folder = Folder::new();
    let disk = open(&folder, small());
    let first = append(&disk, "h:a", "entry").position;
    append(&disk, "h:b", "entry");
    disk.advance(2 * KEEP.ttl);
    let day = Duration::from_secs(24 * 3600);
    append(&disk, "h:b", "kept");
    disk.advance(7 * day);
    while disk.usage().logs > 0 {
        std::thread::yield_now();
    }
    let page = done(disk.read(&log("h:a"), first.offset, ReadLimits::NOTHING));
    assert!(page.head.epoch != first.epoch && page.head.offset == 0 && !page.is_complete);
    drop(disk);
    let disk = open(&folder, small());
    let second = append(&disk, "h:a", "entry").position;
    assert_eq!((second.epoch, second.offset), (page.head.epoch, 1));
}

#[test]
fn a_million_entries_are_read_in_pages() {
    let folder = Folder::new();
    let disk = open(&folder, DiskConfig { is_synced: false, ..DiskConfig::default() });
    let sent = fill(&disk, "h:a", 1_000_000, 8);
    drop(disk);
    let disk = open(&folder, DiskConfig::default());
    let limits = ReadLimits { entries_max: 1000, bytes_max: 64 << 10 };
    let mut after = 0;
    while after < 1_000_000 {
        let page = done(disk.read(&log("h:a"), after, limits));
        assert!(page.is_complete && page.entries.len() <= 1000);
        let bytes: usize = page.entries.iter().map(|entry| entry.payload.len()).sum();
        assert!(bytes <= 64 << 10);
        for entry in page.entries {
            assert_eq!(entry.payload, sent[after as usize]);
            assert_eq!(entry.previous, after);
            after = entry.position.offset;
        }
    }
}
