//! A folder that goes with its test, and what is asked of a disk in it.

use std::{
    fs,
    num::NonZeroU32,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::runtime::{Builder, Runtime};
use ws_broker::{
    Answer, Appended, Disk, DiskConfig, Engine, EngineError, Keep, Log, OpenError, Page,
    ReadLimits, WhenFull,
};

/// Removed when it is dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("disk-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The files of the log, the oldest first.
    pub(crate) fn segments(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(&self.0).unwrap().map(|file| file.unwrap().path());
        let mut segments: Vec<_> =
            files.filter(|path| path.extension().is_some_and(|end| end == "seg")).collect();
        segments.sort();
        segments
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.segments().iter().map(|path| fs::metadata(path).unwrap().len()).sum()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// More than a test appends, unless it is about that.
pub(crate) const KEEP: Keep = Keep {
    entries_max: NonZeroU32::new(10_000_000).unwrap(),
    ttl: Duration::from_secs(3600),
    when_full: WhenFull::DropOldest,
    event_window: Duration::from_secs(120),
};

/// Everything at once.
pub(crate) const ALL: ReadLimits = ReadLimits { entries_max: u32::MAX, bytes_max: usize::MAX };

/// Files that are small, so that there are several.
pub(crate) fn small() -> DiskConfig {
    DiskConfig { segment_bytes: 64 << 10, is_synced: false, ..DiskConfig::default() }
}

pub(crate) fn log(name: &str) -> Log<'_> {
    Log { name, keep: &KEEP }
}

/// Opens what a moment ago was let go of. Tests beside this one start processes, and each of those holds all locks of
/// this one from its fork to its exec.
#[expect(clippy::needless_pass_by_value, reason = "it is made where it is called")]
pub(crate) fn open(folder: &Folder, config: DiskConfig) -> Disk {
    for _ in 0..1_000 {
        match Disk::open(folder.path(), config.clone()) {
            Err(OpenError::InUse(_)) => std::thread::park_timeout(Duration::from_millis(1)),
            other => return other.unwrap(),
        }
    }
    panic!("{} is in use", folder.path().display())
}

/// What an engine answers, waited for.
pub(crate) fn outcome<T>(answer: Answer<T>) -> Result<T, EngineError> {
    thread_local! {
        static RUNTIME: Runtime = Builder::new_current_thread().build().unwrap();
    }
    RUNTIME.with(|runtime| runtime.block_on(answer))
}

/// What an engine that is up answers.
pub(crate) fn done<T>(answer: Answer<T>) -> T {
    outcome(answer).unwrap()
}

pub(crate) fn append(disk: &Disk, name: &str, payload: impl AsRef<[u8]>) -> Appended {
    let payload = payload.as_ref().to_vec();
    done(disk.append(&log(name), payload.into(), None))
}

pub(crate) fn read(disk: &Disk, name: &str, after: u64) -> Page {
    done(disk.read(&log(name), after, ALL))
}

pub(crate) fn payloads(page: &Page) -> Vec<String> {
    page.entries.iter().map(|entry| String::from_utf8_lossy(&entry.payload).into_owned()).collect()
}

/// `count` entries that tell which they are, appended without waiting for each.
pub(crate) fn fill(disk: &Disk, name: &str, count: usize, bytes: usize) -> Vec<String> {
    let sent: Vec<String> = (0..count).map(|number| format!("{name} {number:>bytes$}")).collect();
    for some in sent.chunks(1000) {
        let answers: Vec<_> =
            some.iter().map(|entry| disk.append(&log(name), entry.clone().into(), None)).collect();
        for answer in answers {
            done(answer);
        }
    }
    sent
}
