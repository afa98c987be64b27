//! How much a user may say, to all nodes together.

use std::{num::NonZeroU32, num::NonZeroUsize, sync::Arc, time::Duration};

use serde_json::json;
use ws_broker::Engine;
use ws_handler::{ClusterLimits, Costs, HandlerConfig};
use ws_protocol::ClientType;
use ws_rate_limiter::{AnyLimit, Ladder, Mode, Price, TieredLimiter, TokenBucket};

use crate::{
    house::{PATH, Peer},
    street::{A_WHILE, street},
};

const LIMIT: NonZeroU32 = NonZeroU32::new(60).unwrap();
/// A quarter of the limit by three nodes.
const CREDIT: u32 = 5;

fn sixty_a_minute() -> TieredLimiter<u64, AnyLimit> {
    let keys = const { NonZeroUsize::new(1000).unwrap() };
    TieredLimiter::new("free", TokenBucket::per_minute(LIMIT).into(), keys)
}

fn shared(config: &mut HandlerConfig) {
    let limits = &mut config.policy.limits;
    let messages = sixty_a_minute();
    limits.cluster = Some(Arc::new(ClusterLimits::of(Some(&messages), None)));
    limits.messages = Some(Arc::new(messages));
    limits.ladder = Ladder::never_closing();
}

/// How many of so many pings are answered, each after what the one before has led to.
async fn answered(peer: &mut Peer, pings: u32) -> u32 {
    let mut answered = 0;
    for n in 0..pings {
        peer.send(json!({ "type": "ping", "id": n })).await;
        answered += u32::from(peer.next().await["type"] == "pong");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    answered
}

#[tokio::test(start_paused = true)]
async fn a_user_on_three_nodes_has_one_limit_and_not_three() {
    let (_cluster, nodes) = street(shared).await;
    let mut total = 0;
    for node in &nodes {
        let mut peer = node.house.visit("ada").await;
        total += answered(&mut peer, 100).await;
    }
    // Some three seconds went by, with a token in each.
    let most = LIMIT.get() + 3 * CREDIT + 6;
    assert!((LIMIT.get()..=most).contains(&total), "{total} of at most {most}");
    let mut bob = nodes[0].house.visit("bob").await;
    assert_eq!(answered(&mut bob, 30).await, 30, "another user has a limit of its own");
    let limits = nodes[0].house.handler.policy().limits.clone();
    let stats: Vec<_> = limits.cluster.expect("shared").stats().collect();
    assert_eq!((stats.len(), stats[0].0), (1, "messages"));
    assert!(stats[0].1.settled > 0 && stats[0].1.settled < 60, "{stats:?}");
}

#[tokio::test(start_paused = true)]
async fn without_the_engine_each_node_goes_by_its_share_and_what_it_gave_out_is_remembered() {
    let (cluster, nodes) = street(shared).await;
    cluster.set_down("gone");
    tokio::time::sleep(A_WHILE).await;
    let mut peer = nodes[0].house.visit("ada").await;
    let alone = answered(&mut peer, 100).await;
    // A third of sixty, and a third of a token a second.
    assert!((20..=21).contains(&alone), "{alone}");
    cluster.set_up();
    tokio::time::sleep(A_WHILE).await;
    let mut total = answered(&mut peer, 100).await;
    let mut elsewhere = nodes[1].house.visit("ada").await;
    total += answered(&mut elsewhere, 100).await;
    let most = LIMIT.get() - 20 + 2 * CREDIT + 8;
    assert!(total <= most, "{total} of at most {most}");
}

#[tokio::test(start_paused = true)]
async fn a_long_publish_takes_more_than_a_ping_and_a_watched_limit_refuses_nobody() {
    let (_cluster, nodes) = street(|config| {
        let price = Price { base: 1, bytes_per_token: NonZeroU32::new(1024) };
        config.policy.limits.costs = Costs::all(price).with_base(ClientType::Ping, 0);
        config.policy.limits.messages = Some(Arc::new(sixty_a_minute()));
        config.policy.limits.ladder = Ladder::never_closing();
    })
    .await;
    let mut peer = nodes[0].house.visit("ada").await;
    assert_eq!(answered(&mut peer, 200).await, 200, "nothing at all");
    let data = "x".repeat(30 * 1024);
    let publish = json!({ "type": "publish", "id": 1, "channel": "c", "data": data });
    let mut answers = Vec::new();
    for _ in 0..3 {
        peer.send(publish.clone()).await;
        answers.push(peer.next().await["type"].as_str().map(str::to_owned));
    }
    // Thirty-one of sixty each.
    assert_eq!(answers, [Some("ack".into()), Some("error".into()), Some("error".into())]);
    let limits = nodes[0].house.handler.policy().limits.clone();
    let messages = limits.messages.expect("limited");
    messages.set_mode(messages.tier_id(None), Mode::Shadow);
    for _ in 0..5 {
        peer.send(publish.clone()).await;
        assert_eq!(peer.next().await["type"], "ack");
    }
    let stats = messages.stats();
    assert_eq!((stats.denied, stats.shadowed), (2, 5));
}

#[tokio::test(start_paused = true)]
async fn accounts_that_nobody_settles_any_more_are_taken_away_by_one_of_the_nodes() {
    let (_cluster, nodes) = street(shared).await;
    let [first, second, third] = nodes;
    let mut ada = first.house.visit("ada").await;
    answered(&mut ada, 20).await;
    let token = second.house.token_for("bob", 24 * 3600);
    let mut bob = second.house.connect(&format!("{PATH}?token={token}"), &[]).await;
    assert_eq!(bob.next().await["type"], "connected");
    answered(&mut bob, 20).await;
    let accounts = async || {
        let mut names = third.engine.keys("limit:").await.expect("the engine is up");
        names.sort();
        names
    };
    assert_eq!(accounts().await, ["limit:m:free:u:ada", "limit:m:free:u:bob"]);
    // A node that dies gives nothing back, and a user who never returns asks nobody to.
    drop((ada, first));
    let mut a_while = async || {
        for _ in 0..50 {
            assert_eq!(answered(&mut bob, 1).await, 1, "who is there is not touched");
            bob.quiet_for(Duration::from_secs(60)).await;
        }
        accounts().await.contains(&"limit:m:free:u:ada".to_owned())
    };
    assert!(a_while().await, "it might still be charged");
    assert!(!a_while().await, "it is as good as none for more than an hour");
}
