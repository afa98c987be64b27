//! Any text from a client: understood or refused, and its answer can be told to whom it belongs.
#![no_main]

use ws_protocol::{ClientMessage, is_too_deep};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else { return };
    let _ = is_too_deep(text);
    for parse in [ClientMessage::parse, ClientMessage::parse_open] {
        match parse(text) {
            Ok(message) => {
                let _ = message.message.client_type();
                let _ = format!("{message:?}");
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
});
