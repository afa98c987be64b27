//! URL patterns with parameters: `/ws/chat/{session_id}`.

use std::borrow::Cow;

use crate::PathError;

/// The most segments that a pattern may have.
const SEGMENTS_MAX: usize = 16;

/// A path of which some segments are parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PathPattern {
    text: Box<str>,
    segments: Box<[Segment]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(Box<str>),
    /// The index of the parameter's name is that among the parameters.
    Parameter(Box<str>),
}

impl PathPattern {
    pub(super) fn parse(text: &str) -> Result<Self, PathError> {
        let inside = text.strip_prefix('/').ok_or(PathError::NotAbsolute)?;
        let mut segments: Vec<Segment> = Vec::new();
        for written in inside.split('/') {
            let segment = Segment::parse(written)?;
            if matches!(segment, Segment::Parameter(_)) && segments.contains(&segment) {
                return Err(PathError::RepeatedParameter { segment: written.into() });
            }
            segments.push(segment);
        }
        if segments.len() > SEGMENTS_MAX {
            return Err(PathError::TooLong { segments: segments.len(), max: SEGMENTS_MAX });
        }
        Ok(Self { text: text.into(), segments: segments.into() })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// The index of the parameter of that name among all.
    pub(super) fn parameter(&self, name: &str) -> Option<usize> {
        self.parameters().position(|parameter| parameter == name)
    }

    pub(super) fn parameters(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Parameter(name) => Some(&**name),
            Segment::Literal(_) => None,
        })
    }

    /// What stands in place of the parameters, still encoded, if `path` is one of those meant.
    pub(super) fn matches<'p>(&self, path: &'p str) -> Option<Vec<&'p str>> {
        let mut values = Vec::new();
        let mut written = path.strip_prefix('/')?.split('/');
        for segment in &self.segments {
            let written = written.next()?;
            match segment {
                Segment::Literal(literal) if **literal == *written => {}
                Segment::Literal(_) => return None,
                Segment::Parameter(_) if written.is_empty() => return None,
                Segment::Parameter(_) => values.push(written),
            }
        }
        written.next().is_none().then_some(values)
    }

    /// Two patterns of one shape mean the same paths.
    pub(super) fn has_shape_of(&self, other: &Self) -> bool {
        let same = |(a, b): (&Segment, &Segment)| match (a, b) {
            (Segment::Literal(a), Segment::Literal(b)) => a == b,
            (Segment::Parameter(_), Segment::Parameter(_)) => true,
            (Segment::Literal(_), Segment::Parameter(_))
            | (Segment::Parameter(_), Segment::Literal(_)) => false,
        };
        self.segments.len() == other.segments.len()
            && self.segments.iter().zip(&other.segments).all(same)
    }

    /// Sorted by this, what says more comes first: the earlier a segment is literal, the more it says.
    pub(super) fn vagueness(&self) -> Vec<bool> {
        self.segments.iter().map(|segment| matches!(segment, Segment::Parameter(_))).collect()
    }
}

impl Segment {
    fn parse(written: &str) -> Result<Self, PathError> {
        if written.is_empty() {
            return Err(PathError::EmptySegment);
        }
        let named = written.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        if let Some(name) = named
            && !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        {
            return Ok(Self::Parameter(name.into()));
        }
        let is_plain = |byte: u8| {
            byte.is_ascii_graphic() && !matches!(byte, b'{' | b'}' | b'?' | b'#' | b'%' | b'*')
        };
        if written.bytes().all(is_plain) {
            return Ok(Self::Literal(written.into()));
        }
        Err(PathError::BadSegment { segment: written.into() })
    }
}

/// Undoes percent-encoding (RFC 3986 §2.1); `None` if it is broken, or not UTF-8.
pub(super) fn decode(encoded: &str) -> Option<Cow<'_, str>> {
    if !encoded.contains('%') {
        return Some(encoded.into());
    }
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut bytes = encoded.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let high = char::from(bytes.next()?).to_digit(16)?;
        let low = char::from(bytes.next()?).to_digit(16)?;
        decoded.push((high * 16 + low) as u8);
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_judged_before_it_is_used() {
        let bad = |segment: &str| Err(PathError::BadSegment { segment: segment.into() });
        for (text, expected) in [
            ("/ws/chat/{session_id}", Ok(())),
            ("/ws", Ok(())),
            ("ws/chat", Err(PathError::NotAbsolute)),
            ("", Err(PathError::NotAbsolute)),
            ("/", Err(PathError::EmptySegment)),
            ("/ws//chat", Err(PathError::EmptySegment)),
            ("/ws/", Err(PathError::EmptySegment)),
            ("/ws/{}", bad("{}")),
            ("/ws/{Id}", bad("{Id}")),
            ("/ws/chat-{id}", bad("chat-{id}")),
            ("/ws/*", bad("*")),
            ("/ws?x=1", bad("ws?x=1")),
            ("/a b", bad("a b")),
            ("/{id}/{id}", Err(PathError::RepeatedParameter { segment: "{id}".into() })),
            (&"/a".repeat(17), Err(PathError::TooLong { segments: 17, max: 16 })),
        ] {
            assert_eq!(PathPattern::parse(text).map(drop), expected, "{text}");
        }
    }

    #[test]
    fn a_parameter_is_one_whole_segment() {
        for (pattern, path, values) in [
            ("/ws/chat/{session_id}", "/ws/chat/abc", Some(vec!["abc"])),
            ("/ws/chat/{session_id}", "/ws/chat/", None),
            ("/ws/chat/{session_id}", "/ws/chat", None),
            ("/ws/chat/{session_id}", "/ws/chat/abc/", None),
            ("/ws/chat/{session_id}", "/ws/chat/a/b", None),
            ("/ws/chat/{session_id}", "/ws/Chat/abc", None),
            ("/ws/trips/{trip_id}/collab", "/ws/trips/7/collab", Some(vec!["7"])),
            ("/{a}/{b}", "/1/2", Some(vec!["1", "2"])),
            ("/ws", "/ws", Some(vec![])),
            ("/ws", "ws", None),
        ] {
            assert_eq!(PathPattern::parse(pattern).unwrap().matches(path), values, "{path}");
        }
    }

    #[test]
    fn percent_encoding_is_undone_or_refused() {
        for (encoded, decoded) in [
            ("abc", Some("abc")),
            ("auth0%7Cabc", Some("auth0|abc")),
            ("%e2%82%AC", Some("€")),
            ("a+b", Some("a+b")),
            ("%", None),
            ("%4", None),
            ("%zz", None),
            ("%+1", None),
            ("%ff", None),
        ] {
            assert_eq!(decode(encoded).as_deref(), decoded, "{encoded}");
        }
    }
}
