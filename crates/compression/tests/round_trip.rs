//! Any messages, any parameters, any buffers: what goes in comes out, by our inflater and by
//! others, and what others deflate comes out too.

#![expect(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

#[path = "material/text.rs"]
mod text;

use flate2::{Decompress, FlushDecompress};
use miniz_oxide::deflate::core::{CompressorOxide, create_comp_flags_from_zip_params};
use miniz_oxide::deflate::stream::deflate;
use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZFlush};
use proptest::prelude::*;
use ws_compression::{
    CompressionConfig, CompressionManager, Level, Outcome, Params, Role, WindowBits,
};

const TAIL: [u8; 4] = [0, 0, 0xFF, 0xFF];

fn messages() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let message = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        (0_usize..6000, any::<u64>()).prop_map(|(length, seed)| text::json(length, seed)),
        // Distances around the edges of the windows.
        (200_usize..700, 1_usize..20, any::<u64>())
            .prop_map(|(period, times, seed)| text::noise(period, seed).repeat(times)),
        (any::<u8>(), 0_usize..70_000).prop_map(|(byte, length)| vec![byte; length]),
    ];
    prop::collection::vec(message, 1..8)
}

fn window() -> impl Strategy<Value = WindowBits> {
    (8_u8..=15).prop_map(|bits| WindowBits::new(bits).unwrap())
}

fn params() -> impl Strategy<Value = Params> {
    (any::<bool>(), any::<bool>(), window(), window()).prop_map(
        |(server_alone, client_alone, server_bits, client_bits)| Params {
            server_no_context_takeover: server_alone,
            client_no_context_takeover: client_alone,
            server_max_window_bits: server_bits,
            client_max_window_bits: client_bits,
        },
    )
}

fn config() -> impl Strategy<Value = CompressionConfig> {
    let history = prop::sample::select(vec![0_usize, 100, 4096, 1 << 15]);
    (0_u8..=9, 0_usize..100, history).prop_map(|(level, threshold, history)| {
        CompressionConfig::default()
            .with_level(Level::new(level).unwrap())
            .with_threshold_bytes(threshold)
            .with_takeover_history_bytes(history)
    })
}

/// An inflater that shares no code with ours.
struct Miniz(Box<InflateState>);

impl Miniz {
    fn new() -> Self {
        Self(InflateState::new_boxed(DataFormat::Raw))
    }

    fn inflate(&mut self, payload: &[u8]) -> Vec<u8> {
        let complete = [payload, &TAIL].concat();
        let (mut input, mut message, mut piece) = (&complete[..], Vec::new(), [0; 4096]);
        loop {
            let result = inflate(&mut self.0, input, &mut piece, MZFlush::None);
            input = &input[result.bytes_consumed..];
            message.extend_from_slice(&piece[..result.bytes_written]);
            if result.bytes_written == 0 && (input.is_empty() || result.status.is_err()) {
                assert!(input.is_empty(), "{:?}", result.status);
                return message;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_one_end_compresses_the_other_and_a_stranger_inflate(
        messages in messages(),
        params in params(),
        config in config(),
        server_sends in any::<bool>(),
        room in 0_usize..200,
        spare in 0_usize..3000,
    ) {
        let manager = CompressionManager::new(config);
        let (from, to) =
            if server_sends { (Role::Server, Role::Client) } else { (Role::Client, Role::Server) };
        let (mut sender, mut receiver) =
            (manager.codec(from, params), manager.codec(to, params));
        let alone = if server_sends {
            params.server_no_context_takeover
        } else {
            params.client_no_context_takeover
        };
        let mut stranger = Miniz::new();
        for message in &messages {
            let mut payload = Vec::with_capacity(room);
            payload.extend_from_slice(b"head");
            if sender.compress(message, &mut payload) == Outcome::Plain {
                prop_assert_eq!(&payload, b"head");
                continue;
            }
            let payload = &payload[4..];
            prop_assert!(payload.len() < message.len());

            // The limit is exactly the message's length: it must do, and one less must not.
            let mut out = Vec::with_capacity(spare);
            out.extend_from_slice(b"head");
            receiver.decompress(payload, message.len(), &mut out).unwrap();
            prop_assert_eq!(&out[..4], b"head");
            prop_assert_eq!(&out[4..], &message[..]);

            if alone {
                stranger = Miniz::new();
                let mut plain = Vec::with_capacity(message.len() + 64);
                Decompress::new(false)
                    .decompress_vec(&[payload, &TAIL].concat(), &mut plain, FlushDecompress::Sync)
                    .unwrap();
                prop_assert_eq!(&plain, message);
                let mut short = Vec::new();
                let result = manager.codec(to, params).decompress(payload, message.len() - 1, &mut short);
                prop_assert!(result.is_err() && short.is_empty());
            }
            prop_assert_eq!(&stranger.inflate(payload), message);
        }
    }

    #[test]
    fn what_a_stranger_deflates_with_takeover_we_inflate(
        messages in messages(),
        level in 0_u8..=10,
        server_receives in any::<bool>(),
        spare in 0_usize..3000,
    ) {
        let params = Params {
            server_no_context_takeover: false,
            client_no_context_takeover: false,
            server_max_window_bits: WindowBits::MAX,
            client_max_window_bits: WindowBits::MAX,
        };
        let role = if server_receives { Role::Server } else { Role::Client };
        let mut receiver = CompressionManager::create_default().codec(role, params);
        let flags = create_comp_flags_from_zip_params(level.into(), -15, 0);
        let mut stranger = CompressorOxide::new(flags);
        for message in &messages {
            let mut payload = vec![0; message.len() * 2 + 1000];
            let result = deflate(&mut stranger, message, &mut payload, MZFlush::Sync);
            prop_assert_eq!(result.bytes_consumed, message.len());
            payload.truncate(result.bytes_written);
            // A second flush without input writes nothing; the message is then empty.
            let payload = payload.strip_suffix(&TAIL).unwrap_or(&[0]);
            let mut out = Vec::with_capacity(spare);
            receiver.decompress(payload, message.len(), &mut out).unwrap();
            prop_assert_eq!(&out, message);
        }
    }

    #[test]
    fn a_shared_message_suits_each_receiver_whose_window_is_no_smaller(
        messages in messages(),
        deflated_for in window(),
        level in 1_u8..=9,
    ) {
        let config = CompressionConfig::default()
            .with_level(Level::new(level).unwrap())
            .with_threshold_bytes(0);
        let manager = CompressionManager::new(config);
        for message in &messages {
            let mut payload = Vec::new();
            if manager.compress_shared(deflated_for, message, &mut payload) == Outcome::Plain {
                continue;
            }
            for bits in deflated_for.get()..=15 {
                let params = Params {
                    server_no_context_takeover: true,
                    client_no_context_takeover: true,
                    server_max_window_bits: WindowBits::new(bits).unwrap(),
                    client_max_window_bits: WindowBits::MAX,
                };
                let server = manager.codec(Role::Server, params);
                prop_assert!(server.shared_window_bits() >= Some(deflated_for));
                let mut out = Vec::new();
                manager.codec(Role::Client, params).decompress(&payload, message.len(), &mut out).unwrap();
                prop_assert_eq!(&out, message);
            }
        }
    }
}
