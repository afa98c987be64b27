//! Any bytes as the head of a request or a response.

use bytes::Bytes;
use http::Uri;

use crate::handshake::{
    ClientHandshake, HeadLimits, Upgrade, encode_response, parse_request, parse_response,
    parse_shared_request,
};

const LIMITS: HeadLimits = HeadLimits { bytes_max: 1000, headers_max: 20 };

/// Parses them as both, whole and as they would arrive, and judges what comes out.
pub fn heads(data: &[u8]) {
    let request = parse_request(data, LIMITS);
    let shared = parse_shared_request(&Bytes::copy_from_slice(data), LIMITS);
    let parts = |parsed: &Result<Option<(http::Request<()>, usize)>, _>| {
        let whole = parsed.as_ref().ok().and_then(Option::as_ref);
        whole.map(|(it, len)| (it.method().clone(), it.uri().clone(), it.headers().clone(), *len))
    };
    assert_eq!(parts(&request), parts(&shared), "copied or referred to, it says the same");
    assert_eq!(request.as_ref().err(), shared.as_ref().err());
    if let Ok(Some((request, len))) = &request {
        assert!(*len <= data.len().min(LIMITS.bytes_max));
        assert!(request.headers().len() <= LIMITS.headers_max);
        assert!(
            matches!(parse_request(&data[..*len], LIMITS), Ok(Some((_, same))) if same == *len)
        );
        let before = parse_request(&data[..*len - 1], LIMITS);
        assert!(!matches!(before, Ok(Some(_))), "a head ends with its last byte");
        judge_request(request);
    }
    if matches!(request, Ok(None)) {
        assert!(data.len() < LIMITS.bytes_max, "what is too long is not waited for");
    }
    if let Ok(Some((response, len))) = parse_response(data, LIMITS) {
        assert!(len <= data.len().min(LIMITS.bytes_max));
        let key = "dGhlIHNhbXBsZSBub25jZQ==".to_owned();
        let client = ClientHandshake::new(Uri::from_static("ws://example.com/"), key);
        assert!(client.is_ok());
        // The answer to the key is a hash: no fuzzer finds it but from its corpus.
        let _ = client.map(|client| client.judge(&response));
    }
}

/// Whatever is granted is a response that a client can read.
fn judge_request(request: &http::Request<()>) {
    match Upgrade::from_request(request) {
        Ok(upgrade) => {
            let protocol = Upgrade::protocols(request.headers()).next();
            let extensions = Upgrade::extensions(request.headers()).next();
            let response = upgrade.response(protocol, extensions);
            let mut wire = Vec::new();
            encode_response(&response.map(|()| ""), &mut wire);
            let parsed = parse_response(&wire, HeadLimits { bytes_max: 4096, ..LIMITS });
            let sound = matches!(&parsed, Ok(Some((response, len)))
                if response.status() == 101 && *len == wire.len());
            assert!(sound, "{:?}", String::from_utf8_lossy(&wire));
        }
        Err(refusal) => assert!(refusal.status().is_client_error() || refusal.status() == 505),
    }
}
