//! Which name was probably meant.

/// Names shorter than this differ by one letter too easily from names that mean something else.
const TWO_EDITS_FROM: usize = 8;

/// The candidate that is a slip of the finger away from `name`: one edit, or two in a long name. A
/// swap of neighbours is one edit.
pub(super) fn nearest<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let edits_max = if name.len() >= TWO_EDITS_FROM { 2 } else { 1 };
    candidates
        .map(|candidate| (strsim::osa_distance(name, candidate), candidate))
        .filter(|(edits, _)| *edits <= edits_max)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_recognized_and_a_different_word_is_not() {
        let names =
            || ["ping_interval", "pong_timeout", "upstream", "heartbeat", "log"].into_iter();
        for (name, expect) in [
            ("ping_intervall", Some("ping_interval")),
            ("pign_interval", Some("ping_interval")),
            ("ping-intervals", Some("ping_interval")),
            ("heart_beat", Some("heartbeat")),
            ("logs", Some("log")),
            ("loggs", None),
            ("interval", None),
            ("downstream", None),
        ] {
            assert_eq!(nearest(name, names()), expect, "{name}");
        }
    }
}
