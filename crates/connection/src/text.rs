//! Text that arrives in pieces: valid so far, or refused at its first bad byte.

use crate::error::ProtocolError;

/// Collects the text of one message across reads and fragments.
///
/// RFC 6455 §8.1 asks that invalid UTF-8 fail the connection; doing so at the first bad byte spares
/// both sides the rest of a message that cannot be delivered. Each byte is looked at once: complete
/// characters move into a `String`, and the at most three bytes of a character that has not arrived
/// in full wait in `tail`.
#[derive(Debug, Default)]
pub(crate) struct TextAssembler {
    text: String,
    tail: [u8; 4],
    tail_len: u8,
}

impl TextAssembler {
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), ProtocolError> {
        let bytes = self.complete_tail(bytes)?;
        let (whole, begun) = split_begun_character(bytes);
        let whole = simdutf8::basic::from_utf8(whole).map_err(|_| ProtocolError::InvalidUtf8)?;
        self.text.push_str(whole);
        for &byte in begun {
            self.push_to_tail(byte)?;
        }
        Ok(())
    }

    /// Bytes taken in so far, the begun character included.
    pub(crate) fn len(&self) -> usize {
        self.text.len() + usize::from(self.tail_len)
    }

    /// The text, if it does not end within a character.
    pub(crate) fn finished(&self) -> Result<&str, ProtocolError> {
        if self.tail_len == 0 { Ok(&self.text) } else { Err(ProtocolError::InvalidUtf8) }
    }

    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.tail_len = 0;
    }

    pub(crate) fn capacity(&self) -> usize {
        self.text.capacity()
    }

    /// Feeds the begun character first; returns what is left of `bytes`.
    fn complete_tail<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b [u8], ProtocolError> {
        let mut rest = bytes;
        while self.tail_len > 0 {
            let Some((&byte, after)) = rest.split_first() else { break };
            self.push_to_tail(byte)?;
            rest = after;
        }
        Ok(rest)
    }

    fn push_to_tail(&mut self, byte: u8) -> Result<(), ProtocolError> {
        let len = usize::from(self.tail_len);
        debug_assert!(len < 4, "a character has at most four bytes");
        self.tail[len] = byte;
        match std::str::from_utf8(&self.tail[..=len]) {
            Ok(character) => {
                self.text.push_str(character);
                self.tail_len = 0;
            }
            Err(error) if error.error_len().is_none() => self.tail_len += 1,
            Err(_) => return Err(ProtocolError::InvalidUtf8),
        }
        Ok(())
    }
}

/// Cuts off a character whose first byte is among the last three and whose rest is still to come.
fn split_begun_character(bytes: &[u8]) -> (&[u8], &[u8]) {
    for back in 1..=bytes.len().min(3) {
        let at = bytes.len() - back;
        let wants = match bytes[at] {
            0x00..=0x7f => return (bytes, &[]),
            0x80..=0xbf => continue,
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xff => 4,
        };
        return if wants > back { bytes.split_at(at) } else { (bytes, &[]) };
    }
    (bytes, &[])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::TextAssembler;

    fn push_all(pieces: &[&[u8]]) -> Option<String> {
        let mut text = TextAssembler::default();
        for piece in pieces {
            text.push(piece).ok()?;
        }
        text.finished().ok().map(str::to_owned)
    }

    #[test]
    fn the_first_bad_byte_is_refused_before_the_character_could_end() {
        // (valid prefix, the byte that cannot follow it)
        let table: &[(&[u8], u8)] = &[
            (b"", 0x80),             // continuation without a lead
            (b"", 0xc0),             // overlong two-byte lead
            (b"", 0xc1),             // overlong two-byte lead
            (b"\xe0", 0x80),         // overlong three-byte form
            (b"\xed", 0xa0),         // surrogate
            (b"\xf0", 0x80),         // overlong four-byte form
            (b"\xf4", 0x90),         // above U+10FFFF
            (b"", 0xf5),             // no such lead
            (b"", 0xff),             // no such byte
            (b"\xce", 0x41),         // ASCII where a continuation must be
            (b"\xf0\x9f\x98", 0xc3), // a new lead where a continuation must be
        ];
        for (prefix, bad) in table {
            let mut text = TextAssembler::default();
            text.push(b"ok").unwrap();
            text.push(prefix).unwrap();
            assert!(text.push(&[*bad]).is_err(), "{prefix:02x?} then {bad:02x}");
            let mut at_once = TextAssembler::default();
            assert!(at_once.push(&[b"ok", *prefix, &[*bad]].concat()).is_err());
        }
    }

    #[test]
    fn text_that_ends_within_a_character_is_not_finished() {
        assert_eq!(push_all(&[b"caf\xc3"]), None);
        assert_eq!(push_all(&[b"caf\xc3", b"\xa9"]).as_deref(), Some("café"));
        assert_eq!(push_all(&[b"\xf0", b"\x9f", b"\x98", b"\x80!"]).as_deref(), Some("😀!"));
    }

    proptest! {
        #[test]
        fn any_chunking_judges_like_the_whole(
            bytes in prop_oneof![
                any::<String>().prop_map(String::into_bytes),
                proptest::collection::vec(any::<u8>(), 0..40),
            ],
            cuts in proptest::collection::vec(0usize..40, 0..6),
        ) {
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<_> = cuts.windows(2).map(|ends| &bytes[ends[0]..ends[1]]).collect();
            prop_assert_eq!(push_all(&pieces), String::from_utf8(bytes.clone()).ok());
        }
    }
}
