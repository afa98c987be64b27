//! The binary that does to a gateway what hostile peers do, and says what that cost.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(ws_load::siege(std::env::args_os()))
}
