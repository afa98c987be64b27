//! The listener: from a socket to an upgrade or to an HTTP answer.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    time::timeout,
};
use ws_connection::handshake::{HeadError, HeadLimits, is_upgrade};
use ws_handler::{Application, Rejection, TrustedProxies, WebSocketHandler};
use ws_transport::{ReadHeadError, RequestHead, read_request};

use crate::{framing, http::Http, proxy};

/// How long a client that was refused within its head may take to notice.
const LINGER: Duration = Duration::from_secs(1);
/// Reads of a KiB of what such a client still sends.
const DISCARDED_READS_MAX: usize = 256;

/// How the listener treats those who connect.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Where upgrades are accepted, besides `/`.
    pub path: String,
    /// How long a request may take: the first from the connect, another from the answer before it.
    pub handshake_timeout: Duration,
    /// How much of a head a client may send. Heads behind the first may have 8 KiB in any case.
    pub head: HeadLimits,
    /// Proxies that start each connection with a PROXY header; none expects one of nobody.
    pub proxy_protocol: Option<TrustedProxies>,
}

/// A bound listener with everything behind it.
#[derive(Debug)]
pub struct Server<A> {
    listener: TcpListener,
    shared: Arc<Shared<A>>,
}

#[derive(Debug)]
struct Shared<A> {
    handler: WebSocketHandler<A>,
    http: Http<A>,
    options: ServerOptions,
}

impl<A: Application> Server<A> {
    /// Binds the listener; nothing is accepted before [`Server::run`].
    pub fn bind(
        address: SocketAddr,
        options: ServerOptions,
        handler: WebSocketHandler<A>,
        http: Http<A>,
    ) -> io::Result<Self> {
        let socket = socket2::Socket::new(
            socket2::Domain::for_address(address),
            socket2::Type::STREAM,
            Some(socket2::Protocol::TCP),
        )?;
        // A restart must not wait for connections of the process before to be forgotten.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        // A reconnect wave queues in the kernel rather than being refused.
        socket.listen(4096)?;
        let listener = TcpListener::from_std(socket.into())?;
        let shared = Arc::new(Shared { handler, http, options });
        Ok(Self { listener, shared })
    }

    /// The address that was bound: where port 0 was asked for, the one that was given.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Accepts connections until the future is dropped. A drain goes on accepting: probes must see
    /// it, and who wants to upgrade is told to come back.
    pub async fn run(self) {
        loop {
            match self.listener.accept().await {
                Ok((socket, peer)) => {
                    let shared = self.shared.clone();
                    tokio::spawn(async move { shared.serve_socket(socket, peer).await });
                }
                Err(error) => {
                    // Out of files or memory, mostly: there is no use in trying again at once.
                    tracing::error!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

impl<A: Application> Shared<A> {
    async fn serve_socket(self: Arc<Self>, mut socket: TcpStream, peer: SocketAddr) {
        // Messages are written whole: waiting for more only adds latency.
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(%error, %peer, "the peer was gone before it was served");
            return;
        }
        let request = timeout(self.options.handshake_timeout, self.read_head(&mut socket, peer));
        let (head, peer) = match request.await {
            Ok(Ok(read)) => read,
            Ok(Err(error)) => return self.refuse_head(socket, error, peer).await,
            Err(_) => return self.refuse(socket, &Rejection::TimedOut, peer).await,
        };
        if framing::is_ambiguous(head.request.headers()) {
            let error = HeadError::Malformed("the length of the body is said twice");
            return self.refuse(socket, &error.into(), peer).await;
        }
        if !self.is_ours(&head) {
            return self.http.serve(socket, head.bytes, peer, &self.options).await;
        }
        match self.handler.admit(&head.request, peer).await {
            // A task of its own: it holds the connection and nothing of the way here.
            Ok(admission) => {
                let driver = self.handler.serve(socket, admission, head.early());
                tokio::spawn(driver);
            }
            Err(rejection) => self.handler.reject(socket, &rejection).await,
        }
    }

    async fn read_head(
        &self,
        socket: &mut TcpStream,
        peer: SocketAddr,
    ) -> Result<(RequestHead, SocketAddr), ReadHeadError> {
        let (peer, held) = match &self.options.proxy_protocol {
            Some(trusted) if trusted.contains(peer.ip()) => {
                proxy::read_header(socket, peer).await?
            }
            _ => (peer, Vec::new()),
        };
        Ok((read_request(socket, self.options.head, held).await?, peer))
    }

    /// An upgrade at one of the paths that take them. Everything else is HTTP's, which says why a
    /// request that looks like an upgrade and is not at the right place is not one.
    fn is_ours(&self, head: &RequestHead) -> bool {
        let path = head.request.uri().path();
        is_upgrade(head.request.headers()) && (path == self.options.path || path == "/")
    }

    async fn refuse_head(&self, socket: TcpStream, error: ReadHeadError, peer: SocketAddr) {
        match error {
            ReadHeadError::Head(head) => self.refuse(socket, &head.into(), peer).await,
            ReadHeadError::EndOfStream | ReadHeadError::Io(_) => {
                tracing::debug!(%error, %peer, "no request came");
            }
        }
    }

    async fn refuse(&self, mut socket: TcpStream, rejection: &Rejection, peer: SocketAddr) {
        self.handler.note_rejection(rejection, peer);
        self.handler.reject(&mut socket, rejection).await;
        // The client may be sending still. Closing on what is unread would reset the connection, and
        // the answer could be lost on its way.
        let _ = timeout(LINGER, discard(&mut socket)).await;
    }
}

/// Reads on until the peer has finished, or has sent more than anybody means by a request.
async fn discard(socket: &mut TcpStream) -> io::Result<()> {
    let mut unread = [0; 1024];
    for _ in 0..DISCARDED_READS_MAX {
        if socket.read(&mut unread).await? == 0 {
            break;
        }
    }
    Ok(())
}
