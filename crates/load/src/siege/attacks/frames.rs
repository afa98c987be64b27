//! By users who are let in: frames.

use std::time::Duration;

use ws_compression::{CompressionManager, WindowBits};

use super::gang::Gang;
use crate::{
    siege::{
        field::Field,
        wire::{self, Kind},
    },
    torture::pause,
};

/// Frames that are written at once.
const BATCH: u64 = 100;
/// What a bomb inflates to: below what the gateway takes.
const BOMB_BYTES: usize = 1024 * 1024 - 64;

pub(in crate::siege) fn dribble(field: &Field, _: usize) {
    let mut start = Vec::new();
    wire::head(Kind::Text, true, false, 1024 * 1024, &mut start);
    start.push(b'{');
    let mut gang = Gang::gather(field, 1_000, "");
    gang.shout(field, &start, 1);
    while !field.is_over() {
        gang.shout(field, b" ", 1);
        pause(Duration::from_secs(1));
    }
}

pub(in crate::siege) fn flood_pings(field: &Field, _: usize) {
    let mut pings = Vec::new();
    (0..BATCH).for_each(|_| wire::frame(Kind::Ping, true, false, &[b'p'; 125], &mut pings));
    flood(field, 20, "", &pings, BATCH);
}

pub(in crate::siege) fn flood_empty_fragments(field: &Field, _: usize) {
    // The first of the batch opens a message where none is open, and is a fault where one is: then the next
    // connection goes on.
    let mut gang = Gang::gather(field, 20, "");
    let mut open = Vec::new();
    wire::frame(Kind::Text, false, false, b"", &mut open);
    let mut more = Vec::new();
    (0..BATCH).for_each(|_| wire::frame(Kind::Continuation, false, false, b"", &mut more));
    gang.shout(field, &open, 1);
    while !field.is_over() {
        gang.shout(field, &more, BATCH);
    }
}

pub(in crate::siege) fn throw_bombs(field: &Field, _: usize) {
    let mut bomb = Vec::new();
    wire::frame(Kind::Text, true, true, &deflated(), &mut bomb);
    let headers = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    flood(field, 10, headers, &bomb, 1);
}

fn flood(field: &Field, members: usize, headers: &str, bytes: &[u8], units: u64) {
    let mut gang = Gang::gather(field, members, headers);
    while !field.is_over() {
        gang.shout(field, bytes, units);
    }
}

/// A request whose payload is a megabyte of one letter.
fn deflated() -> Vec<u8> {
    let text =
        format!(r#"{{"type":"request","requestId":"1","payload":"{}"}}"#, "0".repeat(BOMB_BYTES));
    let mut bytes = Vec::new();
    // A megabyte of one letter is always worth it.
    let _ = CompressionManager::create_default().compress_shared(
        WindowBits::MAX,
        text.as_bytes(),
        &mut bytes,
    );
    bytes
}
