//! The binary that keeps a gateway busy for long, and says whether it still is as it was.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(ws_load::soak(std::env::args_os()))
}
