//! The binary that measures several gateways on one engine.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(ws_load::scale(std::env::args_os()))
}
