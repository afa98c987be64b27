//! Whatever is sent comes out as it went in; whatever is received never panics.

use std::time::Duration;

use proptest::prelude::*;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use ws_compression::{CompressionConfig, WindowBits};
use ws_connection::{ConnectionConfig, ProtocolError, apply_mask, encode_header};

use crate::{
    pair::{Pair, Seen, client},
    wire::{KEY, feed_chunked, frame},
};

fn message() -> impl Strategy<Value = Seen> {
    prop_oneof![
        any::<String>().prop_map(Seen::Text),
        ("[a-c ]{0,400}", 1usize..20).prop_map(|(text, n)| Seen::Text(text.repeat(n))),
        proptest::collection::vec(any::<u8>(), 0..3000).prop_map(Seen::Binary),
        Just(Seen::Binary(vec![7; 70_000])),
    ]
}

fn send(pair: &mut Pair, from_client: bool, message: &Seen) {
    let now = pair.now;
    let end = if from_client { &mut pair.client } else { &mut pair.server };
    match message {
        Seen::Text(text) => end.connection.send_text(text, &mut end.out, now),
        Seen::Binary(bytes) => end.connection.send_binary(bytes, &mut end.out, now),
        _ => unreachable!("only messages are generated"),
    }
    .expect("open");
}

fn compression() -> impl Strategy<Value = Option<CompressionConfig>> {
    let bits = || (9u8..=15).prop_map(|bits| WindowBits::new(bits).expect("in range"));
    proptest::option::of((bits(), bits(), any::<bool>(), any::<bool>()).prop_map(
        |(server, client, server_takeover, client_takeover)| {
            CompressionConfig::default()
                .with_threshold_bytes(0)
                .with_server_max_window_bits(server)
                .with_client_max_window_bits(client)
                .with_server_context_takeover(server_takeover)
                .with_client_context_takeover(client_takeover)
        },
    ))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn text_that_is_written_in_place_is_the_same_as_text_that_is_handed_over(
        compression in compression(),
        texts in proptest::collection::vec((any::<bool>(), "[a-d]{0,200}", 1usize..400), 1..4),
    ) {
        let mut pair = match &compression {
            Some(config) => Pair::compressed(config),
            None => Pair::new(ConnectionConfig::server(), client()),
        };
        for (from_client, text, n) in &texts {
            let now = pair.now;
            let end = if *from_client { &mut pair.client } else { &mut pair.server };
            let text = text.repeat(*n);
            let write = |out: &mut Vec<u8>| out.extend_from_slice(text.as_bytes());
            let mut spare = Vec::new();
            end.connection.send_text_with(write, &mut spare, &mut end.out, now).expect("open");
        }
        pair.run(Duration::from_secs(1));
        let sent_by = |client: bool| -> Vec<Seen> {
            let sent = texts.iter().filter(|it| it.0 == client);
            sent.map(|(_, text, n)| Seen::Text(text.repeat(*n))).collect()
        };
        prop_assert_eq!(pair.server.messages(), sent_by(true));
        prop_assert_eq!(pair.client.messages(), sent_by(false));
    }

    #[test]
    fn any_message_any_chunking_any_parameters_comes_out_as_it_went_in(
        compression in compression(),
        messages in proptest::collection::vec((any::<bool>(), message()), 1..6),
        chunk in prop_oneof![1usize..20, 100usize..70_000],
    ) {
        let mut pair = match &compression {
            Some(config) => Pair::compressed(config),
            None => Pair::new(ConnectionConfig::server(), client()),
        };
        pair.chunk = chunk;
        for (from_client, message) in &messages {
            send(&mut pair, *from_client, message);
        }
        pair.run(Duration::from_secs(1));
        let sent_by = |client: bool| -> Vec<Seen> {
            messages.iter().filter(|it| it.0 == client).map(|it| it.1.clone()).collect()
        };
        prop_assert_eq!(pair.server.messages(), sent_by(true));
        prop_assert_eq!(pair.client.messages(), sent_by(false));
    }

    #[test]
    fn any_fragmentation_any_chunking_comes_out_as_it_went_in(
        message in message(),
        cuts in proptest::collection::vec(0usize..70_000, 0..8),
        control in any::<bool>(),
        chunk in 1usize..5000,
    ) {
        let (kind, payload) = match &message {
            Seen::Text(text) => (Data::Text, text.clone().into_bytes()),
            Seen::Binary(bytes) => (Data::Binary, bytes.clone()),
            _ => unreachable!("only messages are generated"),
        };
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(payload.len())).collect();
        cuts.extend([0, payload.len()]);
        cuts.sort_unstable();
        let pieces: Vec<_> = cuts.windows(2).map(|ends| &payload[ends[0]..ends[1]]).collect();
        let mut wire = Vec::new();
        for (i, piece) in pieces.iter().enumerate() {
            let opcode = OpCode::Data(if i == 0 { kind } else { Data::Continue });
            let last = i + 1 == pieces.len();
            encode_header(&mut wire, last, false, opcode, piece.len(), Some(KEY));
            let body = wire.len();
            wire.extend_from_slice(piece);
            apply_mask(&mut wire[body..], KEY, 0);
            if control && !last {
                wire.extend(frame(0x8a, b"between"));
            }
        }
        let fed = feed_chunked(ConnectionConfig::server(), &wire, chunk);
        let messages: Vec<_> = fed.seen.into_iter().filter(|it| !matches!(it, Seen::Pong { .. })).collect();
        prop_assert_eq!(messages, vec![message]);
    }

    #[test]
    fn any_bytes_never_panic_and_judge_the_same_however_they_are_cut(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..300),
        masked in any::<bool>(),
        chunk in 1usize..50,
    ) {
        if masked && bytes.len() > 1 {
            bytes[0] &= 0x8f;
            bytes[1] |= 0x80;
        }
        let whole = feed_chunked(ConnectionConfig::server(), &bytes, usize::MAX);
        let cut = feed_chunked(ConnectionConfig::server(), &bytes, chunk);
        prop_assert_eq!(&whole.out, &cut.out);
        prop_assert_eq!(whole.seen, cut.seen);
    }

    #[test]
    fn nothing_is_kept_beyond_the_limit(
        size in 0u64..u64::from(u32::MAX), sent in 0usize..2000,
    ) {
        let mut wire = vec![0x82, 0xff];
        wire.extend_from_slice(&size.max(65_536).to_be_bytes());
        wire.extend_from_slice(&KEY);
        wire.extend(std::iter::repeat_n(0, sent));
        let fed = feed_chunked(ConnectionConfig::server(), &wire, 100);
        if size > 1 << 20 {
            prop_assert!(matches!(fed.failure(), Some(ProtocolError::TooLarge(_))));
        } else {
            prop_assert_eq!(fed.failure(), None);
        }
    }
}
