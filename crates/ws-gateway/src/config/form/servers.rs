//! Texts that say where servers are, and who we are there.

use std::net::IpAddr;
use std::path::PathBuf;

use http::Uri;

use crate::config::resolved::{Config, ServerAddress, UpstreamTarget};
use crate::config::secret::Secret;

const REDIS_PORT: u16 = 6379;
const NATS_PORT: u16 = 4222;

pub(in crate::config) fn data_dir(config: &mut Config, text: &str) -> bool {
    file(text, &mut config.broker.data_dir)
}

pub(in crate::config) fn broker_prefix(config: &mut Config, text: &str) -> bool {
    let is_prefix = (1..=32).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if is_prefix {
        text.clone_into(&mut config.broker.prefix);
    }
    is_prefix
}

/// A path; what is there is looked at when all is known.
pub(in crate::config) fn file(text: &str, place: &mut Option<PathBuf>) -> bool {
    *place = (!text.is_empty()).then(|| PathBuf::from(text));
    true
}

pub(in crate::config) fn word_of_server(text: &str, place: &mut Option<String>) -> bool {
    *place = (!text.is_empty()).then(|| text.to_owned());
    !text.contains(char::is_whitespace)
}

pub(in crate::config) fn redis_host(config: &mut Config, text: &str) -> bool {
    config.redis.host = (!text.is_empty()).then(|| bare(text).to_owned());
    text.is_empty() || is_host(text)
}

pub(in crate::config) fn redis_url(config: &mut Config, text: &str) -> bool {
    let address = server_address(text, &["redis", "rediss"], REDIS_PORT)
        .filter(|address| address.path.is_empty() || address.path.parse::<u16>().is_ok());
    address.map(|address| config.redis.servers.push(address)).is_some()
}

pub(in crate::config) fn nats_url(config: &mut Config, text: &str) -> bool {
    let address = server_address(text, &["nats", "tls"], NATS_PORT);
    let address = address.filter(|address| address.path.is_empty());
    address.map(|address| config.nats.servers.push(address)).is_some()
}

/// `nats://host/subject`; who signs in there is said under `[nats]`.
pub(in crate::config) fn nats_upstream(text: &str) -> Option<UpstreamTarget> {
    let mut server = server_address(text, &["nats", "tls"], NATS_PORT)?;
    let subject = std::mem::take(&mut server.path);
    let is_plain = server.user.is_none() && server.password.is_none();
    let is_one = is_subject(&subject) && !subject.contains(['*', '>']);
    (is_plain && is_one).then_some(UpstreamTarget::Nats { server, subject })
}

/// What NATS takes as a subject, perhaps one with wildcards: words with dots between them, `*` for one of
/// them, and `>` for all that follow.
pub(in crate::config) fn is_subject(text: &str) -> bool {
    let words: Vec<&str> = text.split('.').collect();
    let last = words.len() - 1;
    let is_word = |(index, word): (usize, &&str)| match *word {
        "*" => true,
        ">" => index == last,
        word => {
            !word.is_empty()
                && !word.contains(['*', '>'])
                && word.chars().all(|c| !c.is_whitespace() && !c.is_control())
        }
    };
    text.len() <= 255 && !text.starts_with('$') && words.iter().enumerate().all(is_word)
}

fn server_address(text: &str, schemes: &[&str; 2], port: u16) -> Option<ServerAddress> {
    let uri: Uri = text.parse().ok()?;
    let scheme = schemes.iter().find(|scheme| uri.scheme_str() == Some(scheme))?;
    let authority = uri.authority()?.as_str();
    let signed_in = authority.rsplit_once('@').map(|(who, _)| who);
    let host = uri.host().filter(|host| is_host(host))?;
    if uri.query().is_some() || text.contains('#') {
        return None;
    }
    let (user, password) = match signed_in.map(|who| who.split_once(':').unwrap_or((who, ""))) {
        None => (None, None),
        Some((user, password)) => (Some(decoded(user)?), Some(decoded(password)?)),
    };
    let written = |text: Option<String>| text.filter(|text| !text.is_empty());
    Some(ServerAddress {
        host: bare(host).to_owned(),
        port: match uri.port() {
            Some(port) => port.as_u16(),
            // A port that is none is no port to http.
            None if authority.ends_with(|c: char| c == ']' || host.ends_with(c)) => port,
            None => return None,
        },
        tls: *scheme == schemes[1],
        user: written(user),
        password: written(password).map(Secret::new),
        path: uri.path().trim_start_matches('/').to_owned(),
    })
}

/// Percent-decoded: a password may have any character.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first == b'%' {
            let digits = str::from_utf8(rest.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = rest.get(2..)?;
        } else {
            bytes.push(first);
        }
    }
    String::from_utf8(bytes).ok()
}

fn is_host(text: &str) -> bool {
    let inner = bare(text);
    inner.parse::<IpAddr>().is_ok()
        || (!inner.is_empty()
            && inner.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)))
}

/// Without the brackets of an address of IPv6.
fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_where_and_who() {
        let read = |text| server_address(text, &["redis", "rediss"], 6379);
        let told = |text| {
            read(text).map(|it| {
                let password = it.password.map(|it| it.expose().to_owned());
                let who =
                    format!("{}:{}", it.user.unwrap_or_default(), password.unwrap_or_default());
                format!("{} {} {} {who} {}", it.host, it.port, it.tls, it.path)
            })
        };
        for (text, expect) in [
            ("redis://cache", Some("cache 6379 false : ")),
            ("redis://cache:7000/3", Some("cache 7000 false : 3")),
            ("rediss://[::1]:7000", Some("::1 7000 true : ")),
            ("redis://[::1]", Some("::1 6379 false : ")),
            ("redis://:p%40ss@cache", Some("cache 6379 false :p@ss ")),
            ("redis://me:pass@cache:7000", Some("cache 7000 false me:pass ")),
            ("redis://me@cache", Some("cache 6379 false me: ")),
            ("http://cache", None),
            ("cache:6379", None),
            ("redis://", None),
            ("redis://ca che", None),
            ("redis://cache:port", None),
            ("redis://cache?db=3", None),
        ] {
            assert_eq!(told(text).as_deref(), expect, "{text}");
        }
    }

    #[test]
    fn a_subject_is_words_with_dots_and_wildcards_are_words() {
        for (text, is_one) in [
            ("orders", true),
            ("orders.new.eu-1", true),
            ("orders.*", true),
            ("*.orders.*", true),
            ("orders.>", true),
            (">", true),
            ("", false),
            ("orders.", false),
            (".orders", false),
            ("orders..new", false),
            ("orders.>.new", false),
            ("ord*", false),
            ("orders new", false),
            ("$SYS.>", false),
        ] {
            assert_eq!(is_subject(text), is_one, "{text}");
        }
    }
}
