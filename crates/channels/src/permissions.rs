//! What may be done with a channel, and what a token leaves of that.

use std::{fmt, ops::BitOr};

use crate::{Caller, Pattern, PatternError};

/// What somebody wants to do with a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action<'a> {
    /// Receive what is published.
    Subscribe,
    /// Publish, an event of that name if it has one.
    Publish {
        /// The event's name.
        event: Option<&'a str>,
    },
    /// Ask or be told who is there.
    Presence,
    /// Receive what was published before.
    History,
}

/// A set of actions.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Permissions(u8);

/// What a token says about channels: it narrows what the rules allow and never widens it.
///
/// Made once for each token, at authentication.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// Only these channels; `None`: all.
    channels: Option<Box<[Pattern]>>,
    /// Only these actions; `None`: all.
    permissions: Option<Permissions>,
}

/// The most channels and patterns that a token may name. Each costs a comparison whenever its bearer
/// asks for a channel.
const GRANTED_CHANNELS_MAX: usize = 256;

/// Why a token's list of channels cannot be used. Whose fault: the issuer's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// One of them is no pattern.
    #[error("the token's channel {index} is no pattern: {error}")]
    Pattern {
        /// Which, counted from 0.
        index: usize,
        /// Why.
        error: PatternError,
    },
    /// More than are compared.
    #[error("the token names {count} channels; at most {GRANTED_CHANNELS_MAX} are taken")]
    TooMany {
        /// How many it names.
        count: usize,
    },
}

impl Action<'_> {
    /// The action without its details.
    #[must_use]
    pub const fn permission(&self) -> Permissions {
        match self {
            Self::Subscribe => Permissions::SUBSCRIBE,
            Self::Publish { .. } => Permissions::PUBLISH,
            Self::Presence => Permissions::PRESENCE,
            Self::History => Permissions::HISTORY,
        }
    }
}

impl Permissions {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Receive what is published.
    pub const SUBSCRIBE: Self = Self(1);
    /// Publish.
    pub const PUBLISH: Self = Self(2);
    /// Ask or be told who is there.
    pub const PRESENCE: Self = Self(4);
    /// Receive what was published before.
    pub const HISTORY: Self = Self(8);

    /// Whether all of `others` are among these.
    #[must_use]
    pub const fn contain(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// Those that are in both.
    #[must_use]
    pub const fn and(self, others: Self) -> Self {
        Self(self.0 & others.0)
    }

    /// Adds `others` if `condition` holds.
    #[must_use]
    pub(crate) const fn with(self, others: Self, condition: bool) -> Self {
        if condition { Self(self.0 | others.0) } else { self }
    }

    /// What a word in a token means: `read` (all but publishing), `write` (publishing), or the name
    /// of one action. Other words mean something to other systems.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "read" => Some(Self::SUBSCRIBE | Self::PRESENCE | Self::HISTORY),
            "write" | "publish" => Some(Self::PUBLISH),
            "subscribe" => Some(Self::SUBSCRIBE),
            "presence" => Some(Self::PRESENCE),
            "history" => Some(Self::HISTORY),
            _ => None,
        }
    }

    /// The name of each action in the set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let table = [
            (Self::SUBSCRIBE, "subscribe"),
            (Self::PUBLISH, "publish"),
            (Self::PRESENCE, "presence"),
            (Self::HISTORY, "history"),
        ];
        table.into_iter().filter(move |(action, _)| self.contain(*action)).map(|(_, name)| name)
    }
}

impl BitOr for Permissions {
    type Output = Self;

    fn bitor(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }
}

impl fmt::Debug for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

impl Grants {
    /// What a token without a word about channels leaves: all that the rules allow.
    #[must_use]
    pub const fn unlimited() -> Self {
        Self { channels: None, permissions: None }
    }

    /// What a token leaves whose claims cannot be used.
    #[must_use]
    pub fn none() -> Self {
        Self { channels: Some(Box::default()), permissions: Some(Permissions::NONE) }
    }

    /// What the claims of a token leave. A claim that is absent narrows nothing; a list that is empty,
    /// or of words that are none of [`Permissions::from_word`]'s, leaves nothing.
    ///
    /// # Errors
    ///
    /// A list that cannot be used. To let its bearer in with [`unlimited`](Self::unlimited) would
    /// give what the issuer has not given.
    pub fn new<'a>(
        channels: Option<impl IntoIterator<Item = &'a str>>,
        permissions: Option<impl IntoIterator<Item = &'a str>>,
    ) -> Result<Self, GrantError> {
        let permissions = permissions.map(|words| {
            words
                .into_iter()
                .filter_map(Permissions::from_word)
                .fold(Permissions::NONE, BitOr::bitor)
        });
        let Some(names) = channels else { return Ok(Self { channels: None, permissions }) };
        let mut names = names.into_iter();
        let mut channels = Vec::new();
        for name in names.by_ref().take(GRANTED_CHANNELS_MAX) {
            let index = channels.len();
            let pattern =
                Pattern::parse(name).map_err(|error| GrantError::Pattern { index, error })?;
            channels.push(pattern);
        }
        match names.count() {
            0 => Ok(Self { channels: Some(channels.into()), permissions }),
            more => Err(GrantError::TooMany { count: GRANTED_CHANNELS_MAX + more }),
        }
    }

    /// The actions that are left.
    #[must_use]
    pub fn permissions(&self) -> Permissions {
        let all = Permissions::SUBSCRIBE
            | Permissions::PUBLISH
            | Permissions::PRESENCE
            | Permissions::HISTORY;
        self.permissions.unwrap_or(all)
    }

    /// The channels and patterns that are left; `None`: all.
    #[must_use]
    pub fn channels(&self) -> Option<&[Pattern]> {
        self.channels.as_deref()
    }

    /// Whether `name` is among the channels that are left.
    #[must_use]
    pub fn cover(&self, name: &str, caller: &Caller<'_>) -> bool {
        let Some(channels) = self.channels() else { return true };
        channels.iter().any(|channel| channel.matches(name, caller))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOBODY: Caller<'_> = Caller { user_id: None, session_id: None };

    fn list<'a>(words: &'a [&'a str]) -> Option<impl Iterator<Item = &'a str>> {
        Some(words.iter().copied())
    }

    #[test]
    fn words_of_a_token_mean_actions_and_unknown_words_mean_nothing() {
        for (words, names) in [
            (&["read"][..], &["subscribe", "presence", "history"][..]),
            (&["write"], &["publish"]),
            (&["read", "write"], &["subscribe", "publish", "presence", "history"]),
            (&["history", "invoices:pay"], &["history"]),
            (&["invoices:pay"], &[]),
            (&["READ"], &[]),
            (&[], &[]),
        ] {
            let grants = Grants::new(None::<[&str; 0]>, list(words)).unwrap();
            assert_eq!(grants.permissions().names().collect::<Vec<_>>(), names, "{words:?}");
        }
        assert_eq!(Grants::unlimited().permissions().names().count(), 4);
    }

    #[test]
    fn a_list_of_channels_covers_these_and_no_others() {
        let grants = Grants::new(list(&["orders", "chat:*"]), None::<[&str; 0]>).unwrap();
        for (name, covered) in [("orders", true), ("chat:1", true), ("trades", false)] {
            assert_eq!(grants.cover(name, &NOBODY), covered, "{name}");
            assert!(Grants::unlimited().cover(name, &NOBODY));
        }
        let none = Grants::new(list(&[]), None::<[&str; 0]>).unwrap();
        assert!(!none.cover("orders", &NOBODY));
    }

    #[test]
    fn a_list_that_cannot_be_used_is_refused_whole() {
        let error = Grants::new(list(&["orders", "a*b"]), None::<[&str; 0]>).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the token's channel 1 is no pattern: a `*` (at byte 1) stands for any rest and must come last"
        );
        let many = vec!["orders"; GRANTED_CHANNELS_MAX + 3];
        let error = Grants::new(list(&many), None::<[&str; 0]>).unwrap_err();
        assert_eq!(error, GrantError::TooMany { count: GRANTED_CHANNELS_MAX + 3 });
    }
}
