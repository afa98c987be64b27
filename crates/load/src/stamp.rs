//! What a published payload carries, so that its deliveries can be counted and timed: publisher,
//! number and time in nineteen characters that need no escape in JSON.

use crate::clock::Nanos;

/// Length of a stamp.
pub(crate) const STAMP_LEN: usize = 19;
/// How many publishers a stamp can tell apart.
pub(crate) const PUBLISHERS_MAX: usize = 1 << 12;

/// It opens and closes a stamp; no digit is it.
const MARK: u8 = b'~';
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const NO_DIGIT: u8 = 255;
const VALUES: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut at = 0;
    while at < 64 {
        values[DIGITS[at] as usize] = at as u8;
        at += 1;
    }
    values
};

/// Who published, its how-manieth message, and when it was (or should have been) written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Below [`PUBLISHERS_MAX`].
    pub(crate) publisher: u16,
    /// 42 bits of it travel: a million a second for fifty days.
    pub(crate) seq: u64,
    /// 48 bits of it travel: three days of nanoseconds.
    pub(crate) at: Nanos,
}

impl Stamp {
    /// Writes the stamp over the front of a payload that is long enough.
    pub(crate) fn write(&self, payload: &mut [u8]) {
        let Some(stamp) = payload.first_chunk_mut::<STAMP_LEN>() else { return };
        stamp[0] = MARK;
        put(u64::from(self.publisher), &mut stamp[1..3]);
        put(self.seq, &mut stamp[3..10]);
        put(self.at, &mut stamp[10..18]);
        stamp[18] = MARK;
    }

    /// Finds the first stamp within a message, whatever is around it.
    pub(crate) fn find(message: &[u8]) -> Option<Self> {
        memchr::memchr_iter(MARK, message).find_map(|at| Self::read(&message[at..]))
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let stamp = bytes.first_chunk::<STAMP_LEN>()?;
        if stamp[18] != MARK {
            return None;
        }
        let publisher = take(&stamp[1..3])?;
        Some(Self {
            publisher: publisher as u16,
            seq: take(&stamp[3..10])?,
            at: take(&stamp[10..18])?,
        })
    }
}

/// The lowest six bits into the last place, and so on.
fn put(mut value: u64, places: &mut [u8]) {
    for place in places.iter_mut().rev() {
        *place = DIGITS[(value & 63) as usize];
        value >>= 6;
    }
}

fn take(places: &[u8]) -> Option<u64> {
    places.iter().try_fold(0, |value, place| match VALUES[usize::from(*place)] {
        NO_DIGIT => None,
        digit => Some(value << 6 | u64::from(digit)),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_stamp_is_found_as_it_was_written(
            publisher in 0_u16..4096,
            seq in 0_u64..1 << 42,
            at in 0_u64..1 << 48,
            before in "[^~]{0,40}",
            after in ".{0,40}",
        ) {
            let stamp = Stamp { publisher, seq, at };
            let mut payload = [b'x'; STAMP_LEN];
            stamp.write(&mut payload);
            let message = [before.as_bytes(), &payload, after.as_bytes()].concat();
            prop_assert_eq!(Stamp::find(&message), Some(stamp));
        }

        #[test]
        fn no_message_makes_the_search_panic(message: Vec<u8>) {
            let _ = Stamp::find(&message);
        }
    }

    #[test]
    fn what_only_looks_like_a_stamp_is_passed_over() {
        let stamp = Stamp { publisher: 3, seq: 4, at: 5 };
        let mut payload = [b'x'; STAMP_LEN];
        stamp.write(&mut payload);
        for before in ["~", "~~", "~ not a stamp ~", "~AAAAAAAAAAAAAAAA!~"] {
            let message = [before.as_bytes(), &payload].concat();
            assert_eq!(Stamp::find(&message), Some(stamp), "{before}");
        }
        assert_eq!(Stamp::find(&payload[..STAMP_LEN - 1]), None);
    }

    #[test]
    fn a_stamp_needs_no_escape_in_json() {
        let mut payload = [0; STAMP_LEN];
        Stamp { publisher: 4095, seq: (1 << 42) - 1, at: (1 << 48) - 1 }.write(&mut payload);
        let text = std::str::from_utf8(&payload).unwrap();
        assert_eq!(serde_json::to_string(text).unwrap(), format!("\"{text}\""));
    }
}
