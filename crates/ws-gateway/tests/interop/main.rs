//! The clients of the documents that the gateway was built after, as scripts: they make the calls that are made
//! there, in that order, on a plain WebSocket of Node, and only the address and the token are others. What they
//! print is what the documents say that one will see. And the page of our own tutorial, in a browser.
#![expect(clippy::expect_used, reason = "a test says what went wrong by panicking")]

mod connection_guide;
mod deploy;
mod drop_in;
mod management;
#[path = "../binary/process.rs"]
#[expect(dead_code, reason = "the tests of the binary use all of it")]
mod process;
mod quick_start;
mod script;
mod snippets;
mod tutorial;
