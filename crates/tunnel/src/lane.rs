//! The bytes of one direction between the task of the socket and the connection's own.

/// Bytes that wait, at most so many before the sender has to, and whether more follow.
///
/// ```text
///   ┌──────┐ finish  ┌──────────┐ all taken  ┌──────┐
///   │ open │ ──────▶ │ finished │ ─────────▶ │ over │
///   └──────┘         └──────────┘            └──────┘
/// ```
#[derive(Debug)]
pub(crate) struct Lane {
    waiting: Vec<u8>,
    bytes_max: usize,
    is_finished: bool,
    /// How many have passed.
    pub(crate) total: u64,
}

impl Lane {
    pub(crate) const fn new(bytes_max: usize) -> Self {
        Self { waiting: Vec::new(), bytes_max, is_finished: false, total: 0 }
    }

    /// Puts bytes behind those that wait; the sender looks at [`Lane::is_full`] before it brings more.
    /// `false`, and nothing is put there, behind the end.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> bool {
        if self.is_finished {
            return false;
        }
        self.total += bytes.len() as u64;
        self.waiting.extend_from_slice(bytes);
        true
    }

    /// Whether the sender has to wait.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= self.bytes_max
    }

    /// No more follow.
    pub(crate) fn finish(&mut self) {
        self.is_finished = true;
    }

    /// Whether no more follow and none wait.
    pub(crate) fn is_over(&self) -> bool {
        self.is_finished && self.waiting.is_empty()
    }

    /// Lets `read` put bytes there itself, behind room for `room` of them: what it answers is how many.
    pub(crate) fn fill<E>(
        &mut self,
        room: usize,
        read: impl FnOnce(&mut Vec<u8>) -> Result<usize, E>,
    ) -> Result<usize, E> {
        debug_assert!(!self.is_finished, "nothing comes behind the end");
        self.waiting.reserve(room);
        let len = read(&mut self.waiting)?;
        self.total += len as u64;
        Ok(len)
    }

    /// What waits, and whether the sender had to wait for that. A lane that is empty owns no buffer.
    pub(crate) fn take(&mut self) -> (Vec<u8>, bool) {
        let was_full = self.is_full();
        (std::mem::take(&mut self.waiting), was_full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_once_in_their_order_and_the_sender_waits_while_there_are_many() {
        let mut lane = Lane::new(4);
        assert!(lane.push(b"abc") && !lane.is_full());
        assert!(lane.push(b"def") && lane.is_full());
        assert_eq!(lane.take(), (b"abcdef".to_vec(), true));
        assert!(!lane.is_full());
        let filled = lane.fill(8, |waiting| {
            assert!(waiting.capacity() >= 8);
            waiting.push(b'g');
            Ok::<_, ()>(1)
        });
        assert_eq!((filled, lane.total), (Ok(1), 7));
        assert_eq!(lane.take(), (b"g".to_vec(), false));
    }

    #[test]
    fn a_finished_lane_takes_no_more_and_is_over_when_all_is_taken() {
        let mut lane = Lane::new(4);
        lane.push(b"a");
        lane.finish();
        assert!(!lane.is_over());
        assert!(!lane.push(b"b"));
        assert_eq!(lane.take().0, b"a");
        assert!(lane.is_over());
        assert_eq!(lane.total, 1);
    }
}
