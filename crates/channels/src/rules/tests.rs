use super::*;
use crate::{HistorySpec, OnOutage, PatternError, RuleError};

const BOB: Caller<'_> = Caller { user_id: Some("bob"), session_id: None };
const PUBLISH: Action<'_> = Action::Publish { event: None };

fn name(text: &str) -> ChannelName {
    ChannelName::new(text).unwrap()
}

fn spec(pattern: &str) -> RuleSpec {
    RuleSpec {
        pattern: pattern.into(),
        subscribe: true,
        publish: true,
        presence: true,
        ..RuleSpec::default()
    }
}

fn compile(patterns: &[&str]) -> ChannelRules {
    let specs: Vec<RuleSpec> = patterns.iter().map(|pattern| spec(pattern)).collect();
    ChannelRules::compile(&specs).unwrap()
}

fn faults(specs: &[RuleSpec]) -> Vec<(usize, RuleError)> {
    let faults = ChannelRules::compile(specs).unwrap_err();
    faults.into_iter().map(|fault| (fault.index, fault.error)).collect()
}

#[test]
fn the_exact_name_wins_then_the_most_specific_pattern() {
    let rules = compile(&[
        "*",
        "chat:*",
        "chat:vip:*",
        "chat:vip:{user_id}",
        "chat:vip:lobby",
        "user:{user_id}:*",
    ]);
    for (channel, expected) in [
        ("chat:vip:lobby", Some("chat:vip:lobby")),
        ("chat:vip:bob", Some("chat:vip:{user_id}")),
        ("chat:vip:eve", Some("chat:vip:*")),
        ("chat:1", Some("chat:*")),
        ("orders", Some("*")),
        ("room:1", Some("*")),
        ("user:bob:inbox", Some("user:{user_id}:*")),
        ("user:eve:inbox", None),
        ("$stats", None),
    ] {
        let rule = rules.rule_for(&name(channel), &BOB);
        assert_eq!(rule.map(|rule| rule.pattern().as_str()), expected, "{channel}");
    }
}

#[test]
fn a_rule_knows_its_place() {
    let rules = compile(&["*", "chat:*", "user:{user_id}:*", "chat:lobby"]);
    let places: Vec<usize> = rules.rules().iter().map(ChannelRule::index).collect();
    assert_eq!(places, [0, 1, 2, 3]);
    for channel in ["chat:lobby", "chat:1", "user:bob:x", "orders"] {
        let rule = rules.rule_for(&name(channel), &BOB).unwrap();
        assert_eq!(&rules.rules()[rule.index()], rule, "{channel}");
    }
    let open = ChannelRules::open();
    assert_eq!(open.rule_for(&name("orders"), &BOB).map(ChannelRule::index), Some(0));
}

#[test]
fn without_rules_all_but_reserved_channels_may_be_used() {
    let rules = ChannelRules::compile(&[]).unwrap();
    assert!(rules.is_open());
    let all = Grants::unlimited();
    for (channel, action, expected) in [
        ("orders", Action::Subscribe, Ok(())),
        ("orders", PUBLISH, Ok(())),
        ("room:1", Action::Presence, Ok(())),
        ("orders", Action::History, Err(DenialCause::Action(Permissions::HISTORY))),
        ("user:bob", Action::Subscribe, Err(DenialCause::Reserved)),
        ("$stats", Action::Subscribe, Err(DenialCause::Reserved)),
    ] {
        let verdict = rules.authorize(&name(channel), action, &BOB, &all);
        assert_eq!(verdict.map(drop).map_err(|denial| denial.cause), expected, "{channel}");
    }
}

#[test]
fn with_one_rule_what_no_rule_means_is_denied() {
    let rules = compile(&["chat:*"]);
    assert!(!rules.is_open());
    let denial = rules
        .authorize(&name("orders"), Action::Subscribe, &BOB, &Grants::unlimited())
        .unwrap_err();
    assert_eq!(denial, Denial { cause: DenialCause::NoRule, rule: None });
}

#[test]
fn a_wildcard_does_not_reach_reserved_names() {
    let rules = compile(&["*", "user*", "u*", "{user_id}"]);
    let caller = Caller { user_id: Some("user:eve"), session_id: None };
    for channel in ["user:eve", "user:eve:inbox", "$x"] {
        assert_eq!(rules.rule_for(&name(channel), &caller), None, "{channel}");
    }
    // A rule that spells the prefix does, however wide it is: somebody meant it.
    let rules = compile(&["user:*"]);
    assert!(rules.rule_for(&name("user:eve"), &BOB).is_some());
}

#[test]
fn the_rules_of_an_application_are_applied_as_they_are_written() {
    let rules = ChannelRules::compile(&[
        RuleSpec {
            pattern: "chat:*".into(),
            subscribe: true,
            publish: true,
            allowed_events: Some(vec!["user_message".into(), "typing_start".into()]),
            rate_limit_per_second: Some(10),
            history: Some(HistorySpec { size: 100, ttl: Duration::from_secs(300) }),
            slow_consumer: SlowConsumer::DropOldest,
            ..RuleSpec::default()
        },
        RuleSpec { pattern: "agent:*".into(), subscribe: true, ..RuleSpec::default() },
    ])
    .unwrap();
    let event = |event| Action::Publish { event };
    for (channel, action, expected) in [
        ("chat:1", event(Some("user_message")), Ok(())),
        (
            "chat:1",
            event(Some("admin_message")),
            Err("the event is not allowed by the rule chat:*"),
        ),
        ("chat:1", event(None), Err("the event is not allowed by the rule chat:*")),
        ("chat:1", Action::History, Ok(())),
        ("chat:1", Action::Presence, Err("presence is not allowed by the rule chat:*")),
        ("agent:7", Action::Subscribe, Ok(())),
        ("agent:7", event(Some("task_start")), Err("publish is not allowed by the rule agent:*")),
        ("agent:7", Action::History, Err("history is not allowed by the rule agent:*")),
        ("trades", Action::Subscribe, Err("no rule allows this channel")),
        ("user:bob", Action::Subscribe, Err("the channel's prefix is reserved")),
    ] {
        let verdict = rules.authorize(&name(channel), action, &BOB, &Grants::unlimited());
        let told = verdict.as_ref().map(drop).map_err(ToString::to_string);
        assert_eq!(told, expected.map_err(str::to_owned), "{channel} {action:?}");
    }
    let chat = rules.rule_for(&name("chat:1"), &BOB).unwrap();
    assert_eq!(chat.rate_limit_per_second(), NonZeroU32::new(10));
    assert_eq!(chat.history().unwrap().ttl, Duration::from_secs(300));
    assert_eq!(chat.slow_consumer(), SlowConsumer::DropOldest);
}

#[test]
fn a_token_narrows_what_rules_allow_and_never_widens_it() {
    let rules = compile(&["chat:*", "orders"]);
    let grants = Grants::new(Some(["chat:{user_id}", "trades"]), Some(["read"])).unwrap();
    for (channel, action, expected) in [
        ("chat:bob", Action::Subscribe, Ok(())),
        ("chat:bob", PUBLISH, Err(DenialCause::GrantedPermissions(Permissions::PUBLISH))),
        ("chat:eve", Action::Subscribe, Err(DenialCause::GrantedChannels)),
        ("orders", Action::Subscribe, Err(DenialCause::GrantedChannels)),
        ("trades", Action::Subscribe, Err(DenialCause::NoRule)),
    ] {
        let verdict = rules.authorize(&name(channel), action, &BOB, &grants);
        assert_eq!(verdict.map(drop).map_err(|denial| denial.cause), expected, "{channel}");
    }
}

#[test]
fn without_the_engine_what_has_a_history_is_refused_and_what_has_none_stays_on_its_node() {
    let history = Some(HistorySpec { size: 1, ttl: Duration::from_secs(1) });
    for (history, written, expect) in [
        (None, None, OnOutage::Local),
        (None, Some(OnOutage::Refuse), OnOutage::Refuse),
        (None, Some(OnOutage::Queue), OnOutage::Queue),
        (history, None, OnOutage::Refuse),
        (history, Some(OnOutage::Queue), OnOutage::Queue),
    ] {
        let spec = RuleSpec { history, on_outage: written, ..spec("a") };
        let rules = ChannelRules::compile(&[spec]).unwrap();
        assert_eq!(rules.rules()[0].on_outage(), expect, "{history:?} {written:?}");
    }
    assert_eq!(ChannelRules::open().rule_of(&name("a")).unwrap().on_outage(), OnOutage::Local);
}

#[test]
fn every_fault_of_every_rule_is_told_with_its_place() {
    let history = |size, secs| Some(HistorySpec { size, ttl: Duration::from_secs(secs) });
    let specs = [
        spec("chat:*"),
        spec("a*b"),
        spec("user:{name}"),
        spec("chat:*"),
        spec("$stats"),
        RuleSpec { rate_limit_per_second: Some(0), history: history(0, 1), ..spec("b") },
        RuleSpec { history: history(1, 0), ..spec("c") },
        RuleSpec { allowed_events: Some(vec![String::new()]), publish: false, ..spec("d") },
        RuleSpec { history: history(1_000_001, 1), ..spec("e") },
        RuleSpec {
            history: history(1_000_000, 366 * 24 * 3600),
            on_outage: Some(OnOutage::Local),
            ..spec("f")
        },
    ];
    let unknown =
        PatternError::UnknownPlaceholder { name: "name".into(), known: "{user_id}, {session_id}" };
    assert_eq!(
        faults(&specs),
        [
            (1, RuleError::Pattern(PatternError::StarNotLast { at: 1 })),
            (2, RuleError::Pattern(unknown)),
            (3, RuleError::Duplicate { first: 0 }),
            (4, RuleError::Reserved),
            (5, RuleError::RateLimitZero),
            (5, RuleError::HistoryOfNothing),
            (6, RuleError::HistoryOfNothing),
            (7, RuleError::EmptyEvent),
            (8, RuleError::HistoryTooLarge),
            (9, RuleError::HistoryTooLarge),
            (9, RuleError::LocalHistory),
        ]
    );
    let told = ChannelRules::compile(&specs).unwrap_err()[2].to_string();
    assert_eq!(told, "channel rule 4: the same pattern as rule 1");
}

#[test]
fn the_server_itself_finds_the_rule_of_anybodys_channel() {
    let spec = |pattern: &str| RuleSpec { pattern: pattern.into(), ..RuleSpec::default() };
    let patterns = ["orders", "user:{user_id}:*", "{session_id}", "chat:*", "a:{user_id}:b"];
    let rules = ChannelRules::compile(&patterns.map(spec)).unwrap();
    for (name, pattern) in [
        ("orders", Some("orders")),
        ("user:bob:inbox", Some("user:{user_id}:*")),
        ("user::inbox", None),
        ("user:bob", None),
        ("chat:1", Some("chat:*")),
        ("a:bob:b", Some("a:{user_id}:b")),
        ("a:bob:c", Some("{session_id}")),
        ("$stats", None),
    ] {
        let found = rules.rule_of(&ChannelName::new(name).unwrap());
        assert_eq!(found.map(|rule| rule.pattern().as_str()), pattern, "{name}");
    }
}
