//! Our own clients against the gateway as it is, with a proxy in between that breaks what can be broken: in
//! Rust, in Node and in a browser.
#![expect(clippy::expect_used, reason = "a test says what went wrong by panicking")]
#![expect(clippy::print_stdout, reason = "figures, for who asks with `--nocapture`")]

mod channels;
mod coming_back;
mod control;
mod ledger;
mod letters;
mod liveness;
mod node;
mod numbered;
mod plain;
#[path = "../binary/process.rs"]
#[expect(dead_code, reason = "the tests of the binary use all of it")]
mod process;
mod proxy;
mod scripts;
mod site;
mod tls;
mod trust;
mod wave;
