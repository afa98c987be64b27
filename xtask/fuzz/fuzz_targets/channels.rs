//! Any names, any pattern: a name that is accepted is what was written, and matching ends.
#![no_main]

use ws_channels::{Caller, ChannelName, Pattern};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else { return };
    let (pattern, name) = text.split_once('\n').unwrap_or((text, text));
    let name = ChannelName::new(name);
    if let Ok(name) = &name {
        let _ = (name.kind(), name.room_id());
    }
    let Ok(pattern) = Pattern::parse(pattern) else { return };
    let caller = Caller { user_id: Some("user-1"), session_id: None };
    if let Ok(name) = &name {
        let _ = pattern.matches(name.as_str(), &caller);
    }
});
