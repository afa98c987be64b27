//! Any bytes as the head of a request or a response.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ws_connection::fuzz_targets::heads(data));
