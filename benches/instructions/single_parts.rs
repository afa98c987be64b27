//! Single parts: what the crates below the transport do for one message, frame, check or token.

use std::{
    hint::black_box,
    num::{NonZeroU32, NonZeroUsize},
    sync::Arc,
};

use crate::material::{client_frames, json, now};
use ws_auth::{Authenticator, Issuer};
use ws_compression::{CompressionConfig, CompressionManager, Outcome, Role};
use ws_connection::{Connection, ConnectionConfig, Event, Timeout, Workspace};
use ws_protocol::ClientMessage;
use ws_rate_limiter::{AnyLimit, TieredLimiter, TokenBucket};

use crate::{
    Case,
    house::{self, Minter},
};

pub(crate) fn cases(count: &mut dyn FnMut(Case)) {
    for (name, text) in PARSED {
        count(Case::new(format!("parse: {name}"), 2000, 1, move || {
            assert!(black_box(ClientMessage::parse_open(black_box(text))).is_ok());
        }));
    }
    let document = json(1000, 1);
    let text =
        format!(r#"{{"type":"request","requestId":"123","payload":"{}"}}"#, escaped(&document));
    count(Case::new("parse: request of 1 KiB", 1000, 1, move || {
        assert!(black_box(ClientMessage::parse_open(black_box(&text))).is_ok());
    }));
    for (name, len, messages) in
        [("16 of 20 B", 20, 16), ("16 of 1 KiB", 1024, 16), ("1 of 64 KiB", 65_536, 1)]
    {
        count(frames(name, len, messages));
    }
    count(heartbeat());
    count(limiter());
    for (name, cached_tokens_max) in [("never seen", 0), ("known", 1000)] {
        count(token(name, cached_tokens_max));
    }
    deflate(count);
}

const PARSED: [(&str, &str); 7] = [
    ("ping", r#"{"type":"ping"}"#),
    ("ack", r#"{"type":"ack","messageId":"4711"}"#),
    ("request", r#"{"type":"request","requestId":"123","payload":{"action":"test","n":1}}"#),
    ("subscribe", r#"{"type":"subscribe","channel":"trips:4711","presence":true,"id":"7"}"#),
    ("publish", r#"{"type":"publish","channel":"trips:4711","event":"moved","data":{"lat":1.5}}"#),
    ("chat", r#"{"type":"chat","payload":{"to":"user-123","message":"Hello there"}}"#),
    ("typing", r#"{"type":"typing","payload":{"room_id":"lobby"}}"#),
];

fn escaped(text: &str) -> String {
    text.replace('"', "\\\"")
}

/// Decoded and encoded again, without a socket.
fn frames(name: &str, len: usize, messages: usize) -> Case {
    let wire = client_frames(0x81, json(len, 1).as_bytes(), messages);
    let now = now();
    let mut connection = Connection::new(Arc::new(ConnectionConfig::server()), None, 42, now);
    let (mut workspace, mut out, mut echo) = (Workspace::new(), Vec::new(), Vec::new());
    let rounds = if len > 20 { 100 } else { 500 };
    Case::new(format!("frames in and out: {name}"), rounds, messages as u32, move || {
        let mut rest = &wire[..];
        while !rest.is_empty() {
            let taken = workspace.load(rest);
            rest = &rest[taken..];
            while let Some(event) = connection.poll_event(&mut workspace, &mut out, now) {
                let Event::Text(text) = event else { panic!("only text was sent: {event:?}") };
                connection.send_text(text, &mut echo, now).unwrap();
            }
        }
        assert!(black_box(&echo).len() > len);
        echo.clear();
    })
}

/// A ping when it is due, the pong in answer.
fn heartbeat() -> Case {
    let config = ConnectionConfig::server().with_idle_timeout(None);
    let mut connection = Connection::new(Arc::new(config), None, 42, now());
    let (mut workspace, mut out) = (Workspace::new(), Vec::new());
    Case::new("heartbeat: ping and pong", 500, 1, move || {
        let now = connection.poll_timeout().unwrap();
        out.clear();
        while let Some(timeout) = connection.handle_timeout(&mut out, now) {
            assert_eq!(timeout, Timeout::PingSent);
        }
        let [0x89, len, payload @ ..] = &out[..] else { return };
        // A mask of zeros leaves the payload as it is.
        let mut pong = [0; 64];
        pong[..2].copy_from_slice(&[0x8a, 0x80 | len]);
        pong[6..6 + payload.len()].copy_from_slice(payload);
        assert_eq!(workspace.load(&pong[..6 + payload.len()]), 6 + payload.len());
        let mut reply = Vec::new();
        let event = connection.poll_event(&mut workspace, &mut reply, now);
        assert!(matches!(event, Some(Event::Pong { round_trip: Some(_), .. })), "{event:?}");
    })
}

/// One check of a user among a thousand.
fn limiter() -> Case {
    const KEYS: u64 = 1000;
    const KEYS_MAX: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();
    let plenty = TokenBucket::per_second(NonZeroU32::new(1_000_000_000).unwrap());
    let limiter = TieredLimiter::new("free", AnyLimit::from(plenty), KEYS_MAX);
    let (tier, now, mut key) = (limiter.tier_id(None), now(), 0);
    Case::new("limiter: check", 5000, 1, move || {
        key = (key + 389) % KEYS;
        assert!(limiter.check(tier, black_box(&key), now).is_ok());
    })
}

fn token(name: &str, cached_tokens_max: usize) -> Case {
    let issuer = Issuer::new("local").secret(house::SECRET);
    let builder = Authenticator::builder().issuer(issuer).cached_tokens_max(cached_tokens_max);
    let authenticator = builder.build().unwrap();
    let token = Minter::new().token("user-123");
    Case::new(format!("token: HS256, {name}"), 300, 1, move || {
        assert!(authenticator.verify(black_box(&token), house::wall()).is_ok());
    })
}

fn deflate(count: &mut dyn FnMut(Case)) {
    let manager = CompressionManager::new(CompressionConfig::default().with_threshold_bytes(0));
    let params = manager.accept_offer(["permessage-deflate"]).unwrap().params;
    let text = json(1024, 1);
    let mut deflated = Vec::new();
    let mut codec = manager.codec(Role::Client, params);
    assert_eq!(codec.compress(text.as_bytes(), &mut deflated), Outcome::Compressed);

    let (mut codec, mut out) = (manager.codec(Role::Server, params), Vec::new());
    count(Case::new("deflate: 1 KiB of JSON", 50, 1, move || {
        out.clear();
        assert_eq!(codec.compress(black_box(text.as_bytes()), &mut out), Outcome::Compressed);
    }));
    let (mut codec, mut out) = (manager.codec(Role::Server, params), Vec::new());
    count(Case::new("inflate: 1 KiB of JSON", 100, 1, move || {
        out.clear();
        assert!(codec.decompress(black_box(&deflated), 1 << 20, &mut out).is_ok());
    }));
}
