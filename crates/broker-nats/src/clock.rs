//! Times, as NATS writes them and as we do.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Ms since 1970.
pub(crate) fn now_ms() -> u64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "entries are stamped at the edge to NATS, which is here"
    )]
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH).map_or(0, millis)
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What JetStream takes.
pub(crate) fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// µs since 1970 of a time in UTC as RFC 3339 writes it: `2026-11-21T19:21:37.278609506Z`.
pub(crate) fn micros_of(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-').map(|part| part.parse::<u64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let (whole, fraction) = time.split_once('.').unwrap_or((time, ""));
    let mut time = whole.splitn(3, ':').map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let micros: String = fraction.chars().chain("000000".chars()).take(6).collect();
    let seconds = ((days_since_1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    Some(seconds * 1_000_000 + micros.parse::<u64>().ok()?)
}

/// Years begin in March here, so that the day that leap years add is their last.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let of_years = year * 365 + year / 4 - year / 100 + year / 400;
    let of_months = (153 * month + 2) / 5;
    of_years + of_months + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_nats_are_read() {
        for (text, micros) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1970-01-01T00:00:01.5Z", Some(1_500_000)),
            ("2000-02-29T12:00:00Z", Some(951_825_600_000_000)),
            ("2026-11-21T19:21:37.278609506Z", Some(1_795_288_897_278_609)),
            ("2027-03-01T00:00:00.000001Z", Some(1_803_859_200_000_001)),
            ("0001-01-01T00:00:00Z", None),
            ("2026-11-21T19:21:37+01:00", None),
            ("yesterday", None),
        ] {
            assert_eq!(micros_of(text), micros, "{text}");
        }
    }
}
