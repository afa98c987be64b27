//! What lies between a client and the gateway: it carries bytes, until it does not.
//!
//! What befalls a connection is its fate, drawn from the weather when it comes; beside that a test can do
//! things to all that is open, now.

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_rustls::TlsAcceptor;

pub(crate) use self::weather::{Fate, Fault, Weather};

#[cfg(test)]
mod tests;
mod weather;

const BUFFER: usize = 16 * 1024;
/// What the gateway may send while nothing passes: more than that would be no stall.
const WINDOW: u32 = 64 * 1024;
/// How little passes at a time of what is slow, and how long it takes.
const SIP: usize = 48;
const SIP_TAKES: Duration = Duration::from_millis(1);
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// How long an upgrade waits that is delayed.
const DELAY: Duration = Duration::from_millis(60);
/// For the other end to see that it is over.
const LINGER: Duration = Duration::from_millis(500);
/// No half-open connection is held for longer.
const HELD_MAX: Duration = Duration::from_secs(60);

/// Takes connections on a port of its own.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    target: SocketAddr,
    /// What it speaks where it answers by itself. What it carries it does not read.
    tls: Option<Arc<ServerConfig>>,
    weather: Mutex<Weather>,
    tally: Mutex<BTreeMap<Fault, u64>>,
    /// What is done to all that is open; with a number, so that the same can be done again.
    order: watch::Sender<(u64, Option<Fault>)>,
    /// Hands nothing on, of what is open and of what comes.
    is_swallowing: AtomicBool,
    /// Lets nothing pass, and loses nothing.
    is_stalled: AtomicBool,
    /// Breaks whatever comes at once: the network is away.
    is_away: AtomicBool,
    /// The answer to upgrades that come, and to how many of them.
    answer: Mutex<Option<(String, usize)>>,
    /// Connections that came so far.
    came: AtomicUsize,
    open: AtomicUsize,
}

/// One connection on its way.
struct Carriage<'s> {
    state: &'s State,
    fate: Fate,
    carried: AtomicUsize,
    /// Set when its trouble begins.
    trouble_over: Mutex<Option<Instant>>,
}

impl Proxy {
    /// In front of a port of 127.0.0.1, in fair weather.
    pub(crate) async fn start(target: u16, tls: Option<Arc<ServerConfig>>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            target: SocketAddr::from((Ipv4Addr::LOCALHOST, target)),
            tls,
            weather: Mutex::new(Weather::Fair),
            tally: Mutex::default(),
            order: watch::Sender::new((0, None)),
            is_swallowing: AtomicBool::new(false),
            is_stalled: AtomicBool::new(false),
            is_away: AtomicBool::new(false),
            answer: Mutex::default(),
            came: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
        });
        let accepting = tokio::spawn(accept(listener, state.clone()));
        Ok(Self { address, state, accepting })
    }

    /// For connections that come from now on.
    pub(crate) fn set_weather(&self, weather: Weather) {
        *self.state.weather.lock() = weather;
    }

    /// Does this to all that is open.
    pub(crate) fn befall(&self, fault: Fault) {
        self.state
            .order
            .send_modify(|(number, order)| (*number, *order) = (*number + 1, Some(fault)));
    }

    /// Takes everything and hands nothing on, or goes on as before.
    pub(crate) fn set_swallowing(&self, is_swallowing: bool) {
        self.state.is_swallowing.store(is_swallowing, Ordering::SeqCst);
    }

    /// Lets nothing pass, or what was held back and all that comes.
    pub(crate) fn set_stalled(&self, is_stalled: bool) {
        self.state.is_stalled.store(is_stalled, Ordering::SeqCst);
    }

    /// Breaks what is open and what comes, or lets it come again.
    pub(crate) fn set_away(&self, is_away: bool) {
        self.state.is_away.store(is_away, Ordering::SeqCst);
        if is_away {
            self.befall(Fault::Reset);
        }
    }

    /// Answers the next upgrades itself: a status line and headers, without the empty line.
    pub(crate) fn answer(&self, head: &str, body: &str, times: usize) {
        let answer = format!(
            "HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        *self.state.answer.lock() = Some((answer, times));
    }

    /// How often each thing has happened.
    pub(crate) fn tally(&self) -> BTreeMap<Fault, u64> {
        self.state.tally.lock().clone()
    }

    /// How many connections have been ended, in whichever way.
    pub(crate) fn ended(&self) -> u64 {
        let tally = self.state.tally.lock();
        [Fault::Cut, Fault::Reset, Fault::HalfOpen].iter().filter_map(|end| tally.get(end)).sum()
    }

    /// How many connections came so far.
    pub(crate) fn came(&self) -> usize {
        self.state.came.load(Ordering::SeqCst)
    }

    /// How many connections are being carried.
    pub(crate) fn open(&self) -> usize {
        self.state.open.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.befall(Fault::Cut);
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    while let Ok((client, _)) = listener.accept().await {
        state.came.fetch_add(1, Ordering::SeqCst);
        if state.is_away.load(Ordering::SeqCst) {
            reset(client);
            continue;
        }
        let fate = state.weather.lock().next();
        let state = state.clone();
        tokio::spawn(async move {
            state.open.fetch_add(1, Ordering::SeqCst);
            // Whatever breaks is broken for both ends.
            let _ = serve(client, &state, fate).await;
            state.open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

impl State {
    fn count(&self, fault: Fault) {
        *self.tally.lock().entry(fault).or_default() += 1;
    }

    /// The answer to an upgrade that is not handed on.
    fn own_answer(&self) -> Option<String> {
        let mut answer = self.answer.lock();
        let (text, times) = answer.as_mut()?;
        let text = text.clone();
        *times -= 1;
        if *times == 0 {
            *answer = None;
        }
        Some(text)
    }

    async fn refuse(&self, client: TcpStream, answer: &str) -> io::Result<()> {
        match &self.tls {
            Some(tls) => {
                let tls = TlsAcceptor::from(tls.clone());
                refuse(tls.accept(client).await?, answer).await
            }
            None => refuse(client, answer).await,
        }
    }
}

async fn serve(mut client: TcpStream, state: &State, fate: Fate) -> io::Result<()> {
    let mut orders = state.order.subscribe();
    orders.mark_unchanged();
    if let Some(answer) = state.own_answer() {
        return state.refuse(client, &answer).await;
    }
    match fate.upgrade {
        Some(Fault::BadGateway) => {
            state.count(Fault::BadGateway);
            let answer =
                "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            return state.refuse(client, answer).await;
        }
        Some(fault) => {
            state.count(fault);
            sleep(DELAY).await;
        }
        None => {}
    }
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(WINDOW)?;
    let mut server = socket.connect(state.target).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let carriage =
        Carriage { state, fate, carried: AtomicUsize::new(0), trouble_over: Mutex::new(None) };
    let end = {
        let (mut from_client, mut to_client) = client.split();
        let (mut from_server, mut to_server) = server.split();
        tokio::select! {
            end = carriage.carry(&mut from_client, &mut to_server) => end,
            end = carriage.carry(&mut from_server, &mut to_client) => end,
            end = ordered(&mut orders) => Some(end),
        }
    };
    match end {
        Some(Fault::Reset) => {
            state.count(Fault::Reset);
            reset(client);
            reset(server);
        }
        Some(Fault::HalfOpen) => {
            state.count(Fault::HalfOpen);
            // The gateway finds out by itself as well.
            let swallowed = async { tokio::join!(swallow(&mut client), swallow(&mut server)) };
            let _ = timeout(HELD_MAX, swallowed).await;
        }
        Some(_) => {
            state.count(Fault::Cut);
            end_both(client, server).await;
        }
        // One of the two ended it by itself.
        None => end_both(client, server).await,
    }
    Ok(())
}

/// What a test wants to be done now.
async fn ordered(orders: &mut watch::Receiver<(u64, Option<Fault>)>) -> Fault {
    loop {
        if orders.changed().await.is_err() {
            return Fault::Cut;
        }
        if let Some(fault) = orders.borrow_and_update().1 {
            return fault;
        }
    }
}

impl Carriage<'_> {
    /// Carries in one direction; answers how the connection ends, if it is not by itself.
    async fn carry(
        &self,
        from: &mut (impl AsyncReadExt + Unpin),
        to: &mut (impl AsyncWriteExt + Unpin),
    ) -> Option<Fault> {
        let mut buffer = vec![0; BUFFER];
        loop {
            let length = match from.read(&mut buffer).await {
                Ok(0) | Err(_) => return None,
                Ok(length) => length,
            };
            if self.state.is_swallowing.load(Ordering::SeqCst) {
                return Some(Fault::HalfOpen);
            }
            while self.state.is_stalled.load(Ordering::SeqCst) {
                sleep(LOOK_AGAIN).await;
            }
            let before = self.carried.fetch_add(length, Ordering::SeqCst);
            // Its last bytes are those that are left, wherever that is in a frame.
            let (passes, end) = match self.fate.end {
                Some((end, after)) if before + length >= after => {
                    (after.saturating_sub(before), Some(end))
                }
                _ => (length, None),
            };
            self.write(before, &buffer[..passes], to).await.ok()?;
            if end.is_some() {
                return end;
            }
        }
    }

    async fn write(
        &self,
        before: usize,
        bytes: &[u8],
        to: &mut (impl AsyncWriteExt + Unpin),
    ) -> io::Result<()> {
        let Some((trouble, from, lasts)) = self.fate.trouble else {
            return to.write_all(bytes).await;
        };
        if before + bytes.len() < from {
            return to.write_all(bytes).await;
        }
        let over = *self.trouble_over.lock().get_or_insert_with(|| {
            self.state.count(trouble);
            Instant::now() + lasts
        });
        if trouble == Fault::Stall {
            sleep_until(over).await;
            return to.write_all(bytes).await;
        }
        let mut rest = bytes;
        while Instant::now() < over && !rest.is_empty() {
            let (sip, later) = rest.split_at(rest.len().min(SIP));
            to.write_all(sip).await?;
            rest = later;
            sleep(SIP_TAKES).await;
        }
        to.write_all(rest).await
    }
}

/// Reads the request, so that its bytes do not turn the end into a reset, and answers it.
async fn refuse<IO>(mut client: IO, answer: &str) -> io::Result<()>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let mut head = Vec::new();
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        if client.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    client.write_all(answer.as_bytes()).await?;
    client.shutdown().await?;
    let _ = timeout(LINGER, swallow(&mut client)).await;
    Ok(())
}

/// Both see the end of what was sent to them. What they still send is read, or it would be a reset.
async fn end_both(mut client: TcpStream, mut server: TcpStream) {
    let ending = async {
        let _ = client.shutdown().await;
        let _ = server.shutdown().await;
        tokio::join!(swallow(&mut client), swallow(&mut server))
    };
    let _ = timeout(LINGER, ending).await;
}

async fn swallow(stream: &mut (impl AsyncRead + Unpin)) {
    let mut buffer = vec![0; BUFFER];
    while let Ok(1..) = stream.read(&mut buffer).await {}
}

fn reset(stream: TcpStream) {
    // Where that is not possible it is cut, which is nearly as bad.
    let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    drop(stream);
}
