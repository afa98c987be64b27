use super::*;

const BOB: Caller<'_> = Caller { user_id: Some("bob"), session_id: Some("s1") };

#[test]
fn a_pattern_is_judged_before_it_is_used() {
    let unknown = |name: &str| PatternError::UnknownPlaceholder {
        name: name.into(),
        known: "{user_id}, {session_id}",
    };
    for (text, fault) in [
        ("", PatternError::Empty),
        ("a*b", PatternError::StarNotLast { at: 1 }),
        ("**", PatternError::StarNotLast { at: 0 }),
        ("a:{user_id", PatternError::Unclosed { at: 2 }),
        ("a:{user}", unknown("user")),
        ("a:{}", unknown("")),
        ("a:{{user_id}}", PatternError::BadCharacter { at: 12, found: '}' }),
        ("{user_id}*", PatternError::NoSeparator { at: 9 }),
        ("{user_id}{session_id}", PatternError::NoSeparator { at: 9 }),
        ("a b", PatternError::BadCharacter { at: 1, found: ' ' }),
        ("a:{user_id}:ü", PatternError::BadCharacter { at: 12, found: 'ü' }),
        ("a}", PatternError::BadCharacter { at: 1, found: '}' }),
        (&"x".repeat(201), PatternError::TooLong { bytes: 201 }),
    ] {
        assert_eq!(Pattern::parse(text), Err(fault), "{text:?}");
    }
}

#[test]
fn a_star_means_any_rest_and_a_placeholder_means_the_caller() {
    for (pattern, name, expected) in [
        ("orders", "orders", true),
        ("orders", "orders2", false),
        ("orders", "order", false),
        ("*", "anything:at/all", true),
        ("chat:*", "chat:1", true),
        ("chat:*", "chat:", true),
        ("chat:*", "chat", false),
        ("user:{user_id}", "user:bob", true),
        ("user:{user_id}", "user:bobby", false),
        ("user:{user_id}", "user:", false),
        ("user:{user_id}:*", "user:bob:inbox", true),
        ("user:{user_id}:*", "user:bob", false),
        ("user:{user_id}:*", "user:bobby:inbox", false),
        ("{session_id}/{user_id}/*", "s1/bob/x", true),
        ("{session_id}/{user_id}/*", "bob/s1/x", false),
        ("{user_id}", "bob", true),
    ] {
        let parsed = Pattern::parse(pattern).unwrap();
        assert_eq!(parsed.matches(name, &BOB), expected, "{pattern} {name}");
        assert_eq!(parsed.as_str(), pattern);
    }
}

#[test]
fn nobody_is_taken_for_another_by_a_cunning_name() {
    let pattern = Pattern::parse("user:{user_id}:*").unwrap();
    for (user_id, name) in [
        // A user whose name goes on where another's space begins.
        (Some("bob:x"), "user:bob:x:inbox"),
        // A name that would match everything, or nothing.
        (Some(""), "user::inbox"),
        (Some("*"), "user:*:inbox"),
        (Some("b b"), "user:b b:inbox"),
        (None, "user:None:inbox"),
        (None, "user:{user_id}:inbox"),
    ] {
        let caller = Caller { user_id, session_id: None };
        assert!(!pattern.matches(name, &caller), "{user_id:?} {name}");
    }
    // Where nothing follows, nothing is ambiguous.
    let caller = Caller { user_id: Some("bob:x"), session_id: None };
    assert!(Pattern::parse("user:{user_id}").unwrap().matches("user:bob:x", &caller));
}

#[test]
fn the_more_a_pattern_says_the_more_specific_it_is() {
    let descending = [
        "user:bob:inbox",
        "user:{user_id}",
        "{user_id}",
        "user:bob:*",
        "user:{user_id}:*",
        "user:*",
        "u*",
        "*",
    ];
    let specificity = descending.map(|text| Pattern::parse(text).unwrap().specificity());
    assert!(specificity.is_sorted_by(|a, b| a > b), "{specificity:?}");
}

#[test]
fn what_every_match_begins_with_is_known() {
    for (text, prefix, exact) in [
        ("orders", "orders", Some("orders")),
        ("chat:*", "chat:", None),
        ("user:{user_id}:x", "user:", None),
        ("{user_id}", "", None),
        ("*", "", None),
    ] {
        let pattern = Pattern::parse(text).unwrap();
        assert_eq!((pattern.literal_prefix(), pattern.exact()), (prefix, exact));
    }
}
