//! What nodes tell each other of who is in a channel.
//!
//! ```text
//!   statements    1  flags       ( said u8  len u16  user … )*
//!   restatement   2  flags  restatement u32  index u32  ( len u16  user … )*
//! ```
//!
//! Who says it, and of which channel, stands before it.

use std::sync::Arc;

use ws_channels::{Departure, Part, Statement};

const STATEMENTS: u8 = 1;
const RESTATEMENT: u8 = 2;
/// There are many, to be told as one difference.
const MANY: u8 = 1;
/// The last part.
const LAST: u8 = 1;
/// Who says it asks all others to restate as well.
const ASKS: u8 = 2;

/// One note takes no more of users than this, whatever the room: it is to fit in a message of any engine, and not
/// to hold up what comes behind it.
pub(super) const USERS_BYTES_MAX: usize = 16 * 1024;

/// What is said of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Said {
    Here = 0,
    Left = 1,
    Lost = 2,
}

/// A note that was read.
#[derive(Debug)]
pub(super) enum Note<'n> {
    Statements { are_many: bool, rest: Users<'n> },
    Part { part: Part, asks: bool, users: Users<'n> },
}

/// Users that are read one by one, up to the first that is none.
#[derive(Clone, Debug)]
pub(super) struct Users<'n>(&'n [u8]);

impl Said {
    pub(super) const fn gone(departure: Departure) -> Self {
        match departure {
            Departure::Meant => Self::Left,
            Departure::Lost => Self::Lost,
        }
    }

    const fn of<'u>(said: u8, user: &'u str) -> Option<Statement<'u>> {
        match said {
            0 => Some(Statement::Here(user)),
            1 => Some(Statement::Gone(user, Departure::Meant)),
            2 => Some(Statement::Gone(user, Departure::Lost)),
            _ => None,
        }
    }
}

/// Appends as many of the statements as fit; answers how many.
pub(super) fn write_statements(
    statements: &[(Arc<str>, Said)],
    are_many: bool,
    out: &mut Vec<u8>,
) -> usize {
    out.extend([STATEMENTS, if are_many { MANY } else { 0 }]);
    let start = out.len();
    for (written, (user, said)) in statements.iter().enumerate() {
        if written > 0 && out.len() - start + user.len() > USERS_BYTES_MAX {
            return written;
        }
        // A name that is longer than a name can be is nobody's.
        if let Ok(len) = u16::try_from(user.len()) {
            out.push(*said as u8);
            out.extend(len.to_be_bytes());
            out.extend_from_slice(user.as_bytes());
        }
    }
    statements.len()
}

/// Appends a part of a restatement, with as many of the users as fit, those left out who are not here any more.
/// It is the last part when none are left.
pub(super) fn write_part(
    (restatement, index): (u32, u32),
    asks: bool,
    users: &mut Vec<Arc<str>>,
    is_here: impl Fn(&str) -> bool,
    out: &mut Vec<u8>,
) -> Part {
    let flags = out.len() + 1;
    out.extend([RESTATEMENT, if asks { ASKS } else { 0 }]);
    out.extend(restatement.to_be_bytes());
    out.extend(index.to_be_bytes());
    let start = out.len();
    let fits = |user: &Arc<str>, written| written == 0 || written + user.len() <= USERS_BYTES_MAX;
    while let Some(user) = users.pop_if(|user| fits(user, out.len() - start)) {
        if let (Ok(len), true) = (u16::try_from(user.len()), is_here(&user)) {
            out.extend(len.to_be_bytes());
            out.extend_from_slice(user.as_bytes());
        }
    }
    let is_last = users.is_empty();
    if is_last {
        out[flags] |= LAST;
    }
    Part { restatement, index, is_last }
}

impl<'n> Note<'n> {
    /// Reads a note; `None` if it is not one, or of a later version.
    pub(super) fn read(bytes: &'n [u8]) -> Option<Self> {
        let (&[kind, flags], rest) = bytes.split_first_chunk()?;
        match kind {
            STATEMENTS => Some(Self::Statements { are_many: flags & MANY != 0, rest: Users(rest) }),
            RESTATEMENT => {
                let (restatement, rest) = rest.split_first_chunk()?;
                let (index, rest) = rest.split_first_chunk()?;
                let part = Part {
                    restatement: u32::from_be_bytes(*restatement),
                    index: u32::from_be_bytes(*index),
                    is_last: flags & LAST != 0,
                };
                Some(Self::Part { part, asks: flags & ASKS != 0, users: Users(rest) })
            }
            _ => None,
        }
    }
}

impl<'n> Users<'n> {
    /// As statements, each of which begins with what is said.
    pub(super) fn statements(mut self) -> impl Iterator<Item = Statement<'n>> {
        std::iter::from_fn(move || {
            let (&said, rest) = self.0.split_first()?;
            self.0 = rest;
            Said::of(said, self.next()?)
        })
    }
}

impl<'n> Iterator for Users<'n> {
    type Item = &'n str;

    fn next(&mut self) -> Option<&'n str> {
        let (len, rest) = self.0.split_first_chunk()?;
        let (user, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
        self.0 = rest;
        std::str::from_utf8(user).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn statement((user, said): &(Arc<str>, Said)) -> Statement<'_> {
        match said {
            Said::Here => Statement::Here(user),
            Said::Left => Statement::Gone(user, Departure::Meant),
            Said::Lost => Statement::Gone(user, Departure::Lost),
        }
    }

    fn some() -> impl Strategy<Value = Vec<(Arc<str>, Said)>> {
        let said = prop_oneof![Just(Said::Here), Just(Said::Left), Just(Said::Lost)];
        let user = prop_oneof![8 => ".{0,20}", 1 => "x", 1 => "x{5000,9000}"];
        proptest::collection::vec((user.prop_map(Arc::from), said), 0..40)
    }

    proptest! {
        #[test]
        fn statements_are_read_as_they_were_written(said in some(), are_many: bool) {
            let mut left = &said[..];
            while !left.is_empty() {
                let mut out = Vec::new();
                let written = write_statements(left, are_many, &mut out);
                prop_assert!(written > 0 && out.len() < USERS_BYTES_MAX + 200);
                let Some(Note::Statements { are_many: read, rest }) = Note::read(&out) else {
                    panic!("statements");
                };
                prop_assert_eq!(read, are_many);
                let read: Vec<_> = rest.statements().collect();
                let meant: Vec<_> = left[..written].iter().map(statement).collect();
                prop_assert_eq!(read, meant);
                left = &left[written..];
            }
        }

        #[test]
        fn a_restatement_is_read_in_its_parts(said in some(), restatement: u32, asks: bool) {
            let mut users: Vec<_> = said.iter().map(|(user, _)| user.clone()).collect();
            let (mut all, mut index) = (Vec::new(), 0);
            loop {
                let mut out = Vec::new();
                let is_here = |user: &str| user != "x";
                let part =
                    write_part((restatement, index), asks, &mut users, is_here, &mut out);
                prop_assert!(out.len() < USERS_BYTES_MAX + 200);
                let Some(Note::Part { part: read, asks: asked, users }) = Note::read(&out) else {
                    panic!("a part");
                };
                prop_assert_eq!((read, asked), (part, asks));
                all.extend(users.map(Arc::<str>::from));
                if part.is_last {
                    break;
                }
                index += 1;
            }
            let said = said.into_iter().rev().map(|(user, _)| user);
            let meant: Vec<_> = said.filter(|user| &**user != "x").collect();
            prop_assert_eq!(all, meant);
        }

        #[test]
        fn what_is_no_note_is_read_without_harm(bytes: Vec<u8>) {
            match Note::read(&bytes) {
                Some(Note::Statements { rest, .. }) => drop(rest.statements().count()),
                Some(Note::Part { users, .. }) => drop(users.count()),
                None => {}
            }
        }
    }
}
