//! The load tool's binary.
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
        // The first one ends the run and prints what there is; the second one ends the process. The
        // order matters: the second handler sees what the first one set only the next time.
        let _ = flag::register_conditional_shutdown(signal, 1, interrupted.clone());
        let _ = flag::register(signal, interrupted.clone());
    }
    ExitCode::from(ws_load::run(std::env::args_os(), &interrupted))
}
