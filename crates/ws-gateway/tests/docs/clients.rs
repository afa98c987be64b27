//! The client in Rust that the pages show is that of the crate's page, which compiles.

use crate::page::{README, blocks};

const CLIENTS: &str = include_str!("../../../../docs/clients.md");
const CRATE: &str = include_str!("../../../client/README.md");

/// Without what a function around it moves to the right.
fn flat(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_pages_quote_the_client_that_compiles() {
    let compiled = flat(&blocks(CRATE, "rust,no_run")[0].1);
    for (name, page) in [("README.md", README), ("docs/clients.md", CLIENTS)] {
        let shown = blocks(page, "rust").into_iter().map(|(_, lines)| flat(&lines));
        let mut shown = shown.filter(|block| block.starts_with("let client = Client::builder"));
        let shown = shown.next().unwrap();
        assert!(compiled.contains(&shown), "{name} shows another client than\n\n{compiled}");
    }
}
