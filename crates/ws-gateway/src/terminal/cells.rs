//! What others have written, and numbers, as they fit into a line of a terminal.

use std::fmt::Write;

/// A text of others in at most so many characters. Nothing in it moves a cursor or colours a line: what is no
/// visible character is written as an escape.
pub(super) fn text(text: &str, width: usize) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_unseen(letter) {
            // Writing to a string does not fail.
            let _ = write!(shown, "{}", letter.escape_unicode());
        } else {
            shown.push(letter);
        }
    }
    if shown.chars().count() <= width {
        return shown;
    }
    let mut cut: String = shown.chars().take(width.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// A line of JSON that says the same, and moves no cursor either: some terminals take even the control characters that
/// JSON may hold as they are for orders.
pub(super) fn json(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    for letter in line.chars() {
        if is_unseen(letter) {
            // All of them have one unit of UTF-16; writing to a string does not fail.
            let _ = write!(shown, "\\u{:04x}", u32::from(letter));
        } else {
            shown.push(letter);
        }
    }
    shown
}

/// Whether it is no visible character, or turns the writing around, and the line with it.
fn is_unseen(letter: char) -> bool {
    let turns = matches!(
        letter,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    letter.is_control() || turns
}

/// A number in at most six characters.
pub(super) fn number(value: f64) -> String {
    let units = ["", "k", "M", "G", "T"];
    let (mut value, mut unit) = (value, 0);
    while value >= 9_999.5 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = if value < 99.95 && value.fract() != 0.0 { 1 } else { 0 };
    format!("{value:.digits$}{}", units[unit])
}

/// How long something has lasted, in its two largest units.
pub(super) fn age(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// The time of day in UTC, to the millisecond.
pub(super) fn time_of_day(ms: u64) -> String {
    let seconds = ms / 1000 % 86_400;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{:03}", seconds % 60, ms % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_have_written_moves_no_cursor() {
        assert_eq!(text("ada\u{1b}[2J\n", 40), "ada\\u{1b}[2J\\u{a}");
        assert_eq!(text("a\u{202e}b", 40), "a\\u{202e}b");
        assert_eq!(text("a\u{9b}2J\u{2028}", 40), "a\\u{9b}2J\\u{2028}");
        assert_eq!(text("Ägypten", 7), "Ägypten");
        assert_eq!(text("Ägypten", 4), "Ägy…");
    }

    #[test]
    fn a_line_of_json_says_the_same_without_a_control_character() {
        let told = serde_json::json!({ "reason": "a\u{9b}31m\u{7f}\u{202e}\u{1b}[2J ä \\" });
        let line = told.to_string();
        assert!(line.contains('\u{9b}'), "JSON may hold it as it is");
        let shown = json(&line);
        assert!(!shown.contains(is_unseen), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), told);
    }

    #[test]
    fn numbers_and_times_fit_into_their_columns() {
        let numbers = [0.0, 0.25, 12.0, 99.96, 9_999.0, 10_000.0, 123_456_789.0, 1e12];
        let shown = numbers.map(number);
        assert_eq!(
            shown,
            ["0", "0.2", "12", "100", "9999", "10k", "123M", "1000G"].map(String::from)
        );
        assert_eq!(
            [999, 61_000, 3_660_000, 90_000_000].map(age),
            ["0s", "1m01s", "1h01m", "1d01h"]
        );
        assert_eq!(time_of_day(1_700_000_000_123), "22:13:20.123");
    }
}
