//! What was configured is what the components are told.

use std::time::Duration;

use ws_channels::{
    Action, Caller, ChannelName, ConnectionTypeSpec, Grants, RuleSpec, SlowConsumer,
};

use super::*;

#[test]
fn what_is_not_configured_is_as_the_handler_has_it_by_default() {
    let composed = policy(&Config::default(), None).unwrap();
    let default = Policy::default();
    assert!(composed.rules.is_open() && composed.rules.rules().is_empty());
    assert_eq!(composed.subscriptions, default.subscriptions);
    assert_eq!(composed.presence_users_max, default.presence_users_max);
    // A handler in somebody else's server has paths that are theirs; a gateway has these.
    assert_eq!(composed.types.types().len(), ConnectionTypeSpec::default_table().len());

    let composed = channels(&Config::default(), None);
    let default = ChannelSettings::default();
    assert_eq!(composed.presence, default.presence);
    assert_eq!(composed.published, default.published);
    assert_eq!(composed.event_cache, default.event_cache);
}

#[test]
fn each_setting_of_channels_reaches_its_place() {
    let settings = config::ChannelSettings {
        rules: vec![RuleSpec {
            pattern: "chat:*".to_owned(),
            subscribe: true,
            slow_consumer: SlowConsumer::DropOldest,
            ..RuleSpec::default()
        }],
        types: Vec::new(),
        per_connection_max: 2,
        connections_per_channel_max: 3,
        channels_max: 4,
        event_cache_size: 0,
        event_window: None,
        presence_grace: Duration::from_secs(5),
        presence_batch_above: 6,
        presence_batch_interval: Duration::from_secs(7),
        presence_users_max: 8,
    };
    let config = Config { channels: settings, ..Config::default() };
    let composed = policy(&config, None).unwrap();
    let chat = ChannelName::new("chat:1").unwrap();
    let caller = Caller::default();
    let rule =
        composed.rules.authorize(&chat, Action::Subscribe, &caller, &Grants::unlimited()).unwrap();
    assert_eq!(rule.slow_consumer(), SlowConsumer::DropOldest);
    assert_eq!(composed.subscriptions.channels_per_subscriber_max.get(), 2);
    assert_eq!(composed.subscriptions.subscribers_per_channel_max.get(), 3);
    assert_eq!(composed.subscriptions.channels_max.get(), 4);
    assert_eq!(composed.presence_users_max, 8);
    assert!(composed.types.types().is_empty());
    let composed = channels(&config, None);
    assert_eq!((composed.published, composed.event_cache), (None, None));
    assert_eq!(composed.presence.grace, Duration::from_secs(5));
    assert_eq!(composed.presence.batch_above, 6);
    assert_eq!(composed.presence.batch_interval, Duration::from_secs(7));
}

#[test]
fn a_configuration_that_nobody_checked_is_refused_with_all_that_is_wrong() {
    let mut config = Config::default();
    let bad = |pattern: &str| RuleSpec { pattern: pattern.to_owned(), ..RuleSpec::default() };
    config.channels.rules = vec![bad(""), bad("$x")];
    let refused = policy(&config, None).unwrap_err().to_string();
    assert!(refused.starts_with("channels: channel rule 1: "), "{refused}");
    assert!(refused.contains("; channel rule 2: "), "{refused}");
}
