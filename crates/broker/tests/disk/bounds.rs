//! Files that are given back.

use std::time::Duration;

use ws_broker::{Disk, DiskConfig, Engine, EngineError, Keep, Log, WhenFull};

use super::folder::{
    ALL, Folder, KEEP, append, done, fill, log, open, outcome, payloads, read, small,
};

/// Until the housekeeping has done what there is to do.
fn until(disk: &Disk, is_done: impl Fn(&Disk) -> bool) {
    while !is_done(disk) {
        std::thread::yield_now();
    }
}

#[test]
fn what_expired_gives_its_room_back_and_the_rest_stays() {
    let folder = Folder::new();
    let disk = open(&folder, small());
    let keep = Keep {
        ttl: Duration::from_secs(100 * 24 * 3600),
        when_full: WhenFull::Refuse,
        event_window: Duration::from_secs(100 * 24 * 3600),
        ..KEEP
    };
    let inbox = Log { name: "inbox:a", keep: &keep };
    let revision = done(disk.put("user:a", Some("value".into()), None)).unwrap();
    let mut letters = Vec::new();
    for round in 0..20 {
        let letter = format!("letter {round}");
        done(disk.append(&inbox, letter.clone().into(), Some(&letter)));
        letters.push(letter);
        fill(&disk, "h:a", 1000, 100);
    }
    let removed = done(disk.append(&inbox, "read already".into(), None)).position.offset;
    done(disk.remove(&inbox, &[removed]));
    let before = folder.bytes();
    let head = read(&disk, "h:a", 0).head;
    disk.advance(2 * KEEP.ttl);
    until(&disk, |disk| disk.usage().entries == 20 && disk.usage().bytes < 3 * (64 << 10));
    assert!(before > 2 << 20 && folder.bytes() < before / 10);
    let check = |disk: &Disk| {
        let page = read(disk, "h:a", 0);
        assert!(page.entries.is_empty() && !page.is_complete);
        assert_eq!(page.head, head);
        let page = done(disk.read(&inbox, 0, ALL));
        assert_eq!(payloads(&page), letters);
        assert!(page.is_complete);
        let again = done(disk.append(&inbox, "again".into(), Some("letter 3")));
        assert!(again.is_repeated && again.position.offset == 4);
        let record = done(disk.get("user:a")).unwrap();
        assert_eq!((record.value, record.revision), ("value".into(), revision));
    };
    check(&disk);
    drop(disk);
    check(&open(&folder, small()));
}

/// The oldest history goes, so that the files stay within their bound; what must not go stays.
#[test]
fn the_folder_never_grows_beyond_its_bound() {
    let folder = Folder::new();
    let config = DiskConfig { bytes_max: 1 << 20, ..small() };
    let disk = open(&folder, config);
    let keep = Keep { when_full: WhenFull::Refuse, ..KEEP };
    let inbox = Log { name: "inbox:a", keep: &keep };
    let mut kept = 0;
    for _ in 0..40 {
        fill(&disk, "h:a", 500, 200);
        if done(disk.append(&inbox, vec![b'x'; 2000].into(), None)).position.offset > 0 {
            kept += 1;
        }
        assert!(folder.bytes() <= (1 << 20) + (128 << 10), "{}", folder.bytes());
    }
    let page = read(&disk, "h:a", 0);
    assert!(!page.is_complete && page.entries.len() > 500 && page.entries.len() < 5000);
    assert_eq!(page.entries.last().unwrap().position, page.head);
    assert_eq!(done(disk.read(&inbox, 0, ALL)).entries.len(), kept);
    drop(disk);
    let disk = open(&folder, DiskConfig { bytes_max: 1 << 20, ..small() });
    assert_eq!(done(disk.read(&inbox, 0, ALL)).entries.len(), kept);
    assert!(!read(&disk, "h:a", 0).is_complete);
}

#[test]
fn logs_that_refuse_say_so_when_their_part_is_full() {
    let folder = Folder::new();
    let disk = open(&folder, DiskConfig { bytes_max: 1 << 20, ..small() });
    let keep = Keep { when_full: WhenFull::Refuse, ..KEEP };
    let inbox = Log { name: "inbox:a", keep: &keep };
    let mut count = 0;
    let error = loop {
        match outcome(disk.append(&inbox, vec![b'x'; 1000].into(), None)) {
            Ok(_) => count += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error, EngineError::Full);
    assert!(count > 300 && count < 1000, "{count}");
    // History goes on, and so does the inbox when something was taken out.
    append(&disk, "h:a", "entry");
    done(disk.remove(&inbox, &(1..=10).collect::<Vec<_>>()));
    done(disk.append(&inbox, vec![b'x'; 1000].into(), None));
}

#[test]
fn one_log_takes_no_more_than_its_part() {
    let folder = Folder::new();
    let disk = open(&folder, DiskConfig { log_bytes_max: 100_000, ..small() });
    fill(&disk, "h:a", 2000, 200);
    let page = read(&disk, "h:a", 0);
    assert!((300..500).contains(&page.entries.len()), "{}", page.entries.len());
}

#[test]
fn an_entry_that_is_too_large_is_refused_and_one_that_is_not_is_kept() {
    let folder = Folder::new();
    let disk = open(&folder, DiskConfig { payload_bytes_max: 1 << 20, ..small() });
    let large = vec![b'x'; 1 << 20];
    done(disk.append(&log("h:a"), large.clone().into(), None));
    let refused = outcome(disk.append(&log("h:a"), vec![b'x'; (1 << 20) + 1].into(), None));
    assert!(matches!(refused, Err(EngineError::Refused { .. })), "{refused:?}");
    append(&disk, "h:a", "small");
    assert_eq!(read(&disk, "h:a", 0).entries[0].payload, large);
}
