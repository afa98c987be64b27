//! The settings of connections that carry bytes to a TCP address.

use crate::config::quantity::{DAY, MIB, MINUTE};
use crate::config::setting::{Kind, Reload, Section, Setting};

const ADDRESS: &str = "a host and a port, such as 127.0.0.1:22 or db.internal:5432";

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        env: "TUNNEL_TARGETS",
        section: Section::Tunnels,
        reload: Reload::NewConnections,
        kind: Kind::List(ADDRESS, |c, text| {
            text.parse().map(|target| c.tunnels.targets.push(target)).is_ok()
        }),
        default: "",
        doc: "The addresses to which there may be tunnels; to others there are none, whatever a URL says",
    },
    Setting {
        env: "TUNNEL_MAX",
        section: Section::Tunnels,
        reload: Reload::NewConnections,
        kind: Kind::Integer(1..=1_000_000, |c, n| c.tunnels.tunnels_max = n),
        default: "1024",
        doc: "How many tunnels there may be",
    },
    Setting {
        env: "TUNNEL_MAX_PER_TARGET",
        section: Section::Tunnels,
        reload: Reload::NewConnections,
        kind: Kind::Integer(1..=1_000_000, |c, n| c.tunnels.per_target_max = n),
        default: "256",
        doc: "How many of them to one address",
    },
    Setting {
        env: "TUNNEL_MAX_PER_USER",
        section: Section::Tunnels,
        reload: Reload::NewConnections,
        kind: Kind::Integer(1..=1_000_000, |c, n| c.tunnels.per_user_max = n),
        default: "8",
        doc: "How many of them one user may have; where nobody has to say who it is, one address or /64",
    },
    Setting {
        env: "TUNNEL_CONNECT_TIMEOUT",
        section: Section::Tunnels,
        reload: Reload::NewConnections,
        kind: Kind::Duration(1..=MINUTE, |c, time| c.tunnels.connect_timeout = time),
        default: "5000",
        doc: "How long the address may take to answer the connect",
    },
    Setting {
        env: "TUNNEL_IDLE_TIMEOUT",
        section: Section::Tunnels,
        reload: Reload::NewConnections,
        kind: Kind::Duration(0..=DAY, |c, time| {
            c.tunnels.idle_timeout = Some(time).filter(|time| !time.is_zero());
        }),
        default: "1800000",
        doc: "How long no byte may move through a tunnel, instead of IDLE_TIMEOUT; 0 for ever",
    },
    Setting {
        env: "TUNNEL_LIFETIME_MAX",
        section: Section::Tunnels,
        reload: Reload::Live,
        kind: Kind::Duration(0..=365 * DAY, |c, time| {
            c.tunnels.lifetime_max = Some(time).filter(|time| !time.is_zero());
        }),
        default: "0",
        doc: "How old a tunnel may become before it is ended, instead of CONNECTION_LIFETIME_MAX; 0 for any age",
    },
    Setting {
        env: "TUNNEL_BUFFER_BYTES",
        section: Section::Tunnels,
        reload: Reload::NewConnections,
        kind: Kind::Size(4096..=16 * MIB, |c, bytes| c.tunnels.buffer_bytes = bytes as usize),
        default: "65536",
        doc: "How much may wait in each direction before the side that sends it is read from no more",
    },
];
