//! A bound on how deep a frame may be nested.

/// The most levels of arrays and objects that a frame may have, itself included: what serde_json's own
/// recursion limit lets through.
///
/// We carry payloads without looking into them, so a nested one costs us nothing; but it goes on to
/// others, who may read it with a recursive parser.
pub const NESTING_MAX: usize = 127;

/// Whether `json`, which must be valid JSON, has more than [`NESTING_MAX`] levels.
pub fn is_too_deep(json: &str) -> bool {
    // Each level costs two bytes; and no text has more levels than brackets. Counting these is a
    // twentieth of the work of parsing, and nearly always enough.
    json.len() > 2 * NESTING_MAX && count_openings(json) > NESTING_MAX && depth(json) > NESTING_MAX
}

/// Counts `[` and `{`, in strings too.
fn count_openings(json: &str) -> usize {
    // The two differ in one bit. A sum of at most 255 fits the byte lanes of a vector register.
    let sum = |chunk: &[u8]| chunk.iter().map(|b| u8::from(b | 0x20 == b'{')).sum::<u8>();
    json.as_bytes().chunks(usize::from(u8::MAX)).map(|chunk| usize::from(sum(chunk))).sum()
}

fn depth(json: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0_usize);
    let mut bytes = json.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            // What closes more than it opens is no JSON: a level is none below the first.
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => skip_string(&mut bytes),
            _ => {}
        }
    }
    deepest
}

fn skip_string(bytes: &mut std::str::Bytes<'_>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(levels: usize) -> String {
        "[".repeat(levels) + &"]".repeat(levels)
    }

    #[test]
    fn the_limit_is_the_deepest_that_serde_json_reads() {
        let reads = |json: &str| serde_json::from_str::<serde_json::Value>(json).is_ok();
        let (deepest, deeper) = (nested(NESTING_MAX), nested(NESTING_MAX + 1));
        assert!(reads(&deepest) && !reads(&deeper));
        assert!(!is_too_deep(&deepest) && is_too_deep(&deeper));
    }

    #[test]
    fn brackets_side_by_side_or_in_strings_are_not_levels() {
        let side_by_side = format!("[{}0]", "[{}],".repeat(1000));
        let in_strings = format!("[\"{}\", \"\\\"{}\\\\\"]", "[".repeat(1000), "{".repeat(1000));
        for json in [&side_by_side, &in_strings] {
            assert!(count_openings(json) > NESTING_MAX);
            assert!(serde_json::from_str::<serde_json::Value>(json).is_ok());
            assert!(!is_too_deep(json), "{json}");
        }
    }

    #[test]
    fn what_is_no_json_is_looked_at_all_the_same() {
        let closes_first = "]".repeat(300) + &"[".repeat(200);
        assert!(is_too_deep(&closes_first));
        assert!(!is_too_deep(&"[]]".repeat(300)));
    }

    #[test]
    fn objects_count_as_arrays_do() {
        let levels = NESTING_MAX + 1;
        assert!(is_too_deep(&format!("{}0{}", "{\"a\":".repeat(levels), "}".repeat(levels))));
    }
}
