//! A socket without a network that counts the calls which a real one would make, and a bell that
//! counts who rings it.

use std::{
    cell::{Cell, RefCell},
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Room for what one turn may write, so that this end never allocates.
const WRITTEN_MAX: usize = 512 * 1024;

/// Both ends of the transport: a clone feeds the one that a driver owns.
///
/// Like a socket of tokio's it remembers whether there is something to read: a read that fills less
/// than its buffer has emptied the socket, and until more comes the next one costs no call.
#[derive(Clone)]
pub(crate) struct Wire(Rc<Ends>);

struct Ends {
    incoming: RefCell<Vec<u8>>,
    at: Cell<usize>,
    is_readable: Cell<bool>,
    written: RefCell<Vec<u8>>,
    reads: Cell<usize>,
    writes: Cell<usize>,
    slices: Cell<usize>,
}

impl Wire {
    pub(crate) fn new() -> Self {
        Self(Rc::new(Ends {
            incoming: RefCell::new(Vec::with_capacity(WRITTEN_MAX)),
            at: Cell::new(0),
            is_readable: Cell::new(false),
            written: RefCell::new(Vec::with_capacity(WRITTEN_MAX)),
            reads: Cell::new(0),
            writes: Cell::new(0),
            slices: Cell::new(0),
        }))
    }

    /// What the next reads find.
    pub(crate) fn deliver(&self, bytes: &[u8]) {
        let mut incoming = self.0.incoming.borrow_mut();
        assert_eq!(self.0.at.get(), incoming.len(), "what came before has been read");
        incoming.clear();
        incoming.extend_from_slice(bytes);
        self.0.at.set(0);
        self.0.is_readable.set(true);
    }

    /// What was written since this was last asked.
    pub(crate) fn take_written(&self) -> Vec<u8> {
        let written = self.0.written.borrow().clone();
        self.forget_written();
        written
    }

    /// How much was written since this was last asked.
    pub(crate) fn forget_written(&self) -> usize {
        let mut written = self.0.written.borrow_mut();
        let len = written.len();
        written.clear();
        len
    }

    /// Calls that read, calls that wrote, and the pieces that these wrote, so far.
    pub(crate) fn calls(&self) -> (usize, usize, usize) {
        (self.0.reads.get(), self.0.writes.get(), self.0.slices.get())
    }

    fn write(&self, slices: &[IoSlice<'_>]) -> usize {
        let mut written = self.0.written.borrow_mut();
        let before = written.len();
        for slice in slices {
            written.extend_from_slice(slice);
        }
        assert!(written.len() <= WRITTEN_MAX, "somebody forgot to take what was written");
        self.0.writes.set(self.0.writes.get() + 1);
        self.0.slices.set(self.0.slices.get() + slices.len());
        written.len() - before
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let ends = &*self.0;
        if !ends.is_readable.get() {
            return Poll::Pending;
        }
        let (incoming, at) = (ends.incoming.borrow(), ends.at.get());
        let len = room.remaining().min(incoming.len() - at);
        ends.reads.set(ends.reads.get() + 1);
        ends.is_readable.set(len == room.remaining());
        if len == 0 {
            return Poll::Pending;
        }
        room.put_slice(&incoming[at..at + len]);
        ends.at.set(at + len);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(self.write(&[IoSlice::new(bytes)])))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(self.write(slices)))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Stands in for a task's place in the queue of its runtime.
#[derive(Debug, Default)]
pub(crate) struct Bell(AtomicUsize);

impl Bell {
    /// How often it was rung since this was last asked.
    pub(crate) fn take_rings(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
