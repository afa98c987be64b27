//! `kill -9` in the midst of appending.

use std::{
    collections::BTreeMap,
    env,
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
};

use ws_broker::{Disk, DiskConfig, Engine};

use super::folder::{Folder, done, log, open, read};

/// Set for the process that is killed: its folder.
const FOLDER: &str = "WS_TEST_DISK_FOLDER";
const LOGS: u64 = 7;
const WRITERS: u64 = 32;

/// Many writers append to several logs, and each says what was acknowledged, until the process is killed. Then
/// everything that was acknowledged is there, in its order, once; the offsets go on and the epoch stays.
#[test]
fn kill_9_loses_nothing_that_was_acknowledged() {
    if let Some(folder) = env::var_os(FOLDER) {
        let config = DiskConfig { segment_bytes: 256 << 10, ..DiskConfig::default() };
        append_for_ever(Disk::open(folder, config).unwrap());
    }
    let folder = Folder::new();
    let mut acknowledged = BTreeMap::new();
    let mut epochs = BTreeMap::new();
    for round in 0..4 {
        acknowledge(&folder, 500 + 700 * round, &mut acknowledged);
        let disk = open(&folder, DiskConfig::default());
        assert_eq!(disk.recovery().damage, []);
        check(&disk, &acknowledged, &mut epochs);
    }
    assert!(acknowledged.len() > 5000);
}

/// Runs the other process until it has acknowledged so many, and kills it.
fn acknowledge(folder: &Folder, count: usize, acknowledged: &mut BTreeMap<(u64, u64), String>) {
    let test = "crash::kill_9_loses_nothing_that_was_acknowledged";
    let mut child = Command::new(env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let mut is_killed = false;
    let mut seen = 0;
    for line in output.lines() {
        let line = line.unwrap();
        // The rest is what the harness says, or a line that was cut.
        let Some((place, payload)) =
            line.strip_prefix("ack ").and_then(|line| line.split_once(' '))
        else {
            continue;
        };
        let Some(payload) = payload.strip_suffix(" .") else { continue };
        let (log, offset) = place.split_once(':').unwrap();
        let place = (log.parse().unwrap(), offset.parse().unwrap());
        assert_eq!(acknowledged.insert(place, payload.to_owned()), None, "an offset came twice");
        seen += 1;
        if seen >= count && !is_killed {
            child.kill().unwrap();
            is_killed = true;
        }
    }
    child.wait().unwrap();
    assert!(is_killed, "it ended by itself");
}

fn check(
    disk: &Disk,
    acknowledged: &BTreeMap<(u64, u64), String>,
    epochs: &mut BTreeMap<u64, u64>,
) {
    for number in 0..LOGS {
        let page = read(disk, &format!("h:{number}"), 0);
        assert!(page.is_complete);
        assert_eq!(*epochs.entry(number).or_insert(page.head.epoch), page.head.epoch);
        let offsets: Vec<u64> = page.entries.iter().map(|entry| entry.position.offset).collect();
        assert_eq!(offsets, (1..=page.head.offset).collect::<Vec<_>>(), "contiguous");
        for ((_, offset), payload) in acknowledged.range((number, 0)..=(number, u64::MAX)) {
            assert_eq!(page.entries[*offset as usize - 1].payload, *payload, "h:{number} {offset}");
        }
        let mut payloads: Vec<_> = page.entries.iter().map(|entry| &entry.payload).collect();
        payloads.sort();
        payloads.dedup();
        assert_eq!(payloads.len(), page.entries.len(), "nothing twice");
    }
    let records = done(disk.keys("record:"));
    assert!(records.len() <= WRITERS as usize);
}

fn append_for_ever(disk: Disk) -> ! {
    let disk = std::sync::Arc::new(disk);
    let run = std::process::id();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    for writer in 0..WRITERS {
        let disk = std::sync::Arc::clone(&disk);
        runtime.spawn(async move {
            for number in 0_u64.. {
                let of = (writer + number) % LOGS;
                let payload =
                    format!("{run}-{writer}-{number}-{}", "x".repeat(number as usize % 300));
                let (name, entry) = (format!("h:{of}"), payload.clone().into());
                let event = format!("{run}-{writer}-{number}");
                let appended = disk.append(&log(&name), entry, Some(&event)).await.unwrap();
                let line = format!("ack {of}:{} {payload} .\n", appended.position.offset);
                // In one write, so that lines do not mix.
                std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
                let key = format!("record:{writer}");
                let current = disk.get(&key).await.unwrap();
                let revision = current.map(|record| record.revision);
                disk.put(&key, Some(payload.into()), revision).await.unwrap().unwrap();
            }
        });
    }
    loop {
        std::thread::park();
    }
}
