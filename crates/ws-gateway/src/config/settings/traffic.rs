//! The settings of the socket and of what goes over it.

use crate::config::form::{host, network, origin, path};
use crate::config::quantity::{DAY, GIB, HOUR, KIB, MIB, MINUTE};
use crate::config::setting::{Kind, Section, Setting};

use super::limit;

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        env: "WEBSOCKET_PORT",
        section: Section::Server,
        kind: Kind::Integer(0..=65_535, |c, port| c.server.address.set_port(port as u16)),
        default: "3001",
        doc: "The port to listen on",
    },
    Setting {
        env: "WEBSOCKET_HOST",
        section: Section::Server,
        kind: Kind::Text("an IP address of this machine, or localhost", host),
        default: "0.0.0.0",
        doc: "The address to listen on; `::` is every address of both families",
    },
    Setting {
        env: "WEBSOCKET_PATH",
        section: Section::Server,
        kind: Kind::Text("a path such as /ws, without query", path),
        default: "/ws",
        doc: "Where upgrades are accepted, besides `/`",
    },
    Setting {
        env: "HANDSHAKE_TIMEOUT",
        section: Section::Server,
        kind: Kind::Duration(1..=5 * MINUTE, |c, time| c.server.handshake_timeout = time),
        default: "10000",
        doc: "How long a client may take to send its request",
    },
    Setting {
        env: "MAX_HEADER_BYTES",
        section: Section::Server,
        kind: Kind::Size(KIB..=MIB, |c, bytes| c.server.header_bytes_max = bytes as usize),
        default: "16384",
        doc: "How long the head of a request may be",
    },
    Setting {
        env: "TRUSTED_PROXIES",
        section: Section::Server,
        kind: Kind::List("networks such as 10.0.0.0/8, or addresses", network),
        default: "",
        doc: "Proxies whose `X-Forwarded-For` is believed",
    },
    Setting {
        env: "PROXY_PROTOCOL",
        section: Section::Server,
        kind: Kind::Switch(|c, on| c.server.proxy_protocol = on),
        default: "false",
        doc: "Whether trusted proxies start each connection with a PROXY protocol header",
    },
    Setting {
        env: "ALLOWED_ORIGINS",
        section: Section::Server,
        kind: Kind::List("origins such as https://app.example, or * for any", origin),
        default: "",
        doc: "Which web pages may connect",
    },
    Setting {
        env: "WORKER_THREADS",
        section: Section::Server,
        kind: Kind::Integer(0..=1024, |c, n| {
            c.server.worker_threads = std::num::NonZeroUsize::new(n as usize);
        }),
        default: "0",
        doc: "How many threads serve connections; 0 for one a core",
    },
    Setting {
        env: "PING_INTERVAL",
        section: Section::Heartbeat,
        kind: Kind::Duration(1..=HOUR, |c, time| c.heartbeat.ping_interval = time),
        default: "30000",
        doc: "How long a peer may be silent before it is pinged",
    },
    Setting {
        env: "PONG_TIMEOUT",
        section: Section::Heartbeat,
        kind: Kind::Duration(1..=HOUR, |c, time| c.heartbeat.pong_timeout = time),
        default: "5000",
        doc: "How long a pinged peer may stay silent before that is a miss",
    },
    Setting {
        env: "MAX_MISSED_PONGS",
        section: Section::Heartbeat,
        kind: Kind::Integer(1..=1000, |c, n| c.heartbeat.missed_pongs_max = n),
        default: "3",
        doc: "How many misses in a row declare a peer dead",
    },
    Setting {
        env: "JSON_PING",
        section: Section::Heartbeat,
        kind: Kind::Switch(|c, on| c.heartbeat.json_ping = on),
        default: "false",
        doc: "Whether a JSON `ping` goes out beside each control ping, for browsers",
    },
    Setting {
        env: "IDLE_TIMEOUT",
        section: Section::Heartbeat,
        kind: Kind::Duration(0..=DAY, |c, time| {
            c.heartbeat.idle_timeout = Some(time).filter(|time| !time.is_zero());
        }),
        default: "300000",
        doc: "How long a connection may go without a data message; 0 for ever",
    },
    Setting {
        env: "COMPRESSION_PROFILE",
        section: Section::Compression,
        // What a profile sets are the defaults of the three settings that follow.
        kind: Kind::Word(&[
            ("default", |_| ()),
            ("high", |_| ()),
            ("fast", |_| ()),
            ("disabled", |_| ()),
        ]),
        default: "default",
        doc: "Sets whether, how hard and from what size to deflate; each can be set by itself",
    },
    Setting {
        env: "COMPRESSION_ENABLED",
        section: Section::Compression,
        kind: Kind::Switch(|c, on| c.compression.enabled = on),
        default: "true",
        doc: "Whether permessage-deflate is accepted",
    },
    Setting {
        env: "COMPRESSION_LEVEL",
        section: Section::Compression,
        kind: Kind::Integer(0..=9, |c, level| c.compression.level = level as u8),
        default: "6",
        doc: "How hard to deflate, 0 for not at all to 9",
    },
    Setting {
        env: "COMPRESSION_THRESHOLD",
        section: Section::Compression,
        kind: Kind::Size(0..=GIB, |c, bytes| c.compression.threshold_bytes = bytes as usize),
        default: "1024",
        doc: "Shorter messages go out plain; 0 tries all",
    },
    Setting {
        env: "COMPRESSION_CONTEXT_TAKEOVER",
        section: Section::Compression,
        kind: Kind::Switch(|c, on| c.compression.context_takeover = on),
        default: "false",
        doc: "Whether messages may refer back to earlier ones",
    },
    Setting {
        env: "COMPRESSION_MEMORY_MAX",
        section: Section::Compression,
        kind: Kind::Size(0..=64 * GIB, |c, bytes| c.compression.memory_bytes_max = bytes as usize),
        default: "67108864",
        doc: "What all connections together may remember of earlier messages",
    },
    Setting {
        env: "MAX_FRAME_SIZE",
        section: Section::Frames,
        kind: Kind::Size(1..=GIB, |c, bytes| c.frames.bytes_max = bytes),
        default: "1048576",
        doc: "The largest message, whole and inflated",
    },
    Setting {
        env: "FRAME_WARN_THRESHOLD",
        section: Section::Frames,
        kind: Kind::Size(0..=GIB, |c, bytes| c.frames.warn_bytes = bytes),
        default: "524288",
        doc: "Larger messages are counted and logged; half of MAX_FRAME_SIZE unless set; 0 for none",
    },
    Setting {
        env: "MAX_FRAGMENTS",
        section: Section::Frames,
        kind: Kind::Integer(1..=u32::MAX, |c, n| c.frames.fragments_max = n),
        default: "131072",
        doc: "How many frames one message may come in",
    },
    Setting {
        env: "CLOSE_TIMEOUT",
        section: Section::Close,
        kind: Kind::Duration(1..=HOUR, |c, time| c.close.timeout = time),
        default: "5000",
        doc: "How long a peer may take to answer a close, and a drain to end",
    },
    Setting {
        env: "CLOSE_RATE",
        section: Section::Close,
        kind: Kind::Integer(0..=10_000_000, |c, n| c.close.per_second = limit(n)),
        default: "0",
        doc: "How many connections a second are told to go during a drain; 0 for all at once",
    },
];
