//! Messages with places that are filled in: `{"id":"{seq}","data":"{payload}"}`.

use std::io::Write as _;

/// A message with places, parsed once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Place(Place),
}

/// What can be filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The filler of `--size` bytes; with fan-out it begins with a stamp.
    Payload,
    /// The number of the message on its connection, from 0.
    Seq,
    /// The number of the connection, from 0.
    Conn,
    /// The user of the connection, by `--user`.
    User,
    /// Milliseconds since 1970.
    Time,
    /// Sixteen random hexadecimal digits.
    Random,
    /// The connection's token.
    Token,
}

const PLACES: [(&str, Place); 7] = [
    ("payload", Place::Payload),
    ("seq", Place::Seq),
    ("conn", Place::Conn),
    ("user", Place::User),
    ("time", Place::Time),
    ("random", Place::Random),
    ("token", Place::Token),
];

/// What a template is filled with.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Values<'a> {
    pub(crate) payload: &'a [u8],
    pub(crate) seq: u64,
    pub(crate) conn: u64,
    pub(crate) user: &'a str,
    pub(crate) epoch_millis: u64,
    pub(crate) token: &'a str,
}

/// A place that nobody knows.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{{{name}}}` is no place; there are {known}", known = known_places())]
pub(crate) struct UnknownPlace {
    name: String,
}

impl Template {
    /// A lower-case word in braces is a place; all other braces, such as those of JSON, are text.
    pub(crate) fn parse(text: &str) -> Result<Self, UnknownPlace> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            let (before, from) = rest.split_at(open);
            literal.push_str(before);
            let Some(name) = word_in_braces(from) else {
                literal.push('{');
                rest = &from[1..];
                continue;
            };
            let Some((_, place)) = PLACES.iter().find(|(known, _)| *known == name) else {
                return Err(UnknownPlace { name: name.to_owned() });
            };
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(Part::Place(*place));
            rest = &from[name.len() + 2..];
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Self { parts })
    }

    /// Whether it is the same for each message of each connection, given the same payload.
    pub(crate) fn is_constant(&self) -> bool {
        let constant = |part: &Part| matches!(part, Part::Literal(_) | Part::Place(Place::Payload));
        self.parts.iter().all(constant)
    }

    /// Whether what is sent can be told apart by its payload.
    pub(crate) fn has_payload(&self) -> bool {
        self.parts.contains(&Part::Place(Place::Payload))
    }

    /// Whether it needs a token.
    pub(crate) fn has_token(&self) -> bool {
        self.parts.contains(&Part::Place(Place::Token))
    }

    /// Appends the filled-in message.
    pub(crate) fn render(&self, values: &Values<'_>, out: &mut Vec<u8>) {
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.extend_from_slice(text.as_bytes()),
                Part::Place(Place::Payload) => out.extend_from_slice(values.payload),
                Part::Place(Place::Seq) => push_number(values.seq, out),
                Part::Place(Place::Conn) => push_number(values.conn, out),
                Part::Place(Place::User) => out.extend_from_slice(values.user.as_bytes()),
                Part::Place(Place::Time) => push_number(values.epoch_millis, out),
                Part::Place(Place::Token) => out.extend_from_slice(values.token.as_bytes()),
                Part::Place(Place::Random) => {
                    // Writing to memory does not fail.
                    let _ = write!(out, "{:016x}", fastrand::u64(..));
                }
            }
        }
    }

    pub(crate) fn render_text(&self, values: &Values<'_>) -> String {
        let mut out = Vec::new();
        self.render(values, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }
}

fn word_in_braces(text: &str) -> Option<&str> {
    let (name, _) = text.strip_prefix('{')?.split_once('}')?;
    let is_word = !name.is_empty() && name.bytes().all(|it| it.is_ascii_lowercase() || it == b'_');
    is_word.then_some(name)
}

fn known_places() -> String {
    let names: Vec<String> = PLACES.iter().map(|(name, _)| format!("`{{{name}}}`")).collect();
    names.join(", ")
}

/// Decimal digits without the machinery of formatting: this is done for each message.
fn push_number(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

#[cfg(test)]
mod tests;
