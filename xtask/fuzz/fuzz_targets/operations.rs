//! Any sequence of operations on one connection.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ws_connection::fuzz_targets::operations(data));
