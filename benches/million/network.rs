//! The network and the peers behind it, as far as a server can see them.

use std::{
    collections::BTreeMap,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{MissedTickBehavior, interval},
};

use crate::gate::Gate;

/// What is on its way arrives at steps of this length.
const TICK: Duration = Duration::from_millis(8);
/// Round trips are shorter than so many ticks.
const SLOTS: usize = 32;
/// The shortest round trip, and how many others there are, in ticks: 16 to 176 ms.
const ROUND_TRIPS: (u32, u32) = (2, 20);

/// Carries answers to their connections, and counts what the peers see.
#[derive(Debug, Default)]
pub(crate) struct Network {
    tick: AtomicU32,
    /// Who is to be woken at which tick.
    slots: [Mutex<Vec<Waker>>; SLOTS],
    /// Peers whose connection is open: the 101 response has arrived.
    pub(crate) opened: Gate,
    /// Messages that arrived behind the greeting.
    pub(crate) messages: Gate,
    pub(crate) pings: AtomicU64,
    /// Peers that were sent a close frame, by its code.
    closes: Mutex<BTreeMap<u16, u64>>,
    /// Connections that ended without a close frame.
    pub(crate) hung_up: AtomicU64,
}

impl Network {
    /// Delivers what is on its way, for ever.
    pub(crate) async fn run(self: Arc<Self>) {
        let mut ticks = interval(TICK);
        // Whoever waits, waits for a number of ticks.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut arrived = Vec::new();
        loop {
            ticks.tick().await;
            let tick = self.tick.fetch_add(1, Ordering::SeqCst).wrapping_add(1);
            std::mem::swap(&mut *self.slots[tick as usize % SLOTS].lock(), &mut arrived);
            arrived.drain(..).for_each(Waker::wake);
        }
    }

    pub(crate) fn closes(&self) -> BTreeMap<u16, u64> {
        self.closes.lock().clone()
    }

    /// Wakes whoever asks after a round trip, and says when that is.
    fn wake_later(&self, entropy: u8, cx: &Context<'_>) -> u32 {
        let (shortest, others) = ROUND_TRIPS;
        let ticks = shortest + u32::from(entropy) % others;
        let due = self.tick.load(Ordering::SeqCst).wrapping_add(ticks);
        self.slots[due as usize % SLOTS].lock().push(cx.waker().clone());
        due
    }
}

/// The peer of one connection: answers each ping by its pong and a close frame by its echo, and says
/// nothing else.
#[derive(Debug)]
pub(crate) struct Peer {
    network: Arc<Network>,
    /// What the answer that is on its way carries.
    payload: [u8; 8],
    /// The tick at which it arrives.
    due: u32,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Connecting,
    Silent,
    Pong,
    Close,
    /// Has answered the close frame, and sends nothing any more.
    Closed,
}

impl Peer {
    pub(crate) fn new(network: Arc<Network>) -> Self {
        Self { network, payload: [0; 8], due: 0, state: State::Connecting }
    }

    /// Takes what the server wrote. It is taken whole, so that no frame is ever cut.
    fn take(&mut self, mut bytes: &[u8], cx: &Context<'_>) {
        if self.state == State::Connecting {
            let head = bytes.windows(4).position(|window| window == b"\r\n\r\n");
            // The greeting is behind the response.
            bytes = match head {
                Some(at) => {
                    bytes.get(at + 4..).and_then(|rest| split_frame(rest)).map_or(&[], |it| it.2)
                }
                None => &[],
            };
            self.state = State::Silent;
            self.network.opened.note();
        }
        while let Some((opcode, payload, rest)) = split_frame(bytes) {
            bytes = rest;
            match opcode {
                0x1 | 0x2 => self.network.messages.note(),
                0x8 => self.handle_close(payload, cx),
                0x9 => self.handle_ping(payload, cx),
                _ => {}
            }
        }
    }

    fn handle_ping(&mut self, payload: &[u8], cx: &Context<'_>) {
        let Ok(payload) = payload.try_into() else { return };
        self.network.pings.fetch_add(1, Ordering::Relaxed);
        self.payload = payload;
        self.due = self.network.wake_later(payload[0], cx);
        self.state = State::Pong;
    }

    fn handle_close(&mut self, payload: &[u8], cx: &Context<'_>) {
        let code = payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
        *self.network.closes.lock().entry(code).or_default() += 1;
        self.payload[..2].copy_from_slice(&code.to_be_bytes());
        self.due = self.network.wake_later(self.payload[7], cx);
        self.state = State::Close;
    }
}

/// The opcode and the payload of the first frame, and what follows it.
fn split_frame(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[first, len], rest) = bytes.split_first_chunk()?;
    let (len, rest) = match len {
        126 => {
            let (len, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*len)), rest)
        }
        127 => {
            let (len, rest) = rest.split_first_chunk()?;
            (usize::try_from(u64::from_be_bytes(*len)).ok()?, rest)
        }
        short => (usize::from(short), rest),
    };
    let (payload, rest) = rest.split_at_checked(len)?;
    Some((first & 0x0f, payload, rest))
}

impl AsyncRead for Peer {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let is_due =
            || self.network.tick.load(Ordering::SeqCst).wrapping_sub(self.due) < u32::MAX / 2;
        // Masked as a client must, with a key of zeros.
        match self.state {
            State::Pong if is_due() => {
                room.put_slice(&[0x8a, 0x88, 0, 0, 0, 0]);
                room.put_slice(&self.payload);
                self.state = State::Silent;
                Poll::Ready(Ok(()))
            }
            State::Close if is_due() => {
                room.put_slice(&[0x88, 0x82, 0, 0, 0, 0]);
                room.put_slice(&self.payload[..2]);
                self.state = State::Closed;
                Poll::Ready(Ok(()))
            }
            State::Closed => Poll::Ready(Ok(())),
            State::Connecting | State::Silent | State::Pong | State::Close => Poll::Pending,
        }
    }
}

impl AsyncWrite for Peer {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.take(bytes, cx);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if self.state != State::Closed {
            self.network.hung_up.fetch_add(1, Ordering::Relaxed);
        }
    }
}

const _: () = assert!(size_of::<Peer>() == 24);
