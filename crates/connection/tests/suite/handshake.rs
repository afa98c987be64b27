//! The opening handshake: a line for each rule of RFC 6455 §4.

use http::{Request, StatusCode, header};
use ws_connection::handshake::{
    ClientHandshake, ExtendedConnect, HandshakeError, HeadError, HeadLimits, Refusal, Upgrade,
    encode_response, parse_request, parse_response, parse_shared_request,
};

const SOUND: &str = "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

fn request(text: &str) -> Request<()> {
    let (request, len) =
        parse_request(text.as_bytes(), HeadLimits::default()).expect(text).expect("whole");
    assert_eq!(len, text.len());
    request
}

#[test]
fn a_shared_head_is_referred_to_and_says_the_same() {
    let wire = bytes::Bytes::from_static(SOUND.as_bytes());
    let parsed = parse_shared_request(&wire, HeadLimits::default()).expect("sound");
    let (shared, len) = parsed.expect("whole");
    let copied = request(SOUND);
    assert_eq!((shared.uri(), shared.headers()), (copied.uri(), copied.headers()));
    assert_eq!(len, SOUND.len());
    let host = shared.headers()[header::HOST].as_bytes();
    assert!(wire.as_ptr_range().contains(&host.as_ptr()), "no copy");
}

fn check(section: &str, from: &str, to: &str, expect: Result<(), Refusal>) {
    let text = SOUND.replace(from, to);
    assert!(from.is_empty() || text != SOUND, "{section}: nothing was replaced");
    let verdict = Upgrade::from_request(&request(&text)).map(|_| ());
    assert_eq!(verdict, expect, "{section}");
}

#[test]
fn section_4_2_1_a_line_for_each_demand() {
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let version = "Sec-WebSocket-Version: 13";
    for (section, from, to, expect) in [
        ("sound", "", "", Ok(())),
        ("1. method", "GET", "POST", Err(Refusal::NotGet)),
        ("1. version", "HTTP/1.1", "HTTP/1.0", Err(Refusal::OldHttp)),
        ("2. no host", "Host: server.example.com\r\n", "", Err(Refusal::Host)),
        (
            "2. two hosts",
            "Host: server.example.com\r\n",
            "Host: a\r\nHost: b\r\n",
            Err(Refusal::Host),
        ),
        ("3. no upgrade", "Upgrade: websocket\r\n", "", Err(Refusal::NoUpgrade)),
        ("3. other upgrade", "Upgrade: websocket", "Upgrade: h2c", Err(Refusal::NoUpgrade)),
        ("3. mixed case", "Upgrade: websocket", "uPGRADE: WebSocket", Ok(())),
        ("3. in a list", "Upgrade: websocket", "Upgrade: foo, websocket", Ok(())),
        ("4. no connection", "Connection: Upgrade\r\n", "", Err(Refusal::NoConnection)),
        (
            "4. keep-alive only",
            "Connection: Upgrade",
            "Connection: keep-alive",
            Err(Refusal::NoConnection),
        ),
        ("4. in a list", "Connection: Upgrade", "Connection: keep-alive, UPGRADE", Ok(())),
        (
            "4. in two lines",
            "Connection: Upgrade",
            "Connection: keep-alive\r\nConnection: upgrade",
            Ok(()),
        ),
        ("5. no key", key, "", Err(Refusal::Key)),
        ("5. two keys", key, &format!("{key}{key}"), Err(Refusal::Key)),
        ("5. short key", "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZQ==", Err(Refusal::Key)),
        (
            "5. not base64",
            "dGhlIHNhbXBsZSBub25jZQ==",
            "!!!!!!!!!!!!!!!!!!!!!!==",
            Err(Refusal::Key),
        ),
        ("6. version 8", version, "Sec-WebSocket-Version: 8", Err(Refusal::Version)),
        ("6. no version", "Sec-WebSocket-Version: 13\r\n", "", Err(Refusal::Version)),
        (
            "6. two versions",
            version,
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13",
            Err(Refusal::Version),
        ),
        ("a body", version, "Sec-WebSocket-Version: 13\r\nContent-Length: 5", Err(Refusal::Body)),
        ("an empty body", version, "Sec-WebSocket-Version: 13\r\nContent-Length: 0", Ok(())),
        (
            "two lengths",
            version,
            "Sec-WebSocket-Version: 13\r\nContent-Length: 0\r\nContent-Length: 5",
            Err(Refusal::Body),
        ),
        (
            "a chunked body",
            version,
            "Sec-WebSocket-Version: 13\r\nTransfer-Encoding: chunked",
            Err(Refusal::Body),
        ),
    ] {
        check(section, from, to, expect);
    }
}

#[test]
fn section_4_4_a_wrong_version_is_answered_426_with_the_right_one() {
    assert_eq!(Refusal::Version.status(), StatusCode::UPGRADE_REQUIRED);
    assert_eq!(Refusal::Version.headers()[header::SEC_WEBSOCKET_VERSION], "13");
}

#[test]
fn section_4_2_2_the_accept_value_of_the_rfc() {
    let upgrade = Upgrade::from_request(&request(SOUND)).expect("sound");
    let response = upgrade.response(Some("chat"), Some("permessage-deflate"));
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(response.headers()[header::SEC_WEBSOCKET_ACCEPT], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!(response.headers()[header::SEC_WEBSOCKET_PROTOCOL], "chat");
    let mut wire = Vec::new();
    encode_response(&response.map(|()| ""), &mut wire);
    let (parsed, len) = parse_response(&wire, HeadLimits::default()).unwrap().unwrap();
    assert_eq!((parsed.status(), len), (StatusCode::SWITCHING_PROTOCOLS, wire.len()));
}

#[test]
fn a_protocol_with_a_line_break_never_reaches_the_wire() {
    let upgrade = Upgrade::from_request(&request(SOUND)).expect("sound");
    let response = upgrade.response(Some("a\r\nSet-Cookie: x=1"), None);
    assert!(!response.headers().contains_key(header::SEC_WEBSOCKET_PROTOCOL));
}

#[test]
fn heads_beyond_the_limits_are_431_and_malformed_ones_400() {
    let limits = HeadLimits { bytes_max: 1000, headers_max: 8 };
    let long = format!("GET / HTTP/1.1\r\nX: {}", "a".repeat(1000));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X: a\r\n".repeat(9));
    for (text, status) in [
        (long.as_str(), 431),
        (many.as_str(), 431),
        ("\0\0", 400),
        ("GET / HTTP/2.7\r\n", 400),
        ("GET / HTTP/1.1\r\nA B: c\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n: c\r\n\r\n", 400),
    ] {
        let error = parse_request(text.as_bytes(), limits).expect_err(text);
        assert_eq!(error.status().as_u16(), status, "{text:?}: {error}");
    }
    assert_eq!(
        parse_request(long.as_bytes(), limits).err(),
        Some(HeadError::TooLong { max: 1000 })
    );
    assert_eq!(
        parse_request(b"GET / HTTP/1.1\r\nHost: a", limits).ok().flatten().map(|it| it.1),
        None
    );
}

fn client() -> ClientHandshake {
    let uri = "ws://user@server.example.com:8080/chat?x=1".parse().unwrap();
    ClientHandshake::new(uri, "dGhlIHNhbXBsZSBub25jZQ==".to_owned())
        .unwrap()
        .with_protocols(["chat", "superchat"])
        .with_extensions(Some("permessage-deflate".to_owned()))
}

#[test]
fn section_4_1_the_request_is_one_that_our_server_grants() {
    let mut wire = Vec::new();
    let handshake =
        client().with_header(header::ORIGIN, "http://a.example".parse().unwrap()).unwrap();
    handshake.encode_request(&mut wire);
    let (request, len) = parse_request(&wire, HeadLimits::default()).unwrap().unwrap();
    assert_eq!(len, wire.len());
    assert_eq!(request.headers()[header::HOST], "server.example.com:8080");
    assert_eq!(request.uri(), "/chat?x=1");
    assert_eq!(request.headers()[header::ORIGIN], "http://a.example");
    assert!(Upgrade::from_request(&request).is_ok());
    assert_eq!(Upgrade::protocols(request.headers()).collect::<Vec<_>>(), ["chat", "superchat"]);
}

#[test]
fn section_4_1_a_line_for_each_demand_on_the_response() {
    let sound = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n";
    for (rule, from, to, sound_after) in [
        ("sound", "", "", true),
        ("1. status", "101 Switching Protocols", "200 OK", false),
        ("2. upgrade", "Upgrade: WebSocket\r\n", "", false),
        ("3. connection", "Connection: upgrade\r\n", "", false),
        ("4. accept wrong", "s3pPLM", "S3pPLM", false),
        ("4. accept missing", "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n", "", false),
        ("6. protocol not offered", "Protocol: chat", "Protocol: other", false),
        ("6. two protocols", "Protocol: chat", "Protocol: chat, superchat", false),
        ("6. no protocol", "Sec-WebSocket-Protocol: chat\r\n", "", true),
    ] {
        let text = sound.replace(from, to);
        let (response, _) =
            parse_response(text.as_bytes(), HeadLimits::default()).unwrap().unwrap();
        assert_eq!(client().judge(&response).is_ok(), sound_after, "{rule}");
    }
}

#[test]
fn addresses_and_headers_that_cannot_be_are_refused() {
    for address in ["http://a/", "ws:///path", "/path"] {
        let refused = address.parse().map(|uri| ClientHandshake::new(uri, String::new()).is_err());
        assert!(refused.unwrap_or(true), "{address}");
    }
    let refused = client().with_header(header::UPGRADE, "h2c".parse().unwrap());
    assert_eq!(refused.err(), Some(HandshakeError::ReservedHeader(header::UPGRADE)));
}

/// A request of HTTP/2, marked as its server does it.
fn extended_connect(headers: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::builder().method("CONNECT").version(http::Version::HTTP_2);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.uri("https://gateway.test/ws").body(()).expect("sound");
    request.extensions_mut().insert(ExtendedConnect);
    request
}

#[test]
fn rfc_8441_section_5_a_marked_connect_needs_a_version_and_nothing_else() {
    let judge = |request: &Request<()>| Upgrade::from_request(request).map(|_| ());
    let version = ("sec-websocket-version", "13");
    assert_eq!(judge(&extended_connect(&[version])), Ok(()));
    assert_eq!(judge(&extended_connect(&[])), Err(Refusal::Version));
    let old = ("sec-websocket-version", "8");
    assert_eq!(judge(&extended_connect(&[old])), Err(Refusal::Version));
    assert_eq!(judge(&extended_connect(&[version, ("content-length", "5")])), Err(Refusal::Body));
    // Without the mark it is somebody who takes us for a proxy.
    let mut plain = extended_connect(&[version]);
    plain.extensions_mut().remove::<ExtendedConnect>();
    assert_eq!(judge(&plain), Err(Refusal::NotGet));
}

#[test]
fn rfc_8441_section_5_the_answer_is_200_without_what_http_2_has_no_place_for() {
    let request = extended_connect(&[("sec-websocket-version", "13")]);
    let response =
        Upgrade::from_request(&request).expect("sound").response(Some("chat"), Some("x"));
    assert_eq!(response.status(), 200);
    let names: Vec<_> = response.headers().keys().map(http::HeaderName::as_str).collect();
    assert_eq!(names, ["sec-websocket-protocol", "sec-websocket-extensions"]);
}
