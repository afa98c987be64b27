//! permessage-deflate on the wire (RFC 7692 §6 and §7) between two of our own sides.

use std::{sync::Arc, time::Duration};

use ws_compression::{CompressionConfig, CompressionManager, PerMessageDeflate, Role};
use ws_connection::{Connection, ConnectionConfig, Prepared, ProtocolError, Wire, Workspace};
use ws_frame_validator::SizeLimits;

use crate::{
    pair::{Pair, Seen, base, keep},
    wire::{Fed, frame},
};

fn compressible(len: usize) -> String {
    "the same words again and again, ".chars().cycle().take(len).collect()
}

#[test]
fn messages_travel_compressed_both_ways_with_and_without_takeover() {
    for takeover in [false, true] {
        let config = CompressionConfig::default()
            .with_server_context_takeover(takeover)
            .with_client_context_takeover(takeover);
        let mut pair = Pair::compressed(&config);
        pair.chunk = 100;
        let text = compressible(20_000);
        for _ in 0..3 {
            let now = pair.now;
            let end = &mut pair.client;
            end.connection.send_text(&text, &mut end.out, now).expect("open");
            assert!(end.out.len() < 2_000, "{} bytes on the wire", end.out.len());
            assert_eq!(end.out[0], 0xc1, "RSV1 on the first frame");
            let end = &mut pair.server;
            end.connection.send_binary(text.as_bytes(), &mut end.out, now).expect("open");
            assert!(end.out.len() < 2_000);
            pair.run(Duration::from_secs(1));
        }
        assert_eq!(pair.server.messages(), vec![Seen::Text(text.clone()); 3]);
        assert_eq!(pair.client.messages(), vec![Seen::Binary(text.clone().into_bytes()); 3]);
    }
}

#[test]
fn short_messages_and_those_that_would_not_shrink_go_out_plain() {
    let mut pair = Pair::compressed(&CompressionConfig::default());
    let noise: Vec<u8> =
        (0..4096u64).flat_map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()).collect();
    let now = pair.now;
    let end = &mut pair.server;
    end.connection.send_text("short", &mut end.out, now).expect("open");
    assert_eq!(end.out[0], 0x81);
    end.out.clear();
    end.connection.send_binary(&noise, &mut end.out, now).expect("open");
    assert_eq!(end.out[0], 0x82);
    assert_eq!(end.out.len(), noise.len() + 4);
}

#[test]
fn a_prepared_message_is_deflated_once_for_all_and_arrives_whole() {
    let manager = CompressionManager::new(CompressionConfig::default());
    let accepted = manager.accept_offer(["permessage-deflate"]).expect("plain offer");
    let config = Arc::new(ConnectionConfig::server());
    let now = base();
    let text = compressible(5_000);
    let prepared = Prepared::text(&text);
    let mut forms = Vec::new();
    for entropy in 0..3 {
        let codec = manager.codec(Role::Server, accepted.params);
        let mut server = Connection::new(config.clone(), Some(codec), entropy, now);
        let mut out = Vec::new();
        match server.send_prepared(&prepared, &mut out, now).expect("open") {
            Wire::Shared(bytes) => forms.push(bytes),
            Wire::Written => panic!("a codec without takeover takes the shared form"),
        }
        assert!(out.is_empty());
    }
    assert!(forms.windows(2).all(|two| two[0].as_ptr() == two[1].as_ptr()), "one buffer for all");
    assert_eq!(manager.stats().compressed_messages, 1);
    let mut plain = Connection::new(config, None, 9, now);
    let Ok(Wire::Shared(framed)) = plain.send_prepared(&prepared, &mut Vec::new(), now) else {
        panic!("the plain form is shared too");
    };
    assert_eq!(framed.len(), text.len() + 4);
    assert!(forms[0].len() < 500);
}

#[test]
fn joined_messages_leave_for_each_receiver_as_they_would_alone() {
    let manager = CompressionManager::new(CompressionConfig::default());
    let takeover = CompressionConfig::default().with_server_context_takeover(true);
    let takeover = CompressionManager::new(takeover);
    let codec = |manager: &CompressionManager, offer: &str| {
        let accepted = manager.accept_offer([offer]).expect("a sound offer");
        Some(manager.codec(Role::Server, accepted.params))
    };
    let messages = [
        Arc::new(Prepared::text(&compressible(5_000))),
        Arc::new(Prepared::text("short")),
        Arc::new(Prepared::binary(compressible(3_000).as_bytes())),
    ];
    let joined = Prepared::join(&messages).expect("three");
    assert_eq!(joined.wire_len(), messages.iter().map(|it| it.wire_len()).sum::<usize>());
    let receivers: [&dyn Fn() -> Option<PerMessageDeflate>; 4] = [
        &|| None,
        &|| codec(&manager, "permessage-deflate"),
        &|| codec(&manager, "permessage-deflate; server_max_window_bits=9"),
        &|| codec(&takeover, "permessage-deflate"),
    ];
    for receiver in receivers {
        let sent = |prepared: &[Arc<Prepared>]| {
            let config = Arc::new(ConnectionConfig::server());
            let mut server = Connection::new(config, receiver(), 7, base());
            let mut out = Vec::new();
            for prepared in prepared {
                match server.send_prepared(prepared, &mut out, base()).expect("open") {
                    Wire::Shared(bytes) => out.extend_from_slice(bytes),
                    Wire::Written => {}
                }
            }
            out
        };
        assert!(sent(&messages) == sent(std::slice::from_ref(&joined)));
    }
    assert!(Prepared::join(&[]).is_none());
}

/// A server that negotiated compression, fed with raw frames.
fn feed(max: u64, wire: &[u8]) -> Fed {
    let manager = CompressionManager::new(CompressionConfig::default());
    let accepted = manager.accept_offer(["permessage-deflate"]).expect("plain offer");
    let codec = manager.codec(Role::Server, accepted.params);
    let limits = SizeLimits::new(max, max).expect("sound");
    let config = ConnectionConfig::server().with_sizes(limits);
    let now = base();
    let mut connection = Connection::new(Arc::new(config), Some(codec), 7, now);
    let mut workspace = Workspace::new();
    let (mut seen, mut out) = (Vec::new(), Vec::new());
    for piece in wire.chunks(1000) {
        workspace.load(piece);
        while let Some(event) = connection.poll_event(&mut workspace, &mut out, now) {
            seen.push(keep(event));
        }
    }
    Fed { seen, out, connection, now }
}

/// RFC 7692 §7.2.3's examples of "Hello".
const HELLO: &[u8] = &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

#[test]
fn section_7_2_3_the_examples_of_the_rfc() {
    let hello = [Seen::Text("Hello".to_owned())];
    assert_eq!(feed(1000, &frame(0xc1, HELLO)).seen, hello, "7.2.3.1 one block");
    let fragmented = [frame(0x41, &HELLO[..3]), frame(0x80, &HELLO[3..])].concat();
    assert_eq!(feed(1000, &fragmented).seen, hello, "7.2.3.1 in fragments");
    let stored = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
    assert_eq!(feed(1000, &frame(0xc1, &stored)).seen, hello, "7.2.3.3 stored block");
    let last = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    assert_eq!(feed(1000, &frame(0xc1, &last)).seen, hello, "7.2.3.4 final-block bit");
    let two = [0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
    assert_eq!(feed(1000, &frame(0xc1, &two)).seen, hello, "7.2.3.5 two blocks");
    assert_eq!(
        feed(1000, &frame(0xc1, &[0x00])).seen,
        [Seen::Text(String::new())],
        "7.2.3.6 empty"
    );
}

#[test]
fn section_6_1_rsv1_belongs_on_the_first_frame_only() {
    let wire = [frame(0x41, &HELLO[..3]), frame(0xc0, &HELLO[3..])].concat();
    assert_eq!(feed(1000, &wire).failure(), Some(ProtocolError::CompressedContinuation));
    assert_eq!(feed(1000, &frame(0xc9, b"")).failure(), Some(ProtocolError::ReservedBits));
}

#[test]
fn hostile_streams_fail_with_1007_and_bombs_with_1009() {
    for (name, payload) in [
        ("block type 3", &[0x07, 0xff][..]),
        ("stored block whose lengths disagree", &[0x00, 0x05, 0x00, 0x00, 0x00]),
        ("distance too far back", &[0x4b, 0x04, 0x12, 0x00]),
        ("truncated", &[0xf2, 0x48]),
    ] {
        let fed = feed(1000, &frame(0xc2, payload));
        assert_eq!(fed.failure(), Some(ProtocolError::CorruptDeflate), "{name}");
        assert_eq!(fed.close().expect(name).0, 1007, "{name}");
    }
    // A thousand to one: zeros deflated by an implementation that knows no limit.
    let mut bomb = Vec::new();
    let unlimited = CompressionManager::new(CompressionConfig::default());
    let params = unlimited.accept_offer(["permessage-deflate"]).expect("plain offer").params;
    let outcome = unlimited.codec(Role::Client, params).compress(&vec![0; 10 << 20], &mut bomb);
    assert_eq!(outcome, ws_compression::Outcome::Compressed);
    let fed = feed(100_000, &frame(0xc2, &bomb));
    assert!(matches!(fed.failure(), Some(ProtocolError::TooLarge(it)) if it.max == 100_000));
    assert_eq!(fed.close(), Some((1009, "Message too large".to_owned())));
}

#[test]
fn invalid_text_inside_compressed_data_fails_with_1007() {
    let stored = [0x00, 0x02, 0x00, 0xfd, 0xff, 0xc3, 0x28, 0x00];
    let fed = feed(1000, &frame(0xc1, &stored));
    assert_eq!(fed.failure(), Some(ProtocolError::InvalidUtf8));
}
