//! Writing no more at a time than one frame of HTTP/2 carries.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The most that a frame carries where the client asks for nothing else (RFC 9113 §6.5.2).
const FRAME_BYTES: usize = 16 * 1024;

/// A stream of HTTP/2 that is written in sips. hyper takes whatever one write has, copies it, and keeps up to four
/// writes for a client that takes nothing: of a message of a megabyte that would be four, beyond every bound of ours.
#[derive(Debug)]
pub(super) struct Sips<IO>(pub(super) IO);

impl<IO: AsyncRead + Unpin> AsyncRead for Sips<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Sips<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let sip = bytes.len().min(FRAME_BYTES);
        Pin::new(&mut self.0).poll_write(cx, &bytes[..sip])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
