//! The settings of how connections are sent elsewhere, and of when they are not taken in.

use std::num::NonZeroU32;

use crate::config::quantity::{DAY, GIB, HOUR};
use crate::config::setting::{Kind, Reload, Section, Setting};

use super::limit;

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        env: "DRAIN_TIMEOUT",
        section: Section::Close,
        reload: Reload::Live,
        kind: Kind::Duration(0..=HOUR, |c, time| {
            c.drain.timeout = Some(time).filter(|time| !time.is_zero());
        }),
        default: "0",
        doc: "How long a drain may take; 0 for CLOSE_TIMEOUT",
    },
    Setting {
        env: "RECONNECT_RATE",
        section: Section::Close,
        reload: Reload::Live,
        kind: Kind::Integer(0..=10_000_000, |c, n| c.drain.returns_per_second = NonZeroU32::new(n)),
        default: "1000",
        doc: "How many connects a second the rest of the fleet bears: clients are told to come back at that pace; 0 tells them nothing",
    },
    Setting {
        env: "CONNECTION_LIFETIME_MAX",
        section: Section::Close,
        reload: Reload::Live,
        kind: Kind::Duration(0..=365 * DAY, |c, time| {
            c.drain.lifetime_max = Some(time).filter(|time| !time.is_zero());
        }),
        default: "0",
        doc: "How old a connection may become before its client is asked to connect again; 0 for any age",
    },
    Setting {
        env: "REBALANCE_MARGIN",
        section: Section::Close,
        reload: Reload::Live,
        kind: Kind::Integer(0..=1000, |c, percent| {
            c.drain.rebalance_margin_percent = limit(percent);
        }),
        default: "0",
        doc: "How many percent above the mean of all nodes a node gives connections away; 0 for never",
    },
    Setting {
        env: "REBALANCE_INTERVAL",
        section: Section::Close,
        reload: Reload::Live,
        kind: Kind::Duration(1..=HOUR, |c, time| c.drain.rebalance_interval = time),
        default: "10000",
        doc: "How often nodes tell each other how many connections they have",
    },
    Setting {
        env: "REUSE_PORT",
        section: Section::Server,
        reload: Reload::Restart,
        kind: Kind::Switch(|c, on| c.drain.reuse_port = on),
        default: "false",
        doc: "Whether other processes may listen on the same port: the next one can start before this one stops",
    },
    Setting {
        env: "ACCEPT_RATE",
        section: Section::Limits,
        reload: Reload::Restart,
        kind: Kind::Integer(0..=10_000_000, |c, n| {
            c.overload.accepts_per_second = NonZeroU32::new(n);
        }),
        default: "0",
        doc: "How many connections a second are taken in, others wait in the kernel; 0 for all that come",
    },
    Setting {
        env: "MEMORY_MAX",
        section: Section::Limits,
        reload: Reload::Restart,
        kind: Kind::Size(0..=1024 * GIB, |c, bytes| {
            c.overload.memory_bytes_max = Some(bytes).filter(|bytes| *bytes > 0);
        }),
        default: "0",
        doc: "With how much memory in use connects are refused; 0 for 90 % of what the control group may have, if it has a limit",
    },
];
