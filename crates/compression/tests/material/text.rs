//! Messages that look like what a gateway carries, the same in every run.

/// `length` bytes of JSON-like text; `seed` varies it.
pub(crate) fn json(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut text = String::with_capacity(length + 200);
    while text.len() < length {
        let number = next(&mut state);
        text.push_str(&format!(
            r#"{{"type":"message","channel":"room:{}","from":"user-{}","timestamp":{},"data":{{"text":"hello {}","ok":{}}}}}"#,
            number % 97,
            number >> 40,
            1_700_000_000_000 + (number >> 20) % 1_000_000_000,
            number % 1009,
            number & 1 == 0,
        ));
    }
    text.truncate(length);
    text.into_bytes()
}

/// `length` bytes that do not compress.
pub(crate) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0xD129_0D3B_3B9F_5C4D) | 1;
    (0..length).map(|_| (next(&mut state) >> 33) as u8).collect()
}

fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    state.wrapping_mul(0x2545_F491_4F6C_DD1D)
}
