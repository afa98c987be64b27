//! What a handler goes by is exchanged while it runs: at once for everybody, and nobody gains by it.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use serde_json::json;
use ws_auth::{Origins, TokenRequest};
use ws_channels::{ChannelRules, RuleSpec};
use ws_handler::{AuthMode, Policy};
use ws_rate_limiter::{AnyLimit, KeyedLimiter, TieredLimiter, TokenBucket};

use crate::{
    house::{House, PATH},
    raw::{PING, TEXT},
};

const TABLE: NonZeroUsize = NonZeroUsize::new(1000).unwrap();

fn a_minute(burst: u32) -> AnyLimit {
    let number = |n| std::num::NonZeroU32::new(n).expect("not zero");
    TokenBucket::per_minute(number(1)).with_burst(number(burst)).into()
}

/// The policy that is in force, changed.
fn change(house: &House, change: impl FnOnce(&mut Policy)) {
    let mut policy = house.handler.policy().clone();
    change(&mut policy);
    house.handler.set_policy(policy);
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_says_what_it_said_goes_on_counting_and_another_begins_anew() {
    let tiers =
        |pro| TieredLimiter::new("free", a_minute(2), TABLE).with_tier("pro", a_minute(pro));
    let house = House::open(|config| config.policy.limits.messages = Some(tiers(3).into()));
    let token = house.mint(&TokenRequest::new("grace").tier("pro"));
    let mut free = house.visit("ada").await;
    let mut pro = house.connect(&format!("{PATH}?token={token}"), &[]).await;
    pro.next().await;
    for (peer, burst) in [(&mut free, 2), (&mut pro, 3)] {
        for _ in 0..burst {
            assert_eq!(peer.ask("x").await["type"], "response");
        }
        assert_eq!(peer.ask("x").await["code"], "rate_limited");
    }
    // The other tier's limit is another, and stands elsewhere in the table.
    let messages = TieredLimiter::new("free", a_minute(2), TABLE)
        .with_tier("gold", a_minute(1))
        .with_tier("pro", a_minute(4));
    change(&house, |policy| policy.limits.messages = Some(messages.into()));
    assert_eq!(free.ask("x").await["code"], "rate_limited");
    for _ in 0..4 {
        assert_eq!(pro.ask("x").await["type"], "response");
    }
    assert_eq!(pro.ask("x").await["code"], "rate_limited");
    // And none at all.
    change(&house, |policy| policy.limits.messages = None);
    assert_eq!(free.ask("x").await["type"], "response");
    assert_eq!(pro.ask("x").await["type"], "response");
}

#[tokio::test(start_paused = true)]
async fn connects_go_on_being_counted() {
    let once = || {
        let limit = TokenBucket::per_hour(std::num::NonZeroU32::MIN);
        Some(Arc::new(KeyedLimiter::new(limit, TABLE)))
    };
    let house = House::open(|config| config.policy.limits.connects = once());
    house.stand_in_line().await;
    change(&house, |policy| policy.limits.connects = once());
    assert_eq!(house.refuse(PATH, &[]).await.status, 429);
    change(&house, |policy| policy.limits.connects = None);
    house.stand_in_line().await;
}

#[tokio::test(start_paused = true)]
async fn rules_count_for_who_is_there_as_well() {
    let rule = |pattern: &str, rate| RuleSpec {
        pattern: pattern.to_owned(),
        subscribe: true,
        publish: true,
        rate_limit_per_second: rate,
        ..RuleSpec::default()
    };
    let rules = |specs: &[RuleSpec]| Arc::new(ChannelRules::compile(specs).expect("sound"));
    let house = House::open(|config| {
        config.policy.rules = rules(&[rule("news", Some(1)), rule("chat:*", None)]);
    });
    let mut ada = house.visit("ada").await;
    let publish =
        |channel: &str| json!({ "type": "publish", "channel": channel, "data": 1, "id": 1 });
    ada.send(publish("news")).await;
    assert_eq!(ada.next().await["type"], "ack");
    ada.send(publish("orders")).await;
    assert_eq!(ada.next().await["code"], "forbidden");

    // Another first rule: what `news` may still say is counted on.
    change(&house, |policy| {
        policy.rules = rules(&[rule("a", None), rule("news", Some(1)), rule("orders", None)]);
    });
    ada.send(publish("news")).await;
    assert_eq!(ada.next().await["code"], "rate_limited");
    ada.send(publish("orders")).await;
    assert_eq!(ada.next().await["type"], "ack");
    ada.send(publish("chat:1")).await;
    assert_eq!(ada.next().await["code"], "forbidden");
}

#[tokio::test(start_paused = true)]
async fn who_is_served_stays_and_who_comes_is_judged_anew() {
    let house = House::open(|config| config.policy.auth_mode = AuthMode::None);
    let mut early = house.connect(PATH, &[("origin", "https://app.test")]).await;
    early.next().await;
    change(&house, |policy| {
        policy.auth_mode = AuthMode::Upgrade;
        policy.origins = Origins::new(["https://other.test"]).expect("sound");
    });
    assert_eq!(early.ask("x").await["type"], "response");
    assert_eq!(house.refuse(PATH, &[]).await.status, 401);
    assert_eq!(house.refuse(PATH, &[("origin", "https://app.test")]).await.status, 403);
}

#[tokio::test(start_paused = true)]
async fn nobody_keeps_a_policy_that_was_replaced() {
    let house = House::open(|_| {});
    let mut silent = house.visit("ada").await;
    let mut pinging = house.visit_raw("bob").await;
    let mut talking = house.visit("cleo").await;
    pinging.send(TEXT, br#"{"type":"heartbeat"}"#).await;
    // Behind which that has been heard, too: all go by the first policy.
    silent.ask("x").await;
    talking.ask("x").await;
    let messages = house.handler.stats().messages;
    assert_eq!(messages.iter().map(|(_, count)| count).sum::<u64>(), 3, "{messages:?}");
    let before = Arc::downgrade(&house.handler.policy().rules);
    change(&house, |policy| policy.rules = ChannelRules::open().into());
    talking.ask("x").await;
    drop(talking);
    for _ in 0..4 {
        pinging.send(PING, b"").await;
        silent.quiet_for(Duration::from_secs(10)).await;
    }
    assert_eq!(house.handler.stats().pings, 1, "the one that pings is not pinged");
    assert!(before.upgrade().is_none(), "somebody still goes by it");
}
