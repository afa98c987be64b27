//! The gateway on one core, everybody else on another, so that attackers take no processor time from it but by
//! what they ask of it.

use std::fs;

use rustix::{
    process::{Pid, setpriority_process},
    thread::{CpuSet, gettid, sched_setaffinity},
};

/// The least that a thread can ask for.
const LAST: i32 = 19;

/// Puts all threads of a process on the first core, and ours on the second. Where there is one core alone all
/// share it.
pub(super) fn pin_apart(id: u32) {
    let only = |core: usize| {
        let mut set = CpuSet::new();
        set.set(core);
        set
    };
    let threads = fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    let ids = threads.filter_map(|thread| thread.file_name().to_str()?.parse::<i32>().ok());
    for thread in ids.filter_map(Pid::from_raw) {
        // One that has ended meanwhile needs none.
        let _ = sched_setaffinity(Some(thread), &only(0));
    }
    let _ = sched_setaffinity(None, &only(1));
}

/// Whoever attacks waits for those who measure.
pub(super) fn stand_back() {
    let _ = setpriority_process(Some(gettid()), LAST);
}
