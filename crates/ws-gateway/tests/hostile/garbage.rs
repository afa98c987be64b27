//! A thousand connections that send garbage, before and after the upgrade.

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::crowd::{Crowd, Dice, frame, pester, upgrade};

/// How many pester at the same time.
const AT_ONCE: usize = 50;

/// Each seed's bytes, on a connection that is upgraded before or not.
async fn pester_all(
    crowd: Crowd,
    seeds: std::ops::Range<u64>,
    upgraded: bool,
    bytes: fn(&mut Dice) -> Vec<u8>,
) -> Crowd {
    let crowd = Arc::new(crowd);
    let mut pests = JoinSet::new();
    for seed in seeds {
        if pests.len() >= AT_ONCE {
            pests.join_next().await.expect("some are left").expect("no panic");
        }
        let crowd = crowd.clone();
        pests.spawn(async move {
            let bytes = bytes(&mut Dice::new(seed));
            let socket = if upgraded { crowd.upgraded().await } else { crowd.dial().await };
            pester(socket, &bytes).await;
        });
    }
    pests.join_all().await;
    let mut crowd = Arc::into_inner(crowd).expect("all pests are gone");
    crowd.is_served().await;
    crowd
}

/// Bytes of every kind.
fn noise(dice: &mut Dice) -> Vec<u8> {
    let len = dice.roll(3000);
    dice.bytes(len)
}

/// A request of which some bytes are others, are missing, or come twice.
fn damaged_request(dice: &mut Dice) -> Vec<u8> {
    let mut request = upgrade("/ws").into_bytes();
    for _ in 0..=dice.roll(4) {
        let at = dice.roll(request.len());
        match dice.roll(3) {
            0 => request[at] = dice.roll(256) as u8,
            1 => drop(request.remove(at)),
            _ => {
                let again = request[at..].to_vec();
                request.splice(at..at, again);
            }
        }
    }
    request
}

/// Sound frames with first bytes and payloads of every kind, the last one cut.
fn frames(dice: &mut Dice) -> Vec<u8> {
    let mut wire = Vec::new();
    for _ in 0..=dice.roll(20) {
        let first = dice.roll(256) as u8;
        let len = [0, 1, 2, 125, 126, 1000, 70_000][dice.roll(7)];
        wire.extend(frame(first, &dice.bytes(len)));
    }
    let cut = dice.roll(wire.len());
    wire.truncate(cut);
    wire
}

/// Texts that are almost messages.
fn almost_messages(dice: &mut Dice) -> Vec<u8> {
    let good = [
        r#"{"type":"request","requestId":1,"payload":{"a":[1,2,{"b":null}]}}"#,
        r#"{"type":"auth","token":"a.b.c","channels":["x","y"]}"#,
        r#"{"token":"a.b.c"}"#,
        r#"{"type":"subscribe","channel":"news","since":{"epoch":"e","offset":1}}"#,
        r#"{"type":"chat","payload":{"to":"bob","message":"hi"}}"#,
        r#"{"type":"ping","id":1}"#,
    ];
    let mut wire = Vec::new();
    for _ in 0..=dice.roll(30) {
        let mut text = good[dice.roll(good.len())].as_bytes().to_vec();
        for _ in 0..dice.roll(3) {
            let at = dice.roll(text.len());
            text[at] = dice.roll(128) as u8;
        }
        wire.extend(frame(0x81, &text));
    }
    wire
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_connections_that_send_garbage_leave_nothing_behind() {
    let crowd = Crowd::gather(&[]).await;
    let crowd = pester_all(crowd, 0..200, false, noise).await;
    let crowd = pester_all(crowd, 200..400, false, damaged_request).await;
    let crowd = pester_all(crowd, 400..600, true, noise).await;
    let crowd = pester_all(crowd, 600..800, true, frames).await;
    let crowd = pester_all(crowd, 800..1000, true, almost_messages).await;
    let rejected: u64 = crowd.handler.stats().rejections.iter().map(|(_, count)| count).sum();
    assert!(rejected > 200, "{rejected}");
    let ended: u64 = crowd.handler.stats().ends.iter().map(|(_, count)| count).sum();
    assert!(ended >= 600, "{ended}");
    crowd.has_dispersed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compressed_bombs_and_corrupt_streams_leave_nothing_behind() {
    fn compressed(dice: &mut Dice) -> Vec<u8> {
        let len = dice.roll(2000);
        frame(0xc1, &dice.bytes(len))
    }
    /// Three hundred kilobytes of zeros say what would be three hundred megabytes.
    fn bomb(_: &mut Dice) -> Vec<u8> {
        // A stored empty block, then one fixed block that repeats its first byte for ever.
        let mut deflated = vec![0x62, 0x18, 0x05, 0xa3, 0x60, 0x14, 0x8c, 0x58, 0x00, 0x00];
        deflated.extend(std::iter::repeat_n([0x18, 0x05, 0xa3, 0x60], 75_000).flatten());
        frame(0xc2, &deflated)
    }
    let crowd = Crowd::gather(&[("MAX_FRAME_SIZE", "64KiB")]).await;
    let crowd = pester_all(crowd, 0..100, true, compressed).await;
    let crowd = pester_all(crowd, 100..120, true, bomb).await;
    crowd.has_dispersed().await;
}
