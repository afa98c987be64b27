//! The client without its socket: what comes in and what time it is go in, what to do comes out.
//!
//! ```text
//!            start            open            greeted
//! Resting ─────────▶ Dialing ───────▶ Greeting ───────▶ Live
//!    ▲                 ▲  │               │              │
//!    │           due   │  │ refused       │ ended        │ ended, silent
//!    │                 │  ▼               ▼              ▼
//!    ├── stops ────  Waiting ◀────────────┴──────────────┘
//!    └───────────────────────── Closing ◀── close, from anywhere
//! ```
//!
//! It performs no I/O, reads no clock and spawns nothing: [`Machine::wanted`] says what the driver is to have
//! (nothing, an attempt, a socket), and the driver sees to it.

use std::{
    collections::{BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use crate::{
    backoff::{Backoff, BackoffConfig},
    book::Book,
    calls::Call,
    client::{ClientEvent, State},
    error::{Error, Refusal, Stopped},
    letters::Letters,
    liveness::Liveness,
    network::NetworkStatus,
    queue::{Key, Queue, QueueConfig},
};

mod coming_back;
mod hearing;
#[cfg(test)]
mod mishaps;
mod saying;
#[cfg(test)]
mod waking;

pub(crate) use saying::Manner;

/// How long the server may take to answer our close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);
/// No time that is told or configured is longer: reckoning with it must not leave what a clock can say.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);
/// Answers and acks that wait for a socket which takes nothing. What goes beyond is asked for, or comes, again.
const CONTROL_MAX: usize = 4_096;
/// Events that nobody has fetched; what is older than so many is gone.
const EVENTS_MAX: usize = 64;

/// How it behaves.
#[derive(Clone, Debug)]
pub(crate) struct MachineConfig {
    pub(crate) backoff: BackoffConfig,
    pub(crate) queue: QueueConfig,
    /// For an attempt: the token, connecting, the handshake, and the greeting.
    pub(crate) connect_timeout: Duration,
    pub(crate) ack_timeout: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) grace: Duration,
    /// Whether there is a token at all.
    pub(crate) has_token: bool,
    pub(crate) session_id: Option<String>,
    /// From 0 up to 1, anew with each call.
    pub(crate) random: fn() -> f64,
}

/// What the driver is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// No connection, and no attempt at one.
    Nothing,
    /// The so manieth attempt.
    Attempt(u64),
    /// The socket that came of the so manieth attempt.
    Socket(u64),
    /// That socket, with a close frame sent.
    Closing(u64, &'static str),
}

#[derive(Debug)]
enum Phase {
    /// Not begun, or over.
    Resting,
    Waiting {
        until: Instant,
    },
    Dialing {
        deadline: Instant,
    },
    /// Open, and not yet greeted or authenticated.
    Greeting {
        deadline: Instant,
        /// To be sent, once the server has said who it is.
        token: Option<String>,
    },
    Live {
        liveness: Liveness,
    },
    Closing {
        deadline: Instant,
        reason: &'static str,
    },
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With a close frame.
    Closed { code: u16, reason: String },
    /// Without one.
    Lost,
}

/// Why there is no socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The server answered the upgrade with this status.
    Refused { status: u16, retry_after: Option<Duration>, sentence: String },
    /// Anything that may be better next time.
    Passing,
    /// What can never be.
    Hopeless(String),
}

/// What is counted, and when what was.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) connected_at: Option<Instant>,
    pub(crate) last_message_at: Option<Instant>,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) errors: u64,
    /// Since the last good connection.
    pub(crate) attempts: u32,
}

/// The client without its socket.
#[derive(Debug)]
pub(crate) struct Machine {
    config: MachineConfig,
    phase: Phase,
    /// Counts attempts.
    attempt: u64,
    backoff: Backoff,
    network: NetworkStatus,
    pub(crate) book: Book,
    pub(crate) letters: Letters,
    queue: Queue<Call>,
    /// When answers are missed, and calls are over.
    deadlines: BTreeSet<(Instant, Key, Due)>,
    /// What goes before all else.
    control: VecDeque<String>,
    events: VecDeque<ClientEvent>,
    counts: Counts,
    goodbye: Option<Duration>,
    /// A token has run out since the last good connection.
    was_hurried: bool,
    /// The last attempt was refused for its token.
    was_unauthorized: bool,
    /// What the server said last, in case it closes next.
    last_refusal: Option<Refusal>,
    needs_token: bool,
    stopped: Option<Stopped>,
    is_healthy_end: bool,
    /// How long the server listens to silence.
    heartbeat: Duration,
}

/// What is due for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// The answer to what was sent.
    Answer,
    /// All of it.
    Outcome,
}

impl Machine {
    pub(crate) fn new(config: MachineConfig) -> Self {
        let (backoff, queue) = (Backoff::new(config.backoff), Queue::new(config.queue));
        Self {
            config,
            phase: Phase::Resting,
            attempt: 0,
            backoff,
            network: NetworkStatus::default(),
            book: Book::default(),
            letters: Letters::default(),
            queue,
            deadlines: BTreeSet::new(),
            control: VecDeque::new(),
            events: VecDeque::new(),
            counts: Counts::default(),
            goodbye: None,
            was_hurried: false,
            was_unauthorized: false,
            last_refusal: None,
            needs_token: false,
            stopped: None,
            is_healthy_end: false,
            heartbeat: Duration::ZERO,
        }
    }

    /// Begins.
    pub(crate) fn start(&mut self, now: Instant) {
        debug_assert!(matches!(self.phase, Phase::Resting) && self.stopped.is_none());
        self.phase = Phase::Waiting { until: now };
        self.handle_timeout(now);
    }

    /// Ends for good, with a close frame where there is somebody to say it to.
    pub(crate) fn start_close(&mut self, reason: &'static str, now: Instant) {
        match self.phase {
            Phase::Closing { .. } => return,
            Phase::Resting if self.stopped.is_some() => return,
            Phase::Greeting { .. } | Phase::Live { .. } => {
                // Who was left is told before the goodbye: others see it at once.
                while let Some(text) = self.book.poll_left() {
                    self.say(text);
                }
                self.phase = Phase::Closing { deadline: after(now, CLOSE_TIMEOUT), reason };
            }
            Phase::Resting | Phase::Waiting { .. } | Phase::Dialing { .. } => {
                self.phase = Phase::Resting;
            }
        }
        self.end_all(Stopped::own_close());
    }

    pub(crate) fn state(&self) -> State {
        match &self.phase {
            Phase::Resting if self.stopped.is_some() && !self.is_healthy_end => State::Error,
            Phase::Resting | Phase::Closing { .. } => State::Disconnected,
            Phase::Waiting { .. } if self.attempt == 0 => State::Connecting,
            Phase::Waiting { .. } => State::Reconnecting,
            Phase::Dialing { .. } => State::Connecting,
            Phase::Greeting { .. } => State::Authenticating,
            Phase::Live { .. } => State::Connected,
        }
    }

    pub(crate) fn wanted(&self) -> Wanted {
        match self.phase {
            Phase::Resting | Phase::Waiting { .. } => Wanted::Nothing,
            Phase::Dialing { .. } => Wanted::Attempt(self.attempt),
            Phase::Greeting { .. } | Phase::Live { .. } => Wanted::Socket(self.attempt),
            Phase::Closing { reason, .. } => Wanted::Closing(self.attempt, reason),
        }
    }

    /// Why it does not come back, once it does not.
    pub(crate) fn stopped(&self) -> Option<&Stopped> {
        self.stopped.as_ref()
    }

    /// Whether nothing will ever come of it again, and the socket is gone.
    pub(crate) fn is_over(&self) -> bool {
        self.stopped.is_some() && matches!(self.phase, Phase::Resting)
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    pub(crate) fn poll_event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    /// Whether a fresh token is to be fetched while the connection lives. Asked once.
    pub(crate) fn poll_token_wish(&mut self) -> bool {
        std::mem::take(&mut self.needs_token)
    }

    /// When something is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let phase = match &self.phase {
            Phase::Resting => return None,
            Phase::Waiting { until } => Some(*until).filter(|_| self.network.lets_connect()),
            Phase::Dialing { deadline }
            | Phase::Greeting { deadline, .. }
            | Phase::Closing { deadline, .. } => Some(*deadline),
            Phase::Live { liveness } => Some(liveness.poll_timeout()),
        };
        let call = self.deadlines.first().map(|(at, ..)| *at);
        let due = phase.into_iter().chain(call);
        match self.phase {
            Phase::Live { .. } => {
                due.chain(self.book.poll_timeout()).chain(self.queue.poll_timeout()).min()
            }
            _ => due.min(),
        }
    }

    /// The time has come.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.handle_deadlines(now);
        match &mut self.phase {
            Phase::Waiting { until } if *until <= now && self.network.lets_connect() => {
                self.attempt += 1;
                self.phase = Phase::Dialing { deadline: after(now, self.config.connect_timeout) };
            }
            Phase::Dialing { deadline } if *deadline <= now => {
                self.handle_failure(&Failure::Passing, now);
            }
            Phase::Greeting { deadline, .. } if *deadline <= now => {
                self.handle_end(&End::Lost, now);
            }
            Phase::Closing { deadline, .. } if *deadline <= now => self.phase = Phase::Resting,
            Phase::Live { .. } => {
                self.book.handle_timeout(now);
                self.queue.handle_timeout(now);
                self.listen(now);
            }
            _ => {}
        }
    }

    /// What is known of the network has changed.
    pub(crate) fn handle_network(&mut self, status: NetworkStatus, now: Instant) {
        let was = std::mem::replace(&mut self.network, status);
        let is_back = was == NetworkStatus::Offline && status != NetworkStatus::Offline;
        match &mut self.phase {
            Phase::Waiting { until } if is_back => {
                *until = now;
                self.handle_timeout(now);
            }
            // Offline need not be true: the server is asked.
            Phase::Live { liveness } if was != status && (is_back || !status.lets_connect()) => {
                liveness.check_now(now);
                self.listen(now);
            }
            _ => {}
        }
    }

    /// There is nobody any more who could do anything: the runtime has gone, or a token source has panicked.
    pub(crate) fn abandon(&mut self) {
        self.phase = Phase::Resting;
        if self.stopped.is_none() {
            let reason = "nothing drives it any more".to_owned();
            self.end_all(Stopped { code: None, reason });
            self.is_healthy_end = false;
        }
    }

    /// Says something before all else.
    fn say(&mut self, text: String) {
        if self.control.len() < CONTROL_MAX {
            self.control.push_back(text);
        }
    }

    fn note(&mut self, event: ClientEvent) {
        if self.events.len() == EVENTS_MAX {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    /// Nothing more comes of anything.
    fn end_all(&mut self, stopped: Stopped) {
        let refusal =
            Refusal { code: "closed".to_owned(), message: stopped.to_string(), retry_after: None };
        let error = Error::Closed(stopped.clone());
        self.is_healthy_end = stopped.code.is_none_or(|code| code == 1000);
        self.stopped = Some(stopped);
        self.book.end(&error, &refusal);
        self.letters.close();
        for call in self.queue.drain() {
            call.finish(Err(error.clone()));
        }
        self.deadlines.clear();
        if !matches!(self.phase, Phase::Closing { .. }) {
            self.control.clear();
        }
    }
}

/// Then, as far as a clock can say.
pub(crate) fn after(now: Instant, delay: Duration) -> Instant {
    now + delay.min(FOREVER)
}
