//! How names are spelled at the server: so that two never meet, and all keys of a log are in one slot.

use std::borrow::Cow;

/// How names are spelled.
#[derive(Debug)]
pub(crate) struct Names {
    topic: String,
    record: String,
    log: String,
}

/// The keys of one log.
pub(crate) struct LogKeys {
    pub(crate) meta: String,
    pub(crate) entries: String,
    pub(crate) feed: String,
    tag: String,
}

/// Where something came from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Source<'a> {
    Topic(&'a str),
    Log(Cow<'a, str>),
}

impl Names {
    pub(crate) fn new(prefix: &str) -> Self {
        Self {
            topic: format!("{prefix}:t:"),
            record: format!("{prefix}:r:"),
            log: format!("{prefix}:{{l:"),
        }
    }

    pub(crate) fn topic(&self, name: &str) -> String {
        [&self.topic, name].concat()
    }

    pub(crate) fn record(&self, name: &str) -> String {
        [&self.record, name].concat()
    }

    pub(crate) fn log(&self, name: &str) -> LogKeys {
        let tag = format!("{}{}}}:", self.log, escape(name));
        let with = |part: &str| [&tag, part].concat();
        LogKeys { meta: with("m"), entries: with("s"), feed: with("f"), tag }
    }

    /// The name of the record with this key.
    pub(crate) fn record_of<'a>(&self, key: &'a [u8]) -> Option<&'a str> {
        str::from_utf8(key).ok()?.strip_prefix(&self.record)
    }

    /// What a pattern of `SCAN` must be to find records whose names begin like that.
    pub(crate) fn records_pattern(&self, prefix: &str) -> String {
        let mut pattern = self.record.clone();
        for character in prefix.chars() {
            if matches!(character, '*' | '?' | '[' | ']' | '\\') {
                pattern.push('\\');
            }
            pattern.push(character);
        }
        pattern.push('*');
        pattern
    }

    /// What was published in this channel.
    pub(crate) fn source<'a>(&self, channel: &'a [u8]) -> Option<Source<'a>> {
        let channel = str::from_utf8(channel).ok()?;
        if let Some(name) = channel.strip_prefix(&self.topic) {
            return Some(Source::Topic(name));
        }
        let name = channel.strip_prefix(&self.log)?.strip_suffix("}:f")?;
        Some(Source::Log(unescape(name)))
    }
}

impl LogKeys {
    pub(crate) fn event(&self, event: &str) -> String {
        [&self.tag, "e:", event].concat()
    }
}

/// The tag ends at the first brace; with none in the name, all keys of a log have the same one and
/// no two logs meet.
fn escape(name: &str) -> Cow<'_, str> {
    match name.contains(['}', '%']) {
        true => name.replace('%', "%25").replace('}', "%7D").into(),
        false => name.into(),
    }
}

fn unescape(name: &str) -> Cow<'_, str> {
    match name.contains('%') {
        true => name.replace("%7D", "}").replace("%25", "%").into(),
        false => name.into(),
    }
}

/// Which of the 16,384 slots of a cluster a key is in.
pub(crate) fn slot(key: &str) -> u16 {
    let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
    let hashed = match tag {
        Some((tag, _)) if !tag.is_empty() => tag,
        _ => key,
    };
    crc16(hashed.as_bytes()) % 16_384
}

/// CRC-16/XMODEM, as the specification of Redis Cluster has it.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| (crc << 8) ^ TABLE[usize::from((crc >> 8) as u8 ^ byte)])
}

const TABLE: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 != 0 { (crc << 1) ^ 0x1021 } else { crc << 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
        for (key, same) in [("{user1000}.following", "user1000"), ("foo{bar}{zap}", "bar")] {
            assert_eq!(slot(key), slot(same), "{key}");
        }
        // The braces have nothing, or do not close: the whole key counts.
        assert_eq!(slot("foo{}{bar}"), crc16(b"foo{}{bar}") % 16_384);
        assert_eq!(slot("foo{bar"), crc16(b"foo{bar") % 16_384);
    }

    #[test]
    fn all_keys_of_a_log_share_a_slot_and_lead_back_to_it() {
        let names = Names::new("ws");
        for name in ["h:a", "", "}", "{}", "h:{a}b", "h:}{", "a%7Db", "%", "ä}"] {
            let keys = names.log(name);
            for key in [&keys.entries, &keys.feed, &keys.event("e}1")] {
                assert_eq!(slot(key), slot(&keys.meta), "{key}");
            }
            assert_eq!(names.source(keys.feed.as_bytes()), Some(Source::Log(name.into())));
            let topic = names.topic(name);
            assert_eq!(names.source(topic.as_bytes()), Some(Source::Topic(name)));
        }
    }

    #[test]
    fn names_that_look_like_keys_do_not_meet() {
        let names = Names::new("ws");
        let keys = |name: &str, event: &str| {
            let keys = names.log(name);
            [keys.event(event), keys.meta, keys.entries, keys.feed]
        };
        for other in keys("x}:e:y", "z") {
            assert!(!keys("x", "y}:m").contains(&other), "{other}");
        }
    }

    #[test]
    fn patterns_mean_what_they_say() {
        assert_eq!(Names::new("ws").records_pattern("us*r:[a]\\"), "ws:r:us\\*r:\\[a\\]\\\\*");
    }
}
