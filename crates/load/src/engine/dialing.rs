//! Which connections are opened when, and the first packet of each.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    io,
    net::SocketAddr,
};

use mio::{Interest, Token, net::TcpStream};
use socket2::{Domain, Protocol, Socket, Type};

use super::{link::Stage, worker::Worker};
use crate::{
    clock::Nanos,
    plan::{Plan, Reading},
    schedule::{Pace, Schedule},
};

/// Handshakes that one turn of the loop begins at most, so that open connections get theirs.
const DIALS_MAX: usize = 4;
/// What a slow reader's socket holds: what it does not read has to wait with the server.
const SLOW_BUFFER_BYTES: usize = 16 * 1024;

/// What a worker still has to dial.
#[derive(Debug)]
pub(super) struct Dialer {
    /// With the time since which it counts, where that is not when its turn comes.
    queue: VecDeque<(usize, Option<Nanos>)>,
    /// Those that come back later, the next one on top.
    delayed: BinaryHeap<Reverse<(Nanos, usize)>>,
    /// Those that are being closed and will come back.
    expected: usize,
    under_way: usize,
    window: usize,
    pace: Option<Pace>,
    schedule: Option<Schedule>,
    /// When handshakes are given up, the eldest first.
    deadlines: VecDeque<(Nanos, usize)>,
    told: bool,
}

impl Dialer {
    pub(super) fn new(plan: &Plan, worker: usize) -> Self {
        let window = plan.dialing.window;
        // The first workers take what does not divide evenly; each may have one under way.
        let share = window / plan.threads + usize::from(worker < window % plan.threads);
        Self {
            queue: VecDeque::new(),
            delayed: BinaryHeap::new(),
            expected: 0,
            under_way: 0,
            window: share.max(1),
            pace: plan.dialing.pace.map(|pace| pace.share(1, plan.threads)),
            schedule: None,
            deadlines: VecDeque::new(),
            told: true,
        }
    }

    pub(super) fn queue(&mut self, index: usize) {
        self.queue.push_back((index, None));
    }

    /// It is being closed, and will be queued once it is gone.
    pub(super) fn expect(&mut self) {
        self.expected += 1;
    }

    pub(super) fn no_longer_expect(&mut self) {
        self.expected = self.expected.saturating_sub(1);
    }

    /// It comes back at `due`, and counts since then.
    pub(super) fn queue_at(&mut self, index: usize, due: Nanos) {
        self.delayed.push(Reverse((due, index)));
    }

    /// Begins with what is queued, at the pace if there is one.
    pub(super) fn start(&mut self, now: Nanos) {
        self.schedule = self.pace.map(|pace| Schedule::start(pace, now));
        self.told = false;
    }

    /// Whether the next one may go at once.
    pub(super) fn could_dial(&self) -> bool {
        self.schedule.is_none() && !self.queue.is_empty() && self.under_way < self.window
    }

    pub(super) fn next_due(&self) -> Option<Nanos> {
        let may = !self.queue.is_empty() && self.under_way < self.window;
        let scheduled = self.schedule.as_ref().filter(|_| may).map(Schedule::next_due);
        let delayed = self.delayed.peek().map(|Reverse((due, _))| *due);
        scheduled.into_iter().chain(delayed).min()
    }

    pub(super) fn next_deadline(&self) -> Option<Nanos> {
        self.deadlines.front().map(|(deadline, _)| *deadline)
    }

    /// Whether all is dialled, told once for each start.
    pub(super) fn is_done_first_time(&mut self) -> bool {
        let done = !self.told && self.is_idle();
        self.told |= done;
        done
    }

    /// Whether nothing is dialled and nothing is going to be.
    pub(super) fn is_idle(&self) -> bool {
        let queued = self.queue.len() + self.delayed.len() + self.expected;
        queued + self.under_way == 0
    }

    pub(super) fn forget(&mut self) {
        self.queue.clear();
        self.delayed.clear();
        self.expected = 0;
    }

    /// A handshake is over, well or badly.
    pub(super) fn settled(&mut self) {
        debug_assert!(self.under_way > 0, "what is settled was begun");
        self.under_way = self.under_way.saturating_sub(1);
        if self.under_way == 0 {
            self.deadlines.clear();
        }
    }

    /// The next one to dial, and since when it counts.
    fn take(&mut self, now: Nanos) -> Option<(usize, Nanos)> {
        while let Some(Reverse((due, index))) = self.delayed.peek().copied()
            && due <= now
        {
            self.delayed.pop();
            self.queue.push_back((index, Some(due)));
        }
        if self.queue.is_empty() || self.under_way >= self.window {
            return None;
        }
        let turn = match &mut self.schedule {
            Some(schedule) => schedule.take_due(now)?,
            None => now,
        };
        let (index, since) = self.queue.pop_front()?;
        self.under_way += 1;
        Some((index, since.unwrap_or(turn)))
    }

    fn take_overdue(&mut self, now: Nanos) -> Option<(usize, Nanos)> {
        let (deadline, index) = *self.deadlines.front()?;
        (deadline <= now).then(|| {
            self.deadlines.pop_front();
            (index, deadline)
        })
    }
}

impl Worker {
    /// Begins what handshakes it may, and gives up those that take too long.
    pub(super) fn dial(&mut self) {
        for _ in 0..DIALS_MAX {
            let now = self.control.clock.now();
            let Some((index, since)) = self.dialer.take(now) else { break };
            if self.dialer.schedule.is_some() {
                self.record.lag.note(now - since);
            }
            self.record.attempted += 1;
            let deadline = self.deadline(self.plan.dialing.timeout);
            self.links[index].renew(deadline);
            self.dialer.deadlines.push_back((deadline, index));
            match self.open_socket(index) {
                Ok(socket) => self.begin(index, socket, since),
                Err(error) => self.fail(index, &dial_error(&error)),
            }
        }
        let now = self.control.clock.now();
        while let Some((index, deadline)) = self.dialer.take_overdue(now) {
            let link = &self.links[index];
            let is_that = link.deadline == deadline;
            let is_pending =
                matches!(link.stage, Stage::Shaking(_)) || link.flow.awaiting.is_some();
            if is_that && is_pending {
                let timeout = self.plan.dialing.timeout;
                self.fail(index, &format!("handshake: not finished within {timeout:?}"));
            }
        }
    }

    fn open_socket(&mut self, index: usize) -> io::Result<TcpStream> {
        let link = &self.links[index];
        let group = &self.plan.groups[link.group];
        let address = group.opening.target.address;
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM.nonblocking().cloexec(),
            Some(Protocol::TCP),
        )?;
        socket.set_tcp_nodelay(true)?;
        if group.reading != Reading::Full {
            socket.set_recv_buffer_size(SLOW_BUFFER_BYTES)?;
        }
        let sources = &self.plan.dialing.sources;
        if !sources.is_empty() {
            let source = sources[link.number % sources.len()];
            socket.bind(&SocketAddr::new(source, 0).into())?;
        }
        match socket.connect(&address.into()) {
            Ok(()) => {}
            Err(error) if is_in_progress(&error) => {}
            Err(error) => return Err(error),
        }
        let mut stream = TcpStream::from_std(socket.into());
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(index), interest)?;
        Ok(stream)
    }
}

fn is_in_progress(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error())
        || error.kind() == io::ErrorKind::WouldBlock
}

pub(super) fn dial_error(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrNotAvailable => {
            "connect: no source port is left; give more addresses with --source".to_owned()
        }
        io::ErrorKind::ConnectionRefused => "connect: refused; nothing listens there".to_owned(),
        _ => format!("connect: {}", plain(error)),
    }
}

/// Without the number that the system's errors have behind them.
pub(super) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let words = text.split_once(" (os error").map_or(text.as_str(), |(words, _)| words);
    words.to_lowercase()
}
