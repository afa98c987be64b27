//! The name of a channel with places for the parameters of a URL: `chat:{session_id}`.

use super::path::PathPattern;
use crate::{
    ChannelKind, ChannelName, PatternError, TypeError,
    pattern::{Piece, is_unambiguous, pieces},
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(Box<[Part]>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(Box<str>),
    /// The index of the parameter.
    Value(usize),
}

impl Template {
    pub(super) fn parse(text: &str, path: &PathPattern) -> Result<Self, TypeError> {
        let template = |error| TypeError::Channel { text: text.into(), error };
        if text.is_empty() {
            return Err(template(PatternError::Empty));
        }
        if ChannelKind::of(text) == ChannelKind::System {
            return Err(TypeError::Reserved { text: text.into() });
        }
        let parts = pieces(text).map_err(template)?.into_iter().map(|(at, piece)| match piece {
            Piece::Literal(literal) => Ok(Part::Literal(literal.into())),
            Piece::Placeholder(name) => path
                .parameter(name)
                .map(Part::Value)
                .ok_or_else(|| TypeError::UnknownParameter { name: name.into() }),
            Piece::Rest => Err(template(PatternError::BadCharacter { at, found: '*' })),
        });
        Ok(Self(parts.collect::<Result<_, _>>()?))
    }

    /// The channel's name, or the index of the parameter whose value would make another channel of it.
    pub(super) fn channel(&self, values: &[Box<str>]) -> Result<ChannelName, usize> {
        let mut name = String::new();
        let mut last = 0;
        for (i, part) in self.0.iter().enumerate() {
            match part {
                Part::Literal(literal) => name.push_str(literal),
                Part::Value(index) => {
                    let following = match self.0.get(i + 1) {
                        Some(Part::Literal(literal)) => Some(&**literal),
                        Some(Part::Value(_)) | None => None,
                    };
                    if !is_unambiguous(&values[*index], following) {
                        return Err(*index);
                    }
                    last = *index;
                    name.push_str(&values[*index]);
                }
            }
        }
        let name = ChannelName::new(&name).map_err(|_| last)?;
        // A value alone must not open what a template may not spell.
        if name.kind() == ChannelKind::System { Err(last) } else { Ok(name) }
    }
}
