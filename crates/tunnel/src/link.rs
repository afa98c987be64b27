//! What the task of the target's socket and the connection's own share.

use std::io;

use parking_lot::Mutex;
use tokio::{net::tcp::ReadHalf, sync::Notify};
use ws_transport::Outbox;

use crate::{end::TunnelEnd, lane::Lane, permits::Permit};

/// Room for one read from the target.
const READ_BYTES: usize = 32 * 1024;

/// Both directions, and how it ended.
#[derive(Debug)]
pub(crate) struct Link {
    lanes: Mutex<Lanes>,
    /// Something came from the client, or nothing more does.
    pub(crate) from_client: Notify,
    /// The client has taken something.
    pub(crate) room_for_client: Notify,
    /// The connection is over.
    pub(crate) parted: Notify,
    outbox: Outbox,
    _permit: Permit,
}

#[derive(Debug)]
struct Lanes {
    to_target: Lane,
    to_client: Lane,
    end: Option<TunnelEnd>,
    parting: Option<Parting>,
}

/// How the connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parting {
    /// The client closed it: what it sent before is for the target.
    Closed,
    /// Otherwise, so that the target must not take what it has for all that there was.
    Broken,
}

/// What there is for the target.
pub(crate) enum FromClient {
    Bytes(Vec<u8>),
    Nothing,
    Over,
}

/// What there is for the client.
pub(crate) struct ToClient {
    pub(crate) bytes: Vec<u8>,
    pub(crate) is_over: bool,
    pub(crate) end: Option<TunnelEnd>,
}

impl Link {
    pub(crate) fn new(bytes_max: usize, outbox: Outbox, permit: Permit) -> Self {
        Self {
            lanes: Mutex::new(Lanes {
                to_target: Lane::new(bytes_max),
                to_client: Lane::new(bytes_max),
                end: None,
                parting: None,
            }),
            from_client: Notify::new(),
            room_for_client: Notify::new(),
            parted: Notify::new(),
            outbox,
            _permit: permit,
        }
    }

    // The connection's side.

    /// Takes bytes from the client; `false` behind its end.
    pub(crate) fn push(&self, bytes: &[u8]) -> bool {
        let is_taken = self.lanes.lock().to_target.push(bytes);
        self.from_client.notify_one();
        is_taken
    }

    /// Nothing more comes from the client.
    pub(crate) fn finish_client(&self) {
        self.lanes.lock().to_target.finish();
        self.from_client.notify_one();
    }

    /// Whether the target takes less than the client sends.
    pub(crate) fn is_congested(&self) -> bool {
        self.lanes.lock().to_target.is_full()
    }

    /// How it ended, where that is not to wait for what the client has not taken.
    pub(crate) fn overdue(&self) -> Option<TunnelEnd> {
        self.lanes.lock().end.filter(|end| *end == TunnelEnd::Idle)
    }

    /// What is to be told to the client.
    pub(crate) fn take_for_client(&self) -> ToClient {
        let mut lanes = self.lanes.lock();
        let (bytes, was_full) = lanes.to_client.take();
        let told = ToClient { bytes, is_over: lanes.to_client.is_over(), end: lanes.end };
        drop(lanes);
        if was_full {
            self.room_for_client.notify_one();
        }
        told
    }

    /// The connection is over. The first word counts.
    pub(crate) fn part(&self, parting: Parting) {
        let mut lanes = self.lanes.lock();
        if *lanes.parting.get_or_insert(parting) == Parting::Closed {
            lanes.to_target.finish();
        }
        drop(lanes);
        self.parted.notify_one();
        self.from_client.notify_one();
    }

    // The socket's side.

    /// What has come from the client so far.
    pub(crate) fn take_for_target(&self) -> FromClient {
        let mut lanes = self.lanes.lock();
        if lanes.to_target.is_over() {
            return FromClient::Over;
        }
        let (bytes, was_full) = lanes.to_target.take();
        drop(lanes);
        if was_full {
            // The connection reads again.
            self.outbox.nudge();
        }
        if bytes.is_empty() { FromClient::Nothing } else { FromClient::Bytes(bytes) }
    }

    /// Whether the client takes less than the target sends.
    pub(crate) fn is_client_slow(&self) -> bool {
        self.lanes.lock().to_client.is_full()
    }

    /// Reads once from the target, straight to where it waits. Zero is its end.
    pub(crate) fn read_from(&self, socket: &ReadHalf<'_>) -> io::Result<usize> {
        let mut lanes = self.lanes.lock();
        let len = lanes.to_client.fill(READ_BYTES, |waiting| socket.try_read_buf(waiting))?;
        if len == 0 {
            lanes.to_client.finish();
        }
        drop(lanes);
        self.outbox.nudge();
        Ok(len)
    }

    pub(crate) fn parting(&self) -> Option<Parting> {
        self.lanes.lock().parting
    }

    /// Notes how it ended, if nobody has, and tells the connection; answers whether that was new.
    pub(crate) fn conclude(&self, end: TunnelEnd) -> bool {
        let mut lanes = self.lanes.lock();
        let is_first = lanes.end.is_none();
        lanes.end.get_or_insert(end);
        drop(lanes);
        self.outbox.nudge();
        is_first
    }
}
