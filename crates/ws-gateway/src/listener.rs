//! The listening socket: connections in bursts, not yet watched by the runtime.

use std::{io, net::SocketAddr, time::Duration};

use tokio::io::unix::AsyncFd;
use ws_transport::EagerTcpStream;

/// Connections that wait in the kernel: a reconnect wave queues there rather than being refused.
const BACKLOG: i32 = 4096;
/// Connections that one burst takes before others get their turn.
const BURST_MAX: usize = 64;
/// How long to wait when there are no files or no memory for another connection.
const BREATHER: Duration = Duration::from_millis(100);

/// A connection as it was accepted, and where it comes from.
pub(crate) type Accepted = (EagerTcpStream, SocketAddr);

#[derive(Debug)]
pub(crate) struct Listener(AsyncFd<std::net::TcpListener>);

impl Listener {
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = socket2::Socket::new(
            socket2::Domain::for_address(address),
            socket2::Type::STREAM,
            Some(socket2::Protocol::TCP),
        )?;
        // A restart must not wait for connections of the process before to be forgotten.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        // Messages are written whole: waiting for more only adds latency. Accepted sockets inherit
        // it, which saves each of them the call.
        socket.set_tcp_nodelay(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe, for types that may change their descriptor: a listener \
                      that is moved in here and lent out by reference keeps its own"
        )]
        let listener = AsyncFd::new(socket.into())?;
        Ok(Self(listener))
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().local_addr()
    }

    /// Waits for connections and takes those that are there, at most [`BURST_MAX`]: at least one, into
    /// `burst`.
    pub(crate) async fn accept(&self, burst: &mut Vec<Accepted>) {
        while burst.is_empty() {
            let starved = match self.0.readable().await {
                Ok(mut ready) => loop {
                    match ready.try_io(|listener| accept_one(listener.get_ref())) {
                        Ok(Ok(accepted)) => burst.push(accepted),
                        // It was gone before we came to it.
                        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                        Ok(Err(error)) => break Some(error),
                        Err(_would_block) => break None,
                    }
                    if burst.len() == BURST_MAX {
                        break None;
                    }
                },
                Err(error) => Some(error),
            };
            if let Some(error) = starved {
                // Out of files or memory, mostly: there is no use in trying again at once.
                tracing::error!(%error, "cannot accept a connection");
                if burst.is_empty() {
                    tokio::time::sleep(BREATHER).await;
                }
            }
        }
    }
}

fn accept_one(listener: &std::net::TcpListener) -> io::Result<Accepted> {
    let (socket, peer) = listener.accept()?;
    Ok((EagerTcpStream::new(socket)?, peer))
}
