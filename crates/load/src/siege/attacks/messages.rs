//! By users who are let in: messages.

use super::gang::Gang;
use crate::siege::{
    field::Field,
    wire::{self, Kind},
};

/// Members of a wave.
const WAVE: usize = 300;
/// Keys of one message.
const KEYS: usize = 10_000;
/// Messages that are written at once.
const BATCH: usize = 20;

pub(in crate::siege) fn come_and_go(field: &Field, _: usize) {
    let mut gang = Gang::gather(field, 10, "");
    while !field.is_over() {
        let mut bytes = Vec::new();
        for _ in 0..BATCH {
            let channel = format!("storm:{}", fastrand::u32(..5_000));
            for kind in ["subscribe", "unsubscribe"] {
                text(&format!(r#"{{"type":"{kind}","channel":"{channel}"}}"#), &mut bytes);
            }
        }
        gang.shout(field, &bytes, 2 * BATCH as u64);
    }
}

pub(in crate::siege) fn join_in_waves(field: &Field, _: usize) {
    let mut gang = Gang::gather(field, WAVE, "");
    let message = |kind: &str| {
        let mut bytes = Vec::new();
        text(&format!(r#"{{"type":"{kind}","payload":{{"room_id":"wave"}}}}"#), &mut bytes);
        bytes
    };
    let (join, leave) = (message("join_room"), message("leave_room"));
    while !field.is_over() {
        gang.shout(field, &join, 1);
        gang.shout(field, &leave, 0);
    }
}

pub(in crate::siege) fn collide(field: &Field, _: usize) {
    // Whoever sums up the bytes of a name, or looks at its length and its ends, finds all of these alike.
    let keys = (0..KEYS).map(|number| format!(r#""{}":0"#, alike(number)));
    let object = format!("{{{}}}", keys.collect::<Vec<_>>().join(","));
    let mut gang = Gang::gather(field, 10, "");
    let mut number = 0;
    while !field.is_over() {
        let mut bytes = Vec::new();
        for _ in 0..BATCH {
            number += 1;
            let channel = alike(number % KEYS);
            text(&format!(r#"{{"type":"subscribe","channel":"{channel}"}}"#), &mut bytes);
        }
        text(&format!(r#"{{"type":"publish","channel":"keys","data":{object}}}"#), &mut bytes);
        gang.shout(field, &bytes, BATCH as u64 + 1);
    }
}

pub(in crate::siege) fn ignore_limits(field: &Field, _: usize) {
    let mut bytes = Vec::new();
    for _ in 0..BATCH {
        text(r#"{"type":"request","requestId":"1","payload":1}"#, &mut bytes);
    }
    let mut gang = Gang::gather(field, 10, "");
    while !field.is_over() {
        gang.shout(field, &bytes, BATCH as u64);
    }
}

fn text(text: &str, out: &mut Vec<u8>) {
    wire::frame(Kind::Text, true, false, text.as_bytes(), out);
}

/// Names of one length, one beginning, one end, and one sum of their bytes.
fn alike(number: usize) -> String {
    let mut name = String::from("k");
    for bit in 0..14 {
        name += if number >> bit & 1 == 0 { "ab" } else { "ba" };
    }
    name + "k"
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_alike_and_not_the_same() {
        let names: HashSet<String> = (0..KEYS).map(alike).collect();
        assert_eq!(names.len(), KEYS);
        let sum = |name: &String| name.bytes().map(u32::from).sum::<u32>();
        let sums: HashSet<(u32, usize)> =
            names.iter().map(|name| (sum(name), name.len())).collect();
        assert_eq!(sums.len(), 1);
    }
}
