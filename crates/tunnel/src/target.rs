//! To which addresses there may be tunnels.

use std::{collections::BTreeMap, fmt, str::FromStr};

/// A host and a port: `127.0.0.1:22`, `[::1]:22`, `db.internal:5432`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target {
    host: Box<str>,
    port: u16,
}

/// The text is no address of a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an address with its port is expected, such as 127.0.0.1:22 or db.internal:5432")]
pub struct TargetError;

/// The addresses to which there may be tunnels; there is none to any other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Targets(BTreeMap<String, Target>);

impl Target {
    /// The host as resolvers know it: IPv6 without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let (host, port) = text.rsplit_once(':').ok_or(TargetError)?;
        // No sign, no zero in front: one address is spelled in one way.
        let number: u16 = port.parse().map_err(|_| TargetError)?;
        if number == 0 || number.to_string() != port {
            return Err(TargetError);
        }
        let is_plain =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        let inside = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let (host, is_host) = match inside {
            Some(inside) => (inside, inside.parse::<std::net::Ipv6Addr>().is_ok()),
            None => (host, !host.is_empty() && host.bytes().all(is_plain)),
        };
        if !is_host {
            return Err(TargetError);
        }
        Ok(Self { host: host.to_ascii_lowercase().into(), port: number })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port) = (&self.host, self.port);
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl Targets {
    /// The target of that address, if it is on the list. What is no address is not on it either.
    pub fn find(&self, address: &str) -> Option<&Target> {
        self.0.get(&address.parse::<Target>().ok()?.to_string())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The targets.
    pub fn iter(&self) -> impl Iterator<Item = &Target> {
        self.0.values()
    }
}

impl FromIterator<Target> for Targets {
    fn from_iter<T: IntoIterator<Item = Target>>(targets: T) -> Self {
        Self(targets.into_iter().map(|target| (target.to_string(), target)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port_and_nothing_else() {
        for (text, host, port) in [
            ("127.0.0.1:22", "127.0.0.1", 22),
            ("[::1]:22", "::1", 22),
            ("DB.internal:5432", "db.internal", 5432),
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!((target.host(), target.port()), (host, port));
            assert_eq!(target.to_string(), text.to_ascii_lowercase());
        }
        for text in [
            "",
            "ssh",
            ":22",
            "a:",
            "a:0",
            "a:022",
            "a:+22",
            "a:65536",
            "::1:22",
            "[a]:22",
            "a b:22",
            "a/b:22",
            "user@a:22",
            "a:1:22",
            "[::1:22",
            "ä:22",
        ] {
            assert_eq!(text.parse::<Target>(), Err(TargetError), "{text}");
        }
    }

    #[test]
    fn only_what_is_on_the_list_is_found_whatever_its_case() {
        let targets: Targets = ["127.0.0.1:22", "db.internal:5432"]
            .map(|text| text.parse().unwrap())
            .into_iter()
            .collect();
        for listed in ["127.0.0.1:22", "DB.Internal:5432"] {
            assert!(targets.find(listed).is_some(), "{listed}");
        }
        for other in [
            "127.0.0.1:23",
            "127.0.0.2:22",
            "db.internal.:5432",
            "localhost:22",
            "0x7f000001:22",
            "",
        ] {
            assert_eq!(targets.find(other), None, "{other}");
        }
    }
}
