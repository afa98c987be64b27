//! How many files and sockets the process may have open.

/// Files beside connections: the log, the engine's, what back-ends and the console have open, and handshakes.
const BESIDE: u64 = 256;

/// The system does not allow what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "MAX_CONNECTIONS is {connections_max}, and this process may have {files_max} files open (RLIMIT_NOFILE), of \
     which some {BESIDE} are needed for others: raise the limit to {} (ulimit -Hn, LimitNOFILE= of a unit), or \
     lower MAX_CONNECTIONS to {}",
    .connections_max + BESIDE, .files_max.saturating_sub(BESIDE)
)]
pub struct TooFewFiles {
    connections_max: u64,
    files_max: u64,
}

/// Raises the limit as far as the process may itself, and answers what it is then. None where it is not
/// known, or there is none.
#[cfg(any(target_os = "linux", target_os = "macos"))]
pub fn raise_limit() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: maximum, maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => maximum,
        Err(_) => current,
    }
}

/// As on Linux, where it is known.
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
pub fn raise_limit() -> Option<u64> {
    None
}

/// How many connections can be had with so many files, where that is a number worth a limit.
pub fn room(files_max: Option<u64>) -> Option<u32> {
    let room = files_max?.checked_sub(BESIDE).filter(|room| *room > 0)?;
    Some(u32::try_from(room).unwrap_or(u32::MAX))
}

/// Whether so many connections can be had with so many files.
pub fn check(connections_max: Option<u32>, files_max: Option<u64>) -> Result<(), TooFewFiles> {
    let (Some(connections_max), Some(files_max)) = (connections_max, files_max) else {
        return Ok(());
    };
    let connections_max = u64::from(connections_max);
    if connections_max + BESIDE > files_max {
        return Err(TooFewFiles { connections_max, files_max });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_limit_there_are_as_many_connections_as_files_beside_those_of_others() {
        assert_eq!(room(Some(1024)), Some(768));
        assert_eq!(room(Some(u64::MAX)), Some(u32::MAX));
        for unknown in [None, Some(0), Some(256)] {
            assert_eq!(room(unknown), None);
        }
    }

    #[test]
    fn more_connections_than_files_are_refused_with_what_would_be_right() {
        assert_eq!(check(None, Some(64)), Ok(()));
        assert_eq!(check(Some(1_000_000), None), Ok(()));
        assert_eq!(check(Some(768), Some(1024)), Ok(()));
        let sentence = check(Some(100_000), Some(1024)).unwrap_err().to_string();
        assert!(sentence.starts_with("MAX_CONNECTIONS is 100000, and this process may have 1024"));
        assert!(sentence.contains("raise the limit to 100256 (ulimit"), "{sentence}");
        assert!(sentence.ends_with("or lower MAX_CONNECTIONS to 768"), "{sentence}");
    }
}
