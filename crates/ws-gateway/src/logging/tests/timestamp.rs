//! Times whose writing is known, and all days of four centuries.

use std::time::Duration;

use crate::logging::timestamp::Timestamp;

fn check(seconds: u64, micros: u32, expect: &str) {
    let timestamp = Timestamp::of(Duration::new(seconds, micros * 1000 + 999));
    assert_eq!(timestamp.as_str(), expect);
}

#[test]
fn times_are_written_in_utc_to_the_microsecond() {
    check(0, 0, "1970-01-01T00:00:00.000000Z");
    check(1_000_000_000, 7, "2001-09-09T01:46:40.000007Z");
    check(951_782_400, 123_456, "2000-02-29T00:00:00.123456Z");
    check(1_735_689_599, 999_999, "2024-12-31T23:59:59.999999Z");
    check(4_107_542_400, 0, "2100-03-01T00:00:00.000000Z");
    check(253_402_300_799, 0, "9999-12-31T23:59:59.000000Z");
    check(253_402_300_800, 0, "9999-12-31T23:59:59.000000Z");
}

#[test]
fn the_days_of_four_centuries_follow_one_another() {
    let mut day: u64 = 0;
    for year in 1970..2370 {
        let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let february = if is_leap { 29 } else { 28 };
        let days = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        for (month, days) in (1..).zip(days) {
            for day_of_month in 1..=days {
                let expect = format!("{year}-{month:02}-{day_of_month:02}T12:00:00.000000Z");
                check(day * 86_400 + 43_200, 0, &expect);
                day += 1;
            }
        }
    }
}
