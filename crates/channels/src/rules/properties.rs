//! The lookup against a search through all rules, over any rules and names.

use proptest::prelude::*;

use super::*;

/// Few letters, so that prefixes meet often.
fn text() -> impl Strategy<Value = String> {
    proptest::string::string_regex("(user:|a|b|:){0,5}").unwrap()
}

fn pattern() -> impl Strategy<Value = String> {
    let end = prop_oneof![Just(""), Just("*"), Just("{user_id}"), Just("{user_id}:*")];
    (text(), end).prop_map(|(text, end)| text + end).prop_filter("empty", |text| !text.is_empty())
}

/// Every rule is asked; what it says about itself decides.
fn naive<'s>(specs: &'s [RuleSpec], name: &ChannelName, caller: &Caller<'_>) -> Option<&'s str> {
    let reserved = name.starts_with("user:");
    let mut best: Option<Pattern> = None;
    let mut found = None;
    for spec in specs {
        let pattern = Pattern::parse(&spec.pattern).unwrap();
        if reserved && !spec.pattern.starts_with("user:") || !pattern.matches(name, caller) {
            continue;
        }
        if spec.pattern == name.as_str() {
            return Some(&spec.pattern);
        }
        if best.as_ref().is_none_or(|best| pattern.specificity() > best.specificity()) {
            best = Some(pattern);
            found = Some(&*spec.pattern);
        }
    }
    found
}

/// Placeholders stand for anybody, and what says most of the name is meant.
fn naive_of<'r>(rules: &'r ChannelRules, name: &ChannelName) -> Option<&'r str> {
    let mut best: Option<&ChannelRule> = None;
    for rule in rules.rules() {
        let text = rule.pattern().as_str();
        if text == name.as_str() {
            return Some(text);
        }
        let is_reached = !name.starts_with("user:") || text.starts_with("user:");
        if is_reached
            && rule.pattern().matches_for_somebody(name)
            && best.is_none_or(|best| rule.pattern.literal_bytes() > best.pattern.literal_bytes())
        {
            best = Some(rule);
        }
    }
    best.map(|rule| rule.pattern().as_str())
}

proptest! {
    #[test]
    fn the_lookup_finds_what_a_search_through_all_rules_finds(
        patterns in proptest::collection::btree_set(pattern(), 1..30),
        names in proptest::collection::vec(text(), 1..40),
        user in "[ab]{1,2}",
    ) {
        // A set is sorted; what counts among equals is the order in which rules are written.
        let mut patterns: Vec<String> = patterns.into_iter().collect();
        patterns.sort_by_key(|pattern| pattern.bytes().rev().collect::<Vec<_>>());
        let specs: Vec<RuleSpec> =
            patterns.into_iter().map(|pattern| RuleSpec { pattern, ..RuleSpec::default() }).collect();
        let rules = ChannelRules::compile(&specs).unwrap();
        let caller = Caller { user_id: Some(&user), session_id: None };
        for name in names.iter().filter_map(|name| ChannelName::new(name).ok()) {
            let found = rules.rule_for(&name, &caller).map(|rule| rule.pattern().as_str());
            prop_assert_eq!(found, naive(&specs, &name, &caller), "{}", name);
            let found = rules.rule_of(&name).map(|rule| rule.pattern().as_str());
            prop_assert_eq!(found, naive_of(&rules, &name), "{}", name);
        }
    }
}
