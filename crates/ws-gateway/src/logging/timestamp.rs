//! What time it is, as RFC 3339 has it: in UTC and to the microsecond.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::text::put_digits;

/// `2001-09-09T01:46:40.000000Z`. A clock that stands before 1970 or after 9999 reads as the nearest
/// of the two.
pub(super) struct Timestamp([u8; 27]);

const SECONDS_MAX: u64 = 253_402_300_799;
const SECONDS_OF_A_DAY: u64 = 86_400;

impl Timestamp {
    pub(super) fn now() -> Self {
        #[expect(clippy::disallowed_methods, reason = "a line says when it was written")]
        let now = SystemTime::now();
        Self::of(now.duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    pub(super) fn of(since_1970: Duration) -> Self {
        let seconds = since_1970.as_secs().min(SECONDS_MAX);
        let (year, month, day) = date((seconds / SECONDS_OF_A_DAY) as u32);
        let second = (seconds % SECONDS_OF_A_DAY) as u32;
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        put_digits(&mut text[..4], year);
        put_digits(&mut text[5..7], month);
        put_digits(&mut text[8..10], day);
        put_digits(&mut text[11..13], second / 3600);
        put_digits(&mut text[14..16], second / 60 % 60);
        put_digits(&mut text[17..19], second % 60);
        put_digits(&mut text[20..26], since_1970.subsec_micros());
        Self(text)
    }

    pub(super) fn as_str(&self) -> &str {
        // Digits and signs; never anything else.
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Year, month and day of a day since 1970. Years are counted from March, so that the leap day is
/// the last of its year and months have one pattern: five of them have 153 days.
fn date(days: u32) -> (u32, u32, u32) {
    const DAYS_FROM_MARCH_0000: u32 = 719_468;
    const DAYS_OF_400_YEARS: u32 = 146_097;
    let days = days + DAYS_FROM_MARCH_0000;
    let day = days % DAYS_OF_400_YEARS;
    let year_of_400 = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year_of_400 + year_of_400 / 4 - year_of_400 / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let is_next_year = month_from_march >= 10;
    let month = if is_next_year { month_from_march - 9 } else { month_from_march + 3 };
    let year = days / DAYS_OF_400_YEARS * 400 + year_of_400 + u32::from(is_next_year);
    (year, month, day_of_month)
}
