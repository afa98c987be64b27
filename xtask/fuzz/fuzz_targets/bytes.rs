//! Any bytes from a peer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ws_connection::fuzz_targets::bytes(data));
