//! The JavaScript client's own tests, run by Node: what both clients promise, the bound on its size, its types.

use std::{ffi::OsString, path::Path, process::Command};

#[test]
fn the_javascript_client_keeps_its_promises() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("js");
    let output = Command::new(provisioned("WS_TEST_NODE"))
        .args(["--test", "--test-reporter=spec", "tests"])
        .current_dir(folder)
        .env("NODE_NO_WARNINGS", "1")
        .env("NODE_EXTRA_CA_CERTS", ws_test_servers::tls::ca())
        .env("WS_TEST_NODE_MODULES", provisioned("WS_TEST_NODE_MODULES"))
        .output()
        .expect("Node starts");
    let told = String::from_utf8_lossy(&output.stdout);
    let passed = told
        .lines()
        .find_map(|line| line.strip_prefix("ℹ pass "))
        .and_then(|count| count.parse().ok());
    assert!(
        output.status.success() && passed.is_some_and(|count: u32| count > 100),
        "{told}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn provisioned(variable: &str) -> OsString {
    std::env::var_os(variable).unwrap_or_else(|| {
        panic!("{variable} is not set: run `cargo xtask test`, or `eval \"$(cargo xtask provision)\"` first")
    })
}
