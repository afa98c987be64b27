//! Texts of a certain form: each function checks one and takes it to its place, or says `false`.
//!
//! An empty text takes the value away where there may be none.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use http::Uri;
use ipnet::IpNet;

use super::resolved::{Config, Supabase, UpstreamTarget};

mod header_list;
mod servers;

pub(crate) use header_list::header_list;

pub(super) use servers::{
    broker_prefix, data_dir, file, is_subject, nats_upstream, nats_url, redis_host, redis_url,
    word_of_server,
};

pub(super) fn host(config: &mut Config, text: &str) -> bool {
    let address = match text {
        "localhost" => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        _ => text.trim_start_matches('[').trim_end_matches(']').parse().ok(),
    };
    address.map(|address| config.server.address.set_ip(address)).is_some()
}

pub(super) fn path(config: &mut Config, text: &str) -> bool {
    let is_path = text.starts_with('/')
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#{}\"<>\\^`|".contains(&byte));
    if is_path {
        text.clone_into(&mut config.server.path);
    }
    is_path
}

pub(super) fn network(config: &mut Config, text: &str) -> bool {
    let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    network.map(|network| config.server.trusted_proxies.push(network)).is_ok()
}

/// RFC 6454 §6.2, with `*` for any and `null` for pages that have none.
pub(super) fn origin(config: &mut Config, text: &str) -> bool {
    let is_origin = matches!(text, "*" | "null")
        || text.split_once("://").is_some_and(|(scheme, authority)| {
            is_scheme(scheme) && is_authority(authority) && authority.is_ascii()
        });
    if is_origin {
        config.server.allowed_origins.get_or_insert_default().push(text.to_owned());
    }
    is_origin
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

/// A host and perhaps a port, and nothing else.
fn is_authority(text: &str) -> bool {
    let is_host_part = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let (host, port) = match text.rfind(']') {
        Some(end) => text.split_at(end + 1),
        None => text.find(':').map_or((text, ""), |colon| text.split_at(colon)),
    };
    let is_port =
        port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(inner) => matches!(inner.parse(), Ok(IpAddr::V6(_))),
        None => !host.is_empty() && host.chars().all(is_host_part),
    };
    is_host && is_port
}

pub(super) fn cookie(config: &mut Config, text: &str) -> bool {
    // RFC 6265 §4.1.1: a cookie's name is a token of RFC 2616.
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    config.auth.cookie = (!text.is_empty()).then(|| text.to_owned());
    text.bytes().all(is_token)
}

pub(super) fn public_key_file(config: &mut Config, text: &str) -> bool {
    config.auth.public_key_file = (!text.is_empty()).then(|| PathBuf::from(text));
    true
}

/// Whoever can answer at this address decides who anybody is: so it is https, or stays here.
pub(super) fn jwks_url(config: &mut Config, text: &str) -> bool {
    if text.is_empty() {
        config.auth.jwks_url = None;
        return true;
    }
    let url = web_address(text)
        .filter(|url| url.scheme_str() == Some("https") || url.host().is_some_and(is_this_machine));
    config.auth.jwks_url = url;
    config.auth.jwks_url.is_some()
}

/// The back-end is within the same walls more often than not, so that plain http is taken.
pub(super) fn hook(text: &str, place: &mut Option<Uri>) -> bool {
    *place = web_address(text);
    text.is_empty() || place.is_some()
}

/// An http or https address without user, password and fragment: what is in an address ends up in
/// logs.
fn web_address(text: &str) -> Option<Uri> {
    let url: Uri = text.parse().ok()?;
    let is_web = matches!(url.scheme_str(), Some("http" | "https"));
    let host = url.host().filter(|host| !host.is_empty())?;
    let is_plain = !url.authority()?.as_str().contains('@') && !text.contains('#');
    (is_web && is_plain && !host.contains(char::is_whitespace)).then_some(url)
}

pub(super) fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

pub(super) fn issuer(config: &mut Config, text: &str) -> bool {
    config.auth.issuers.push(text.to_owned());
    true
}

pub(super) fn audience(config: &mut Config, text: &str) -> bool {
    config.auth.audiences.push(text.to_owned());
    true
}

/// `none` is not among them. Letter case matters, as in a token (RFC 7515 §4.1.1).
pub(super) fn jwt_algorithm(config: &mut Config, text: &str) -> bool {
    let is_known = secret_bytes_min(text).is_some()
        || ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
            .contains(&text);
    if is_known && !config.auth.algorithms.iter().any(|known| known == text) {
        config.auth.algorithms.push(text.to_owned());
    }
    is_known
}

/// The shortest secret for an algorithm with one (RFC 7518 §3.2); `None` for all others.
pub(super) fn secret_bytes_min(algorithm: &str) -> Option<usize> {
    match algorithm {
        "HS256" => Some(32),
        "HS384" => Some(48),
        "HS512" => Some(64),
        _ => None,
    }
}

pub(super) fn claim(config: &mut Config, text: &str) -> bool {
    let is_path = !text.is_empty() && !text.contains(char::is_whitespace);
    if is_path {
        text.clone_into(&mut config.auth.tier_claim);
    }
    is_path
}

pub(super) fn supabase(
    config: &mut Config,
    text: &str,
    part: fn(&mut Supabase) -> &mut String,
) -> bool {
    let is_word = !text.contains(char::is_whitespace) && !text.contains('@');
    if is_word && !text.is_empty() {
        text.clone_into(part(config.auth.supabase.get_or_insert_default()));
    }
    is_word
}

pub(super) fn tier(config: &mut Config, text: &str) -> bool {
    config.limits.default_tier = (!text.is_empty()).then(|| text.to_owned());
    true
}

pub(super) fn upstream(config: &mut Config, text: &str) -> bool {
    let target = match text {
        "" => Some(UpstreamTarget::Unset),
        "echo" => Some(UpstreamTarget::Echo),
        _ => nats_upstream(text).or_else(|| web_address(text).map(UpstreamTarget::Http)),
    };
    target.map(|target| config.upstream.target = target).is_some()
}
