//! What a channel may be called.

use std::{borrow::Borrow, fmt, ops::Deref, sync::Arc};

use crate::NameError;

/// Of this many bytes may a name be. What a client can make us remember of it is bounded by that.
const NAME_BYTES_MAX: usize = 200;

/// Rooms are channels with this prefix.
const ROOM: &str = "room:";
/// Channels of one user. Without a rule that spells the prefix nobody may use them.
const USER: &str = "user:";
/// Channels of the gateway itself. No rule can open them.
const SYSTEM: &str = "$";
/// Channels of the gateway in which those are who want to be told who is in another channel.
const PRESENCE: &str = "$presence:";

/// The name of a channel: checked once, cloned for the price of a counter.
///
/// One to 200 bytes of visible ASCII, without `"` and `\` (so that a name is the same inside JSON),
/// without `<` and `>` (nor inside HTML), and without `*`, `{` and `}`, which belong to
/// [`Pattern`](crate::Pattern)s. Names are compared byte by byte: there are no two spellings of one
/// channel, which is why other scripts are not accepted.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelName(Arc<str>);

/// What a prefix says about a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChannelKind {
    /// No reserved prefix.
    Plain,
    /// `room:…`, a channel with presence that clients join and leave.
    Room,
    /// `user:…`, of one user: reserved, unless a rule spells the prefix.
    User,
    /// `$…`, of the gateway: reserved, whatever the rules say.
    System,
}

impl ChannelName {
    /// The most bytes that a name may have.
    pub const BYTES_MAX: usize = NAME_BYTES_MAX;

    /// Checks a name.
    ///
    /// # Errors
    ///
    /// Says what is wrong with it, and where.
    pub fn new(name: &str) -> Result<Self, NameError> {
        check(name)?;
        Ok(Self(name.into()))
    }

    /// The channel of the room that clients call `room_id`.
    ///
    /// # Errors
    ///
    /// An empty id, and what [`new`](Self::new) refuses; positions count from the start of the id.
    pub fn room(room_id: &str) -> Result<Self, NameError> {
        let at_id = |error| match error {
            NameError::TooLong { bytes } => NameError::TooLong { bytes },
            NameError::BadCharacter { at, found } => {
                NameError::BadCharacter { at: at - ROOM.len(), found }
            }
            NameError::Empty => NameError::Empty,
        };
        if room_id.is_empty() {
            return Err(NameError::Empty);
        }
        // Not copied before it is known to be short.
        if room_id.len() > NAME_BYTES_MAX - ROOM.len() {
            return Err(NameError::TooLong { bytes: ROOM.len() + room_id.len() });
        }
        Self::new(&[ROOM, room_id].concat()).map_err(at_id)
    }

    /// The channel of those who want to be told who comes to `channel` and who goes: `$presence:` and its
    /// name, which may make it longer than a name that clients give. No client can use it by its name, as
    /// no rule opens what begins with `$`.
    ///
    /// A wish to be told is a subscription like any other: it takes one of
    /// [`channels_per_subscriber_max`](crate::SubscriptionLimits::channels_per_subscriber_max), and the
    /// channel one of [`channels_max`](crate::SubscriptionLimits::channels_max), since it costs as much.
    #[must_use]
    pub fn presence_of(channel: &Self) -> Self {
        Self([PRESENCE, &**channel].concat().into())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the prefix says.
    #[must_use]
    pub fn kind(&self) -> ChannelKind {
        ChannelKind::of(&self.0)
    }

    /// What clients call the room, if the channel is one.
    #[must_use]
    pub fn room_id(&self) -> Option<&str> {
        self.0.strip_prefix(ROOM)
    }
}

impl ChannelKind {
    pub(crate) fn of(name: &str) -> Self {
        match name {
            _ if name.starts_with(SYSTEM) => Self::System,
            _ if name.starts_with(ROOM) => Self::Room,
            _ if name.starts_with(USER) => Self::User,
            _ => Self::Plain,
        }
    }

    /// Whether a name of this kind is closed to all rules but those that begin with its prefix.
    pub(crate) const fn reserved_prefix(self) -> Option<&'static str> {
        match self {
            Self::Plain | Self::Room => None,
            Self::User => Some(USER),
            Self::System => Some(SYSTEM),
        }
    }
}

/// Whether a byte may stand in a name.
pub(crate) const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'<' | b'>' | b'*' | b'{' | b'}')
}

/// Whether all of `text`, if it is short enough, may stand in a name.
pub(crate) fn is_name_part(text: &str) -> bool {
    text.len() <= NAME_BYTES_MAX && text.bytes().all(is_name_byte)
}

fn check(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(NameError::TooLong { bytes: name.len() });
    }
    match name.char_indices().find(|(_, c)| !c.is_ascii() || !is_name_byte(*c as u8)) {
        Some((at, found)) => Err(NameError::BadCharacter { at, found }),
        None => Ok(()),
    }
}

impl Deref for ChannelName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for ChannelName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_judged_by_length_and_alphabet() {
        let bad = |at, found| Err(NameError::BadCharacter { at, found });
        let longest = "x".repeat(NAME_BYTES_MAX);
        let too_long = "x".repeat(NAME_BYTES_MAX + 1);
        for (name, expected) in [
            ("orders", Ok(())),
            ("chat:session-123", Ok(())),
            ("user:auth0|5f7c8ec7c33c6c004bbafe82", Ok(())),
            ("mail:a.b+c@example.com/inbox?x=1#%~", Ok(())),
            (&longest, Ok(())),
            ("", Err(NameError::Empty)),
            (&too_long, Err(NameError::TooLong { bytes: NAME_BYTES_MAX + 1 })),
            ("two words", bad(3, ' ')),
            ("chat:*", bad(5, '*')),
            ("{user_id}", bad(0, '{')),
            ("a\"b", bad(1, '"')),
            ("a\\b", bad(1, '\\')),
            ("<script>", bad(0, '<')),
            ("line\n", bad(4, '\n')),
            ("nul\0", bad(3, '\0')),
            ("del\x7f", bad(3, '\x7f')),
            ("küche", bad(1, 'ü')),
            // The last letter is Cyrillic.
            ("orderѕ", bad(5, 'ѕ')),
        ] {
            assert_eq!(ChannelName::new(name).map(drop), expected, "{name:?}");
        }
    }

    #[test]
    fn a_prefix_says_what_kind_of_channel_it_is() {
        for (name, kind, room_id) in [
            ("orders", ChannelKind::Plain, None),
            ("rooms:1", ChannelKind::Plain, None),
            ("room:1", ChannelKind::Room, Some("1")),
            ("user:u1:inbox", ChannelKind::User, None),
            ("users", ChannelKind::Plain, None),
            ("$stats", ChannelKind::System, None),
        ] {
            let name = ChannelName::new(name).unwrap();
            assert_eq!((name.kind(), name.room_id()), (kind, room_id), "{name}");
        }
    }

    #[test]
    fn the_channel_of_those_who_are_told_of_presence_is_the_gateways_own() {
        let longest = ChannelName::new(&"x".repeat(NAME_BYTES_MAX)).unwrap();
        for name in [ChannelName::room("1").unwrap(), longest] {
            let watchers = ChannelName::presence_of(&name);
            assert_eq!(watchers.as_str(), format!("$presence:{name}"));
            assert_eq!((watchers.kind(), watchers.room_id()), (ChannelKind::System, None));
        }
    }

    #[test]
    fn a_room_is_a_channel_and_its_id_is_judged_alike() {
        assert_eq!(ChannelName::room("room-123").unwrap().as_str(), "room:room-123");
        assert_eq!(ChannelName::room(""), Err(NameError::Empty));
        assert_eq!(
            ChannelName::room("a b"),
            Err(NameError::BadCharacter { at: 1, found: ' ' }),
            "the position is the client's, not ours"
        );
        assert!(ChannelName::room(&"x".repeat(NAME_BYTES_MAX - 5)).is_ok());
        assert_eq!(
            ChannelName::room(&"x".repeat(NAME_BYTES_MAX - 4)),
            Err(NameError::TooLong { bytes: NAME_BYTES_MAX + 1 })
        );
    }
}
