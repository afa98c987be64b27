//! Who a verified token says is there.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

/// The outcome of verifying a token: what the gateway keeps for a connection.
///
/// It holds no part of the token and is shared: the cache and every connection that came with the
/// same token hold one `Arc<Identity>`. It costs some 200 bytes, plus the length of its strings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user, from the first of the configured user claims (`sub`, then `user_id`).
    /// Never empty, at most 256 bytes, without control characters.
    pub user_id: Arc<str>,
    /// The name, in our configuration, of the issuer whose key verified the token.
    pub issuer: Arc<str>,
    /// The issuer's name for the session (`session_id`, then `sid`), when it gave one.
    pub session_id: Option<Box<str>>,
    /// The tier that rate limits go by, when the token has one.
    pub tier: Option<Box<str>>,
    /// The token's own id (`jti`), when it has one.
    pub token_id: Option<Box<str>>,
    /// The channels, or patterns of channels, that the token names. `None` when it has no such
    /// claim, which is not the same as an empty list.
    pub channels: Option<Names>,
    /// The permissions that the token names; `None` when it has no such claim.
    pub permissions: Option<Names>,
    /// The `iat` of the token, when it has one.
    pub issued_at: Option<SystemTime>,
    /// The `exp` of the token. `None` only where the issuer's configuration does not require one.
    pub expires_at: Option<SystemTime>,
    /// `expires_at` plus the leeway of the issuer: the instant from which the token is refused.
    pub valid_until: Option<SystemTime>,
}

impl Identity {
    /// A user of whom nothing else is known, for applications that have no tokens: of no tier, with
    /// all that rules allow, and without end.
    #[must_use]
    pub fn of_user(user_id: &str, issuer: &str) -> Self {
        Self {
            user_id: user_id.into(),
            issuer: issuer.into(),
            session_id: None,
            tier: None,
            token_id: None,
            channels: None,
            permissions: None,
            issued_at: None,
            expires_at: None,
            valid_until: None,
        }
    }

    /// Whether a refreshed token may take the place of this one: same user, same issuer.
    ///
    /// Two issuers may use the same user names for different people, so both are compared.
    #[must_use]
    pub fn is_same_user(&self, other: &Self) -> bool {
        self.user_id == other.user_id && self.issuer == other.issuer
    }

    /// Whether the token is refused at `now`, leeway included.
    #[must_use]
    pub fn is_expired(&self, now: SystemTime) -> bool {
        self.valid_until.is_some_and(|end| now >= end)
    }
}

/// A list of names from a claim, in one allocation.
///
/// Names are not empty and hold no control characters (a token that has such ones is refused), so
/// they are kept one a line.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Names(Box<str>);

impl Names {
    /// The list of these names, or `None` if one of them is empty or holds a control character.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut lines = String::new();
        for name in names {
            if name.is_empty() || name.contains(char::is_control) {
                return None;
            }
            if !lines.is_empty() {
                lines.push('\n');
            }
            lines.push_str(name);
        }
        Some(Self(lines.into_boxed_str()))
    }

    /// The names in the order of the token.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split('\n').filter(|name| !name.is_empty())
    }

    /// Whether `name` is in the list, letter by letter.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.iter().any(|held| held == name)
    }

    /// How many names there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether the list is empty: the token had the claim, and it grants nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_identity_is_as_small_as_it_says() {
        assert_eq!(size_of::<Identity>(), 160);
    }

    #[test]
    fn an_empty_list_is_empty_and_contains_nothing() {
        let names = Names::new([]).expect("no name is bad");
        assert!(names.is_empty());
        assert_eq!(names.len(), 0);
        assert!(!names.contains(""));
    }

    #[test]
    fn a_name_cannot_smuggle_a_second_one() {
        assert_eq!(Names::new(["chat:1\nadmin:*"]), None);
        assert_eq!(Names::new(["chat:1", ""]), None);
    }

    proptest! {
        #[test]
        fn names_come_out_as_they_went_in(names in prop::collection::vec("[^\\x00-\\x1f\\x7f-\\x9f]{1,12}", 0..20)) {
            let held = Names::new(names.iter().map(String::as_str)).expect("no control characters");
            prop_assert_eq!(held.iter().collect::<Vec<_>>(), names.iter().map(String::as_str).collect::<Vec<_>>());
            prop_assert_eq!(held.len(), names.len());
        }
    }
}
