//! What the benches of this folder feed in, and the transport that they feed it to.
//!
//! Material is made, not loaded, and is the same in every run: a figure that moved did so because
//! the code did.

use std::time::Instant;

mod memory;

pub use memory::Memory;

/// Some instant to tell a machine that has to be told one.
#[expect(clippy::disallowed_methods, reason = "a bench runs at the time of the wall")]
pub fn now() -> Instant {
    Instant::now()
}

/// `len` bytes of JSON-like text, about what a gateway carries; `seed` varies it.
pub fn json(len: usize, seed: u64) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut text = String::with_capacity(len + 128);
    while text.len() < len {
        let n = next(&mut state);
        text.push_str(&format!(
            r#"{{"channel":"trips:{}","user":"user-{}","at":{},"data":{{"lat":{}.{},"note":"stop {}"}}}},"#,
            n % 89,
            n >> 44,
            1_700_000_000_000 + (n >> 16) % 1_000_000_000,
            n % 90,
            n >> 50,
            n % 997,
        ));
    }
    text.truncate(len);
    text
}

/// At most `len` bytes of text in several scripts: characters of one to four bytes, none cut.
pub fn scripts(len: usize) -> String {
    let sentence = "Ein Zug fährt. Поезд идёт. Το τρένο φεύγει. 列车出发了。 🚆🚉 ";
    let mut text = String::with_capacity(len);
    for character in sentence.chars().cycle() {
        if text.len() + character.len_utf8() > len {
            return text;
        }
        text.push(character);
    }
    text
}

/// One frame as a client sends it (RFC 6455 §5.2): `first` is its first byte, the mask comes from
/// `seed`.
pub fn client_frame(first: u8, payload: &[u8], seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let key = (next(&mut state) as u32).to_be_bytes();
    let mut frame = vec![first];
    match payload.len() {
        short @ 0..=125 => frame.push(0x80 | short as u8),
        medium @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(medium as u16).to_be_bytes());
        }
        long => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&key);
    frame.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// `count` such frames, one after the other.
pub fn client_frames(first: u8, payload: &[u8], count: usize) -> Vec<u8> {
    (0..count).flat_map(|seed| client_frame(first, payload, 2 * seed as u64 + 3)).collect()
}

/// xorshift64*: not random, but without a pattern that a branch predictor or a deflater could learn.
fn next(state: &mut u64) -> u64 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    state.wrapping_mul(0x2545_f491_4f6c_dd1d)
}
