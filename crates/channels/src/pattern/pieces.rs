//! A pattern or template taken apart.

use super::first_bad_character;
use crate::PatternError;

/// One piece of a text like `user:{user_id}:*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    Literal(&'a str),
    /// The name between the braces.
    Placeholder(&'a str),
    /// The `*`; always the last.
    Rest,
}

/// The pieces with the byte at which each begins. Two literals never follow each other, nor do two
/// placeholders.
pub(crate) fn pieces(text: &str) -> Result<Vec<(usize, Piece<'_>)>, PatternError> {
    let mut pieces: Vec<(usize, Piece<'_>)> = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let (piece, len) = if let Some(inside) = rest.strip_prefix('{') {
            let end = inside.find('}').ok_or(PatternError::Unclosed { at })?;
            (Piece::Placeholder(&inside[..end]), end + 2)
        } else if let Some(behind) = rest.strip_prefix('*') {
            if !behind.is_empty() {
                return Err(PatternError::StarNotLast { at });
            }
            (Piece::Rest, 1)
        } else {
            let literal = &rest[..rest.find(['{', '*']).unwrap_or(rest.len())];
            if let Some((within, found)) = first_bad_character(literal) {
                return Err(PatternError::BadCharacter { at: at + within, found });
            }
            (Piece::Literal(literal), literal.len())
        };
        let behind_value = matches!(pieces.last(), Some((_, Piece::Placeholder(_))));
        if behind_value && !matches!(piece, Piece::Literal(_)) {
            return Err(PatternError::NoSeparator { at });
        }
        pieces.push((at, piece));
        at += len;
    }
    Ok(pieces)
}
