//! The suite that every engine passes: on one server, and on three of a cluster with three replicas.

#![expect(clippy::unwrap_used, reason = "a server that cannot be started fails the test")]

mod cluster;
mod one;

use ws_test_servers::Nats as TestServer;

/// The signal is on its way when the call returns.
fn pause(server: &mut TestServer) {
    server.pause().unwrap();
    let id = server.process().id();
    while !id.is_none_or(is_stopped) {
        std::thread::yield_now();
    }
}

fn is_stopped(process: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    status.lines().any(|line| line.starts_with("State:") && line.contains("T (stopped)"))
}
