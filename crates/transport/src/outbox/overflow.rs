//! What a sender may ask for where there is no room, and what it is answered.

/// What becomes of a message for which there is no room.
///
/// What is dropped is counted for each channel of an [`Origin`](ws_connection::Origin), and the session
/// is told by [`Session::handle_missed`](crate::Session::handle_missed) before what waits is written.
/// Where dropping all that may be dropped would not make room enough, nothing is dropped but the new
/// message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// What may be dropped makes way for it, the oldest first; if that is not enough, it is handed back.
    /// Once queued, it is never dropped for another.
    #[default]
    Refuse,
    /// Those that were sent with any policy but [`Overflow::Refuse`] make way, the oldest first.
    DropOldest,
    /// It is dropped itself. Once queued, it may have to make way.
    DropNewest,
    /// It replaces a message that was sent like this and has the same channel and key, and waits at the
    /// end: order within a channel holds. This goes for clients that are slow, whose socket takes no
    /// more or for whom there is no room; to those that keep up, every message is sent. Once it has
    /// begun, it goes on until what waits has been written. Where that does not make room, as
    /// [`Overflow::DropOldest`]; so is a message without an origin, such as several joined ones.
    Conflate,
}

impl Overflow {
    pub(super) fn may_drop(self) -> bool {
        self != Self::Refuse
    }
}

/// What became of a message that was not handed back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It waits to be written.
    Queued,
    /// It was dropped, and the client will be told.
    Dropped,
}
