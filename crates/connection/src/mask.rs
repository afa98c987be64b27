//! Masking (RFC 6455 §5.3): each payload byte XORed with one of four key bytes.

/// XORs `bytes` with `key` in place, beginning at byte `phase % 4` of the key.
///
/// Masking twice with the same key and phase restores the input. The loop works on sixteen bytes at
/// a time, which compilers turn into vector instructions without any `unsafe` of ours.
pub fn apply_mask(bytes: &mut [u8], key: [u8; 4], phase: usize) {
    let mut rotated = key;
    rotated.rotate_left(phase % 4);
    let word = u32::from_ne_bytes(rotated);
    let wide = u128::from(word) * 0x0000_0001_0000_0001_0000_0001_0000_0001;

    let mut chunks = bytes.chunks_exact_mut(16);
    for chunk in &mut chunks {
        let mut block = [0; 16];
        block.copy_from_slice(chunk);
        chunk.copy_from_slice(&(u128::from_ne_bytes(block) ^ wide).to_ne_bytes());
    }
    // A chunk is a multiple of the key's length, so the remainder starts at the same phase.
    for (byte, key) in chunks.into_remainder().iter_mut().zip(rotated.iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::apply_mask;

    fn naive(bytes: &mut [u8], key: [u8; 4], phase: usize) {
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte ^= key[(i + phase) % 4];
        }
    }

    proptest! {
        #[test]
        fn equals_the_definition_of_section_5_3(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..200),
            key: [u8; 4],
            phase in 0usize..9,
            cut in 0usize..40,
        ) {
            let cut = cut.min(bytes.len());
            let mut expected = bytes.clone();
            naive(&mut expected[cut..], key, phase);
            apply_mask(&mut bytes[cut..], key, phase);
            prop_assert_eq!(bytes, expected);
        }
    }
}
