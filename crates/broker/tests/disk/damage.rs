//! Files that are not as they were written.

use std::{fs, os::unix::fs::FileExt, path::Path};

use ws_broker::{Disk, DiskConfig, Engine, OpenError};

use super::folder::{Folder, append, done, fill, open, payloads, read, small};

fn cut(file: &Path, bytes: u64) {
    let file = fs::OpenOptions::new().write(true).open(file).unwrap();
    let length = file.metadata().unwrap().len();
    file.set_len(length - bytes).unwrap();
}

fn flip(file: &Path, at: u64) {
    let mut bytes = fs::read(file).unwrap();
    bytes[at as usize] ^= 0x10;
    fs::write(file, bytes).unwrap();
}

/// Commits of one entry each.
fn written(folder: &Folder, count: usize) -> Vec<String> {
    let disk = open(folder, small());
    let sent: Vec<String> = (0..count).map(|number| format!("entry {number}")).collect();
    for entry in &sent {
        append(&disk, "h:a", entry);
    }
    sent
}

/// Wherever the end of the newest file is missing, what was written before is there, and the epoch stays.
#[test]
fn a_torn_end_is_cut_off() {
    for missing in [1, 2, 5, 13, 24, 25, 37, 60] {
        let folder = Folder::new();
        let sent = written(&folder, 20);
        let disk = open(&folder, small());
        let before = read(&disk, "h:a", 0).head;
        drop(disk);
        cut(&folder.segments()[0], missing);
        let disk = open(&folder, small());
        assert!(disk.recovery().torn.is_some(), "{missing} bytes");
        assert!(disk.recovery().damage.is_empty());
        let page = read(&disk, "h:a", 0);
        assert_eq!(payloads(&page), sent[..19]);
        assert_eq!((page.head.epoch, page.head.offset), (before.epoch, 19));
        assert!(page.is_complete);
        assert_eq!(append(&disk, "h:a", "next").position.offset, 20);
        drop(disk);
        // What was cut off stays so.
        let disk = open(&folder, small());
        assert_eq!((disk.recovery().torn.clone(), disk.recovery().entries), (None, 20));
    }
}

/// Blocks that the disk did not get are zeros.
#[test]
fn an_end_of_zeros_is_cut_off() {
    let folder = Folder::new();
    let sent = written(&folder, 20);
    let file = folder.segments().pop().unwrap();
    let mut bytes = fs::read(&file).unwrap();
    bytes.resize(bytes.len() + 3000, 0);
    fs::write(&file, bytes).unwrap();
    let disk = open(&folder, small());
    assert!(disk.recovery().torn.is_some());
    assert_eq!(payloads(&read(&disk, "h:a", 0)), sent);
}

/// The last commit is all there, and is not what was written: perhaps it was acknowledged.
#[test]
fn a_flipped_bit_in_the_last_commit_makes_another_epoch() {
    let folder = Folder::new();
    let sent = written(&folder, 20);
    let disk = open(&folder, small());
    let before = read(&disk, "h:a", 0).head;
    drop(disk);
    let file = folder.segments().pop().unwrap();
    flip(&file, fs::metadata(&file).unwrap().len() - 3);
    let disk = open(&folder, small());
    assert!(disk.recovery().is_new_epoch);
    assert_eq!(disk.recovery().damage.len(), 1);
    let page = read(&disk, "h:a", 0);
    assert_eq!(payloads(&page), sent[..19]);
    assert_ne!(page.head.epoch, before.epoch);
    append(&disk, "h:a", "next");
    drop(disk);
    // That was dealt with.
    let disk = open(&folder, small());
    assert!(!disk.recovery().is_new_epoch && disk.recovery().damage.is_empty());
    assert_eq!(read(&disk, "h:a", 0).head.epoch, page.head.epoch);
    assert_eq!(read(&disk, "h:a", 0).entries.len(), 20);
}

/// Wherever one bit is flipped before the last commit: opening says so, and repairing loses one commit.
#[test]
fn a_flipped_bit_in_the_midst_is_told_and_repaired() {
    let clean = Folder::new();
    let sent = written(&clean, 40);
    let file = clean.segments().pop().unwrap();
    let bytes = fs::read(&file).unwrap();
    // The head, and everything but the last commits.
    for at in (0..bytes.len() - 200).step_by(37) {
        let folder = Folder::new();
        fs::create_dir_all(folder.path()).unwrap();
        let damaged = folder.path().join(file.file_name().unwrap());
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x04;
        fs::write(&damaged, &bytes).unwrap();
        let error = match Disk::open(folder.path(), small()) {
            // What is not covered by a checksum says nothing.
            Ok(disk) => {
                assert!((40..64).contains(&at), "byte {at} is not covered");
                assert_eq!(payloads(&read(&disk, "h:a", 0)), sent);
                continue;
            }
            Err(error) => error,
        };
        if let OpenError::NewerFormat { .. } = error {
            assert!((8..12).contains(&at));
            continue;
        }
        let OpenError::Damaged { recovery, .. } = &error else { panic!("byte {at}: {error}") };
        assert_eq!(recovery.damage.len(), 1, "byte {at}: {error}");
        assert_eq!(fs::read(&damaged).unwrap(), bytes, "nothing was changed");

        let config = DiskConfig { is_repairing: true, ..small() };
        let disk = open(&folder, config);
        assert!(disk.recovery().is_new_epoch);
        let page = read(&disk, "h:a", 0);
        assert!(page.entries.len() >= 39 || page.entries.is_empty(), "byte {at}");
        assert!(payloads(&page).iter().all(|payload| sent.contains(payload)));
        append(&disk, "h:a", "next");
        drop(disk);
        let disk = open(&folder, small());
        assert!(disk.recovery().damage.is_empty());
        assert_eq!(read(&disk, "h:a", 0).entries.len(), page.entries.len() + 1);
    }
}

#[test]
fn a_file_that_is_missing_is_told() {
    let folder = Folder::new();
    let disk = open(&folder, small());
    fill(&disk, "h:a", 12_000, 100);
    drop(disk);
    let segments = folder.segments();
    assert!(segments.len() > 4);
    fs::remove_file(&segments[2]).unwrap();
    let error = Disk::open(folder.path(), small()).unwrap_err();
    let OpenError::Damaged { recovery, .. } = &error else { panic!("{error}") };
    assert!(recovery.damage[0].commits.is_some_and(|commits| commits > 0), "{error}");
    let disk = open(&folder, DiskConfig { is_repairing: true, ..small() });
    assert_eq!(disk.recovery().entries, recovery.entries);
    assert_eq!(read(&disk, "h:a", 0).head.offset, 12_000);
}

/// Damage that comes while it is open is noticed when it is read: no altered payload is given out.
#[test]
fn what_was_altered_is_not_given_out() {
    let folder = Folder::new();
    let disk = open(&folder, small());
    let sent = fill(&disk, "h:a", 10, 10);
    let file = folder.segments().pop().unwrap();
    let bytes = fs::read(&file).unwrap();
    let needle = sent[4].as_bytes();
    let at = bytes.windows(needle.len()).position(|bytes| bytes == needle).unwrap();
    let open = fs::OpenOptions::new().write(true).open(&file).unwrap();
    open.write_all_at(b"X", at as u64).unwrap();

    let page = read(&disk, "h:a", 0);
    assert_eq!(payloads(&page), sent[..4]);
    let page = read(&disk, "h:a", 4);
    assert!(!page.is_complete);
    assert_eq!(payloads(&page), sent[5..]);
    assert!(disk.usage().damaged > 0);
    done(disk.remove(&super::folder::log("h:a"), &[5]));
    assert!(read(&disk, "h:a", 4).is_complete);
}
