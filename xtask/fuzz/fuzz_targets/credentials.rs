//! Any lines of headers and any query, as places of a token.
#![no_main]

use http::{HeaderMap, HeaderName, HeaderValue, header};
use ws_auth::{find_credential_in, select_subprotocol};

const NAMES: [HeaderName; 3] = [header::AUTHORIZATION, header::SEC_WEBSOCKET_PROTOCOL, header::COOKIE];

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut lines = data.split(|byte| *byte == b'\n');
    let query = lines.next().and_then(|line| str::from_utf8(line).ok());
    let mut headers = HeaderMap::new();
    for (line, name) in lines.zip(NAMES.iter().cycle()).take(12) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(name, value);
        }
    }
    match find_credential_in(&headers, query, Some("session")) {
        Ok(Some(credential)) => assert!(credential.token().is_ascii()),
        Ok(None) => {}
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    let offers = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    let _ = select_subprotocol(offers.filter_map(|line| line.to_str().ok()));
});
