//! A TCP stream that is used before it is watched.

use std::{
    io::{self, IoSlice, Read, Write},
    net::Shutdown,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// A TCP stream that asks its socket first, and has tokio watch it once there is something to wait
/// for.
///
/// Tokio tells nothing of a socket before its first event, so that a fresh one costs a turn of the
/// reactor before a byte is read, and another before a byte is written. A client's request is mostly
/// there when its connection is accepted, and the answer always fits the socket: a handshake is then
/// done in one go.
#[derive(Debug)]
pub struct EagerTcpStream(State);

#[derive(Debug)]
enum State {
    /// The socket is ours alone. Once a read came back short there is no more to be had without
    /// waiting, and to ask again would be a system call for nothing.
    Unwatched {
        socket: std::net::TcpStream,
        is_drained: bool,
    },
    Watched(TcpStream),
    /// It could not be watched.
    Lost,
}

impl EagerTcpStream {
    /// A stream on a socket that was accepted or connected a moment ago. The socket becomes
    /// non-blocking.
    pub fn new(socket: std::net::TcpStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self(State::Unwatched { socket, is_drained: false }))
    }

    /// The stream as tokio's, watched from now on.
    fn watched(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        if let State::Unwatched { .. } = self.0
            && let State::Unwatched { socket, .. } = std::mem::replace(&mut self.0, State::Lost)
        {
            self.0 = State::Watched(TcpStream::from_std(socket)?);
        }
        match &mut self.0 {
            State::Watched(stream) => Ok(Pin::new(stream)),
            State::Unwatched { .. } | State::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// What `work` makes of the socket, unless it is watched or would have to wait.
    fn at_once<T>(
        &mut self,
        mut work: impl FnMut(&std::net::TcpStream, &mut bool) -> io::Result<T>,
    ) -> Option<io::Result<T>> {
        let State::Unwatched { socket, is_drained } = &mut self.0 else { return None };
        loop {
            match work(socket, is_drained) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                done => return Some(done),
            }
        }
    }
}

impl From<TcpStream> for EagerTcpStream {
    fn from(stream: TcpStream) -> Self {
        Self(State::Watched(stream))
    }
}

impl AsyncRead for EagerTcpStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let done = self.at_once(|mut socket, is_drained| {
            if *is_drained {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let room = buffer.initialize_unfilled();
            let room_len = room.len();
            let len = socket.read(room)?;
            *is_drained = len < room_len;
            buffer.advance(len);
            Ok(())
        });
        match done {
            Some(done) => Poll::Ready(done),
            None => self.watched()?.poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for EagerTcpStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.at_once(|mut socket, _| socket.write(bytes)) {
            Some(done) => Poll::Ready(done),
            None => self.watched()?.poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.at_once(|mut socket, _| socket.write_vectored(slices)) {
            Some(done) => Poll::Ready(done),
            None => self.watched()?.poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.at_once(|socket, _| socket.shutdown(Shutdown::Write)) {
            Some(done) => Poll::Ready(done),
            None => {
                ready!(self.watched()?.poll_shutdown(cx))?;
                Poll::Ready(Ok(()))
            }
        }
    }
}
