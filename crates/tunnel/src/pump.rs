//! The task of one tunnel's socket: connects, moves bytes both ways, and ends.

use std::{io, pin::pin, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    io::AsyncWriteExt,
    net::{
        TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    time::{Instant, sleep_until, timeout},
};

use crate::{
    config::TunnelConfig,
    end::TunnelEnd,
    link::{FromClient, Link, Parting},
    stats::Counters,
    target::Target,
};

/// How long a target may take the rest of what a client sent that has closed.
const LINGER: Duration = Duration::from_secs(5);

/// One tunnel's socket and what belongs to it.
pub(crate) struct Pump {
    pub(crate) link: Arc<Link>,
    pub(crate) target: Target,
    pub(crate) config: Arc<TunnelConfig>,
    pub(crate) counters: Arc<Counters>,
    /// Whether each direction ends by itself.
    pub(crate) has_half_close: bool,
}

impl Pump {
    pub(crate) async fn run(self) {
        let end = self.carry().await;
        if self.link.conclude(end) {
            self.counters.note_end(end);
        }
    }

    async fn carry(&self) -> TunnelEnd {
        let address = (self.target.host(), self.target.port());
        let connecting = timeout(self.config.connect_timeout, TcpStream::connect(address));
        let mut socket = tokio::select! {
            biased;
            connected = connecting => match connected {
                Ok(Ok(socket)) => socket,
                Ok(Err(_)) => return TunnelEnd::Unreachable,
                Err(_) => return TunnelEnd::ConnectTimedOut,
            },
            () = self.broken() => return TunnelEnd::ClientGone,
        };
        // A keystroke is not to wait for the next.
        let _ = socket.set_nodelay(true);
        let end = self.move_both(&mut socket).await;
        let is_whole = match end {
            TunnelEnd::Finished | TunnelEnd::TargetFinished => true,
            TunnelEnd::ClientGone => self.link.parting() == Some(Parting::Closed),
            _ => false,
        };
        if !is_whole {
            // A reset: what the target has is not to be taken for all that there was.
            let _ = socket.set_zero_linger();
        }
        end
    }

    async fn move_both(&self, socket: &mut TcpStream) -> TunnelEnd {
        let moved = Mutex::new(Instant::now());
        let (read, mut write) = socket.split();
        let mut to_target = pin!(self.move_to_target(&mut write, &moved));
        let mut to_client = pin!(self.move_to_client(&read, &moved));
        let mut idle = pin!(self.idle(&moved));
        let mut parted = pin!(self.parted());
        let (mut has_sent, mut has_broken) = (false, false);
        let mut has_received = false;
        loop {
            tokio::select! {
                biased;
                sent = &mut to_target, if !has_sent => {
                    has_sent = true;
                    // What it said before is read first.
                    has_broken = sent.is_err() && !has_received;
                }
                received = &mut to_client, if !has_received => match received {
                    Ok(()) if !self.has_half_close => return TunnelEnd::TargetFinished,
                    Ok(()) => has_received = true,
                    Err(_) => return TunnelEnd::TargetBroke,
                },
                parting = &mut parted => {
                    if parting == Parting::Closed && !has_sent {
                        let _ = timeout(LINGER, to_target).await;
                    }
                    return TunnelEnd::ClientGone;
                }
                () = &mut idle => return TunnelEnd::Idle,
            }
            if has_sent && has_received {
                return if has_broken { TunnelEnd::TargetBroke } else { TunnelEnd::Finished };
            }
        }
    }

    async fn move_to_target(
        &self,
        socket: &mut WriteHalf<'_>,
        moved: &Mutex<Instant>,
    ) -> io::Result<()> {
        loop {
            match self.link.take_for_target() {
                FromClient::Over => return socket.shutdown().await,
                FromClient::Nothing => self.link.from_client.notified().await,
                FromClient::Bytes(bytes) => {
                    let mut rest = &bytes[..];
                    while !rest.is_empty() {
                        let len = socket.write(rest).await?;
                        if len == 0 {
                            return Err(io::ErrorKind::WriteZero.into());
                        }
                        self.counters.note_to_target(len);
                        *moved.lock() = Instant::now();
                        rest = &rest[len..];
                    }
                }
            }
        }
    }

    async fn move_to_client(
        &self,
        socket: &ReadHalf<'_>,
        moved: &Mutex<Instant>,
    ) -> io::Result<()> {
        loop {
            while self.link.is_client_slow() {
                self.link.room_for_client.notified().await;
                *moved.lock() = Instant::now();
            }
            socket.readable().await?;
            match self.link.read_from(socket) {
                Ok(0) => return Ok(()),
                Ok(_) => *moved.lock() = Instant::now(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Resolves when nothing has moved for too long.
    async fn idle(&self, moved: &Mutex<Instant>) {
        let Some(idle_timeout) = self.config.idle_timeout else {
            return std::future::pending().await;
        };
        loop {
            let due = *moved.lock() + idle_timeout;
            if due <= Instant::now() {
                return;
            }
            sleep_until(due).await;
        }
    }

    /// Resolves when the connection is over.
    async fn parted(&self) -> Parting {
        loop {
            if let Some(parting) = self.link.parting() {
                return parting;
            }
            self.link.parted.notified().await;
        }
    }

    /// Resolves when it is over and nothing that came of it is for the target.
    async fn broken(&self) {
        if self.parted().await == Parting::Closed {
            std::future::pending::<()>().await;
        }
    }
}
