//! What lies between two that talk: it can be cut, made slow, and made to hold everything back.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use parking_lot::Mutex;

use super::pause;

/// Takes connections on a port of its own and hands on what comes, both ways, in order.
#[derive(Debug)]
pub(crate) struct Proxy {
    port: u16,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    target: SocketAddr,
    delay_ms: AtomicU64,
    is_stalled: AtomicBool,
    is_over: AtomicBool,
    /// Both ends of what is open.
    open: Mutex<Vec<[TcpStream; 2]>>,
}

const BUFFER: usize = 64 * 1024;
const STACK: usize = 256 * 1024;
const LOOK_AGAIN: Duration = Duration::from_millis(5);
const CONNECT_MAX: Duration = Duration::from_secs(2);

impl Proxy {
    /// In front of a port of 127.0.0.1.
    pub(crate) fn start(target: u16) -> io::Result<Self> {
        let [port] = ws_test_servers::free_ports().map_err(io::Error::other)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let state = Arc::new(State {
            target: SocketAddr::from((Ipv4Addr::LOCALHOST, target)),
            delay_ms: AtomicU64::new(0),
            is_stalled: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            open: Mutex::default(),
        });
        let shared = state.clone();
        spawn(move || accept(&listener, &shared))?;
        Ok(Self { port, state })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Breaks what is open.
    pub(crate) fn cut(&self) {
        for stream in self.state.open.lock().drain(..).flatten() {
            // Whoever was faster has closed it.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Lets everything come that much later; zero for at once.
    pub(crate) fn set_delay(&self, delay_ms: u64) {
        self.state.delay_ms.store(delay_ms, Ordering::Relaxed);
    }

    /// Holds everything back, or lets it go on.
    pub(crate) fn set_stalled(&self, is_stalled: bool) {
        self.state.is_stalled.store(is_stalled, Ordering::Relaxed);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::Relaxed);
        self.cut();
        // Wakes the thread that waits for the next one.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

fn accept(listener: &TcpListener, state: &Arc<State>) {
    for client in listener.incoming() {
        if state.is_over.load(Ordering::Relaxed) {
            return;
        }
        let Ok(client) = client else { continue };
        let state = state.clone();
        // What cannot be carried is closed, as if nobody had listened.
        let _ = spawn(move || connect(client, &state));
    }
}

fn connect(client: TcpStream, state: &Arc<State>) {
    let Ok(server) = TcpStream::connect_timeout(&state.target, CONNECT_MAX) else { return };
    if carry(client, server, state).is_err() {
        // Too few files or threads: both ends see it break.
    }
}

fn carry(client: TcpStream, server: TcpStream, state: &Arc<State>) -> io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ends = [client.try_clone()?, server.try_clone()?];
    {
        let mut open = state.open.lock();
        open.retain(|[client, _]| client.peer_addr().is_ok());
        open.push(ends);
    }
    let (from, to) = (server.try_clone()?, client.try_clone()?);
    let back = state.clone();
    spawn(move || copy(from, to, &back))?;
    copy(client, server, state);
    Ok(())
}

fn copy(mut from: TcpStream, mut to: TcpStream, state: &State) {
    let mut buffer = vec![0; BUFFER];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        pause(Duration::from_millis(state.delay_ms.load(Ordering::Relaxed)));
        while state.is_stalled.load(Ordering::Relaxed) && !state.is_over.load(Ordering::Relaxed) {
            pause(LOOK_AGAIN);
        }
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    // One half that ends is the end of both: nobody here talks on after having been closed.
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

fn spawn(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().stack_size(STACK).spawn(work).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echo() -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                thread::spawn(move || io::copy(&mut stream.try_clone().unwrap(), &mut stream));
            }
        });
        port
    }

    fn said(stream: &mut TcpStream) -> io::Result<[u8; 5]> {
        stream.write_all(b"hello")?;
        let mut heard = [0; 5];
        stream.read_exact(&mut heard).map(|()| heard)
    }

    #[test]
    fn what_is_cut_is_over_and_the_next_one_is_carried() {
        let proxy = Proxy::start(echo()).unwrap();
        let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).unwrap();
        let mut first = connect();
        assert_eq!(&said(&mut first).unwrap(), b"hello");
        proxy.cut();
        assert!(said(&mut first).is_err());
        assert_eq!(&said(&mut connect()).unwrap(), b"hello");
    }

    #[test]
    fn what_is_stalled_comes_later_and_whole() {
        let proxy = Proxy::start(echo()).unwrap();
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        proxy.set_stalled(true);
        assert!(said(&mut stream).is_err());
        proxy.set_stalled(false);
        stream.set_read_timeout(None).unwrap();
        let mut heard = [0; 5];
        stream.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"hello");
    }
}
