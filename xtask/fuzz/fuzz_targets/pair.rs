//! Two sides of ours that talk to each other.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ws_connection::fuzz_targets::pair(data));
