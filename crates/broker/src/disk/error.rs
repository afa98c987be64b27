//! Why a folder was not opened, and what was found in one that was.

use std::{fmt, io, path::PathBuf};

/// Why a folder was not opened. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A process has it open, perhaps this one.
    #[error("{} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// A later version wrote it.
    #[error("{} was written in format {found}, and this version knows formats up to {known}", .file.display())]
    NewerFormat {
        /// Which file says so.
        file: PathBuf,
        /// Its format.
        found: u32,
        /// What this version knows.
        known: u32,
    },
    /// What was acknowledged is not there any more, or not as it was written.
    #[error(
        "{} is damaged: {}; {} entries and {} records are sound. Repairing keeps them, and tells clients that \
         something is missing", .folder.display(), damage_list(.recovery), .recovery.entries, .recovery.records
    )]
    Damaged {
        /// The folder.
        folder: PathBuf,
        /// What is damaged, and what is not.
        recovery: Box<Recovery>,
    },
    /// The system refuses.
    #[error("{}: {error}", .path.display())]
    Io {
        /// What was to be opened, read or written.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
}

/// What was found in a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// The files that were read.
    pub segments: usize,
    /// Their size.
    pub bytes: u64,
    /// The entries that are kept.
    pub entries: u64,
    /// The records.
    pub records: u64,
    /// The logs, with entries and without.
    pub logs: u64,
    /// The end of the newest file, if it is a commit that was being written when the process or the machine
    /// stopped. It was acknowledged to nobody, and is cut off.
    pub torn: Option<Damage>,
    /// What is not as it was written.
    pub damage: Vec<Damage>,
    /// Whether all logs were given another epoch, as something that was acknowledged may be missing.
    pub is_new_epoch: bool,
}

/// A part of a file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub file: PathBuf,
    /// Where it begins.
    pub from: u64,
    /// Where what follows is sound again, or the end of the file.
    pub to: u64,
    /// The commits that are missing, if what follows tells.
    pub commits: Option<u64>,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} from byte {} to {}", self.file.display(), self.from, self.to)?;
        match self.commits {
            Some(commits) => write!(f, " ({commits} commits)"),
            None => Ok(()),
        }
    }
}

fn damage_list(recovery: &Recovery) -> String {
    /// The first ones show what it is about.
    const SHOWN: usize = 5;
    let shown = recovery.damage.iter().take(SHOWN).map(Damage::to_string);
    let mut list = shown.collect::<Vec<_>>().join(", ");
    if let Some(more) = recovery.damage.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        list.push_str(&format!(" and {more} more places"));
    }
    list
}
