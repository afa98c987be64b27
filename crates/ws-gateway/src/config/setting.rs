//! What a setting is: its name in each of the four sources, what it accepts, and what that means.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::quantity::{parse_duration, parse_size, parse_whole, show_duration, show_size};
use super::resolved::Config;
use super::secret::Secret;

/// One row of the table of settings, the only place that knows them.
#[derive(Debug)]
pub struct Setting {
    /// The variable of the environment. Its lower-case form is the key in the file, without the
    /// [`Section::prefix`], and, with dashes, the flag.
    pub env: &'static str,
    /// The section of the file.
    pub section: Section,
    /// When another value takes effect.
    pub reload: Reload,
    /// What is accepted, and where in the [`Config`] it goes.
    pub kind: Kind,
    /// The default as it could be written; empty for what is not set by default.
    pub default: &'static str,
    /// What it is for, in one line.
    pub doc: &'static str,
}

/// When another value of a setting takes effect, in a gateway that runs and is told to read them again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// At once, for everybody.
    Live,
    /// For connections that come from then on; those that are there keep what they have.
    NewConnections,
    /// With the next start.
    Restart,
}

/// A section of the file, and a group of flags in the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// Where and how connections are accepted.
    Server,
    /// When a peer is dead, or has nothing to say.
    Heartbeat,
    /// permessage-deflate.
    Compression,
    /// How large a message may be.
    Frames,
    /// How connections end.
    Close,
    /// What TLS is spoken with.
    Tls,
    /// Who may come in.
    Auth,
    /// How much of everything.
    Limits,
    /// How much of channels.
    Subscriptions,
    /// Connections that carry bytes to a TCP address.
    Tunnels,
    /// Which engine is between nodes and behind them.
    Broker,
    /// The Redis engine.
    Redis,
    /// The NATS engine.
    Nats,
    /// What is kept for users who are away.
    Inbox,
    /// Who answers requests.
    Upstream,
    /// Who is asked about clients, or told of them.
    Hooks,
    /// What back-ends may ask for.
    Api,
    /// Who may look inside.
    Admin,
    /// What is told about it.
    Log,
    /// What is told of whose request led to what.
    Traces,
}

/// Takes a checked value to its place.
pub type Put<T> = fn(&mut Config, T);

/// Checks a text and takes it to its place; `false` when it is not accepted.
pub type PutText = fn(&mut Config, &str) -> bool;

/// A word, and what it sets.
pub type Word = (&'static str, fn(&mut Config));

/// What a setting accepts.
#[derive(Debug)]
pub enum Kind {
    /// Milliseconds within bounds.
    Duration(RangeInclusive<u64>, Put<Duration>),
    /// Bytes within bounds.
    Size(RangeInclusive<u64>, Put<u64>),
    /// A whole number within bounds.
    Integer(RangeInclusive<u32>, Put<u32>),
    /// On or off.
    Switch(Put<bool>),
    /// One of a few words, each with what it sets.
    Word(&'static [Word]),
    /// A text that is nobody else's business; empty for none.
    Secret(Put<Option<Secret>>),
    /// A text that the function checks; the first member says what it accepts. Empty texts reach
    /// the function too.
    Text(&'static str, PutText),
    /// Several of those, put there one by one.
    List(&'static str, PutText),
}

impl Setting {
    /// The key within its section of the file.
    #[must_use]
    pub fn key(&self) -> String {
        self.env.strip_prefix(self.section.prefix()).unwrap_or(self.env).to_ascii_lowercase()
    }

    /// The flag without its dashes in front.
    #[must_use]
    pub fn flag(&self) -> String {
        self.env.to_ascii_lowercase().replace('_', "-")
    }

    /// Whether the value must not be shown.
    #[must_use]
    pub const fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::Secret(_))
    }

    /// What is accepted, as a sentence without a full stop.
    #[must_use]
    pub fn accepted(&self) -> String {
        match &self.kind {
            Kind::Duration(bounds, _) => {
                let (least, most) = (show_duration(*bounds.start()), show_duration(*bounds.end()));
                format!("{least} to {most}, as milliseconds or with a unit (\"30s\", \"5m\")")
            }
            Kind::Size(bounds, _) => {
                let (least, most) = (show_size(*bounds.start()), show_size(*bounds.end()));
                format!("{least} to {most}, as bytes or with a unit (\"64KiB\", \"1MiB\")")
            }
            Kind::Integer(bounds, _) => {
                format!("a whole number from {} to {}", bounds.start(), bounds.end())
            }
            Kind::Switch(_) => "true or false (or on and off, yes and no, 1 and 0)".to_owned(),
            Kind::Word(words) => {
                let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                format!("one of {}", words.join(", "))
            }
            Kind::Secret(_) => "a text".to_owned(),
            Kind::Text(accepted, _) => (*accepted).to_owned(),
            Kind::List(accepted, _) => format!("{accepted}; several with commas between them"),
        }
    }

    /// Whether two texts mean the same to it, as `5s` and `5000` do.
    pub(crate) fn means_the_same(&self, one: &str, other: &str) -> bool {
        let meaning = |text| {
            let mut config = Config::default();
            let is_accepted = self.apply(&mut config, text);
            (is_accepted, config)
        };
        one == other || meaning(one) == meaning(other)
    }

    /// Checks the text and takes it to its place in the configuration; `false` if it is not
    /// accepted.
    pub(super) fn apply(&self, config: &mut Config, text: &str) -> bool {
        match &self.kind {
            Kind::Duration(bounds, put) => parse_duration(text)
                .filter(|duration| {
                    u64::try_from(duration.as_millis()).is_ok_and(|ms| bounds.contains(&ms))
                })
                .map(|duration| put(config, duration))
                .is_some(),
            Kind::Size(bounds, put) => parse_size(text)
                .filter(|bytes| bounds.contains(bytes))
                .map(|bytes| put(config, bytes))
                .is_some(),
            Kind::Integer(bounds, put) => parse_whole(text)
                .and_then(|number| u32::try_from(number).ok())
                .filter(|number| bounds.contains(number))
                .map(|number| put(config, number))
                .is_some(),
            Kind::Switch(put) => parse_switch(text).map(|on| put(config, on)).is_some(),
            Kind::Word(words) => words
                .iter()
                .find(|(word, _)| word.eq_ignore_ascii_case(text))
                .map(|(_, put)| put(config))
                .is_some(),
            Kind::Secret(put) => {
                put(config, (!text.is_empty()).then(|| Secret::new(text)));
                true
            }
            Kind::Text(_, put) => put(config, text),
            Kind::List(_, put) => text
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .all(|item| put(config, item)),
        }
    }
}

fn parse_switch(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "on" | "yes" | "1" => Some(true),
        "false" | "off" | "no" | "0" => Some(false),
        _ => None,
    }
}

impl Section {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 20] = [
        Self::Server,
        Self::Heartbeat,
        Self::Compression,
        Self::Frames,
        Self::Close,
        Self::Tls,
        Self::Auth,
        Self::Limits,
        Self::Subscriptions,
        Self::Tunnels,
        Self::Broker,
        Self::Redis,
        Self::Nats,
        Self::Inbox,
        Self::Upstream,
        Self::Hooks,
        Self::Api,
        Self::Admin,
        Self::Log,
        Self::Traces,
    ];

    /// The name in the file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Tls => "tls",
            Self::Heartbeat => "heartbeat",
            Self::Compression => "compression",
            Self::Frames => "frames",
            Self::Close => "close",
            Self::Auth => "auth",
            Self::Limits => "limits",
            Self::Subscriptions => "subscriptions",
            Self::Tunnels => "tunnel",
            Self::Broker => "broker",
            Self::Redis => "redis",
            Self::Nats => "nats",
            Self::Inbox => "inbox",
            Self::Upstream => "upstream",
            Self::Hooks => "hooks",
            Self::Api => "api",
            Self::Admin => "admin",
            Self::Log => "log",
            Self::Traces => "traces",
        }
    }

    /// What the variables begin with and the keys in the file, which stand under the section's name,
    /// do not.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Hooks => "HOOK_",
            Self::Tunnels => "TUNNEL_",
            Self::Tls => "TLS_",
            Self::Broker => "BROKER_",
            Self::Redis => "REDIS_",
            Self::Nats => "NATS_",
            Self::Inbox => "INBOX_",
            Self::Traces => "OTEL_",
            _ => "",
        }
    }

    /// The heading in the help.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Server => "Server",
            Self::Tls => "TLS",
            Self::Heartbeat => "Heartbeat",
            Self::Compression => "Compression",
            Self::Frames => "Frames",
            Self::Close => "Closing",
            Self::Auth => "Authentication",
            Self::Limits => "Limits",
            Self::Subscriptions => "Subscriptions",
            Self::Tunnels => "Tunnels",
            Self::Broker => "Engine",
            Self::Redis => "Redis",
            Self::Nats => "NATS",
            Self::Inbox => "Inbox",
            Self::Upstream => "Upstream",
            Self::Hooks => "Hooks",
            Self::Api => "API for back-ends",
            Self::Admin => "Administration",
            Self::Log => "Log",
            Self::Traces => "Traces",
        }
    }
}
