//! `cargo xtask million`: a million connections in one process, without sockets.

use crate::invocation::Cargo;

/// The simulation, with what follows the command handed on. It says itself what it knows.
pub(crate) fn run(arguments: &[String]) -> Cargo {
    let example =
        "run --release --package ws-gateway-benches --features million --example million --";
    arguments.iter().fold(Cargo::new(example), Cargo::with)
}
