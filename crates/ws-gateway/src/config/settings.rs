//! The table of settings: flags, variables, keys of the file, what `ws-gateway config` prints and
//! the tables of `docs/configuration.md` all come from here.

mod defaults;
mod not_available;

use super::form::{
    audience, claim, cookie, hook, host, issuer, jwks_url, jwt_algorithm, network, origin, path,
    public_key_file, supabase, tier, upstream,
};
use super::quantity::{DAY, GIB, HOUR, KIB, MIB, MINUTE};
use super::resolved::{AuthMode, HookFailure, LogFormat, LogLevel};
use super::setting::{Kind, Section, Setting};

pub(super) use self::defaults::{COMPRESSION_PROFILES, DEV_DEFAULTS};
pub(super) use self::not_available::{NOT_AVAILABLE, SECTIONS_NOT_AVAILABLE};

const HOOK_ADDRESS: &str = "an http or https address without user and password";

/// Every setting, by section.
pub const SETTINGS: &[Setting] = &[
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
    Setting {
        env: "AUTH_MODE",
        section: Section::Auth,
        kind: Kind::Word(&[
            ("message", |c| c.auth.mode = AuthMode::Message),
            ("upgrade", |c| c.auth.mode = AuthMode::Upgrade),
            ("none", |c| c.auth.mode = AuthMode::None),
        ]),
        default: "message",
        doc: "When a client has to say who it is: by its first message, at the upgrade, or never",
    },
    Setting {
        env: "AUTH_TIMEOUT",
        section: Section::Auth,
        kind: Kind::Duration(1..=HOUR, |c, time| c.auth.timeout = time),
        default: "5000",
        doc: "How long a connection may go without authenticating",
    },
    Setting {
        env: "AUTH_PENDING_MAX",
        section: Section::Auth,
        kind: Kind::Integer(1..=10_000_000, |c, n| c.auth.pending_max = n),
        default: "10000",
        doc: "How many connections may be waiting for their authentication",
    },
    Setting {
        env: "AUTH_COOKIE",
        section: Section::Auth,
        kind: Kind::Text("the name of a cookie", cookie),
        default: "",
        doc: "A cookie that may hold the token; wants ALLOWED_ORIGINS",
    },
    Setting {
        env: "JWT_SECRET_KEY",
        section: Section::Auth,
        kind: Kind::Secret(|c, secret| c.auth.secret = secret),
        default: "",
        doc: "The secret that tokens are signed with (HS256, HS384, HS512)",
    },
    Setting {
        env: "JWT_PUBLIC_KEY_FILE",
        section: Section::Auth,
        kind: Kind::Text("a file with public keys in PEM", public_key_file),
        default: "",
        doc: "Public keys in PEM, for tokens that are signed with a private key",
    },
    Setting {
        env: "JWKS_URL",
        section: Section::Auth,
        kind: Kind::Text(
            "an https address without user and password (http only to this machine)",
            jwks_url,
        ),
        default: "",
        doc: "Where the issuer publishes its keys",
    },
    Setting {
        env: "JWT_ISSUER",
        section: Section::Auth,
        kind: Kind::List("the `iss` of tokens, letter by letter", issuer),
        default: "",
        doc: "Who may have issued a token",
    },
    Setting {
        env: "JWT_AUDIENCE",
        section: Section::Auth,
        kind: Kind::List("the `aud` of tokens, letter by letter", audience),
        default: "",
        doc: "For whom a token may be meant",
    },
    Setting {
        env: "JWT_ALGORITHMS",
        section: Section::Auth,
        kind: Kind::List(
            "HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 or EdDSA",
            jwt_algorithm,
        ),
        default: "",
        doc: "How a token may be signed; unless set HS256 with a secret, and all that a public key can",
    },
    Setting {
        env: "JWT_LEEWAY",
        section: Section::Auth,
        kind: Kind::Duration(0..=10 * MINUTE, |c, time| c.auth.leeway = time),
        default: "5000",
        doc: "How far our clock and the issuer's may be apart",
    },
    Setting {
        env: "TIER_CLAIM",
        section: Section::Auth,
        kind: Kind::Text("the name of a claim, or a path such as app_metadata.tier", claim),
        default: "tier",
        doc: "The claim that names a user's tier",
    },
    Setting {
        env: "SUPABASE_AUTH_DOMAIN",
        section: Section::Auth,
        kind: Kind::Text("a host such as abc.supabase.co", |c, text| {
            supabase(c, text, |project| &mut project.domain)
        }),
        default: "",
        doc: "A Supabase project, whose keys are fetched from it",
    },
    Setting {
        env: "SUPABASE_AUTH_AUDIENCE",
        section: Section::Auth,
        kind: Kind::Text("the `aud` of its tokens", |c, text| {
            supabase(c, text, |project| &mut project.audience)
        }),
        default: "",
        doc: "For whom its tokens are meant; `authenticated` unless set",
    },
    Setting {
        env: "SUPABASE_AUTH_ISSUER",
        section: Section::Auth,
        kind: Kind::Text("the `iss` of its tokens", |c, text| {
            supabase(c, text, |project| &mut project.issuer)
        }),
        default: "",
        doc: "Who issues its tokens; the domain with `/auth/v1` unless set",
    },
    Setting {
        env: "MAX_CONNECTIONS",
        section: Section::Limits,
        kind: Kind::Integer(0..=u32::MAX, |c, n| c.limits.connections_max = limit(n)),
        default: "0",
        doc: "How many connections at once; 0 for no limit",
    },
    Setting {
        env: "MAX_CONNECTIONS_PER_USER",
        section: Section::Limits,
        kind: Kind::Integer(0..=u32::MAX, |c, n| c.limits.connections_per_user_max = limit(n)),
        default: "5",
        doc: "How many connections of one user at once; 0 for no limit",
    },
    Setting {
        env: "MESSAGE_RATE_LIMIT",
        section: Section::Limits,
        kind: Kind::Integer(0..=u32::MAX, |c, n| c.limits.messages_per_minute = limit(n)),
        default: "6000",
        doc: "How many messages a minute of one user; 0 for no limit",
    },
    Setting {
        env: "MESSAGE_BURST",
        section: Section::Limits,
        kind: Kind::Integer(0..=u32::MAX, |c, n| c.limits.message_burst = limit(n)),
        default: "0",
        doc: "How many messages of one user may come at once; 0 for those of a minute",
    },
    Setting {
        env: "CONNECTION_RATE_LIMIT",
        section: Section::Limits,
        kind: Kind::Integer(0..=u32::MAX, |c, n| c.limits.connects_per_hour = limit(n)),
        default: "0",
        doc: "How many connects an hour from one address; 0 for no limit",
    },
    Setting {
        env: "RATE_LIMIT_KEYS_MAX",
        section: Section::Limits,
        kind: Kind::Integer(1..=100_000_000, |c, n| c.limits.keys_max = n),
        default: "100000",
        doc: "How many users, and how many addresses, the limiters remember",
    },
    Setting {
        env: "PING_RATE_LIMIT",
        section: Section::Limits,
        kind: Kind::Integer(0..=u32::MAX, |c, n| c.limits.pings_per_minute = limit(n)),
        default: "600",
        doc: "How many control pings a minute of one connection; 0 for no limit",
    },
    Setting {
        env: "OUTBOX_BYTES_MAX",
        section: Section::Limits,
        kind: Kind::Size(KIB..=GIB, |c, bytes| c.limits.outbox_bytes_max = bytes as usize),
        default: "1048576",
        doc: "How many bytes may wait to be sent to one connection",
    },
    Setting {
        env: "DEFAULT_TIER",
        section: Section::Limits,
        kind: Kind::Text("the name of a [tiers.NAME] of the file", tier),
        default: "",
        doc: "The tier of users whose token names none",
    },
    Setting {
        env: "MAX_CHANNELS_PER_CONNECTION",
        section: Section::Subscriptions,
        kind: Kind::Integer(1..=1_000_000, |c, n| c.channels.per_connection_max = n),
        default: "100",
        doc: "In how many channels one connection may be",
    },
    Setting {
        env: "MAX_CONNECTIONS_PER_CHANNEL",
        section: Section::Subscriptions,
        kind: Kind::Integer(1..=u32::MAX, |c, n| c.channels.connections_per_channel_max = n),
        default: "1000000",
        doc: "How many connections one channel may have",
    },
    Setting {
        env: "MAX_CHANNELS",
        section: Section::Subscriptions,
        kind: Kind::Integer(1..=100_000_000, |c, n| c.channels.channels_max = n),
        default: "1000000",
        doc: "How many channels there may be with somebody in them",
    },
    Setting {
        env: "EVENT_CACHE_SIZE",
        section: Section::Subscriptions,
        kind: Kind::Integer(0..=65_535, |c, n| c.channels.event_cache_size = n as u16),
        default: "1000",
        doc: "How many event ids are remembered of what a client was sent; 0 for none",
    },
    Setting {
        env: "EVENT_WINDOW",
        section: Section::Subscriptions,
        kind: Kind::Duration(0..=DAY, |c, time| {
            c.channels.event_window = Some(time).filter(|time| !time.is_zero());
        }),
        default: "120000",
        doc: "How long an `eventId` that was published is not published again; 0 for never",
    },
    Setting {
        env: "PRESENCE_GRACE",
        section: Section::Subscriptions,
        kind: Kind::Duration(0..=HOUR, |c, time| c.channels.presence_grace = time),
        default: "15000",
        doc: "How long a user whose last connection was lost still counts as there",
    },
    Setting {
        env: "PRESENCE_BATCH_ABOVE",
        section: Section::Subscriptions,
        kind: Kind::Integer(0..=u32::MAX, |c, n| c.channels.presence_batch_above = n),
        default: "50",
        doc: "Above how many users a room is told of changes in batches; 0 for always",
    },
    Setting {
        env: "PRESENCE_BATCH_INTERVAL",
        section: Section::Subscriptions,
        kind: Kind::Duration(1..=HOUR, |c, time| c.channels.presence_batch_interval = time),
        default: "1000",
        doc: "How often such a batch goes out",
    },
    Setting {
        env: "PRESENCE_USERS_MAX",
        section: Section::Subscriptions,
        kind: Kind::Integer(0..=100_000, |c, n| c.channels.presence_users_max = n),
        default: "100",
        doc: "Up to how many users are named to who asks for presence; 0 for a count only",
    },
    Setting {
        env: "UPSTREAM",
        section: Section::Upstream,
        kind: Kind::Text("echo, or an http or https address without user and password", upstream),
        default: "",
        doc: "Who answers requests",
    },
    Setting {
        env: "UPSTREAM_TIMEOUT",
        section: Section::Upstream,
        kind: Kind::Duration(1..=HOUR, |c, time| c.upstream.timeout = time),
        default: "10000",
        doc: "How long an answer may take",
    },
    Setting {
        env: "UPSTREAM_CONCURRENCY",
        section: Section::Upstream,
        kind: Kind::Integer(1..=65_536, |c, n| c.upstream.concurrency_max = n),
        default: "256",
        doc: "How many requests may be on their way at once",
    },
    Setting {
        env: "HOOK_CONNECT",
        section: Section::Hooks,
        kind: Kind::Text(HOOK_ADDRESS, |c, text| hook(text, &mut c.hooks.connect)),
        default: "",
        doc: "Asked whether a client may connect",
    },
    Setting {
        env: "HOOK_SUBSCRIBE",
        section: Section::Hooks,
        kind: Kind::Text(HOOK_ADDRESS, |c, text| hook(text, &mut c.hooks.subscribe)),
        default: "",
        doc: "Asked whether a client may subscribe to a channel",
    },
    Setting {
        env: "HOOK_PUBLISH",
        section: Section::Hooks,
        kind: Kind::Text(HOOK_ADDRESS, |c, text| hook(text, &mut c.hooks.publish)),
        default: "",
        doc: "Asked whether a client may publish to a channel",
    },
    Setting {
        env: "HOOK_DISCONNECTED",
        section: Section::Hooks,
        kind: Kind::Text(HOOK_ADDRESS, |c, text| hook(text, &mut c.hooks.disconnected)),
        default: "",
        doc: "Told that a client is gone",
    },
    Setting {
        env: "HOOK_TIMEOUT",
        section: Section::Hooks,
        kind: Kind::Duration(1..=MINUTE, |c, time| c.hooks.timeout = time),
        default: "2000",
        doc: "How long an answer may take",
    },
    Setting {
        env: "HOOK_CONCURRENCY",
        section: Section::Hooks,
        kind: Kind::Integer(1..=65_536, |c, n| c.hooks.concurrency_max = n),
        default: "256",
        doc: "How many may be on their way at once",
    },
    Setting {
        env: "HOOK_FAILURE",
        section: Section::Hooks,
        kind: Kind::Word(&[
            ("refuse", |c| c.hooks.failure = HookFailure::Refuse),
            ("allow", |c| c.hooks.failure = HookFailure::Allow),
        ]),
        default: "refuse",
        doc: "What counts as the answer when the back-end gives none",
    },
    Setting {
        env: "API_KEY",
        section: Section::Api,
        kind: Kind::Secret(|c, key| c.api.key = key),
        default: "",
        doc: "What /api demands as a bearer token; there is no /api unless it is set",
    },
    Setting {
        env: "ADMIN_KEY",
        section: Section::Admin,
        kind: Kind::Secret(|c, key| c.admin.key = key),
        default: "",
        doc: "What /stats and /metrics demand as a bearer token; they are open unless it is set",
    },
    Setting {
        env: "LOG_LEVEL",
        section: Section::Log,
        kind: Kind::Word(&[
            ("error", |c| c.log.level = LogLevel::Error),
            ("warn", |c| c.log.level = LogLevel::Warn),
            ("info", |c| c.log.level = LogLevel::Info),
            ("debug", |c| c.log.level = LogLevel::Debug),
            ("trace", |c| c.log.level = LogLevel::Trace),
        ]),
        default: "info",
        doc: "The least urgent lines that are written",
    },
    Setting {
        env: "LOG_FORMAT",
        section: Section::Log,
        kind: Kind::Word(&[
            ("auto", |c| c.log.format = LogFormat::Auto),
            ("human", |c| c.log.format = LogFormat::Human),
            ("json", |c| c.log.format = LogFormat::Json),
        ]),
        default: "auto",
        doc: "For people or for machines; `auto` is for people on a terminal only",
    },
];

/// The setting of that variable.
pub(super) fn setting(env: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.env == env)
}

/// A limit, of which zero means that there is none.
fn limit(number: u32) -> Option<u32> {
    (number > 0).then_some(number)
}
