//! The binary of the checker that breaks things.
#![forbid(unsafe_code)]

use std::{
    process::ExitCode,
    sync::{Arc, atomic::AtomicBool},
};

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
};

fn main() -> ExitCode {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // The first one mends what is broken, ends the run and prints what there is; the second one ends the
        // process, and the watchers end what it started.
        let _ = flag::register_conditional_shutdown(signal, 1, interrupted.clone());
        let _ = flag::register(signal, interrupted.clone());
    }
    ExitCode::from(ws_load::torture(std::env::args_os(), &interrupted))
}
