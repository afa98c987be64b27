//! What can be set.

use std::{fmt, path::PathBuf, time::Duration};

use crate::StartError;

/// How NATS is reached and used.
#[derive(Clone)]
pub struct NatsConfig {
    /// Servers of one cluster: `nats://host:4222`, `tls://host`. More of them are learned from those.
    pub urls: Vec<String>,
    /// Who we are.
    pub login: Login,
    /// Certificates. TLS is used where the server asks for it, where the address says `tls://`, and with
    /// [`Tls::is_required`].
    pub tls: Tls,
    /// What the names of subjects and streams begin with: letters, digits, `-` and `_`. Gateways with
    /// the same prefix are one.
    pub prefix: String,
    /// On how many servers of a cluster streams are kept: 1, 3 or 5.
    pub replicas: usize,
    /// Where streams are kept.
    pub storage: Storage,
    /// For how long an answer is awaited.
    pub timeout: Duration,
    /// For how long a connection is being made.
    pub connect_timeout: Duration,
    /// How often a silent server is asked whether it is there. It is given up after three times that.
    pub ping_interval: Duration,
    /// The longest pause between attempts to reach a server. Pauses begin at 50 ms and are jittered.
    pub backoff_max: Duration,
    /// How much may be under way: so many messages and calls …
    pub pending_max: usize,
    /// … and so many bytes of them.
    pub pending_bytes_max: usize,
    /// For how long entries stay at the server beyond their log's time to live. They are not
    /// read any more, but prove to who was away so long that nothing came. Costs disk at the server.
    pub keep_beyond_ttl: Duration,
}

/// Who we are.
#[derive(Clone, Default)]
pub enum Login {
    /// What the addresses say: `nats://user:password@host`.
    #[default]
    Addresses,
    /// A user with a password.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
    /// A token.
    Token(String),
    /// A file with the seed of an nkey (`SU…`).
    NkeyFile(PathBuf),
    /// A file with a JWT and a seed, as `nsc` makes it (`.creds`).
    CredentialsFile(PathBuf),
}

/// Certificates.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// Whether nothing is said without TLS.
    pub is_required: bool,
    /// Who vouches for the server (PEM); those of the system if none.
    pub ca_file: Option<PathBuf>,
    /// Who we are (PEM): the certificate …
    pub cert_file: Option<PathBuf>,
    /// … and its key.
    pub key_file: Option<PathBuf>,
}

/// Where streams are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Storage {
    /// On disk.
    #[default]
    File,
    /// In the servers' memory: gone with them.
    Memory,
}

impl Default for NatsConfig {
    fn default() -> Self {
        Self {
            urls: vec!["nats://127.0.0.1:4222".to_owned()],
            login: Login::default(),
            tls: Tls::default(),
            prefix: "ws".to_owned(),
            replicas: 1,
            storage: Storage::default(),
            timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(2),
            ping_interval: Duration::from_secs(1),
            backoff_max: Duration::from_secs(3),
            pending_max: 65_536,
            pending_bytes_max: 64 << 20,
            keep_beyond_ttl: Duration::from_secs(24 * 3600),
        }
    }
}

impl NatsConfig {
    /// Whether it can be.
    ///
    /// # Errors
    ///
    /// Which setting cannot, and what would do.
    pub fn check(&self) -> Result<(), StartError> {
        let complaint = if self.urls.is_empty() {
            "no address of a server".to_owned()
        } else if let Some(complaint) = self.urls.iter().find_map(|url| complaint_about(url)) {
            complaint
        } else if !is_prefix(&self.prefix) {
            format!("the prefix {:?} is not of 1 to 64 letters, digits, `-` and `_`", self.prefix)
        } else if ![1, 3, 5].contains(&self.replicas) {
            format!("{} replicas; it takes 1, 3 or 5", self.replicas)
        } else if self.pending_max == 0 || self.pending_bytes_max == 0 {
            "nothing may be under way; it takes at least 1".to_owned()
        } else if self.timeout.is_zero() || self.ping_interval.is_zero() {
            "no time for an answer".to_owned()
        } else if self.tls.cert_file.is_some() != self.tls.key_file.is_some() {
            "a certificate takes its key, and a key its certificate".to_owned()
        } else {
            return Ok(());
        };
        Err(StartError::Settings(complaint))
    }
}

impl fmt::Debug for NatsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: Vec<&str> = self.urls.iter().map(|url| host_of(url)).collect();
        f.debug_struct("NatsConfig")
            .field("hosts", &hosts)
            .field("login", &self.login)
            .field("prefix", &self.prefix)
            .field("replicas", &self.replicas)
            .field("storage", &self.storage)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Addresses => f.write_str("Addresses"),
            Self::Password { user, .. } => write!(f, "Password({user}, …)"),
            Self::Token(_) => f.write_str("Token(…)"),
            Self::NkeyFile(path) => write!(f, "NkeyFile({})", path.display()),
            Self::CredentialsFile(path) => write!(f, "CredentialsFile({})", path.display()),
        }
    }
}

/// An address without the password that it may have.
fn host_of(url: &str) -> &str {
    url.rsplit_once('@').map_or(url, |(_, host)| host)
}

fn complaint_about(url: &str) -> Option<String> {
    let shown = host_of(url);
    let parsed = url.parse::<async_nats::ServerAddr>();
    match parsed {
        Ok(address) if address.is_websocket() => Some(format!(
            "{shown}: NATS over WebSockets is not supported; it takes nats:// or tls://"
        )),
        Ok(_) => None,
        Err(error) => Some(format!("the address {shown}: {error}")),
    }
}

fn is_prefix(prefix: &str) -> bool {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    (1..=64).contains(&prefix.len()) && prefix.bytes().all(is_fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(change: impl FnOnce(&mut NatsConfig)) -> String {
        let mut config = NatsConfig::default();
        change(&mut config);
        config.check().map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn what_cannot_be_is_named() {
        assert_eq!(complaint(|_| ()), "");
        assert!(complaint(|config| config.urls.clear()).contains("no address"));
        assert!(complaint(|config| config.urls = vec!["http://a".into()]).contains("scheme"));
        assert!(complaint(|config| config.urls = vec!["ws://a".into()]).contains("WebSockets"));
        assert!(complaint(|config| config.prefix = "a.b".into()).contains("a.b"));
        assert!(complaint(|config| config.replicas = 2).contains("1, 3 or 5"));
        assert!(complaint(|config| config.tls.key_file = Some("k".into())).contains("certificate"));
    }

    #[test]
    fn secrets_are_not_shown() {
        let config = NatsConfig {
            login: Login::Password { user: "bob".into(), password: "secret".into() },
            urls: vec!["nats://bob:secret@host".into()],
            ..NatsConfig::default()
        };
        assert!(!format!("{config:?}").contains("secret"));
        let said = complaint(|config| config.urls = vec!["http://bob:secret@host".into()]);
        assert!(!said.contains("secret"), "{said}");
    }
}
