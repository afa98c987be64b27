//! The settings of who may come in, how much they may do, and who answers them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;

use super::ServerAddress;
use crate::config::Secret;

/// Who may come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthSettings {
    /// Default [`AuthMode::Message`].
    pub mode: AuthMode,
    /// How long a connection may go without authenticating. Default 5 s, never zero.
    pub timeout: Duration,
    /// How many connections may be waiting for that at once. Default 10,000, never zero.
    pub pending_max: u32,
    /// The cookie that may hold a token. Default `None`: cookies are not looked at. When it is set,
    /// the allowed origins are a list without `*`.
    pub cookie: Option<String>,
    /// Verifies HS256, HS384 and HS512. Default `None`. At least as long as RFC 7518 §3.2 demands.
    pub secret: Option<Secret>,
    /// The file that `public_key` was read from.
    pub public_key_file: Option<PathBuf>,
    /// Public keys in PEM. Default `None`.
    pub public_key: Option<String>,
    /// Where an issuer publishes its keys: https, or http to this machine. Default `None`.
    pub jwks_url: Option<Uri>,
    /// The accepted `iss`. Default: none, the keys alone decide.
    pub issuers: Vec<String>,
    /// The accepted `aud`. Default: none, and a token that names one is refused (RFC 7519 §4.1.3).
    pub audiences: Vec<String>,
    /// The accepted algorithms by their names in RFC 7518. Default: none, which stands for HS256
    /// with a secret and for whatever a public key can do.
    pub algorithms: Vec<String>,
    /// How far our clock and the issuer's may be apart. Default 5 s. Zero: not at all.
    pub leeway: Duration,
    /// How long a token may live, from `iat` to `exp`. Default `None`, written as zero: for ever.
    pub lifetime_max: Option<Duration>,
    /// How many revocations of tokens are remembered. Default 100,000, never zero. Worst case of memory:
    /// some 150 bytes each, here and in the engine.
    pub revocations_max: u32,
    /// Whether tokens are refused until it is known which were revoked: after a start, and for the moment in
    /// which that is read again when the engine is back. Default yes.
    pub revocations_required: bool,
    /// The claim that names a user's tier. Default `tier`.
    pub tier_claim: String,
    /// A Supabase project. Default `None`.
    pub supabase: Option<Supabase>,
}

impl AuthSettings {
    /// Whether there is anything to verify a token with.
    #[must_use]
    pub const fn has_keys(&self) -> bool {
        self.secret.is_some() || self.has_public_keys()
    }

    pub(in crate::config) const fn has_public_keys(&self) -> bool {
        self.public_key_file.is_some() || self.jwks_url.is_some() || self.supabase.is_some()
    }
}

impl Default for AuthSettings {
    fn default() -> Self {
        Self {
            mode: AuthMode::default(),
            timeout: Duration::from_secs(5),
            pending_max: 10_000,
            cookie: None,
            secret: None,
            public_key_file: None,
            public_key: None,
            jwks_url: None,
            issuers: Vec::new(),
            audiences: Vec::new(),
            algorithms: Vec::new(),
            leeway: Duration::from_secs(5),
            lifetime_max: None,
            revocations_max: 100_000,
            revocations_required: true,
            tier_claim: "tier".to_owned(),
            supabase: None,
        }
    }
}

/// When a client has to say who it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthMode {
    /// At the upgrade, or else in its first message within the timeout.
    #[default]
    Message,
    /// At the upgrade; who does not is answered 401.
    Upgrade,
    /// Never: anyone is let in.
    None,
}

/// A Supabase project's authentication.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Supabase {
    /// The host, such as `abc.supabase.co`, or an address, such as `http://127.0.0.1:54321`.
    pub domain: String,
    /// Default `authenticated`, as in every project.
    pub audience: String,
    /// Default: the domain with `/auth/v1`.
    pub issuer: String,
}

/// How much of everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitSettings {
    /// How many connections at once. Default `None`, written as zero: as many as the system allows.
    pub connections_max: Option<u32>,
    /// How many of one user at once. Default 5; `None`, written as zero: any number.
    pub connections_per_user_max: Option<u32>,
    /// How many messages a minute of one user. Default 6000; `None`, written as zero: any number.
    pub messages_per_minute: Option<u32>,
    /// How many of them may come at once. Default `None`, written as zero: those of one minute.
    pub message_burst: Option<u32>,
    /// How many connects an hour from one address. Default `None`, written as zero: any number.
    pub connects_per_hour: Option<u32>,
    /// How many users, and how many addresses, are remembered by the limiters. Default 100,000,
    /// never zero. Worst case of memory: some 130 bytes for each, so 13 MB a limiter.
    pub keys_max: u32,
    /// How many control pings a minute of one connection. Default 600; `None`, written as zero: any
    /// number.
    pub pings_per_minute: Option<u32>,
    /// How many bytes may wait to be sent to one connection. Default 1 MiB, never zero. Worst case
    /// of memory: slow connections × this.
    pub outbox_bytes_max: usize,
    /// The tier of a user whose token names none. Default `None`: the limits above.
    pub default_tier: Option<String>,
    /// The tiers by their names.
    pub tiers: BTreeMap<String, Tier>,
    /// Whether who is above a rate limit is let through and counted. Default no: it is refused.
    pub is_shadow: bool,
    /// The same for connects, where that is said. Default `None`: as for messages.
    pub connects_shadow: Option<bool>,
    /// Each whole span of so many bytes of a message counts as one message more. Default `None`, written as
    /// zero: length costs nothing.
    pub bytes_per_token: Option<u32>,
    /// What kinds of messages count as, by their names. Default: each as one.
    pub costs: BTreeMap<&'static str, u32>,
    /// Whether all nodes have the rate limits together. Default no: each has them for itself. Costs a few
    /// questions to the engine for each user who is active, and none for each message.
    pub is_cluster_wide: bool,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            connections_max: None,
            connections_per_user_max: Some(5),
            messages_per_minute: Some(6000),
            message_burst: None,
            connects_per_hour: None,
            keys_max: 100_000,
            pings_per_minute: Some(600),
            outbox_bytes_max: 1024 * 1024,
            default_tier: None,
            tiers: BTreeMap::new(),
            is_shadow: false,
            connects_shadow: None,
            bytes_per_token: None,
            costs: BTreeMap::new(),
            is_cluster_wide: false,
        }
    }
}

/// What users of one tier may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tier {
    /// How many messages a minute. `None`, written as zero: any number.
    pub messages_per_minute: Option<u32>,
    /// How many of them may come at once. `None`, written as zero or not at all: those of one
    /// minute.
    pub burst: Option<u32>,
    /// Whether who is above the limit is let through and counted, where that is said. `None`: as RATE_LIMIT_MODE
    /// says.
    pub is_shadow: Option<bool>,
}

/// Who answers requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamSettings {
    /// Default [`UpstreamTarget::Unset`], and [`UpstreamTarget::Echo`] with `--dev`.
    pub target: UpstreamTarget,
    /// How long an answer may take. Default 10 s, never zero.
    pub timeout: Duration,
    /// How many requests may be on their way at once. Default 256, never zero.
    pub concurrency_max: u32,
}

impl Default for UpstreamSettings {
    fn default() -> Self {
        Self {
            target: UpstreamTarget::default(),
            timeout: Duration::from_secs(10),
            concurrency_max: 256,
        }
    }
}

/// Where requests go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum UpstreamTarget {
    /// Nowhere: each is answered with an error that says that no upstream is set.
    #[default]
    Unset,
    /// Back: the payload is the answer.
    Echo,
    /// To a back-end, by POST.
    Http(Uri),
    /// To whoever answers at a subject of NATS.
    Nats {
        /// The server, which says nothing of who signs in.
        server: ServerAddress,
        /// Without wildcards.
        subject: String,
    },
}

/// Who may look inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminSettings {
    /// What `/stats` and `/metrics` demand as `Authorization: Bearer`. Default `None`: they are
    /// open to whoever reaches the port.
    pub key: Option<Secret>,
    /// Of how many users the last ends of connections are kept. Default 8192; zero: of none.
    pub ends_kept_users: u32,
}

impl Default for AdminSettings {
    fn default() -> Self {
        Self { key: None, ends_kept_users: 8192 }
    }
}
