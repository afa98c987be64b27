//! A million connections in one process, without sockets: what they hold, and what their heartbeats
//! cost.
//!
//! ```text
//! cargo xtask million
//! cargo xtask million --connections 100000 --idle 35 --json
//! ```
//!
//! Everything but the network is the gateway's own: each connection is a task of its own with a
//! driver, a session, an outbox and a timer, admitted with a signed token of a user of its own, with
//! permessage-deflate negotiated, registered and limited. Its transport is a peer made up in memory,
//! which answers pings and close frames after a round trip, and owns 24 bytes where a socket has 32
//! and some more in the runtime and the kernel.
//!
//! It prints a table: memory of a connection in pages and on the heap, the processor's time that the
//! heartbeats take, how evenly the pings leave, and what it costs to connect all, to send one message
//! to all, and to close all at a pace. It fails if a budget is missed or anything is left at the end.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "its output is its purpose")]

use std::process::ExitCode;

use arguments::Arguments;

mod arguments;
mod counting;
mod crowd;
mod gate;
mod network;
mod process;
mod report;
mod story;

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(complaint) => {
            eprintln!("{complaint}");
            return ExitCode::from(2);
        }
    };
    let report = match story::run(&arguments) {
        Ok(report) => report,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    if arguments.json {
        println!("{:#}", report.to_json());
    } else {
        print!("{report}");
    }
    let faults = report.faults();
    faults.iter().for_each(|fault| eprintln!("missed: {fault}"));
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(test)]
mod tests;
