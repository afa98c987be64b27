//! A transport without a network: reads come from memory, writes are counted and dropped.
//!
//! What is measured on it is our code and the peer's; the system calls, which a batch saves and this
//! cannot show, are left to measurements over real sockets.

use std::{
    cell::RefCell,
    hint::black_box,
    io::{self, IoSlice, Read, Write},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Both ends of the transport: a clone feeds the one that a driver owns.
#[derive(Clone, Debug, Default)]
pub struct Memory(Rc<RefCell<Wire>>);

#[derive(Debug, Default)]
struct Wire {
    incoming: Bytes,
    written: usize,
}

impl Memory {
    /// What the next reads find; after it they would block.
    pub fn deliver(&self, bytes: &Bytes) {
        self.0.borrow_mut().incoming = bytes.clone();
    }

    /// Whether all that was delivered has been read: of much, a driver reads a part and lets others have
    /// their turn.
    pub fn is_drained(&self) -> bool {
        self.0.borrow().incoming.is_empty()
    }

    /// How much was written since this was last asked.
    pub fn take_written(&self) -> usize {
        std::mem::take(&mut self.0.borrow_mut().written)
    }

    fn note_written(&self, bytes: &[u8]) -> usize {
        black_box(bytes);
        self.0.borrow_mut().written += bytes.len();
        bytes.len()
    }
}

impl Read for Memory {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let incoming = &mut self.0.borrow_mut().incoming;
        if incoming.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let len = room.len().min(incoming.len());
        incoming.copy_to_slice(&mut room[..len]);
        Ok(len)
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(self.note_written(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Memory {
    fn poll_read(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let incoming = &mut self.0.borrow_mut().incoming;
        if incoming.is_empty() {
            return Poll::Pending;
        }
        let len = room.remaining().min(incoming.len());
        room.put_slice(&incoming[..len]);
        incoming.advance(len);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Memory {
    fn poll_write(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(self.note_written(bytes)))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(slices.iter().map(|slice| self.note_written(slice)).sum()))
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
