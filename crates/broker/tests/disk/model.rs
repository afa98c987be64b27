//! Whatever is asked, and however often the folder is closed and opened in between, the answers are
//! those of the engine in memory.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use proptest::prelude::*;
use ws_broker::{Disk, DiskConfig, Engine, Keep, Log, MemoryCluster, Page, Revision, WhenFull};

use super::folder::{ALL, Folder, outcome, small};

const MINUTE: Duration = Duration::from_secs(60);
/// Spans end between two minutes, as the clocks of the two are not the same to the millisecond.
const HALF: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug)]
enum Step {
    Append {
        log: usize,
        event: Option<u8>,
        bytes: usize,
    },
    Remove {
        offset: u64,
    },
    Put {
        key: u8,
        value: Option<u8>,
    },
    /// Much that is soon too old: files are given back.
    Churn,
    Pass {
        minutes: u32,
    },
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let append = (0..3_usize, proptest::option::of(0..4_u8), 0..3000_usize);
    let step = prop_oneof![
        8 => append.prop_map(|(log, event, bytes)| Step::Append { log, event, bytes }),
        2 => (1..30_u64).prop_map(|offset| Step::Remove { offset }),
        3 => (0..3_u8, proptest::option::of(any::<u8>()))
            .prop_map(|(key, value)| Step::Put { key, value }),
        3 => Just(Step::Churn),
        2 => (1..40_u32).prop_map(|minutes| Step::Pass { minutes }),
        2 => Just(Step::Reopen),
    ];
    proptest::collection::vec(step, 1..120)
}

/// A history that drops, one that expires, and an inbox.
fn keep(log: usize) -> Keep {
    let (entries_max, minutes, when_full) = match log {
        0 => (5, 1_000_000, WhenFull::DropOldest),
        1 => (1000, 30, WhenFull::DropOldest),
        2 => (10, 120, WhenFull::Refuse),
        _ => (1000, 1, WhenFull::DropOldest),
    };
    Keep {
        entries_max: NonZeroU32::new(entries_max).unwrap(),
        ttl: minutes * MINUTE + HALF,
        when_full,
        event_window: 15 * MINUTE + HALF,
    }
}

const INBOX: usize = 2;
const CHURN: usize = 3;

struct Both {
    folder: Folder,
    disk: Option<Disk>,
    memory: MemoryCluster,
    node: Arc<dyn Engine>,
    passed: Duration,
    /// The revisions of each key: on disk, in memory.
    revisions: [(Option<Revision>, Option<Revision>); 3],
    appended: u64,
}

impl Both {
    fn new() -> Self {
        let folder = Folder::new();
        let disk = Some(Disk::open(folder.path(), small()).unwrap());
        let memory = MemoryCluster::new();
        let node: Arc<dyn Engine> = memory.node();
        let (passed, revisions) = (Duration::ZERO, [(None, None); 3]);
        Self { folder, disk, memory, node, passed, revisions, appended: 0 }
    }

    fn disk(&self) -> &Disk {
        self.disk.as_ref().unwrap()
    }

    fn go(&mut self, step: Step) {
        match step {
            Step::Append { log, event, bytes } => self.append(log, event, bytes),
            Step::Remove { offset } => {
                let keep = keep(INBOX);
                let log = Log { name: "2", keep: &keep };
                // Memory drops what is too old when it is asked for more than a removal.
                outcome(self.node.read(&log, 0, ALL)).unwrap();
                outcome(self.disk().remove(&log, &[offset])).unwrap();
                outcome(self.node.remove(&log, &[offset])).unwrap();
            }
            Step::Put { key, value } => self.put(key, value),
            Step::Churn => {
                for _ in 0..3 {
                    self.append(CHURN, None, 30_000);
                }
            }
            Step::Pass { minutes } => {
                let time = minutes * MINUTE;
                self.passed += time;
                self.disk().advance(time);
                self.memory.advance(time);
            }
            Step::Reopen => {
                self.disk = None;
                let config = DiskConfig { is_synced: false, ..small() };
                let disk = Disk::open(self.folder.path(), config).unwrap();
                assert_eq!((disk.recovery().damage.len(), disk.recovery().torn.clone()), (0, None));
                disk.advance(self.passed);
                self.disk = Some(disk);
            }
        }
    }

    fn append(&mut self, log: usize, event: Option<u8>, bytes: usize) {
        let (keep, name) = (keep(log), log.to_string());
        let log = Log { name: &name, keep: &keep };
        self.appended += 1;
        let payload = format!("{} {}", self.appended, "x".repeat(bytes));
        let event = event.map(|event| format!("event {event}"));
        let event = event.as_deref();
        let on_disk = outcome(self.disk().append(&log, payload.clone().into(), event));
        let in_memory = outcome(self.node.append(&log, payload.into(), event));
        let told = |appended: ws_broker::Appended| (appended.position.offset, appended.is_repeated);
        assert_eq!(on_disk.map(told), in_memory.map(told));
    }

    fn put(&mut self, key: u8, value: Option<u8>) {
        let name = format!("key {key}");
        let value = value.map(|value| vec![value; usize::from(value)].into());
        let (on_disk, in_memory) = self.revisions[usize::from(key)];
        let is_there = value.is_some();
        let disk = outcome(self.disk().put(&name, value.clone(), on_disk)).unwrap();
        let memory = outcome(self.node.put(&name, value, in_memory)).unwrap();
        let kept = |revision: Revision| is_there.then_some(revision);
        self.revisions[usize::from(key)] = (kept(disk.unwrap()), kept(memory.unwrap()));
    }

    fn check(&self) {
        for log in 0..4 {
            let (keep, name) = (keep(log), log.to_string());
            let log = Log { name: &name, keep: &keep };
            for after in 0..self.appended.min(30) + 2 {
                let on_disk = outcome(self.disk().read(&log, after, ALL)).unwrap();
                let in_memory = outcome(self.node.read(&log, after, ALL)).unwrap();
                assert_eq!(shape(&on_disk), shape(&in_memory), "log {name} after {after}");
            }
        }
        for key in 0..3 {
            let name = format!("key {key}");
            let on_disk = outcome(self.disk().get(&name)).unwrap();
            assert_eq!(on_disk.as_ref().map(|record| record.revision), self.revisions[key].0);
            let in_memory = outcome(self.node.get(&name)).unwrap();
            assert_eq!(on_disk.map(|it| it.value), in_memory.map(|it| it.value));
        }
    }
}

/// Its offset, the one before, and its payload.
type EntryShape<'a> = (u64, u64, &'a [u8]);

/// What of a page is the same for both.
fn shape(page: &Page) -> (u64, bool, Vec<EntryShape<'_>>) {
    let entries = page.entries.iter();
    let entries = entries.map(|it| (it.position.offset, it.previous, &it.payload[..]));
    (page.head.offset, page.is_complete, entries.collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_disk_answers_as_the_memory_does(steps in steps()) {
        let mut both = Both::new();
        for step in steps {
            let is_reopened = matches!(step, Step::Reopen);
            both.go(step);
            if is_reopened {
                both.check();
            }
        }
        both.check();
        both.go(Step::Reopen);
        both.check();
    }
}
