//! The gateway on one core, everybody else on another, so that attackers take no processor time from it but by
//! what they ask of it.

use rustix::{
    process::setpriority_process,
    thread::{CpuSet, gettid, sched_setaffinity},
};

/// The least that a thread can ask for.
const LAST: i32 = 19;

/// Starts a process on the first core, and leaves us on the second. It has one core from its first moment, as in a
/// container: a runtime starts as many threads as it has cores. Where there is one core alone all share it.
pub(super) fn started_apart<P>(start: impl FnOnce() -> P) -> P {
    let only = |core: usize| {
        let mut set = CpuSet::new();
        set.set(core);
        set
    };
    // Whoever is started has the cores of whoever starts it.
    let _ = sched_setaffinity(None, &only(0));
    let process = start();
    let _ = sched_setaffinity(None, &only(1));
    process
}

/// Whoever attacks waits for those who measure.
pub(super) fn stand_back() {
    let _ = setpriority_process(Some(gettid()), LAST);
}
