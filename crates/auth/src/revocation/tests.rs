use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn identity(user: &str, token: Option<&str>, issued: Option<u64>) -> Identity {
    let mut identity = Identity::of_user(user, "test");
    identity.token_id = token.map(Box::from);
    identity.issued_at = issued.map(at);
    identity
}

fn table(max: usize) -> Revocations {
    Revocations::new(NonZeroUsize::new(max).unwrap())
}

fn until(revoked: Revoked, seconds: u64) -> Revocation {
    Revocation { revoked, until: at(seconds) }
}

#[test]
fn a_revocation_means_its_token_its_user_or_everybody_and_nobody_else() {
    let (ada, bob) =
        (identity("ada", Some("t-1"), Some(100)), identity("bob", Some("t-2"), Some(200)));
    let nameless = identity("ada", None, None);
    for (revoked, means) in [
        (Revoked::Token("t-1".into()), [true, false, false]),
        (Revoked::Token("t-3".into()), [false, false, false]),
        (Revoked::User("ada".into(), at(101)), [true, false, true]),
        (Revoked::User("ada".into(), at(100)), [false, false, true]),
        (Revoked::User("eve".into(), at(999)), [false, false, false]),
        (Revoked::Everybody(at(150)), [true, false, true]),
        (Revoked::Everybody(at(201)), [true, true, true]),
    ] {
        let revocations = table(10);
        assert_eq!(revocations.revoke(&until(revoked.clone(), 1000), at(300)), Ok(true));
        for (identity, means) in [&ada, &bob, &nameless].into_iter().zip(means) {
            let expect = if means { Err(AuthError::Revoked) } else { Ok(()) };
            assert_eq!(revocations.judge(identity, at(300)), expect, "{revoked:?} {identity:?}");
            assert_eq!(revoked.means(identity), means, "{revoked:?} {identity:?}");
            assert_eq!(revocations.judge(identity, at(1000)), Ok(()), "over: {revoked:?}");
        }
    }
}

#[test]
fn of_two_words_about_the_same_the_stricter_counts() {
    let revocations = table(1);
    let revoke = |before: u64, end: u64| {
        revocations.revoke(&until(Revoked::User("ada".into(), at(before)), end), at(0))
    };
    assert_eq!(revoke(100, 1000), Ok(true));
    assert_eq!(revoke(50, 900), Ok(false));
    assert_eq!(revoke(50, 2000), Ok(true));
    assert_eq!(revoke(200, 1000), Ok(true));
    let stands = until(Revoked::User("ada".into(), at(200)), 2000);
    assert_eq!(revocations.list(10), [stands]);
    let token = |end: u64| revocations.revoke(&until(Revoked::Token("t".into()), end), at(0));
    assert!(token(10).is_err());
    assert_eq!(revocations.forget_expired(at(2000)), 1);
    assert_eq!(
        (token(10), token(10), token(11), token(5)),
        (Ok(true), Ok(false), Ok(true), Ok(false))
    );
}

#[test]
fn what_is_over_is_neither_taken_nor_kept() {
    let revocations = table(2);
    assert_eq!(revocations.revoke(&until(Revoked::Token("late".into()), 10), at(10)), Ok(false));
    assert!(revocations.is_empty());
    for id in ["a", "b"] {
        assert_eq!(revocations.revoke(&until(Revoked::Token(id.into()), 10), at(0)), Ok(true));
    }
    let full = Err(TooManyRevocations { max: NonZeroUsize::new(2).unwrap() });
    let third = until(Revoked::Everybody(at(5)), 20);
    assert_eq!(revocations.revoke(&third, at(9)), full);
    // One that is known may be said again, of whatever is remembered.
    assert_eq!(revocations.revoke(&until(Revoked::Token("a".into()), 11), at(9)), Ok(true));
    assert_eq!(revocations.revoke(&third, at(10)), Ok(true));
    assert_eq!(revocations.len(), 2);
    assert_eq!(revocations.forget_expired(at(20)), 2);
    assert_eq!((revocations.len(), revocations.list(9)), (0, Vec::new()));
}

proptest! {
    /// Whatever is revoked in whatever order, a token is refused exactly if one of the words that are not
    /// over means it.
    #[test]
    fn a_token_is_refused_exactly_while_a_word_means_it(
        words in prop::collection::vec((0_u8..3, 0_u8..3, 0_u64..20, 1_u64..20), 0..12),
        user in 0_u8..3, token in 0_u8..3, issued in 0_u64..20,
    ) {
        // The strictest of both parts counts for words about the same, so all end at once here.
        let revocations = table(100);
        let mut said = Vec::new();
        for (kind, name, before, _) in words {
            let revoked = match kind {
                0 => Revoked::Token(name.to_string().into()),
                1 => Revoked::User(name.to_string().into(), at(before)),
                _ => Revoked::Everybody(at(before)),
            };
            revocations.revoke(&until(revoked.clone(), 30), at(0)).unwrap();
            said.push(revoked);
        }
        let identity = identity(&user.to_string(), Some(&token.to_string()), Some(issued));
        let is_meant = said.iter().any(|revoked| revoked.means(&identity));
        prop_assert_eq!(revocations.judge(&identity, at(29)).is_err(), is_meant);
        prop_assert_eq!(revocations.judge(&identity, at(30)), Ok(()));
    }
}
