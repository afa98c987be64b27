//! What another node says of the users that it holds.

use super::Departure;

/// The name of a node, which holds users of a room: those who have a connection there. The own node has none:
/// its users are those who [`join`](super::Presence::join).
pub type Holder = u64;

/// What a node says of one user in a room. Said again, it changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Statement<'s> {
    /// It has a connection of the user.
    Here(&'s str),
    /// It has none any more.
    Gone(&'s str, Departure),
}

/// Which part of a restatement some users are. A node that names all of its users in a large room does so
/// in several messages; what it says of single users in between counts as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Part {
    /// Which restatement of that node in that room.
    pub restatement: u32,
    /// Which part of it, from 0.
    pub index: u32,
    /// Whether it is the last one.
    pub is_last: bool,
}

/// What came of a part of a restatement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restated {
    /// How far it is.
    pub progress: Progress,
    /// Whether [`Presence::poll_timeout`](super::Presence::poll_timeout) may have moved nearer.
    pub earlier: bool,
}

/// How far a restatement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Progress {
    /// More parts are to come.
    Begun,
    /// Whom the node has not named is not held by it any more.
    Complete,
    /// A part before this one is missing: those who were named are there, but nothing follows for others. The
    /// node is to be asked again.
    Broken,
}
