//! Any text as a trace's context: what is accepted is written as the same context again.
#![no_main]

use ws_traces::TraceContext;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(context) = TraceContext::parse(text) else { return };
    let again = TraceContext::parse(&context.to_string()).expect("our own is sound");
    assert_eq!(again, context);
    assert_eq!(TraceContext::from_bytes(&context.to_bytes()), Some(context));
});
