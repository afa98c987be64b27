//! Strings and numbers as JSON writes them, at the end of a line that is being made.

use std::fmt::{self, Write};

/// A string in quotes.
pub(super) fn push_str(line: &mut String, value: &str) {
    line.push('"');
    if needs_escape(value) {
        push_escaped(line, value);
    } else {
        line.push_str(value);
    }
    line.push('"');
}

/// What a value says of itself, as a string in quotes. It is written where it belongs, and escaped
/// afterwards if it has to be, which nearly nothing has.
pub(super) fn push_debug(line: &mut String, value: &dyn fmt::Debug) {
    line.push('"');
    let start = line.len();
    // A value that fails has said what it could.
    let _ = write!(line, "{value:?}");
    if needs_escape(&line[start..]) {
        let raw = line.split_off(start);
        push_escaped(line, &raw);
    }
    line.push('"');
}

/// JSON knows neither infinities nor what is not a number.
pub(super) fn push_f64(line: &mut String, value: f64) {
    if value.is_finite() {
        let _ = write!(line, "{value:?}");
    } else {
        line.push_str("null");
    }
}

pub(super) fn push_i64(line: &mut String, value: i64) {
    if value < 0 {
        line.push('-');
    }
    push_u64(line, value.unsigned_abs());
}

pub(super) fn push_u64(line: &mut String, value: u64) {
    let mut digits = [0; 20];
    let mut rest = value;
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    line.push_str(str::from_utf8(&digits[start..]).unwrap_or_default());
}

/// Writes a number to as many places as there are, with leading zeros.
pub(super) fn put_digits(places: &mut [u8], mut value: u32) {
    for place in places.iter_mut().rev() {
        *place = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// Looks at all bytes without stopping, which the compiler makes sixteen at a time of.
fn needs_escape(text: &str) -> bool {
    text.bytes().fold(false, |found, byte| found | is_special(byte))
}

/// RFC 8259 §7: quote, backslash and the control characters below U+0020.
fn is_special(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

#[cold]
fn push_escaped(line: &mut String, text: &str) {
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        if !is_special(byte) {
            continue;
        }
        // A special byte is a character by itself, so that these are borders of characters.
        line.push_str(&text[plain..at]);
        plain = at + 1;
        match byte {
            b'"' => line.push_str("\\\""),
            b'\\' => line.push_str("\\\\"),
            b'\n' => line.push_str("\\n"),
            b'\r' => line.push_str("\\r"),
            b'\t' => line.push_str("\\t"),
            other => {
                let _ = write!(line, "\\u{other:04x}");
            }
        }
    }
    line.push_str(&text[plain..]);
}
