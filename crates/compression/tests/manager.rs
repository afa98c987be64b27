//! What connections share: the budget, the statistics, the pool.

#[path = "material/text.rs"]
mod text;

use ws_compression::{
    Accepted, CompressionConfig, CompressionManager, Level, Outcome, Params, Role, WindowBits,
};

const KIB: usize = 1024;

fn params(takeover: bool) -> Params {
    Params {
        server_no_context_takeover: !takeover,
        client_no_context_takeover: !takeover,
        server_max_window_bits: WindowBits::MAX,
        client_max_window_bits: WindowBits::MAX,
    }
}

#[test]
fn takeover_is_negotiated_until_the_budget_is_used_up_and_again_when_it_is_free() {
    let config = CompressionConfig::default()
        .with_server_context_takeover(true)
        .with_client_context_takeover(true)
        .with_takeover_budget_bytes(2 * (4 + 32) * KIB);
    let manager = CompressionManager::new(config);
    let connect = || {
        let Accepted { params, .. } = manager.accept_offer(["permessage-deflate"]).unwrap();
        let takeover = !params.server_no_context_takeover && !params.client_no_context_takeover;
        (manager.codec(Role::Server, params), takeover)
    };
    let (first, granted) = connect();
    assert!(granted);
    let (_second, granted) = connect();
    assert!(granted);
    assert_eq!(manager.stats().takeover_bytes, 2 * (4 + 32) * KIB);
    let (_third, granted) = connect();
    assert!(!granted, "used up");
    assert_eq!(manager.stats().takeover_refused, 1);
    assert_eq!(manager.stats().takeover_bytes, 2 * (4 + 32) * KIB);
    drop(first);
    let (_fourth, granted) = connect();
    assert!(granted, "free again");
}

#[test]
fn a_promise_is_kept_beyond_the_budget_and_our_own_part_is_not() {
    let manager =
        CompressionManager::new(CompressionConfig::high().with_takeover_budget_bytes(40 * KIB));
    let _first = manager.codec(Role::Server, params(true));
    assert_eq!(manager.stats().takeover_bytes, (32 + 4) * KIB);

    // Negotiated when there was room, made when there is none.
    let mut late = manager.codec(Role::Server, params(true));
    let stats = manager.stats();
    assert_eq!((stats.takeover_bytes, stats.takeover_refused), ((32 + 4 + 32) * KIB, 1));
    assert_eq!(late.shared_window_bits(), Some(WindowBits::MAX), "its messages stand alone");

    // The peer may refer back, and finds what it refers to.
    let peers = CompressionManager::new(CompressionConfig::high());
    let mut peer = peers.codec(Role::Client, params(true));
    let message = text::json(2000, 1);
    for _ in 0..3 {
        let (mut payload, mut out) = (Vec::new(), Vec::new());
        assert_eq!(peer.compress(&message, &mut payload), Outcome::Compressed);
        late.decompress(&payload, message.len(), &mut out).unwrap();
        assert_eq!(out, message);
        payload.clear();
        out.clear();
        assert_eq!(late.compress(&message, &mut payload), Outcome::Compressed);
        peer.decompress(&payload, message.len(), &mut out).unwrap();
        assert_eq!(out, message);
    }
}

#[test]
fn a_connection_that_refers_back_takes_no_shared_messages() {
    let manager = CompressionManager::create_default();
    assert_eq!(manager.codec(Role::Server, params(true)).shared_window_bits(), None);
    let bits = WindowBits::new(10).unwrap();
    let alone = Params { client_max_window_bits: bits, ..params(false) };
    assert_eq!(manager.codec(Role::Client, alone).shared_window_bits(), Some(bits));
    assert_eq!(manager.codec(Role::Server, alone).shared_window_bits(), Some(WindowBits::MAX));

    let config = CompressionConfig::default().with_takeover_history_bytes(0);
    let codec = CompressionManager::new(config).codec(Role::Server, params(true));
    assert_eq!(codec.shared_window_bits(), Some(WindowBits::MAX), "zero: each stands alone");
}

#[test]
fn statistics_tell_what_became_of_each_message() {
    let manager = CompressionManager::create_default();
    assert_eq!((manager.ratio_percent(), manager.average_bytes_saved()), (100.0, 0.0));
    let mut codec = manager.codec(Role::Server, params(false));
    let mut out = Vec::new();
    assert_eq!(codec.compress(&text::json(1023, 1), &mut out), Outcome::Plain);
    assert_eq!(codec.compress(&text::noise(1024, 1), &mut out), Outcome::Plain);
    assert!(out.is_empty());
    let message = text::json(1024, 1);
    assert_eq!(codec.compress(&message, &mut out), Outcome::Compressed);
    let mut back = Vec::new();
    manager.codec(Role::Client, params(false)).decompress(&out, 1024, &mut back).unwrap();

    let stats = manager.stats();
    assert_eq!((stats.plain_small_messages, stats.plain_incompressible_messages), (1, 1));
    assert_eq!((stats.compressed_messages, stats.inflated_messages), (1, 1));
    assert_eq!((stats.compressed_bytes_before, stats.inflated_bytes_after), (1024, 1024));
    assert_eq!(stats.compressed_bytes_after, out.len() as u64);
    assert_eq!(stats.inflated_bytes_before, out.len() as u64);
    assert_eq!(manager.ratio_percent(), out.len() as f64 * 100.0 / 1024.0);
    assert_eq!(manager.average_bytes_saved(), (1024 - out.len()) as f64);
    let summary = manager.summary();
    assert!(summary.contains("compressed 1 messages"), "{summary}");
    assert!(summary.contains("plain 1 small, 1 incompressible, 0 after errors"), "{summary}");
}

#[test]
fn level_zero_sends_plain_and_still_inflates() {
    let config = CompressionConfig::default().with_level(Level::NONE).with_threshold_bytes(0);
    let manager = CompressionManager::new(config);
    let mut codec = manager.codec(Role::Server, params(false));
    let (mut payload, mut out) = (Vec::new(), Vec::new());
    let message = text::json(5000, 1);
    assert_eq!(codec.compress(&message, &mut payload), Outcome::Plain);
    let peer = CompressionManager::create_default();
    assert_eq!(peer.compress_shared(WindowBits::MAX, &message, &mut payload), Outcome::Compressed);
    codec.decompress(&payload, 5000, &mut out).unwrap();
    assert_eq!(out, message);
}

#[test]
fn many_threads_share_one_manager() {
    let manager = CompressionManager::new(CompressionConfig::fast().with_threshold_bytes(0));
    std::thread::scope(|scope| {
        for seed in 0..8 {
            let manager = manager.clone();
            scope.spawn(move || {
                let mut server = manager.codec(Role::Server, params(seed % 2 == 0));
                let mut client = manager.codec(Role::Client, params(seed % 2 == 0));
                let (mut payload, mut out) = (Vec::new(), Vec::new());
                for round in 0..200 {
                    let message = text::json(500 + round, seed);
                    payload.clear();
                    out.clear();
                    assert_eq!(server.compress(&message, &mut payload), Outcome::Compressed);
                    client.decompress(&payload, message.len(), &mut out).unwrap();
                    assert_eq!(out, message);
                }
            });
        }
    });
    let stats = manager.stats();
    assert_eq!((stats.compressed_messages, stats.inflated_messages), (1600, 1600));
    assert_eq!(stats.takeover_bytes, 0);
    assert!(stats.pool_bytes <= 8 * (380_032 + 47_552), "{} bytes", stats.pool_bytes);
    manager.trim();
    assert_eq!(manager.stats().pool_bytes, 0);
}
