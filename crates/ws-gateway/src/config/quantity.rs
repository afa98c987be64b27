//! Durations and sizes as people write them: a bare number, or a number with its unit.

use std::time::Duration;

pub(super) const SECOND: u64 = 1000;
pub(super) const MINUTE: u64 = 60 * SECOND;
pub(super) const HOUR: u64 = 60 * MINUTE;
pub(super) const DAY: u64 = 24 * HOUR;

pub(super) const KIB: u64 = 1024;
pub(super) const MIB: u64 = 1024 * KIB;
pub(super) const GIB: u64 = 1024 * MIB;

/// Milliseconds; the first of a size is the one that it is printed with.
const TIMES: [(&str, u64); 5] = [("ms", 1), ("s", SECOND), ("m", MINUTE), ("h", HOUR), ("d", DAY)];

/// Bytes. `KB` and its like are left out: half of those who write them mean 1000, half 1024.
const SIZES: [(&str, u64); 4] = [("B", 1), ("KiB", KIB), ("MiB", MIB), ("GiB", GIB)];

/// Milliseconds as a bare number, or `"500ms"`, `"30s"`, `"5m"`, `"1h"`, `"1d"`.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    parse(text, &TIMES).map(Duration::from_millis)
}

/// Bytes as a bare number, or `"512KiB"`, `"1MiB"`, `"2GiB"`, in any case.
pub(super) fn parse_size(text: &str) -> Option<u64> {
    parse(text, &SIZES)
}

/// The duration in the largest unit that leaves no rest.
pub(crate) fn show_duration(milliseconds: u64) -> String {
    show(milliseconds, &TIMES)
}

/// The size in the largest unit that leaves no rest.
pub(super) fn show_size(bytes: u64) -> String {
    show(bytes, &SIZES)
}

fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let digits_end = text.find(|c: char| !(c.is_ascii_digit() || c == '_')).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits_end);
    let unit = unit.trim_start();
    let scale = match unit {
        "" => 1,
        _ => units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?.1,
    };
    parse_whole(number)?.checked_mul(scale)
}

/// Digits with `_` between them, as TOML and Rust have it.
pub(super) fn parse_whole(text: &str) -> Option<u64> {
    let is_grouped = !text.starts_with('_') && !text.ends_with('_') && !text.contains("__");
    let digits: String = text.chars().filter(|c| *c != '_').collect();
    let is_number = is_grouped && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { digits.parse().ok() } else { None }
}

fn show(amount: u64, units: &[(&str, u64)]) -> String {
    let fits = |(_, scale): &&(&str, u64)| amount >= *scale && amount.is_multiple_of(*scale);
    match units.iter().rev().find(fits) {
        Some((unit, scale)) => format!("{}{unit}", amount / scale),
        None => amount.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_milliseconds_or_have_a_unit() {
        for (text, milliseconds) in [
            ("30000", Some(30_000)),
            ("30_000", Some(30_000)),
            ("0", Some(0)),
            ("250ms", Some(250)),
            ("30s", Some(30_000)),
            (" 5 m ", Some(300_000)),
            ("1h", Some(3_600_000)),
            ("2D", Some(172_800_000)),
            ("", None),
            ("s", None),
            ("-1", None),
            ("1.5s", None),
            ("5 minutes", None),
            ("5m30s", None),
            ("1MiB", None),
            ("_1", None),
            ("1__0", None),
            ("٣", None),
            ("18446744073709551616", None),
            ("18446744073709551615h", None),
        ] {
            assert_eq!(parse_duration(text), milliseconds.map(Duration::from_millis), "{text:?}");
        }
    }

    #[test]
    fn sizes_are_bytes_or_have_a_unit_of_1024() {
        for (text, bytes) in [
            ("1048576", Some(MIB)),
            ("1MiB", Some(MIB)),
            ("1mib", Some(MIB)),
            ("512 KiB", Some(512 * KIB)),
            ("16B", Some(16)),
            ("1GiB", Some(GIB)),
            ("1MB", None),
            ("1M", None),
            ("0x10", None),
            ("1.5MiB", None),
            ("17179869184GiB", None),
        ] {
            assert_eq!(parse_size(text), bytes, "{text:?}");
        }
    }

    #[test]
    fn what_is_shown_reads_back_as_the_same() {
        for (milliseconds, text) in
            [(0, "0"), (1, "1ms"), (1500, "1500ms"), (30_000, "30s"), (300_000, "5m"), (DAY, "1d")]
        {
            assert_eq!(show_duration(milliseconds), text);
            assert_eq!(parse_duration(text), Some(Duration::from_millis(milliseconds)));
        }
        for (bytes, text) in [(0, "0"), (1000, "1000B"), (1024, "1KiB"), (3 * GIB, "3GiB")] {
            assert_eq!(show_size(bytes), text);
            assert_eq!(parse_size(text), Some(bytes));
        }
    }
}
