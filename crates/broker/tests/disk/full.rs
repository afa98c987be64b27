//! A disk that takes no more.

use std::{
    env,
    io::Write,
    process::{Command, Stdio},
};

use ws_broker::{Disk, DiskConfig, Engine, EngineError, Status};

use super::folder::{Folder, append, log, open, outcome, payloads, read};

/// Set for the process whose files cannot grow: its folder.
const FOLDER: &str = "WS_TEST_DISK_FULL";

/// In a process of its own, whose files may have 256 KiB each: as the disk takes no more, appends are
/// refused and reads go on; when it takes some again (in a new file), so does the engine. Everything that was
/// acknowledged is there in the end.
#[test]
fn a_full_disk_refuses_appends_until_it_takes_some_again() {
    if let Some(folder) = env::var_os(FOLDER) {
        let disk = Disk::open(folder, DiskConfig::default()).unwrap();
        return append_until_it_came_back(&disk);
    }
    let folder = Folder::new();
    let test = "full::a_full_disk_refuses_appends_until_it_takes_some_again";
    // The system would end the process for growing a file too far; ignored, it answers with an error.
    let script = r#"trap '' XFSZ; ulimit -f "$1"; shift; exec "$@""#;
    let child = Command::new("bash")
        .args(["-c", script, "bash", "256"])
        .arg(env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(FOLDER, folder.path())
        .stdout(Stdio::piped())
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&child.stdout).into_owned();
    assert!(child.status.success(), "{output}");
    let kept = output.lines().find_map(|line| line.strip_prefix("kept ")).unwrap();
    let disk = open(&folder, DiskConfig::default());
    assert!(disk.recovery().damage.is_empty(), "{:?}", disk.recovery());
    assert_eq!(read(&disk, "h:a", 0).entries.len(), kept.parse::<usize>().unwrap());
}

#[expect(clippy::disallowed_methods, reason = "it is waited for the disk")]
fn append_until_it_came_back(disk: &Disk) {
    let mut sent = Vec::new();
    let error = loop {
        let entry = format!("{:01000}", sent.len());
        match outcome(disk.append(&log("h:a"), entry.clone().into(), None)) {
            Ok(_) => sent.push(entry),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, EngineError::Unavailable { .. }), "{error}");
    assert!(matches!(disk.status(), Status::Down(_)));
    assert!(sent.len() > 200, "{}", sent.len());
    assert_eq!(payloads(&read(disk, "h:a", 0)), sent);
    let refused = outcome(disk.append(&log("h:a"), "refused".into(), None));
    assert!(matches!(refused, Err(EngineError::Unavailable { .. })), "{refused:?}");
    while disk.status() != Status::Up {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let next = append(disk, "h:a", "back").position.offset;
    assert_eq!(next, sent.len() as u64 + 1);
    writeln!(std::io::stdout().lock(), "\nkept {next}").unwrap();
}
