//! Who is to be woken when the transport takes more: the task that reads, the one that writes.

use std::{
    sync::Arc,
    task::{Wake, Waker},
};

/// The tasks that use a stream. A stream that was split may be used by two; each writes what waits,
/// and a transport remembers one waker only.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// Present while they differ.
    both: Option<Waker>,
}

struct Both(Waker, Waker);

impl Wake for Both {
    fn wake(self: Arc<Self>) {
        self.0.wake_by_ref();
        self.1.wake_by_ref();
    }
}

impl Tasks {
    /// This task reads.
    pub(super) fn note_reader(&mut self, waker: &Waker) {
        if !self.reader.as_ref().is_some_and(|known| known.will_wake(waker)) {
            self.reader = Some(waker.clone());
            self.unite();
        }
    }

    /// This task writes.
    pub(super) fn note_writer(&mut self, waker: &Waker) {
        if !self.writer.as_ref().is_some_and(|known| known.will_wake(waker)) {
            self.writer = Some(waker.clone());
            self.unite();
        }
    }

    /// Wakes both, if there are two.
    pub(super) fn both(&self) -> Option<Waker> {
        self.both.clone()
    }

    /// Something changed by the writer concerns the reader: a deadline, or the end.
    pub(super) fn wake_reader(&self) {
        if let Some(reader) = &self.reader {
            reader.wake_by_ref();
        }
    }

    fn unite(&mut self) {
        self.both = match (&self.reader, &self.writer) {
            (Some(reader), Some(writer)) if !reader.will_wake(writer) => {
                Some(Arc::new(Both(reader.clone(), writer.clone())).into())
            }
            _ => None,
        };
    }
}
