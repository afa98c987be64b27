//! Which names a rule means.

use std::{fmt, ops::Range, str::FromStr, sync::Arc};

use crate::{
    ChannelName, PatternError,
    name::{is_name_byte, is_name_part},
};

mod pieces;
#[cfg(test)]
mod tests;

pub(crate) use pieces::{Piece, pieces};

/// Whom a placeholder stands for: the one who asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caller<'a> {
    /// What `{user_id}` stands for. `None` (nobody has authenticated) matches no placeholder.
    pub user_id: Option<&'a str>,
    /// What `{session_id}` stands for.
    pub session_id: Option<&'a str>,
}

/// A set of names: `orders`, `chat:*`, `user:{user_id}:*`.
///
/// - A `*`, which must come last, stands for any rest, an empty one included.
/// - `{user_id}` and `{session_id}` stand for those of the [`Caller`]. A value that contains the byte
///   which follows the placeholder in the pattern matches nothing: with `user:{user_id}:*` nobody can
///   be called `bob:admin` and thereby be taken for `bob`, nor the other way round. For the same reason
///   neither `*` nor another placeholder may follow a placeholder at once.
/// - Anything else stands for itself.
#[derive(Clone)]
pub struct Pattern {
    text: Arc<str>,
    parts: Box<[Part]>,
    /// Whether it ends with `*`.
    open: bool,
    specificity: Specificity,
}

#[derive(Clone, Debug)]
enum Part {
    /// A slice of the text.
    Literal(Range<usize>),
    Value(Placeholder),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placeholder {
    UserId,
    SessionId,
}

/// How much a pattern says about a name; the greater is asked first.
///
/// What is complete goes before what leaves the rest open, then more literal bytes before fewer, then
/// more placeholders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Specificity {
    closed: bool,
    literal_bytes: usize,
    placeholders: usize,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// Says what is wrong with it, and where.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if text.len() > ChannelName::BYTES_MAX {
            return Err(PatternError::TooLong { bytes: text.len() });
        }
        let mut parts = Vec::new();
        let mut open = false;
        for (at, piece) in pieces(text)? {
            match piece {
                Piece::Literal(literal) => parts.push(Part::Literal(at..at + literal.len())),
                Piece::Placeholder(name) => parts.push(Part::Value(Placeholder::named(name)?)),
                Piece::Rest => open = true,
            }
        }
        let literal_bytes = |part: &Part| match part {
            Part::Literal(range) => range.len(),
            Part::Value(_) => 0,
        };
        let specificity = Specificity {
            closed: !open,
            literal_bytes: parts.iter().map(literal_bytes).sum(),
            placeholders: parts.iter().filter(|part| matches!(part, Part::Value(_))).count(),
        };
        Ok(Self { text: text.into(), parts: parts.into(), open, specificity })
    }

    /// Any name.
    pub(crate) fn any() -> Self {
        let specificity = Specificity { closed: false, literal_bytes: 0, placeholders: 0 };
        Self { text: "*".into(), parts: Box::default(), open: true, specificity }
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether `name` is one of those that the pattern means when `caller` asks.
    #[must_use]
    pub fn matches(&self, name: &str, caller: &Caller<'_>) -> bool {
        let mut rest = name;
        for (i, part) in self.parts.iter().enumerate() {
            let stripped = match part {
                Part::Literal(range) => rest.strip_prefix(&self.text[range.clone()]),
                Part::Value(placeholder) => placeholder
                    .value(caller)
                    .filter(|value| is_unambiguous(value, self.literal_at(i + 1)))
                    .and_then(|value| rest.strip_prefix(value)),
            };
            match stripped {
                Some(stripped) => rest = stripped,
                None => return false,
            }
        }
        self.open || rest.is_empty()
    }

    /// Whether `name` is one of those that the pattern means, whoever asks.
    pub(crate) fn matches_for_somebody(&self, name: &str) -> bool {
        let mut rest = name;
        for (i, part) in self.parts.iter().enumerate() {
            let stripped = match part {
                Part::Literal(range) => rest.strip_prefix(&self.text[range.clone()]),
                Part::Value(_) => {
                    // No value contains the byte that follows it in the pattern.
                    let separator = self.literal_at(i + 1).and_then(|it| it.bytes().next());
                    let is_end = |byte: u8| Some(byte) == separator;
                    let end = rest.bytes().position(is_end).unwrap_or(rest.len());
                    (end > 0).then(|| &rest[end..])
                }
            };
            match stripped {
                Some(stripped) => rest = stripped,
                None => return false,
            }
        }
        self.open || rest.is_empty()
    }

    /// The only name that is meant, if the pattern has neither placeholder nor `*`.
    pub(crate) fn exact(&self) -> Option<&str> {
        (!self.open && self.specificity.placeholders == 0).then_some(&self.text)
    }

    /// What every name that is meant begins with.
    pub(crate) fn literal_prefix(&self) -> &str {
        self.literal_at(0).unwrap_or_default()
    }

    /// How much of a name it spells.
    pub(crate) const fn literal_bytes(&self) -> usize {
        self.specificity.literal_bytes
    }

    pub(crate) const fn specificity(&self) -> Specificity {
        self.specificity
    }

    fn literal_at(&self, part: usize) -> Option<&str> {
        match self.parts.get(part) {
            Some(Part::Literal(range)) => Some(&self.text[range.clone()]),
            Some(Part::Value(_)) | None => None,
        }
    }
}

impl Placeholder {
    fn named(name: &str) -> Result<Self, PatternError> {
        match name {
            "user_id" => Ok(Self::UserId),
            "session_id" => Ok(Self::SessionId),
            _ => Err(PatternError::UnknownPlaceholder {
                name: name.into(),
                known: "{user_id}, {session_id}",
            }),
        }
    }

    const fn value<'a>(self, caller: &Caller<'a>) -> Option<&'a str> {
        match self {
            Self::UserId => caller.user_id,
            Self::SessionId => caller.session_id,
        }
    }
}

/// Whether it is certain where a value ends within a name: an empty one, one that no name can
/// contain, and one that contains what is to follow it, are not used.
pub(crate) fn is_unambiguous(value: &str, following: Option<&str>) -> bool {
    let separator = following.and_then(|literal| literal.bytes().next());
    !value.is_empty()
        && is_name_part(value)
        && separator.is_none_or(|separator| !value.bytes().any(|byte| byte == separator))
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        Self::parse(text)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.text, f)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

/// A literal may contain what a name may.
pub(crate) fn first_bad_character(literal: &str) -> Option<(usize, char)> {
    literal.char_indices().find(|(_, c)| !c.is_ascii() || !is_name_byte(*c as u8))
}
