//! Why it cannot be used.

use std::{borrow::Cow, io, path::PathBuf, sync::Arc};

use redis::{ErrorKind, RedisError, ServerErrorKind};
use ws_broker::EngineError;

pub(crate) const KIND: &str = "redis";

/// A setting is wrong: trying again would not help.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is nobody to ask.
    #[error("no server is named")]
    NoServer,
    /// This is no address.
    #[error("`{server}` is no address of a server: {reason}")]
    Server {
        /// What was written, without user and password.
        server: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The prefix has other characters, or is too long.
    #[error("the prefix `{0}` must be 1 to 64 letters, digits, `-`, `_` or `.`")]
    Prefix(String),
    /// Databases are of one server.
    #[error("a cluster has no database {0}, only 0")]
    ClusterDb(i64),
    /// Sentinels watch over one master, a cluster over itself.
    #[error("a cluster has no sentinels")]
    ClusterSentinel,
    /// A limit of nothing would refuse everything.
    #[error("`{0}` must not be 0")]
    Zero(&'static str),
    /// A file of TLS cannot be read.
    #[error("{path}: {error}", path = path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// Why it does not come up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// It does not answer.
    #[error("redis at {server} is not reached: {reason}")]
    Unreachable {
        /// Which server.
        server: Arc<str>,
        /// Why.
        reason: Arc<str>,
    },
    /// It lets nobody in like that.
    #[error("redis at {server} refuses the login: {reason}; check user and password")]
    Login {
        /// Which server.
        server: Arc<str>,
        /// What it said.
        reason: Arc<str>,
    },
    /// It is too old.
    #[error("redis at {server} is version {version}; 7.0 or later is needed (sharded pub/sub)")]
    Version {
        /// Which server.
        server: Arc<str>,
        /// What it is.
        version: Arc<str>,
    },
    /// The user may not do what is needed.
    #[error(
        "redis at {server} does not let this user do what is needed: {reason}; give it `{needed}`"
    )]
    Permission {
        /// Which server.
        server: Arc<str>,
        /// What it said.
        reason: Arc<str>,
        /// What to add to its ACL.
        needed: Arc<str>,
    },
    /// It is no master, and takes no writes.
    #[error("redis at {server} is a read-only replica; name its master")]
    Replica {
        /// Which server.
        server: Arc<str>,
    },
    /// A cluster was taken for a single server, or the other way round.
    #[error("redis at {server} {is} a cluster; set `cluster` to {is_cluster}", is = if *.is_cluster { "is a node of" } else { "is not a node of" })]
    Mode {
        /// Which server.
        server: Arc<str>,
        /// What it is.
        is_cluster: bool,
    },
}

pub(crate) fn unavailable(reason: impl Into<Cow<'static, str>>) -> EngineError {
    EngineError::Unavailable { kind: KIND, reason: reason.into() }
}

pub(crate) fn refused(reason: impl Into<Cow<'static, str>>) -> EngineError {
    EngineError::Refused { kind: KIND, reason: reason.into() }
}

pub(crate) const UNKNOWN: EngineError = EngineError::Unknown { kind: KIND };

/// What a server said instead of doing a call, for the one who asked.
pub(crate) fn of_call(error: &redis::ServerError) -> EngineError {
    match error.kind() {
        Some(
            ServerErrorKind::BusyLoading
            | ServerErrorKind::Moved
            | ServerErrorKind::Ask
            | ServerErrorKind::TryAgain
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::MasterDown
            | ServerErrorKind::ReadOnly
            | ServerErrorKind::NoScript,
        ) => unavailable(error.to_string()),
        _ if matches!(error.code(), "BUSY" | "MISCONF" | "NOREPLICAS") => {
            unavailable(error.to_string())
        }
        _ => refused(error.to_string()),
    }
}

/// Whether another server should be asked from now on.
pub(crate) fn is_elsewhere(error: &redis::ServerError) -> bool {
    matches!(
        error.kind(),
        Some(
            ServerErrorKind::Moved
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ReadOnly
        )
    )
}

impl StartError {
    pub(crate) fn of(error: &RedisError, server: &Arc<str>, prefix: &str) -> Self {
        let (server, reason) = (server.clone(), Arc::from(error.to_string()));
        match error.code() {
            Some("NOAUTH" | "WRONGPASS") => return Self::Login { server, reason },
            _ if is_permission(&error.to_string()) => {
                return Self::Permission { server, reason, needed: needed_acl(prefix) };
            }
            _ => {}
        }
        match error.kind() {
            ErrorKind::AuthenticationFailed => Self::Login { server, reason },
            ErrorKind::RESP3NotSupported => {
                Self::Version { server, version: "5 or earlier".into() }
            }
            _ => Self::Unreachable { server, reason },
        }
    }
}

/// A script that may not do something says so in its own words.
pub(crate) fn is_permission(text: &str) -> bool {
    [
        "NOPERM",
        "no permissions",
        "ACL failure",
        "can't run this command",
        "can't access at least one",
    ]
    .iter()
    .any(|words| text.contains(words))
}

/// What a user must be allowed.
pub(crate) fn needed_acl(prefix: &str) -> Arc<str> {
    format!(
        "~{prefix}:* &{prefix}:* +@connection +@scripting +@pubsub +@stream +@hash +@string +del \
         +pexpire +scan +time +info +config|get +cluster"
    )
    .into()
}
