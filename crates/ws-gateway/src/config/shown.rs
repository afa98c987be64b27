//! How a value is shown: never a secret, and with a word on the usual slips.

use super::secret::HIDDEN;
use super::setting::{Kind, Setting};

/// The value as it may be printed.
pub(super) fn shown(setting: &Setting, text: &str) -> String {
    if setting.is_secret() {
        return HIDDEN.to_owned();
    }
    match setting.kind {
        Kind::List(..) => text.split(',').map(without_password).collect::<Vec<_>>().join(","),
        _ => without_password(text),
    }
}

/// A password in an address is refused, and must not get out by the refusal.
fn without_password(text: &str) -> String {
    let scheme_end = text.find("//").map(|slashes| slashes + 2);
    let start = scheme_end.unwrap_or(0);
    match text.rfind('@') {
        Some(at) if at > start && (scheme_end.is_some() || text[..at].contains(':')) => {
            format!("{}{HIDDEN}{}", &text[..start], &text[at..])
        }
        _ => text.to_owned(),
    }
}

/// What probably went wrong with a value that was not accepted, in parentheses, or nothing.
pub(super) fn hint(setting: &Setting, text: &str) -> &'static str {
    let is_quoted =
        |quote: char| text.len() > 1 && text.starts_with(quote) && text.ends_with(quote);
    let is_size = matches!(setting.kind, Kind::Size(..));
    if is_quoted('"') || is_quoted('\'') {
        " (the quotes are part of the value)"
    } else if text.contains(" #") || text.contains("\t#") {
        " (the comment is part of the value)"
    } else if text.starts_with("tcp://") {
        " (Kubernetes sets such a variable for a service of that name: \
         `enableServiceLinks: false` in the pod turns that off)"
    } else if is_size && text.ends_with(['B', 'b', 'K', 'k', 'M', 'm', 'G', 'g']) {
        " (units are powers of two: KiB, MiB, GiB)"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::setting;

    #[test]
    fn secrets_and_passwords_in_addresses_are_hidden() {
        for (env, text, expect) in [
            ("JWT_SECRET_KEY", "hunter2", "***"),
            ("UPSTREAM", "http://me:hunter2@host/x", "http://***@host/x"),
            ("UPSTREAM", "http://me:hun@ter2@host/x", "http://***@host/x"),
            ("UPSTREAM", "http://me:hun,ter2@host/x", "http://***@host/x"),
            ("UPSTREAM", "me:hunter2@host", "***@host"),
            ("JWT_ISSUER", "gateway@project.example", "gateway@project.example"),
            ("ALLOWED_ORIGINS", "https://a,https://b:hunter2@c", "https://a,https://***@c"),
            ("UPSTREAM", "http://host/x", "http://host/x"),
            ("WEBSOCKET_PORT", "30o1", "30o1"),
        ] {
            assert_eq!(shown(setting(env).unwrap(), text), expect);
        }
    }

    #[test]
    fn the_usual_slips_are_named() {
        for (env, text, part) in [
            ("PING_INTERVAL", "30000  # 30 seconds", "comment"),
            ("PING_INTERVAL", "\"30000\"", "quotes"),
            ("WEBSOCKET_PORT", "tcp://10.0.0.1:3001", "Kubernetes"),
            ("MAX_FRAME_SIZE", "1MB", "MiB"),
            ("PING_INTERVAL", "soon", ""),
        ] {
            let hint = hint(setting(env).unwrap(), text);
            assert!(hint.contains(part) && hint.is_empty() == part.is_empty(), "{text}: {hint}");
        }
    }
}
