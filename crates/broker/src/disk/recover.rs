//! Opening a folder: reads every frame, and says what is not as it was written.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    config::DiskConfig,
    error::{Damage, OpenError, Recovery},
    format::{FORMAT, HeaderFault, Item, Items, SEGMENT_HEADER, SegmentHeader},
    segment::{Found, Segment},
    state::{Bounds, Place, State},
};

/// What a folder has in it.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) state: State,
    pub(super) recovery: Recovery,
    pub(super) tail: Option<Tail>,
    /// The segments and their sizes, in their order.
    pub(super) sizes: Vec<(u32, u64)>,
    /// Holds the folder until it is dropped.
    pub(super) lock: File,
}

/// Where the next frame is written.
#[derive(Clone, Debug)]
pub(super) struct Tail {
    pub(super) segment: Arc<Segment>,
    pub(super) end: u64,
    /// Of the next frame.
    pub(super) sequence: u64,
    pub(super) repaired_before: u32,
}

/// Makes the folder if there is none, holds it, and reads it. Changes nothing in it, but for cutting off
/// what was not written to its end.
pub(super) fn open(folder: &Path, config: &DiskConfig, now_ms: u64) -> Result<Opened, OpenError> {
    fs::create_dir_all(folder).map_err(at(folder))?;
    let lock = hold(folder)?;
    let mut reading = Reading {
        state: State::recovering(),
        recovery: Recovery::default(),
        bounds: Bounds { log_bytes_max: config.log_bytes_max },
        sequence: None,
        is_known: false,
        body: Vec::new(),
    };
    let files = reading.headers(folder)?;
    let repaired_before = files.iter().map(SegmentFile::repaired_before).max().unwrap_or_default();
    let mut sizes = Vec::with_capacity(files.len());
    let mut tail = None;
    for (index, file) in files.iter().enumerate() {
        let next = files.get(index + 1);
        reading.is_known = file.segment.number < repaired_before;
        let (end, size) = reading.segment(file, next)?;
        sizes.push((file.segment.number, size));
        reading.state.segments.insert(file.segment.number, Arc::clone(&file.segment));
        tail = Some((Arc::clone(&file.segment), end));
    }
    let Reading { mut state, mut recovery, bounds, sequence, .. } = reading;
    state.settle(bounds, now_ms);
    recovery.segments = files.len();
    recovery.bytes = sizes.iter().map(|(_, size)| size).sum();
    recovery.entries = state.totals.entries;
    recovery.records = state.records.len() as u64;
    recovery.logs = state.logs.len() as u64;
    let tail = tail.map(|(segment, end)| Tail {
        segment,
        end,
        sequence: sequence.unwrap_or(1),
        repaired_before,
    });
    if !recovery.damage.is_empty() && !recovery.is_new_epoch && !config.is_repairing {
        let recovery = Box::new(recovery);
        return Err(OpenError::Damaged { folder: folder.to_owned(), recovery });
    }
    recovery.is_new_epoch |= !recovery.damage.is_empty();
    Ok(Opened { state, recovery, tail, sizes, lock })
}

/// The lock goes with the process, however it ends.
fn hold(folder: &Path) -> Result<File, OpenError> {
    let path = folder.join("lock");
    let mut options = OpenOptions::new();
    let file = options.create(true).truncate(false).write(true).open(&path).map_err(at(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(folder.to_owned())),
        Err(TryLockError::Error(error)) => Err(OpenError::Io { path, error }),
    }
}

/// A segment, and what its head says.
struct SegmentFile {
    segment: Arc<Segment>,
    bytes: u64,
    header: Option<SegmentHeader>,
}

impl SegmentFile {
    fn repaired_before(&self) -> u32 {
        self.header.map_or(0, |header| header.repaired_before)
    }
}

struct Reading {
    state: State,
    recovery: Recovery,
    bounds: Bounds,
    /// Of the next frame.
    sequence: Option<u64>,
    /// Whether damage in this segment was dealt with before.
    is_known: bool,
    body: Vec<u8>,
}

impl Reading {
    /// The segments in their order.
    fn headers(&mut self, folder: &Path) -> Result<Vec<SegmentFile>, OpenError> {
        let mut numbered = Vec::new();
        for file in fs::read_dir(folder).map_err(at(folder))? {
            let path = file.map_err(at(folder))?.path();
            if let Some(number) = Segment::number_of(&path) {
                numbered.push((number, path));
            }
        }
        numbered.sort_unstable();
        let last = numbered.last().map(|(number, _)| *number);
        let mut files = Vec::with_capacity(numbered.len());
        for (number, path) in numbered {
            let segment = Segment::open(path.clone(), number).map_err(at(&path))?;
            let bytes = segment.bytes().map_err(at(&path))?;
            let head = segment.read_head().map_err(at(&path))?;
            let header = match SegmentHeader::decode(&head) {
                Ok(header) if header.number == number => Some(header),
                Err(HeaderFault::Newer(found)) => {
                    return Err(OpenError::NewerFormat { file: path, found, known: FORMAT });
                }
                // Nothing was written to it: that begins when its head is on the disk.
                Err(HeaderFault::Unfinished)
                    if last == Some(number) && bytes <= SEGMENT_HEADER as u64 =>
                {
                    fs::remove_file(&path).map_err(at(&path))?;
                    continue;
                }
                Ok(_) | Err(HeaderFault::Damaged | HeaderFault::Unfinished) => None,
            };
            files.push(SegmentFile { segment: Arc::new(segment), bytes, header });
        }
        let repaired_before = files.iter().map(SegmentFile::repaired_before).max();
        for file in files.iter().filter(|file| file.header.is_none()) {
            self.is_known = repaired_before.is_some_and(|before| file.segment.number < before);
            self.damaged((&file.segment.path, 0, SEGMENT_HEADER as u64, None));
        }
        Ok(files)
    }

    /// Reads one segment; where its frames end, and its size.
    fn segment(
        &mut self,
        file: &SegmentFile,
        next: Option<&SegmentFile>,
    ) -> Result<(u64, u64), OpenError> {
        let path = &file.segment.path;
        if let (Some(header), None) = (file.header, self.sequence) {
            self.sequence = Some(header.sequence);
        }
        // What is behind the end that the next segment knows was never acknowledged.
        let neighbour = next.filter(|next| next.segment.number == file.segment.number + 1);
        let sealed = neighbour.and_then(|next| next.header).map(|header| header.previous_end);
        let end = sealed.map_or(file.bytes, |sealed| sealed.min(file.bytes));
        let mut at_byte = SEGMENT_HEADER as u64;
        loop {
            match file.segment.frame(at_byte, end, &mut self.body).map_err(at(path))? {
                Found::End => break,
                Found::Frame { sequence, end: next_byte } => {
                    let expected = self.sequence.unwrap_or(sequence);
                    if sequence != expected && !self.is_lost(sequence, expected, path, at_byte) {
                        break;
                    }
                    self.apply(file.segment.number, at_byte);
                    self.sequence = Some(sequence + 1);
                    at_byte = next_byte;
                }
                Found::Unsound => match file.segment.next_frame(at_byte, end).map_err(at(path))? {
                    Some(sound) => {
                        self.damaged((path, at_byte, sound, None));
                        at_byte = sound;
                    }
                    None => break,
                },
            }
        }
        let short = sealed.is_some_and(|sealed| file.bytes < sealed);
        if at_byte < end || short {
            self.handle_rest(file, at_byte, end, next.is_none())?;
        }
        if next.is_none() {
            return Ok((at_byte, at_byte));
        }
        Ok((at_byte, file.bytes))
    }

    /// Frames are missing before this one. False if this one is an old one.
    fn is_lost(&mut self, sequence: u64, expected: u64, path: &PathBuf, at_byte: u64) -> bool {
        if sequence < expected {
            return false;
        }
        let missing = sequence - expected;
        match self.recovery.damage.last_mut() {
            Some(damage) if damage.file == *path && damage.to == at_byte => {
                damage.commits = Some(missing);
            }
            _ => self.damaged((path, at_byte, at_byte, Some(missing))),
        }
        true
    }

    /// What is behind the last sound frame of a segment.
    fn handle_rest(
        &mut self,
        file: &SegmentFile,
        from: u64,
        to: u64,
        is_newest: bool,
    ) -> Result<(), OpenError> {
        let path = &file.segment.path;
        if !is_newest {
            self.damaged((path, from, to, None));
            return Ok(());
        }
        let rest = Damage { file: path.clone(), from, to, commits: None };
        if file.segment.is_torn(from, to).map_err(at(path))? {
            file.segment.cut(from).and_then(|()| file.segment.sync()).map_err(at(path))?;
            self.recovery.torn = Some(rest);
        } else {
            // Perhaps it was never acknowledged, but nothing vouches for that.
            self.recovery.is_new_epoch |= self.recovery.damage.is_empty();
            self.recovery.damage.push(rest);
        }
        Ok(())
    }

    fn apply(&mut self, segment: u32, frame: u64) {
        let body = std::mem::take(&mut self.body);
        apply_body(&mut self.state, &body, segment, frame, self.bounds);
        self.body = body;
    }

    fn damaged(&mut self, (path, from, to, commits): (&PathBuf, u64, u64, Option<u64>)) {
        if !self.is_known {
            self.recovery.damage.push(Damage { file: path.clone(), from, to, commits });
        }
    }
}

/// Applies the items of a frame that begins at `frame`.
pub(super) fn apply_body(state: &mut State, body: &[u8], segment: u32, frame: u64, bounds: Bounds) {
    let start = frame + super::format::FRAME_HEADER as u64;
    for item in Items::new(body) {
        // Its checksum is sound: only a version that writes what it cannot read makes this.
        let Ok((at, bytes, item)) = item else { return debug_assert!(false, "a malformed item") };
        let place = Place { segment, at: narrow(start + at as u64), bytes: narrow(bytes as u64) };
        state.apply(&item, place, bounds);
    }
}

/// Segments are smaller than 4 GiB.
fn narrow(bytes: u64) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

fn at(path: &Path) -> impl Fn(io::Error) -> OpenError {
    let path = path.to_owned();
    move |error| OpenError::Io { path: path.clone(), error }
}

/// After damage: everything that is known, with other epochs.
pub(super) fn redeclarations(state: &State, epoch: u64) -> impl Iterator<Item = Item<'_>> {
    let counters = Item::Counters {
        new_epoch: epoch,
        // Far beyond what may be missing: no two changes of a record have the same revision.
        revision: state.last_revision + (1 << 32),
        log_id: state.last_log_id + (1 << 16),
    };
    let logs = state.logs.iter().map(move |(id, log)| {
        let mut declaration = log.declaration(*id);
        if let Item::Log { epoch: of_log, .. } = &mut declaration {
            *of_log = epoch;
        }
        declaration
    });
    std::iter::once(counters).chain(logs)
}
