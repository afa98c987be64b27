//! The JavaScript client in Node and in a browser: the tests are theirs, in `node/`; here the gateway and the
//! proxy are, that they ask for.

use std::sync::Arc;

use crate::{
    control::Control,
    scripts::run_tests,
    site::{Folder, Site},
};

async fn passes(script: &str, variables: &[(&str, &str)]) {
    let site = Arc::new(Site::open(script, variables).await);
    let control = Control::start(site.clone()).await;
    let variables = control.variables(&site);
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, &**value)).collect();
    run_tests(script, &variables).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_node_it_does_what_it_promises_with_the_gateway() {
    passes("gateway.mjs", &[("JWT_LEEWAY", "0")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_node_behind_a_slow_network() {
    let variables = [("OUTBOX_BYTES_MAX", "64KiB"), ("PING_INTERVAL", "60s")];
    passes("slow.mjs", &variables).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_browser_it_does_what_it_promises_with_the_gateway() {
    let data = Folder::new("page");
    let variables = [
        ("DATA_DIR", data.path()),
        ("PING_INTERVAL", "10s"),
        // A browser goes on on a connection of HTTP/2 that is half open, for longer than a test can wait.
        ("TLS_HTTP2", "false"),
    ];
    passes("page.mjs", &variables).await;
}
