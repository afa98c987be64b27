//! What a run is to do, validated: whoever has a plan need not check it again.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use crate::{
    credentials::Credentials, scenario::Scenario, schedule::Pace, target::Target,
    template::Template,
};

/// A whole run.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) scenario: Scenario,
    pub(crate) url: String,
    pub(crate) threads: usize,
    /// What each connection does; the groups are dialled in this order.
    pub(crate) groups: Vec<Group>,
    pub(crate) dialing: Dialing,
    pub(crate) span: Span,
    pub(crate) server_pids: Vec<u32>,
    pub(crate) settings: Settings,
    pub(crate) output: Output,
}

/// As they were asked for, for the report.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) connections: usize,
    pub(crate) window: Option<usize>,
    pub(crate) rate: Option<f64>,
    pub(crate) size: usize,
    pub(crate) compress: bool,
}

/// Where results go.
#[derive(Clone, Debug, Default)]
pub(crate) struct Output {
    /// `-` is the standard output.
    pub(crate) json: Option<PathBuf>,
    pub(crate) html: Option<PathBuf>,
    pub(crate) quiet: bool,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Span {
    pub(crate) warmup: Duration,
    pub(crate) length: Length,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Length {
    Duration(Duration),
    /// So many messages in all, however long it takes.
    Messages(u64),
    /// Until the groups that are dialled while measuring are all there, at most so long; then for what
    /// comes of it.
    Dialed {
        at_most: Duration,
        hold: Duration,
    },
}

/// How connections are opened.
#[derive(Clone, Debug)]
pub(crate) struct Dialing {
    /// Open loop: an intended time for each.
    pub(crate) pace: Option<Pace>,
    /// How many handshakes may be under way at once.
    pub(crate) window: usize,
    pub(crate) timeout: Duration,
    pub(crate) sources: Vec<IpAddr>,
}

/// Connections that do the same.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) role: Role,
    pub(crate) count: usize,
    /// The number of its first connection.
    pub(crate) first: usize,
    pub(crate) when: When,
    pub(crate) opening: Opening,
    pub(crate) message: Message,
    pub(crate) expectation: Expectation,
    /// Its answers are counted apart: it only shows what others do to it.
    pub(crate) background: bool,
    /// How it reads; fast unless slow readers are what is measured.
    pub(crate) reading: Reading,
}

/// When a group is dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    Before,
    /// Dialling is what is measured.
    Measured,
}

/// What a connection does once it is open.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Role {
    Idle,
    /// Sends messages and waits for their answers.
    Ask(Drive),
    /// Publishes so many messages in one write.
    Publish {
        burst: usize,
        drive: Drive,
    },
    Receive,
    /// Closes at once.
    Leave,
    /// Sends so many messages one after the other, closes, and comes back.
    Visit {
        messages: u64,
    },
    /// Is dropped when measuring begins, and comes back.
    Return(Drop),
}

/// How connections are dropped, and when they come back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Drop {
    pub(crate) how: Dropping,
    /// Each comes back after a random part of this; so it does after an attempt that failed.
    pub(crate) backoff: Duration,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Dropping {
    /// Without a word, as when a network goes away.
    #[default]
    Reset,
    /// With a close frame.
    Close,
}

/// How fast a connection takes what comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Reading {
    #[default]
    Full,
    /// Bytes a second; 0 is not at all.
    Slow(u64),
}

/// What makes it send.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Drive {
    /// Closed loop: so many in flight for each connection.
    Window(usize),
    /// Open loop: so many a second for the whole group.
    Pace(Pace),
}

/// From the address to the first message.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) target: Target,
    pub(crate) credentials: Credentials,
    pub(crate) user: Template,
    pub(crate) headers: Vec<(http::HeaderName, http::HeaderValue)>,
    pub(crate) protocols: Vec<String>,
    pub(crate) on_open: Vec<Template>,
    /// The connection counts as open once a message contains this.
    pub(crate) until: Option<String>,
    pub(crate) compress: bool,
}

/// What is sent.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) template: Template,
    pub(crate) payload: Vec<u8>,
    pub(crate) binary: bool,
}

/// Which incoming messages are answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expectation {
    pub(crate) expect: Option<memchr::memmem::Finder<'static>>,
    pub(crate) ignore: Option<memchr::memmem::Finder<'static>>,
    /// Messages with one of these are counted, answers or not.
    pub(crate) count: Vec<memchr::memmem::Finder<'static>>,
}

impl Expectation {
    pub(crate) fn holds(&self, message: &[u8]) -> bool {
        self.expect.as_ref().is_none_or(|it| it.find(message).is_some())
            && self.ignore.as_ref().is_none_or(|it| it.find(message).is_none())
    }

    pub(crate) fn counts(&self, message: &[u8]) -> bool {
        self.count.iter().any(|it| it.find(message).is_some())
    }
}

impl Plan {
    /// What of the measured span comes after the last connection.
    pub(crate) fn held(&self) -> Duration {
        match self.span.length {
            Length::Dialed { hold, .. } => hold,
            Length::Duration(_) | Length::Messages(_) => Duration::ZERO,
        }
    }

    /// Whether some messages are counted apart.
    pub(crate) fn counts(&self) -> bool {
        self.groups.iter().any(|group| !group.expectation.count.is_empty())
    }

    /// Those that read slowly.
    pub(crate) fn slow(&self) -> usize {
        let slow = self.groups.iter().filter(|group| group.reading != Reading::Full);
        slow.map(|group| group.count).sum()
    }

    /// Connections of all groups.
    pub(crate) fn connections(&self) -> usize {
        self.groups.iter().map(|group| group.count).sum()
    }

    pub(crate) fn publishers(&self) -> usize {
        let publishers =
            self.groups.iter().filter(|group| matches!(group.role, Role::Publish { .. }));
        publishers.map(|group| group.count).sum()
    }

    /// Connections that receive what is published.
    pub(crate) fn receivers(&self) -> usize {
        let receivers = self.groups.iter().filter(|group| group.role == Role::Receive);
        receivers.map(|group| group.count).sum()
    }
}
