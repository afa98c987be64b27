//! Values of options, each with what was wrong and what would be right.

use std::{net::IpAddr, time::Duration};

use http::{HeaderName, HeaderValue};

use crate::{credentials::Carried, plan::Dropping};

pub(super) fn number(text: &str) -> Result<u64, String> {
    let digits: String = text.chars().filter(|it| *it != '_' && *it != ',').collect();
    digits.parse().map_err(|_| format!("`{text}` is no whole number such as 10000"))
}

pub(super) fn count(text: &str) -> Result<usize, String> {
    match number(text)? {
        0 => Err("0 is too few; 1 is the least".to_owned()),
        many => usize::try_from(many).map_err(|_| format!("{many} are too many")),
    }
}

pub(super) fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate > 0.0 => Ok(rate),
        _ => Err(format!("`{text}` is no rate a second above 0, such as 500 or 0.5")),
    }
}

/// Bytes, with `k` or `m` (or `KiB`, `MiB`) behind them.
pub(super) fn bytes(text: &str) -> Result<usize, String> {
    let digits = text.trim_end_matches(|it: char| it.is_ascii_alphabetic());
    let factor = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1024,
        "m" | "mb" | "mib" => 1024 * 1024,
        _ => return Err(format!("`{text}` is no size such as 300, 4KiB or 1MiB")),
    };
    let size = number(digits).map_err(|_| format!("`{text}` is no size such as 300 or 4KiB"))?;
    match size.saturating_mul(factor) {
        size @ 0..=67_108_864 => Ok(size as usize),
        size => Err(format!("{size} bytes are more than 64 MiB")),
    }
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no duration such as 500ms, 2s or 1m");
    let digits = text.trim_end_matches(|it: char| it.is_ascii_alphabetic());
    let factor = match &text[digits.len()..] {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        "" if digits == "0" => 1.0,
        _ => return Err(wrong()),
    };
    let seconds: f64 = digits.parse().map_err(|_| wrong())?;
    Duration::try_from_secs_f64(seconds * factor).map_err(|_| wrong())
}

pub(super) fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| format!("`{text}` is no address such as 127.0.0.2"))
}

pub(super) fn pid(text: &str) -> Result<u32, String> {
    let pid = text.parse().map_err(|_| format!("`{text}` is no process id"))?;
    match std::fs::exists(format!("/proc/{pid}")) {
        Ok(true) => Ok(pid),
        _ => Err(format!("there is no process {pid}")),
    }
}

pub(super) fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let wrong = || format!("`{text}` is no header such as Origin:https://example.com");
    let (name, value) = text.split_once(':').ok_or_else(wrong)?;
    let name = HeaderName::try_from(name.trim()).map_err(|_| wrong())?;
    let value = HeaderValue::try_from(value.trim()).map_err(|_| wrong())?;
    Ok((name, value))
}

pub(super) fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err(format!("`{text}` is no share from 0 to 1, such as 0.1")),
    }
}

/// A share above nothing is at least one.
pub(super) fn share_of(whole: usize, share: f64) -> usize {
    ((whole as f64 * share).ceil() as usize).min(whole)
}

pub(super) fn dropping(text: &str) -> Result<Dropping, String> {
    match text {
        "reset" => Ok(Dropping::Reset),
        "close" => Ok(Dropping::Close),
        _ => Err(format!("`{text}` is neither reset nor close")),
    }
}

pub(super) fn carried(text: &str) -> Result<Carried, String> {
    match text {
        "header" => Ok(Carried::Header),
        "query" => Ok(Carried::Query),
        "message" => Ok(Carried::Message),
        "subprotocol" => Ok(Carried::Subprotocol),
        _ => Err(format!("`{text}` is none of header, query, subprotocol, message")),
    }
}

/// Words that need no escape in JSON and deflate about as well as prose does.
pub(super) fn filler(size: usize) -> Vec<u8> {
    const WORDS: [&str; 16] = [
        "river", "stone", "lamp", "north", "paper", "quiet", "seven", "garden", "iron", "velvet",
        "harbour", "maple", "signal", "winter", "copper", "thread",
    ];
    let mut random = fastrand::Rng::with_seed(7);
    let mut filler = Vec::with_capacity(size + 16);
    while filler.len() < size {
        filler.extend_from_slice(WORDS[random.usize(..WORDS.len())].as_bytes());
        filler.push(b' ');
    }
    filler.truncate(size);
    filler
}
