//! A transport in memory whose every answer is set by the test, and which counts what it is asked.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What the driver owns. Dropping it shows in [`Script::dropped`].
pub(crate) struct Scripted(Control);

/// The test's end of a [`Scripted`] transport.
#[derive(Clone)]
pub(crate) struct Control(Arc<Mutex<Script>>);

/// What the transport will answer, and what it has seen.
pub(crate) struct Script {
    incoming: VecDeque<Incoming>,
    /// Everything that left, in order.
    pub(crate) written: Vec<u8>,
    /// Bytes that will be taken before writing blocks.
    pub(crate) room: usize,
    /// Bytes that one call takes at most.
    pub(crate) write_max: usize,
    /// Whether a vectored write takes more than its first slice.
    pub(crate) vectored: bool,
    /// What is written stays here until it is flushed, as in a TLS stream.
    pub(crate) holds_back: bool,
    held: Vec<u8>,
    pub(crate) write_error: Option<io::ErrorKind>,
    /// Calls that yielded bytes.
    pub(crate) reads: usize,
    /// Calls that took bytes.
    pub(crate) writes: usize,
    pub(crate) shut: bool,
    pub(crate) dropped: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

enum Incoming {
    Bytes(Vec<u8>),
    Eof,
    Error(io::ErrorKind),
}

/// A transport that takes and yields all it is given, until it is told otherwise.
pub(crate) fn scripted() -> (Scripted, Control) {
    let control = Control(Arc::new(Mutex::new(Script {
        incoming: VecDeque::new(),
        written: Vec::new(),
        room: usize::MAX,
        write_max: usize::MAX,
        vectored: true,
        holds_back: false,
        held: Vec::new(),
        write_error: None,
        reads: 0,
        writes: 0,
        shut: false,
        dropped: false,
        reader: None,
        writer: None,
    })));
    (Scripted(control.clone()), control)
}

impl Control {
    /// The peer sends this; it arrives as one read if the reader's buffer is large enough.
    pub(crate) fn send(&self, bytes: impl Into<Vec<u8>>) {
        self.arrive(Incoming::Bytes(bytes.into()));
    }

    /// The peer ends its half.
    pub(crate) fn end(&self) {
        self.arrive(Incoming::Eof);
    }

    /// Reading fails.
    pub(crate) fn fail_read(&self, kind: io::ErrorKind) {
        self.arrive(Incoming::Error(kind));
    }

    /// The peer takes this many more bytes.
    pub(crate) fn make_room(&self, bytes: usize) {
        let mut script = self.0.lock();
        script.room = script.room.saturating_add(bytes);
        let waker = script.writer.take();
        drop(script);
        waker.into_iter().for_each(Waker::wake);
    }

    /// Reads or changes the script.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut Script) -> R) -> R {
        work(&mut self.0.lock())
    }

    /// Bytes that the peer sent and nobody has read.
    pub(crate) fn unread(&self) -> usize {
        self.with(|script| {
            let lens = script.incoming.iter().map(|it| match it {
                Incoming::Bytes(bytes) => bytes.len(),
                Incoming::Eof | Incoming::Error(_) => 0,
            });
            lens.sum()
        })
    }

    fn arrive(&self, incoming: Incoming) {
        let mut script = self.0.lock();
        script.incoming.push_back(incoming);
        let waker = script.reader.take();
        drop(script);
        waker.into_iter().for_each(Waker::wake);
    }
}

impl Script {
    fn take(
        &mut self,
        slices: &[io::IoSlice<'_>],
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if let Some(kind) = self.write_error {
            return Poll::Ready(Err(kind.into()));
        }
        assert!(!self.shut, "a write after the shutdown");
        let mut may = self.room.min(self.write_max);
        if may == 0 {
            self.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let mut taken = 0;
        for slice in slices {
            let len = slice.len().min(may);
            let target = if self.holds_back { &mut self.held } else { &mut self.written };
            target.extend_from_slice(&slice[..len]);
            may -= len;
            taken += len;
        }
        assert!(taken > 0, "a write of nothing");
        if self.room != usize::MAX {
            self.room -= taken;
        }
        self.writes += 1;
        Poll::Ready(Ok(taken))
    }
}

impl AsyncRead for Scripted {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut script = self.0.0.lock();
        match script.incoming.pop_front() {
            None => {
                script.reader = Some(cx.waker().clone());
                Poll::Pending
            }
            Some(Incoming::Bytes(mut bytes)) => {
                let rest = bytes.split_off(bytes.len().min(buffer.remaining()));
                buffer.put_slice(&bytes);
                if !rest.is_empty() {
                    script.incoming.push_front(Incoming::Bytes(rest));
                }
                script.reads += 1;
                Poll::Ready(Ok(()))
            }
            Some(Incoming::Eof) => {
                script.incoming.push_front(Incoming::Eof);
                Poll::Ready(Ok(()))
            }
            Some(Incoming::Error(kind)) => Poll::Ready(Err(kind.into())),
        }
    }
}

impl AsyncWrite for Scripted {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.0.lock().take(&[io::IoSlice::new(bytes)], cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut script = self.0.0.lock();
        let count = if script.vectored { slices.len() } else { slices.len().min(1) };
        script.take(&slices[..count], cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.0.lock().vectored
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut script = self.0.0.lock();
        let held = std::mem::take(&mut script.held);
        script.written.extend(held);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut script = self.0.0.lock();
        let held = std::mem::take(&mut script.held);
        script.written.extend(held);
        script.shut = true;
        Poll::Ready(Ok(()))
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.0.0.lock().dropped = true;
    }
}
