//! The variables of the environment.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use super::Raw;
use crate::config::fault::Fault;
use crate::config::origin::{Origin, Written};
use crate::config::settings::{SETTINGS, setting};
use crate::config::shown::shown;
use crate::config::suggestion::nearest;

/// The variable that names the file.
pub(in crate::config) const CONFIG_FILE: &str = "WS_GATEWAY_CONFIG";

/// Reads the variables that are ours, and the file that one of them names. An empty variable is
/// one that is not set.
pub(in crate::config) fn read(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> (Raw, Option<PathBuf>) {
    let mut raw = Raw::default();
    let mut config_file = None;
    for (name, value) in variables {
        let Some(name) = name.to_str() else { continue };
        if value.is_empty() {
            continue;
        }
        let origin = || Origin::Variable(name.to_owned());
        if name == CONFIG_FILE {
            config_file = Some(PathBuf::from(value));
        } else if let Some(setting) = setting(name) {
            match read_text(&value) {
                Ok(text) => raw.write(setting, Written { text, origin: origin() }),
                Err(accepted) => {
                    let value = Some(shown(setting, &value.to_string_lossy()));
                    let name = name.to_owned();
                    raw.faults.push(Fault { name, value, source: origin(), accepted });
                }
            }
        } else if let Some(meant) = meant(name) {
            raw.warnings.push(format!("variable {name} is not known; did you mean {meant}?"));
        }
    }
    (raw, config_file)
}

/// The value of a variable or a flag.
pub(super) fn read_text(value: &OsStr) -> Result<String, String> {
    value.to_str().map(str::to_owned).ok_or_else(|| "a text in UTF-8".to_owned())
}

/// Which of our variables somebody meant by a name that is none.
fn meant(name: &str) -> Option<&'static str> {
    let ours = || SETTINGS.iter().map(|setting| setting.env).chain([CONFIG_FILE]);
    // JWT_SECRET for JWT_SECRET_KEY. A single word, such as LOG, means too many other things.
    let begins = |ours: &&str| {
        name.contains('_') && ours.strip_prefix(name).is_some_and(|rest| rest.starts_with('_'))
    };
    let prefixes = ["WS_GATEWAY_", "WS_"];
    let bare = prefixes.into_iter().find_map(|prefix| name.strip_prefix(prefix));
    match bare {
        Some(bare) => nearest(bare, ours()).or_else(|| nearest(name, ours())),
        None => nearest(name, ours()).or_else(|| ours().find(begins)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_miss_is_recognized_and_strangers_are_left_alone() {
        for (name, expect) in [
            ("PING_INTERVALL", Some("PING_INTERVAL")),
            ("PING_INTERVAL_", Some("PING_INTERVAL")),
            ("MAX_MISED_PONGS", Some("MAX_MISSED_PONGS")),
            ("WS_PING_INTERVAL", Some("PING_INTERVAL")),
            ("WS_GATEWAY_JWKS_URL", Some("JWKS_URL")),
            ("WS_GATEWAY_CONFG", Some("WS_GATEWAY_CONFIG")),
            ("JWT_SECRET", Some("JWT_SECRET_KEY")),
            ("LOGLEVEL", Some("LOG_LEVEL")),
            // What Kubernetes sets in every pod beside a service named ws-gateway.
            ("WS_GATEWAY_PORT", None),
            ("WS_GATEWAY_SERVICE_HOST", None),
            ("WS_GATEWAY_PORT_3001_TCP_ADDR", None),
            ("HOME", None),
            ("PATH", None),
            ("LOGNAME", None),
            ("HOSTNAME", None),
            ("LANG", None),
            ("LOG", None),
            ("TERM", None),
            ("REDIS_SERVICE_HOST", None),
            ("NATS_PORT", None),
            ("BROKER_PORT_9092_TCP", None),
            ("RUST_LOG", None),
            ("AUTH", None),
        ] {
            assert_eq!(meant(name), expect, "{name}");
        }
    }
}
