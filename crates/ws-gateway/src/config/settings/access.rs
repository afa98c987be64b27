//! The settings of who may come in, and how much of everything.

use crate::config::form::{
    audience, claim, cookie, issuer, jwks_url, jwt_algorithm, public_key_file, supabase, tier,
};
use crate::config::quantity::{GIB, HOUR, KIB, MINUTE};
use crate::config::resolved::AuthMode;
use crate::config::setting::{Kind, Reload, Section, Setting};

use super::limit;

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        env: "AUTH_MODE",
        section: Section::Auth,
        reload: Reload::NewConnections,
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
        reload: Reload::NewConnections,
        kind: Kind::Duration(1..=HOUR, |c, time| c.auth.timeout = time),
        default: "5000",
        doc: "How long a connection may go without authenticating",
    },
    Setting {
        env: "AUTH_PENDING_MAX",
        section: Section::Auth,
        reload: Reload::NewConnections,
        kind: Kind::Integer(1..=10_000_000, |c, n| c.auth.pending_max = n),
        default: "10000",
        doc: "How many connections may be waiting for their authentication",
    },
    Setting {
        env: "AUTH_COOKIE",
        section: Section::Auth,
        reload: Reload::NewConnections,
        kind: Kind::Text("the name of a cookie", cookie),
        default: "",
        doc: "A cookie that may hold the token; wants ALLOWED_ORIGINS",
    },
    Setting {
        env: "JWT_SECRET_KEY",
        section: Section::Auth,
        reload: Reload::Live,
        kind: Kind::Secret(|c, secret| c.auth.secret = secret),
        default: "",
        doc: "The secret that tokens are signed with (HS256, HS384, HS512)",
    },
    Setting {
        env: "JWT_PUBLIC_KEY_FILE",
        section: Section::Auth,
        reload: Reload::Live,
        kind: Kind::Text("a file with public keys in PEM", public_key_file),
        default: "",
        doc: "Public keys in PEM, for tokens that are signed with a private key",
    },
    Setting {
        env: "JWKS_URL",
        section: Section::Auth,
        reload: Reload::Live,
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
        reload: Reload::Live,
        kind: Kind::List("the `iss` of tokens, letter by letter", issuer),
        default: "",
        doc: "Who may have issued a token",
    },
    Setting {
        env: "JWT_AUDIENCE",
        section: Section::Auth,
        reload: Reload::Live,
        kind: Kind::List("the `aud` of tokens, letter by letter", audience),
        default: "",
        doc: "For whom a token may be meant",
    },
    Setting {
        env: "JWT_ALGORITHMS",
        section: Section::Auth,
        reload: Reload::Live,
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
        reload: Reload::Live,
        kind: Kind::Duration(0..=10 * MINUTE, |c, time| c.auth.leeway = time),
        default: "5000",
        doc: "How far our clock and the issuer's may be apart",
    },
    Setting {
        env: "TIER_CLAIM",
        section: Section::Auth,
        reload: Reload::Live,
        kind: Kind::Text("the name of a claim, or a path such as app_metadata.tier", claim),
        default: "tier",
        doc: "The claim that names a user's tier",
    },
    Setting {
        env: "SUPABASE_AUTH_DOMAIN",
        section: Section::Auth,
        reload: Reload::Live,
        kind: Kind::Text("a host such as abc.supabase.co", |c, text| {
            supabase(c, text, |project| &mut project.domain)
        }),
        default: "",
        doc: "A Supabase project, whose keys are fetched from it",
    },
    Setting {
        env: "SUPABASE_AUTH_AUDIENCE",
        section: Section::Auth,
        reload: Reload::Live,
        kind: Kind::Text("the `aud` of its tokens", |c, text| {
            supabase(c, text, |project| &mut project.audience)
        }),
        default: "",
        doc: "For whom its tokens are meant; `authenticated` unless set",
    },
    Setting {
        env: "SUPABASE_AUTH_ISSUER",
        section: Section::Auth,
        reload: Reload::Live,
        kind: Kind::Text("the `iss` of its tokens", |c, text| {
            supabase(c, text, |project| &mut project.issuer)
        }),
        default: "",
        doc: "Who issues its tokens; the domain with `/auth/v1` unless set",
    },
    Setting {
        env: "MAX_CONNECTIONS",
        section: Section::Limits,
        reload: Reload::NewConnections,
        kind: Kind::Integer(0..=u32::MAX, |c, n| c.limits.connections_max = limit(n)),
        default: "0",
        doc: "How many connections at once; 0 for as many as there may be files, less 256",
    },
    Setting {
        env: "MAX_CONNECTIONS_PER_USER",
        section: Section::Limits,
        reload: Reload::NewConnections,
        kind: Kind::Integer(0..=u32::MAX, |c, n| c.limits.connections_per_user_max = limit(n)),
        default: "5",
        doc: "How many connections of one user at once; 0 for no limit",
    },
    Setting {
        env: "MESSAGE_RATE_LIMIT",
        section: Section::Limits,
        reload: Reload::Live,
        kind: Kind::Integer(0..=u32::MAX, |c, n| c.limits.messages_per_minute = limit(n)),
        default: "6000",
        doc: "How many messages a minute of one user; 0 for no limit",
    },
    Setting {
        env: "MESSAGE_BURST",
        section: Section::Limits,
        reload: Reload::Live,
        kind: Kind::Integer(0..=u32::MAX, |c, n| c.limits.message_burst = limit(n)),
        default: "0",
        doc: "How many messages of one user may come at once; 0 for those of a minute",
    },
    Setting {
        env: "CONNECTION_RATE_LIMIT",
        section: Section::Limits,
        reload: Reload::NewConnections,
        kind: Kind::Integer(0..=u32::MAX, |c, n| c.limits.connects_per_hour = limit(n)),
        default: "0",
        doc: "How many connects an hour from one address; 0 for no limit",
    },
    Setting {
        env: "RATE_LIMIT_KEYS_MAX",
        section: Section::Limits,
        reload: Reload::Live,
        kind: Kind::Integer(1..=100_000_000, |c, n| c.limits.keys_max = n),
        default: "100000",
        doc: "How many users, and how many addresses, the limiters remember",
    },
    Setting {
        env: "PING_RATE_LIMIT",
        section: Section::Limits,
        reload: Reload::NewConnections,
        kind: Kind::Integer(0..=u32::MAX, |c, n| c.limits.pings_per_minute = limit(n)),
        default: "600",
        doc: "How many control pings a minute of one connection; 0 for no limit",
    },
    Setting {
        env: "OUTBOX_BYTES_MAX",
        section: Section::Limits,
        reload: Reload::NewConnections,
        kind: Kind::Size(KIB..=GIB, |c, bytes| c.limits.outbox_bytes_max = bytes as usize),
        default: "1048576",
        doc: "How many bytes may wait to be sent to one connection",
    },
    Setting {
        env: "DEFAULT_TIER",
        section: Section::Limits,
        reload: Reload::Live,
        kind: Kind::Text("the name of a [tiers.NAME] of the file", tier),
        default: "",
        doc: "The tier of users whose token names none",
    },
];
