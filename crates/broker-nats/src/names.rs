//! How topics, logs and records are spelled at the server.
//!
//! A name is one token of a subject, or two where it has a colon: `user:bob` is `user.bob`, so that all that
//! begins with `user:` can be asked for. Letters, digits, `-`, `_` and `/` stand for themselves, every other
//! byte is `=` and two hexadecimal digits. No two names are spelled alike.

use std::time::Duration;

use ws_broker::{Keep, WhenFull};

const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
/// No token may be empty.
const EMPTY: &str = "=";

/// The subjects under one prefix.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    prefix: Box<str>,
}

impl Names {
    pub(crate) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.into() }
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(crate) fn topic(&self, topic: &str) -> String {
        let mut subject = String::with_capacity(self.prefix.len() + topic.len() + 8);
        subject.push_str(&self.prefix);
        subject.push_str(".t.");
        spell(topic, &mut subject);
        subject
    }

    /// Where nobody listens: a server that answers so has done all that was sent before.
    pub(crate) fn nowhere(&self) -> String {
        format!("{}.nowhere", self.prefix)
    }

    /// Where the nodes of this prefix tell each other that they are there.
    pub(crate) fn peers(&self) -> String {
        format!("{}.peers", self.prefix)
    }

    /// The stream that keeps records: the bucket of the prefix, as NATS' own tools see it.
    pub(crate) fn record_stream(&self) -> String {
        format!("KV_{}", self.prefix)
    }

    /// The subject of a record.
    pub(crate) fn record(&self, key: &str) -> String {
        let mut subject = self.record_start();
        spell(key, &mut subject);
        subject
    }

    /// The subjects of all records that may begin with `start`.
    pub(crate) fn records(&self, start: &str) -> String {
        let mut subject = self.record_start();
        if let Some((kind, _)) = start.split_once(':') {
            spell_token(kind, &mut subject);
            subject.push('.');
        }
        subject.push('>');
        subject
    }

    /// The record whose subject it is.
    pub(crate) fn record_of(&self, subject: &str) -> Option<String> {
        read_back(subject.strip_prefix(&self.record_start())?)
    }

    fn record_start(&self) -> String {
        format!("$KV.{}.", self.prefix)
    }
}

/// What the logs with one [`Keep`] are called.
#[derive(Debug)]
pub(crate) struct StreamNames {
    /// The stream.
    pub(crate) stream: String,
    /// What entries' subjects begin with.
    pub(crate) entries: String,
    /// What the subjects begin with under which entries are told to those who follow.
    pub(crate) feed: String,
    /// What the subjects begin with of logs out of which something was taken.
    pub(crate) marks: String,
}

impl StreamNames {
    pub(crate) fn new(names: &Names, keep: &Keep) -> Self {
        let key = key_of(keep);
        let prefix = names.prefix();
        Self {
            stream: format!("{prefix}_{key}"),
            entries: format!("{prefix}.l.{key}."),
            feed: format!("{prefix}.f.{key}."),
            marks: format!("{prefix}.m.{key}."),
        }
    }

    pub(crate) fn entry(&self, log: &str) -> String {
        spelled_behind(&self.entries, log)
    }

    pub(crate) fn feed(&self, log: &str) -> String {
        spelled_behind(&self.feed, log)
    }

    pub(crate) fn mark(&self, log: &str) -> String {
        spelled_behind(&self.marks, log)
    }
}

/// An event's name for the server: of one log, and without what a header cannot hold.
pub(crate) fn message_id(log: &str, event: &str) -> String {
    let mut id = String::with_capacity(log.len() + event.len() + 8);
    spell(log, &mut id);
    id.push(':');
    spell_token(event, &mut id);
    id
}

/// What tells streams of different keeps apart.
fn key_of(keep: &Keep) -> String {
    let full = match keep.when_full {
        WhenFull::DropOldest => "drop",
        WhenFull::Refuse => "refuse",
    };
    let (ttl, window) = (millis(keep.ttl), millis(keep.event_window));
    format!("{}-{ttl}-{full}-{window}", keep.entries_max)
}

fn millis(duration: Duration) -> u128 {
    duration.as_millis()
}

fn spelled_behind(start: &str, name: &str) -> String {
    let mut subject = String::with_capacity(start.len() + name.len() + 8);
    subject.push_str(start);
    spell(name, &mut subject);
    subject
}

fn spell(name: &str, out: &mut String) {
    match name.split_once(':') {
        Some((kind, rest)) => {
            spell_token(kind, out);
            out.push('.');
            spell_token(rest, out);
        }
        None => spell_token(name, out),
    }
}

fn spell_token(text: &str, out: &mut String) {
    if text.is_empty() {
        out.push_str(EMPTY);
    }
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'/' => out.push(byte.into()),
            _ => {
                out.push('=');
                out.push(DIGITS[usize::from(byte >> 4)].into());
                out.push(DIGITS[usize::from(byte & 15)].into());
            }
        }
    }
}

fn read_back(spelled: &str) -> Option<String> {
    match spelled.split_once('.') {
        Some((kind, rest)) => Some(format!("{}:{}", read_token(kind)?, read_token(rest)?)),
        None => read_token(spelled),
    }
}

fn read_token(token: &str) -> Option<String> {
    if token == EMPTY {
        return Some(String::new());
    }
    let mut bytes = Vec::with_capacity(token.len());
    let mut rest = token.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        rest = behind;
        if first == b'=' {
            let (digits, behind) = rest.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?);
            rest = behind;
        } else {
            bytes.push(first);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const ODD: &[&str] = &[
        "",
        ":",
        "a",
        "a:",
        ":a",
        "a:b",
        "a.b",
        "a=2Eb",
        "a:b:c",
        "a:b.c",
        "=",
        "==",
        "*",
        ">",
        " ",
        "ä",
        "日本:🦀",
        "a b",
        "a\r\nb",
        "$JS",
        "a/b",
        "A",
        "user:=",
    ];

    #[test]
    fn names_are_told_apart_and_read_back() {
        let names = Names::new("ws");
        let mut seen = HashSet::new();
        for name in ODD {
            let subject = names.record(name);
            assert!(subject.bytes().all(|byte| byte.is_ascii_graphic() && !b"*>".contains(&byte)));
            assert!(subject.split('.').all(|token| !token.is_empty()), "{subject}");
            assert_eq!(names.record_of(&subject).as_deref(), Some(*name));
            assert!(seen.insert(subject), "{name:?} is spelled like another");
        }
    }

    #[test]
    fn records_of_a_kind_have_a_subject_of_their_own() {
        let names = Names::new("ws");
        assert_eq!(names.record("user:bob"), "$KV.ws.user.bob");
        assert_eq!(names.records("user:b"), "$KV.ws.user.>");
        assert_eq!(names.records("us"), "$KV.ws.>");
    }

    #[test]
    fn a_longest_name_fits_into_a_line_of_the_protocol() {
        let name = format!("h:{}", "\u{1}".repeat(1022));
        assert!(Names::new("a-rather-long-prefix").topic(&name).len() < 3500);
    }

    #[test]
    fn events_of_different_logs_have_different_ids() {
        assert_ne!(message_id("h:a", "b"), message_id("h:a:b", ""));
        assert_ne!(message_id("a", "b:c"), message_id("a:b", "c"));
        assert!(!message_id("h:a", "one\r\ntwo").contains('\n'));
    }
}
