//! Large echoes compared byte for byte, and many messages in flight.

use ws_compression::CompressionConfig;

use crate::{
    raw::{Raw, frame},
    server::{KINDS, Kind, start},
};

const MIB: usize = 1024 * 1024;

/// Bytes without a short period: a piece that is lost, doubled or moved shows.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    });
    words.flat_map(u64::to_le_bytes).take(len).collect()
}

/// Writes and reads at once: neither side has room for a whole message.
async fn echoed(raw: Raw, messages: Vec<Vec<u8>>) {
    let wire: Vec<u8> = messages.iter().flat_map(|it| frame(0x82, it)).collect();
    let (mut reader, mut writer) = raw.split();
    let writing = tokio::spawn(async move {
        writer.send(&wire).await;
        writer
    });
    for (n, message) in messages.into_iter().enumerate() {
        let (first, echo) = reader.next().await.expect("an echo");
        assert!(first == 0x82 && echo == message, "message {n} of {} bytes", message.len());
    }
    drop(writing.await.expect("no panic"));
}

#[tokio::test]
async fn echoes_above_64_kib_are_the_same_byte_for_byte() {
    for kind in KINDS {
        let address = start(kind, 8 * MIB, CompressionConfig::disabled()).await;
        let raw = Raw::connect(address, "").await;
        let lens = [65_536, 65_537, 131_071, 262_144, MIB + 1, 8 * MIB];
        echoed(raw, lens.map(noise).to_vec()).await;
    }
}

#[tokio::test]
async fn a_message_of_64_mib_is_the_same_byte_for_byte() {
    let address = start(Kind::Driver, 64 * MIB, CompressionConfig::disabled()).await;
    echoed(Raw::connect(address, "").await, vec![noise(64 * MIB)]).await;
}

#[tokio::test]
async fn twenty_thousand_messages_in_flight_come_back_in_order() {
    for kind in KINDS {
        let address = start(kind, MIB, CompressionConfig::disabled()).await;
        let messages = (0..20_000u32).map(|n| noise(n as usize % 300)).collect();
        echoed(Raw::connect(address, "").await, messages).await;
    }
}
