//! The settings of what is between nodes and behind them: the engine, its servers, and what it keeps for
//! users who are away.

use crate::config::form::{
    broker_prefix, data_dir, file, nats_url, redis_host, redis_url, word_of_server,
};
use crate::config::quantity::{DAY, GIB, HOUR, KIB, MIB, SECOND};
use crate::config::resolved::{EngineKind, NatsStorage, StartMode};
use crate::config::setting::{Kind, Section, Setting};

const CA_FILE: &str = "a file with certificates in PEM";
const SECRET_FILE: &str = "a file whose first line it is";
const REDIS_URL: &str = "addresses such as redis://host:6379 or rediss://user:password@host/0";
const NATS_URL: &str = "addresses such as nats://host:4222 or tls://host";

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        env: "BROKER",
        section: Section::Broker,
        kind: Kind::Word(&[
            ("memory", |c| c.broker.engine = EngineKind::Memory),
            ("disk", |c| c.broker.engine = EngineKind::Disk),
            ("redis", |c| c.broker.engine = EngineKind::Redis),
            ("nats", |c| c.broker.engine = EngineKind::Nats),
        ]),
        default: "memory",
        doc: "The engine; unless set, the one that DATA_DIR, REDIS_HOST, REDIS_URL or NATS_URL asks for",
    },
    Setting {
        env: "DATA_DIR",
        section: Section::Broker,
        kind: Kind::Text("a folder of this gateway alone", data_dir),
        default: "",
        doc: "Where history and inbox are kept on disk",
    },
    Setting {
        env: "DATA_BYTES_MAX",
        section: Section::Broker,
        kind: Kind::Size(256 * MIB..=16 * 1024 * GIB, |c, bytes| c.broker.data_bytes_max = bytes),
        default: "4294967296",
        doc: "How large that folder may become",
    },
    Setting {
        env: "BROKER_PREFIX",
        section: Section::Broker,
        kind: Kind::Text("1 to 32 letters, digits, - and _", broker_prefix),
        default: "ws",
        doc: "What all names at a server begin with; gateways with the same belong together",
    },
    Setting {
        env: "BROKER_START",
        section: Section::Broker,
        kind: Kind::Word(&[
            ("retry", |c| c.broker.start = StartMode::Retry),
            ("fail", |c| c.broker.start = StartMode::Fail),
        ]),
        default: "retry",
        doc: "Whether a start without the engine goes on and tries again, or fails",
    },
    Setting {
        env: "BROKER_START_TIMEOUT",
        section: Section::Broker,
        kind: Kind::Duration(1..=HOUR, |c, time| c.broker.start_timeout = time),
        default: "10000",
        doc: "With BROKER_START=fail, how long the engine is waited for",
    },
    Setting {
        env: "BROKER_READY",
        section: Section::Broker,
        kind: Kind::Switch(|c, on| c.broker.ready_needs_engine = on),
        default: "false",
        doc: "Whether /ready is 503 while the engine is away",
    },
    Setting {
        env: "BROKER_QUEUE_BYTES",
        section: Section::Broker,
        kind: Kind::Size(KIB..=64 * GIB, |c, bytes| c.broker.queue_bytes_max = bytes as usize),
        default: "16777216",
        doc: "How many bytes may wait for the engine where a rule says `on_outage = \"queue\"`",
    },
    Setting {
        env: "REDIS_URL",
        section: Section::Redis,
        kind: Kind::List(REDIS_URL, redis_url),
        default: "",
        doc: "The servers; of a cluster some, of sentinels all",
    },
    Setting {
        env: "REDIS_HOST",
        section: Section::Redis,
        kind: Kind::Text("a host name or an address", redis_host),
        default: "",
        doc: "The server, where there is but one",
    },
    Setting {
        env: "REDIS_PORT",
        section: Section::Redis,
        kind: Kind::Integer(1..=65_535, |c, n| c.redis.port = n as u16),
        default: "6379",
        doc: "Its port",
    },
    Setting {
        env: "REDIS_USER",
        section: Section::Redis,
        kind: Kind::Text("a name without spaces", |c, text| {
            word_of_server(text, &mut c.redis.user)
        }),
        default: "",
        doc: "Who signs in; unless set, the server's default user",
    },
    Setting {
        env: "REDIS_PASSWORD",
        section: Section::Redis,
        kind: Kind::Secret(|c, password| c.redis.password = password),
        default: "",
        doc: "The password",
    },
    Setting {
        env: "REDIS_PASSWORD_FILE",
        section: Section::Redis,
        kind: Kind::Text(SECRET_FILE, |c, text| file(text, &mut c.redis.password_file)),
        default: "",
        doc: "Where the password is read from",
    },
    Setting {
        env: "REDIS_DB",
        section: Section::Redis,
        kind: Kind::Integer(0..=65_535, |c, n| c.redis.db = n),
        default: "0",
        doc: "Which of the server's databases",
    },
    Setting {
        env: "REDIS_TLS",
        section: Section::Redis,
        kind: Kind::Switch(|c, on| c.redis.tls = on),
        default: "false",
        doc: "Whether connections are encrypted; rediss:// says so, too",
    },
    Setting {
        env: "REDIS_CA_FILE",
        section: Section::Redis,
        kind: Kind::Text(CA_FILE, |c, text| file(text, &mut c.redis.ca_file)),
        default: "",
        doc: "Who may have signed the server's certificate; unless set, who is trusted everywhere",
    },
    Setting {
        env: "REDIS_CLUSTER",
        section: Section::Redis,
        kind: Kind::Switch(|c, on| c.redis.cluster = on),
        default: "false",
        doc: "Whether the servers are a Redis Cluster",
    },
    Setting {
        env: "REDIS_SENTINEL",
        section: Section::Redis,
        kind: Kind::Text("the name of a master", |c, text| {
            word_of_server(text, &mut c.redis.sentinel)
        }),
        default: "",
        doc: "The master that the sentinels at REDIS_URL are asked for",
    },
    Setting {
        env: "REDIS_DURABLE",
        section: Section::Redis,
        kind: Kind::Switch(|c, on| c.redis.durable = on),
        default: "false",
        doc: "Vouches that a restart of the server loses nothing that it has acknowledged",
    },
    Setting {
        env: "NATS_URL",
        section: Section::Nats,
        kind: Kind::List(NATS_URL, nats_url),
        default: "",
        doc: "The servers, or some of a cluster",
    },
    Setting {
        env: "NATS_USER",
        section: Section::Nats,
        kind: Kind::Text("a name without spaces", |c, text| word_of_server(text, &mut c.nats.user)),
        default: "",
        doc: "Who signs in",
    },
    Setting {
        env: "NATS_PASSWORD",
        section: Section::Nats,
        kind: Kind::Secret(|c, password| c.nats.password = password),
        default: "",
        doc: "The password",
    },
    Setting {
        env: "NATS_PASSWORD_FILE",
        section: Section::Nats,
        kind: Kind::Text(SECRET_FILE, |c, text| file(text, &mut c.nats.password_file)),
        default: "",
        doc: "Where the password is read from",
    },
    Setting {
        env: "NATS_TOKEN",
        section: Section::Nats,
        kind: Kind::Secret(|c, token| c.nats.token = token),
        default: "",
        doc: "The token, where servers ask for one",
    },
    Setting {
        env: "NATS_CREDENTIALS_FILE",
        section: Section::Nats,
        kind: Kind::Text("a file of nsc, with a JWT and its key", |c, text| {
            file(text, &mut c.nats.credentials_file)
        }),
        default: "",
        doc: "Where the credentials are read from",
    },
    Setting {
        env: "NATS_TLS",
        section: Section::Nats,
        kind: Kind::Switch(|c, on| c.nats.tls = on),
        default: "false",
        doc: "Whether connections must be encrypted; tls:// says so, too",
    },
    Setting {
        env: "NATS_CA_FILE",
        section: Section::Nats,
        kind: Kind::Text(CA_FILE, |c, text| file(text, &mut c.nats.ca_file)),
        default: "",
        doc: "Who may have signed the server's certificate; unless set, who is trusted everywhere",
    },
    Setting {
        env: "NATS_REPLICAS",
        section: Section::Nats,
        kind: Kind::Integer(1..=5, |c, n| c.nats.replicas = n),
        default: "1",
        doc: "On how many servers of a cluster what is kept is kept",
    },
    Setting {
        env: "NATS_STORAGE",
        section: Section::Nats,
        kind: Kind::Word(&[
            ("file", |c| c.nats.storage = NatsStorage::File),
            ("memory", |c| c.nats.storage = NatsStorage::Memory),
        ]),
        default: "file",
        doc: "Where the servers keep it",
    },
    Setting {
        env: "INBOX_ENABLED",
        section: Section::Inbox,
        kind: Kind::Switch(|c, on| c.inbox.enabled = on),
        default: "true",
        doc: "Whether direct messages are kept for users who are away",
    },
    Setting {
        env: "INBOX_COUNT",
        section: Section::Inbox,
        kind: Kind::Integer(1..=100_000, |c, n| c.inbox.count_max = n),
        default: "100",
        doc: "How many are kept for one user",
    },
    Setting {
        env: "INBOX_BYTES",
        section: Section::Inbox,
        kind: Kind::Size(KIB..=GIB, |c, bytes| c.inbox.bytes_max = bytes),
        default: "262144",
        doc: "How many bytes of them",
    },
    Setting {
        env: "INBOX_TTL",
        section: Section::Inbox,
        kind: Kind::Duration(SECOND..=365 * DAY, |c, time| c.inbox.ttl = time),
        default: "604800000",
        doc: "For how long",
    },
];
