//! The listener: from a socket to an upgrade or to an HTTP answer.

use std::{future::poll_fn, io, net::SocketAddr, sync::Arc, task::Poll, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    time::{Instant, timeout, timeout_at},
};
use ws_connection::handshake::{HeadError, HeadLimits, is_upgrade};
use ws_handler::{Application, Rejection, WebSocketHandler};
use ws_transport::{EagerTcpStream, ReadHeadError, RequestHead, read_request};

use crate::{
    framing,
    http::Http,
    listener::{Accepted, ListenOptions, Listener},
    proxy,
    tls::Certificates,
    under_way::UnderWay,
};

mod secure;

/// Connections that one task answers one after the other.
const CHUNK: usize = 8;
/// How long a client that was refused within its head may take to notice.
const LINGER: Duration = Duration::from_secs(1);
/// How long those who have connected may take to be served before everybody is sent away.
const HANDING_OVER_MAX: Duration = Duration::from_secs(2);
/// Reads of a KiB of what such a client still sends.
const DISCARDED_READS_MAX: usize = 256;

/// How the listener treats those who connect.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// How long a request may take: the first from the connect, another from the answer before it.
    pub handshake_timeout: Duration,
    /// How much of a head a client may send. Heads behind the first may have 8 KiB in any case.
    pub head: HeadLimits,
    /// Whether the proxies that the handler's policy trusts start each connection with a PROXY header.
    pub proxy_protocol: bool,
    /// What TLS is spoken with; none where it is not.
    pub tls: Option<Arc<Certificates>>,
    /// How many requests and WebSockets one connection of HTTP/2 may carry at once.
    pub http2_streams_max: u32,
}

/// A bound listener with everything behind it.
#[derive(Debug)]
pub struct Server<A> {
    listener: Listener,
    shared: Arc<Shared<A>>,
}

#[derive(Debug)]
struct Shared<A> {
    handler: WebSocketHandler<A>,
    http: Arc<Http<A>>,
    options: ServerOptions,
    under_way: UnderWay,
}

/// What a connection is carried on: a socket, or TLS over one.
trait Carrier: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<IO: AsyncRead + AsyncWrite + Unpin + Send + 'static> Carrier for IO {}

impl<A: Application> Server<A> {
    /// Binds the listener; nothing is accepted before [`Server::run`].
    pub fn bind(
        address: SocketAddr,
        options: ServerOptions,
        handler: WebSocketHandler<A>,
        http: Http<A>,
    ) -> io::Result<Self> {
        let listener = Listener::bind(address, &ListenOptions::default())?;
        Ok(Self::on(listener, options, handler, http))
    }

    /// As [`Server::bind`], on a listener that was opened elsewhere.
    pub(crate) fn on(
        listener: Listener,
        options: ServerOptions,
        handler: WebSocketHandler<A>,
        http: Http<A>,
    ) -> Self {
        let under_way = UnderWay::default();
        Self {
            listener,
            shared: Arc::new(Shared { handler, http: Arc::new(http), options, under_way }),
        }
    }

    /// Whether somebody else takes in those who connect when this server does not.
    pub(crate) fn is_shared(&self) -> bool {
        self.listener.is_shared()
    }

    /// The address that was bound: where port 0 was asked for, the one that was given.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Accepts connections until the future is dropped. A drain goes on accepting: probes must see
    /// it, and who wants to upgrade is told to come back.
    pub async fn run(self) {
        self.run_until(std::future::pending()).await;
    }

    /// As [`Server::run`], until `leave` resolves. Then who connects is left to whoever has the listener,
    /// too, and the future ends when everybody who came before has been answered, or had time for it.
    pub(crate) async fn run_until(mut self, leave: impl Future<Output = ()>) {
        let mut leave = std::pin::pin!(leave);
        let mut burst = Vec::new();
        loop {
            tokio::select! {
                () = self.listener.accept(&mut burst) => {}
                () = &mut leave => break,
            }
            self.shared.serve_burst(std::mem::take(&mut burst)).await;
        }
        let Self { listener, shared } = self;
        let mut leaving = listener.leave();
        while leaving.next(&mut burst).await {
            shared.serve_burst(std::mem::take(&mut burst)).await;
        }
        drop(leaving);
        let patience = shared.options.handshake_timeout.min(HANDING_OVER_MAX);
        if timeout(patience, shared.under_way.none()).await.is_err() {
            tracing::info!("some who have connected have not said what they want");
        }
    }
}

impl<A: Application> Shared<A> {
    /// Few are answered here and now. Of many, tasks take some each: other threads may help with those,
    /// and between two of them the connections that are there get their turn.
    async fn serve_burst(self: &Arc<Self>, mut burst: Vec<Accepted>) {
        while burst.len() > CHUNK {
            let chunk = burst.split_off(burst.len() - CHUNK);
            tokio::spawn(self.clone().serve_chunk(chunk));
        }
        self.clone().serve_chunk(burst).await;
        tokio::task::yield_now().await;
    }

    /// Serves connections as far as that needs no waiting, which for an upgrade is mostly all the
    /// way; whichever has to wait gets a task of its own.
    async fn serve_chunk(self: Arc<Self>, chunk: Vec<Accepted>) {
        for (socket, peer) in chunk {
            let mut serving = Box::pin(self.clone().serve_socket(socket, peer));
            let polled = poll_fn(|cx| Poll::Ready(serving.as_mut().poll(cx))).await;
            if polled.is_pending() {
                tokio::spawn(serving);
            }
        }
    }

    async fn serve_socket(self: Arc<Self>, socket: EagerTcpStream, peer: SocketAddr) {
        // Until it has an answer, or another task that will have it.
        let _under_way = self.under_way.begin();
        let deadline = Instant::now() + self.options.handshake_timeout;
        if let Some(tls) = self.options.tls.clone() {
            return Box::pin(self.serve_tls(&tls, socket, peer, deadline)).await;
        }
        let is_named = self.is_named_by_proxy(peer);
        if let Some((socket, head, peer)) =
            self.await_request(socket, peer, is_named, deadline).await
        {
            self.answer(socket, head, peer).await;
        }
    }

    /// Whether whoever connects says in front of everything else for whom it does.
    fn is_named_by_proxy(&self, peer: SocketAddr) -> bool {
        self.options.proxy_protocol && self.handler.policy().trusted_proxies.contains(peer.ip())
    }

    // Whatever is not an upgrade that succeeds goes on in a box of its own, here and below: each
    // handshake would be as large as the largest of them otherwise, and a storm makes many.

    async fn await_request<IO: Carrier>(
        &self,
        mut socket: IO,
        peer: SocketAddr,
        is_named: bool,
        deadline: Instant,
    ) -> Option<(IO, RequestHead, SocketAddr)> {
        let request = timeout_at(deadline, self.read_head(&mut socket, peer, is_named));
        match request.await {
            Ok(Ok((head, peer))) => return Some((socket, head, peer)),
            Ok(Err(error)) => Box::pin(self.refuse_head(socket, error, peer)).await,
            Err(_) => Box::pin(self.refuse(socket, &Rejection::TimedOut, peer)).await,
        }
        None
    }

    async fn answer<IO: Carrier>(&self, socket: IO, head: RequestHead, peer: SocketAddr) {
        if framing::is_ambiguous(head.request.headers()) {
            let error = HeadError::Malformed(framing::SAID_TWICE);
            return Box::pin(self.refuse(socket, &error.into(), peer)).await;
        }
        if !self.is_ours(&head) {
            return Box::pin(self.http.serve(socket, head.bytes, peer, &self.options)).await;
        }
        match self.handler.admit(&head.request, peer).await {
            // A task of its own: it holds the connection and nothing of the way here.
            Ok(admission) => {
                let driver = self.handler.serve(socket, admission, head.early());
                tokio::spawn(driver);
            }
            Err(rejection) => Box::pin(self.handler.reject(socket, &rejection)).await,
        }
    }

    async fn read_head<IO: Carrier>(
        &self,
        socket: &mut IO,
        peer: SocketAddr,
        is_named: bool,
    ) -> Result<(RequestHead, SocketAddr), ReadHeadError> {
        let (peer, held) = read_proxy_header(socket, peer, is_named).await?;
        Ok((read_request(socket, self.options.head, held).await?, peer))
    }

    /// An upgrade at one of the paths that take them. Everything else is HTTP's, which says why a
    /// request that looks like an upgrade and is not at the right place is not one.
    fn is_ours(&self, head: &RequestHead) -> bool {
        let path = head.request.uri().path();
        is_upgrade(head.request.headers()) && self.http.takes_upgrades(path)
    }

    async fn refuse_head<IO: Carrier>(&self, socket: IO, error: ReadHeadError, peer: SocketAddr) {
        match error {
            ReadHeadError::Head(head) => self.refuse(socket, &head.into(), peer).await,
            ReadHeadError::EndOfStream | ReadHeadError::Io(_) => {
                tracing::debug!(%error, %peer, "no request came");
            }
        }
    }

    async fn refuse<IO: Carrier>(&self, mut socket: IO, rejection: &Rejection, peer: SocketAddr) {
        self.handler.note_rejection(rejection, peer);
        self.handler.reject(&mut socket, rejection).await;
        // The client may be sending still. Closing on what is unread would reset the connection, and
        // the answer could be lost on its way.
        let _ = timeout(LINGER, discard(&mut socket)).await;
    }
}

/// Whom the connection is of: where a trusted proxy is in front, the one that it names. What was read beyond its
/// header comes with that.
async fn read_proxy_header<IO: Carrier>(
    socket: &mut IO,
    peer: SocketAddr,
    is_named: bool,
) -> Result<(SocketAddr, Vec<u8>), ReadHeadError> {
    if is_named { proxy::read_header(socket, peer).await } else { Ok((peer, Vec::new())) }
}

/// Reads on until the peer has finished, or has sent more than anybody means by a request.
async fn discard<IO: Carrier>(socket: &mut IO) -> io::Result<()> {
    let mut unread = [0; 1024];
    for _ in 0..DISCARDED_READS_MAX {
        if socket.read(&mut unread).await? == 0 {
            break;
        }
    }
    Ok(())
}
