//! Figures as people read them.

/// Three digits are enough: `1,234`, `56.7k`, `1.23M`.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        it if it >= 1e9 => format!("{}G", digits(value / 1e9)),
        it if it >= 1e6 => format!("{}M", digits(value / 1e6)),
        it if it >= 1e4 => format!("{}k", digits(value / 1e3)),
        _ => digits(value),
    }
}

/// From nanoseconds: `850 ns`, `12.3 µs`, `4.56 ms`, `1.20 s`.
pub(crate) fn time(nanos: f64) -> String {
    match nanos {
        it if it >= 1e9 => format!("{} s", digits(it / 1e9)),
        it if it >= 1e6 => format!("{} ms", digits(it / 1e6)),
        it if it >= 1e3 => format!("{} µs", digits(it / 1e3)),
        it => format!("{} ns", digits(it)),
    }
}

pub(crate) fn bytes(value: f64) -> String {
    match value.abs() {
        it if it >= 1_073_741_824.0 => format!("{} GiB", digits(value / 1_073_741_824.0)),
        it if it >= 1_048_576.0 => format!("{} MiB", digits(value / 1_048_576.0)),
        it if it >= 10_240.0 => format!("{} KiB", digits(value / 1024.0)),
        _ => format!("{} B", whole(value)),
    }
}

/// With commas between thousands.
pub(crate) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn digits(value: f64) -> String {
    match value.abs() {
        it if it >= 1_000.0 => whole(value),
        it if it >= 100.0 || it.fract() == 0.0 => format!("{value:.0}"),
        it if it >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn whole(value: f64) -> String {
    let sign = if value < 0.0 { "-" } else { "" };
    format!("{sign}{}", count(value.abs().round() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_and_a_unit() {
        for (found, expected) in [
            (number(0.0), "0"),
            (number(12.34), "12.3"),
            (number(9_876.0), "9,876"),
            (number(56_789.0), "56.8k"),
            (number(1_234_567.0), "1.23M"),
            (time(850.0), "850 ns"),
            (time(12_345.0), "12.3 µs"),
            (time(4_560_000.0), "4.56 ms"),
            (time(61e9), "61 s"),
            (bytes(2_914.0), "2,914 B"),
            (bytes(-819.0), "-819 B"),
            (bytes(9_261_056.0), "8.83 MiB"),
            (count(0), "0"),
            (count(999), "999"),
            (count(1_234_567), "1,234,567"),
        ] {
            assert_eq!(found, expected);
        }
    }
}
