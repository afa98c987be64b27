//! One file of the log.

use std::{
    fs::{File, OpenOptions},
    io::{self, ErrorKind},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use super::format::{FRAME_HEADER, FRAME_MAGIC, FrameHeader, SEGMENT_HEADER, SegmentHeader};

/// A file of frames. Whoever reads may keep it while it is deleted: the system keeps its bytes for them.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) number: u32,
    pub(super) path: PathBuf,
    file: File,
}

/// What stands at a place of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A frame; its body is in the buffer.
    Frame { sequence: u64, end: u64 },
    /// Nothing more.
    End,
    /// No frame, or not all of one.
    Unsound,
}

impl Segment {
    pub(super) fn path_of(folder: &Path, number: u32) -> PathBuf {
        folder.join(format!("{number:010}.seg"))
    }

    /// The number in the name of a file, if it is one of ours.
    pub(super) fn number_of(path: &Path) -> Option<u32> {
        let name = path.file_name()?.to_str()?.strip_suffix(".seg")?;
        (name.len() == 10).then(|| name.parse().ok())?
    }

    /// A new file, there for certain when this returns, unless `is_synced` is off.
    pub(super) fn create(
        folder: &Path,
        header: &SegmentHeader,
        is_synced: bool,
    ) -> io::Result<Self> {
        let path = Self::path_of(folder, header.number);
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path)?;
        let segment = Self { number: header.number, path, file };
        let made = segment.file.write_all_at(&header.encode(), 0).and_then(|()| {
            if is_synced {
                segment.file.sync_all()?;
                File::open(folder)?.sync_all()?;
            }
            Ok(())
        });
        match made {
            Ok(()) => Ok(segment),
            Err(error) => {
                // Half a file would be read as one that was being made, which it is.
                let _ = std::fs::remove_file(&segment.path);
                Err(error)
            }
        }
    }

    pub(super) fn open(path: PathBuf, number: u32) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        Ok(Self { number, path, file })
    }

    pub(super) fn bytes(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    pub(super) fn write(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, at)
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Cuts off what is behind `end`.
    pub(super) fn cut(&self, end: u64) -> io::Result<()> {
        self.file.set_len(end)
    }

    pub(super) fn read(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, at)
    }

    /// As much as there is of what is wanted.
    pub(super) fn read_head(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; SEGMENT_HEADER];
        let count = self.read_some(&mut bytes, 0)?;
        bytes.truncate(count);
        Ok(bytes)
    }

    fn read_some(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let mut count = 0;
        while count < buffer.len() {
            match self.file.read_at(&mut buffer[count..], at + count as u64) {
                Ok(0) => break,
                Ok(more) => count += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(count)
    }

    /// The frame at a place before `end`, which is read into `body`.
    pub(super) fn frame(&self, at: u64, end: u64, body: &mut Vec<u8>) -> io::Result<Found> {
        if at >= end {
            return Ok(Found::End);
        }
        let mut header = [0; FRAME_HEADER];
        let frame = match end - at {
            left if left < FRAME_HEADER as u64 => None,
            _ => {
                self.read(&mut header, at)?;
                FrameHeader::decode(&header)
            }
        };
        let Some(frame) = frame else { return Ok(Found::Unsound) };
        let start = at + FRAME_HEADER as u64;
        let frame_end = start + frame.body_bytes as u64;
        if frame_end > end {
            return Ok(Found::Unsound);
        }
        body.resize(frame.body_bytes, 0);
        self.read(body, start)?;
        let is_sound = frame.is_of(body);
        Ok(if is_sound {
            Found::Frame { sequence: frame.sequence, end: frame_end }
        } else {
            Found::Unsound
        })
    }

    /// The next place behind `at` where a sound frame stands.
    pub(super) fn next_frame(&self, at: u64, end: u64) -> io::Result<Option<u64>> {
        const STEP: usize = 1 << 20;
        let (mut from, mut body) = (at + 1, Vec::new());
        let mut window = vec![0; STEP];
        while from < end {
            let count = self.read_some(&mut window, from)?;
            let bytes = &window[..count];
            let starts = bytes.windows(FRAME_MAGIC.len()).enumerate();
            for (start, _) in starts.filter(|(_, bytes)| *bytes == FRAME_MAGIC) {
                let place = from + start as u64;
                if let Found::Frame { .. } = self.frame(place, end, &mut body)? {
                    return Ok(Some(place));
                }
            }
            // What spans two windows begins in the last three bytes of the first.
            match count.checked_sub(FRAME_MAGIC.len() - 1) {
                Some(step) if count == STEP => from += step as u64,
                _ => break,
            }
        }
        Ok(None)
    }

    /// Whether what begins here is a write that the machine did not finish: it runs beyond the end of the
    /// file, or the end of it is nothing but zeros, as of blocks that were never written.
    pub(super) fn is_torn(&self, at: u64, end: u64) -> io::Result<bool> {
        let mut header = [0; FRAME_HEADER];
        let count = self.read_some(&mut header, at)?;
        if count < FRAME_HEADER {
            return Ok(true);
        }
        if let Some(frame) = FrameHeader::decode(&header)
            && at + FRAME_HEADER as u64 + frame.body_bytes as u64 > end
        {
            return Ok(true);
        }
        let mut last = [0; 512];
        let from = at.max(end.saturating_sub(last.len() as u64));
        let count = self.read_some(&mut last, from)?;
        Ok(last[..count].iter().all(|byte| *byte == 0))
    }
}
