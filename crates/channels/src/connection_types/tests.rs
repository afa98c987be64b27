use super::*;
use crate::{PathError, PatternError};

fn defaults() -> ConnectionTypes {
    ConnectionTypes::compile(&ConnectionTypeSpec::default_table()).unwrap()
}

fn spec(path: &str) -> ConnectionTypeSpec {
    ConnectionTypeSpec { path: path.into(), ..ConnectionTypeSpec::default() }
}

fn target<'t>(types: &'t ConnectionTypes, path: &str) -> Target<'t> {
    types.target(path).unwrap().unwrap()
}

fn channels(target: &Target<'_>) -> Vec<String> {
    target.channels().iter().map(ToString::to_string).collect()
}

#[test]
fn the_default_table_is_that_of_the_documents() {
    let types = defaults();
    for (path, max, owned, channel) in [
        ("/ws/chat/abc", 1, false, "chat:abc"),
        ("/ws/agent-status/user-456", 1, true, "agent:user-456"),
        ("/ws/trips/7/collab", 3, false, "trip:7"),
        ("/ws/notifications/user-456", 1, true, "notifications:user-456"),
    ] {
        let target = target(&types, path);
        assert_eq!(target.kind().max().unwrap().get(), max, "{path}");
        assert_eq!(target.kind().is_owned(), owned, "{path}");
        assert_eq!(channels(&target), [channel], "{path}");
        assert!(target.admits(Some("user-456")));
        assert_eq!(target.admits(Some("user-1")), !owned);
        assert_eq!(target.admits(None), !owned);
    }
    for path in ["/ws", "/", "/ws/chat", "/ws/chat/abc/def", "/ws/trips/7", "/elsewhere", ""] {
        assert_eq!(types.target(path), Ok(None), "{path}");
    }
}

#[test]
fn an_owner_is_compared_as_it_is_called_and_not_as_it_is_encoded() {
    let types = defaults();
    let target = target(&types, "/ws/notifications/auth0%7Cabc");
    assert_eq!(target.value("user_id"), Some("auth0|abc"));
    assert!(target.admits(Some("auth0|abc")));
    assert!(!target.admits(Some("auth0%7Cabc")));
}

#[test]
fn a_path_is_spelled_in_one_way_and_what_is_no_path_is_not_looked_at() {
    let types = defaults();
    for path in [
        "//ws/chat/abc",
        "/ws//chat/abc",
        "/ws/chat//abc",
        "/ws/chat//",
        "/ws/chat/abc/",
        "/ws/./chat/abc",
        "/ws/x/../chat/abc",
        "/ws/ch%61t/abc",
        "/ws%2Fchat/abc",
        "/WS/chat/abc",
        "ws/chat/abc",
        "/ws/chat?/abc",
        "/ws/chat/?session_id=abc",
    ] {
        assert_eq!(types.target(path), Ok(None), "{path}");
    }
    for (path, value) in [
        ("/ws/chat/abc?token=eyJ", "abc"),
        ("/ws/chat/abc#top?x", "abc"),
        ("/ws/chat/a%3Fb?c", "a?b"),
        ("/ws/chat/a%2Fb", "a/b"),
        ("/ws/chat/a%2Fb%2f..", "a/b/.."),
        ("/ws/chat/.", "."),
        ("/ws/chat/..", ".."),
        ("/ws/chat/%2e%2E", ".."),
        ("/ws/chat/a+b", "a+b"),
        ("/ws/chat/a%2Bb", "a+b"),
        // Decoded once.
        ("/ws/chat/%2541", "%41"),
    ] {
        let target = target(&types, path);
        assert_eq!(target.value("session_id"), Some(value), "{path}");
        assert_eq!(channels(&target), [format!("chat:{value}")]);
    }
}

#[test]
fn a_value_that_no_channel_can_have_is_refused() {
    let types = defaults();
    let refused = Err(UrlError { parameter: "session_id".into() });
    for value in ["a%20b", "%2a", "%", "%C3%BC", &"x".repeat(300), &"x".repeat(199), "%22"] {
        assert_eq!(types.target(&format!("/ws/chat/{value}")), refused, "{value}");
    }
    assert!(types.target(&format!("/ws/chat/{}", "x".repeat(195))).is_ok());
}

#[test]
fn a_value_does_not_make_the_channel_of_another() {
    let types = ConnectionTypes::compile(&[ConnectionTypeSpec {
        channels: vec!["trip:{trip_id}:by:{user_id}".into(), "{user_id}".into()],
        ..spec("/{trip_id}/{user_id}")
    }])
    .unwrap();
    assert_eq!(channels(&target(&types, "/7/bob")), ["trip:7:by:bob", "bob"]);
    let refused = types.target("/7:by:eve/bob");
    assert_eq!(refused, Err(UrlError { parameter: "trip_id".into() }));
    assert_eq!(types.target("/7/$stats"), Err(UrlError { parameter: "user_id".into() }));
}

#[test]
fn of_two_types_the_one_that_says_more_is_meant() {
    let types =
        ConnectionTypes::compile(&["/ws/{a}/x", "/ws/{b}/{c}", "/ws/new/{d}"].map(spec)).unwrap();
    for (path, meant) in
        [("/ws/new/x", "/ws/new/{d}"), ("/ws/1/x", "/ws/{a}/x"), ("/ws/1/y", "/ws/{b}/{c}")]
    {
        assert_eq!(target(&types, path).kind().path(), meant, "{path}");
    }
}

#[test]
fn a_place_is_for_one_key_and_free_again_when_it_is_dropped() {
    let types = defaults();
    let places = Arc::new(Places::new());
    let (abc, def) = (target(&types, "/ws/chat/abc"), target(&types, "/ws/chat/def"));
    let first = places.enter(&abc, "first").unwrap();
    assert_eq!(first.displaced, None);
    let max = NonZeroU32::MIN;
    assert_eq!(places.enter(&abc, "second").unwrap_err(), TypeFull { max });
    let other = places.enter(&def, "other").unwrap();
    assert_eq!(places.len(), 2);
    drop(first);
    let second = places.enter(&abc, "second").unwrap();
    drop((second, other));
    assert!(places.is_empty());
    // Another type with the same value is another key.
    let status = target(&types, "/ws/agent-status/u");
    let notifications = target(&types, "/ws/notifications/u");
    let _status = places.enter(&status, "a").unwrap();
    assert!(places.enter(&notifications, "b").is_ok());
}

#[test]
fn the_oldest_makes_way_and_takes_nobodys_place_with_it() {
    let types = ConnectionTypes::compile(&[ConnectionTypeSpec {
        max: Some(2),
        per: Some("user_id".into()),
        on_limit: OnLimit::CloseOldest,
        ..spec("/ws/{user_id}")
    }])
    .unwrap();
    let places = Arc::new(Places::new());
    let bob = target(&types, "/ws/bob");
    let mut held = Vec::new();
    let mut displaced = Vec::new();
    for holder in 0..5 {
        let entered = places.enter(&bob, holder).unwrap();
        held.push(entered.place);
        displaced.extend(entered.displaced);
    }
    assert_eq!(displaced, [0, 1, 2]);
    assert_eq!(places.len(), 2);
    // The three who made way end now; the two who stay keep their places.
    held.drain(..3);
    assert_eq!(places.len(), 2);
    let sixth = places.enter(&bob, 5).unwrap();
    assert_eq!(sixth.displaced, Some(3));
}

#[test]
fn of_thousands_who_share_a_key_each_goes_alone() {
    let types =
        ConnectionTypes::compile(&[ConnectionTypeSpec { max: Some(20_000), ..spec("/all") }])
            .unwrap();
    let places = Arc::new(Places::new());
    let all = target(&types, "/all");
    let mut held: Vec<_> = (0..20_000).map(|i| places.enter(&all, i).unwrap().place).collect();
    assert!(places.enter(&all, 0).is_err());
    // From both ends and the middle.
    for i in 0..10_000 {
        held.swap_remove(i * 7919 % held.len());
    }
    assert_eq!(places.len(), 10_000);
    assert!(places.enter(&all, 0).is_ok());
    drop(held);
    assert!(places.is_empty());
}

#[test]
fn without_a_limit_nothing_is_counted_and_without_a_key_all_are() {
    let types = ConnectionTypes::compile(&[
        spec("/free/{id}"),
        ConnectionTypeSpec { max: Some(1), ..spec("/all/{id}") },
    ])
    .unwrap();
    let places = Arc::new(Places::new());
    let free: Vec<_> =
        (0..10).map(|_| places.enter(&target(&types, "/free/1"), ()).unwrap()).collect();
    assert!(places.is_empty() && free.len() == 10);
    let _one = places.enter(&target(&types, "/all/1"), ()).unwrap();
    assert!(places.enter(&target(&types, "/all/2"), ()).is_err());
}

#[test]
fn every_fault_of_every_type_is_told_with_its_place() {
    let channel = |text: &str| ConnectionTypeSpec {
        channels: vec![text.into()],
        ..spec(&format!("/c/{}/{{id}}", text.len()))
    };
    let specs = [
        spec("/ws/{id}"),
        spec("ws"),
        spec("/ws/{other}"),
        ConnectionTypeSpec { max: Some(0), per: Some("user".into()), ..spec("/a/{id}") },
        ConnectionTypeSpec { per: Some("id".into()), ..spec("/b/{id}") },
        ConnectionTypeSpec { owner: true, ..spec("/c/{id}") },
        channel("chat:{session}"),
        channel("chat:*"),
        channel("$a"),
        channel(""),
    ];
    let unknown = |name: &str| TypeError::UnknownParameter { name: name.into() };
    let faults = ConnectionTypes::compile(&specs).unwrap_err();
    let told = faults[0].to_string();
    assert_eq!(told, "connection type 2: a path must begin with `/`");
    let faults: Vec<_> = faults.into_iter().map(|fault| (fault.index, fault.error)).collect();
    let star = PatternError::BadCharacter { at: 5, found: '*' };
    assert_eq!(
        faults,
        [
            (1, TypeError::Path(PathError::NotAbsolute)),
            (2, TypeError::Duplicate { first: 0 }),
            (3, TypeError::MaxZero),
            (3, unknown("user")),
            (4, TypeError::PerWithoutMax),
            (5, unknown("user_id")),
            (6, unknown("session")),
            (7, TypeError::Channel { text: "chat:*".into(), error: star }),
            (8, TypeError::Reserved { text: "$a".into() }),
            (9, TypeError::Channel { text: "".into(), error: PatternError::Empty }),
        ]
    );
}
