//! The reasons of ends that come of channels, of types of connections and of whoever has the last word.
//! The others are told in `tests/handler/ends.rs`.

use std::num::{NonZeroU32, NonZeroUsize};

use ws_broker::MemoryCluster;
use ws_channels::{ConnectionTypeSpec, ConnectionTypes, HistorySpec, OnLimit, RuleSpec};
use ws_handler::{EndReason, HandlerConfig, Judgement, Refusal};
use ws_protocol::ErrorCode;

use crate::{
    gates::{as_it_says, house_kept_by},
    house::{House, PATH, Peer},
    talk::{SECOND, compiled, rule},
};

/// Connections at `/ws/desks/…` are in the channel of the desk, one at each.
fn desks(config: &mut HandlerConfig) {
    let desk = ConnectionTypeSpec {
        path: "/ws/desks/{desk}".to_owned(),
        channels: vec!["desk:{desk}".to_owned()],
        max: Some(1),
        per: Some("desk".to_owned()),
        on_limit: OnLimit::CloseOldest,
        ..ConnectionTypeSpec::default()
    };
    config.policy.types = ConnectionTypes::compile(&[desk]).expect("sound").into();
}

/// Connects, and is sent away with that code for that reason and no other.
async fn check(house: &House, path: &str, user: &str, code: u16, expect: EndReason) {
    let before = house.ended_by(expect.label());
    let peer = house.connect(&format!("{path}?token={}", house.token(user)), &[]).await;
    ends(house, peer, code, expect, before).await;
}

async fn ends(house: &House, mut peer: Peer, code: u16, expect: EndReason, before: u64) {
    loop {
        match peer.next_message().await {
            Some(tungstenite::Message::Close(Some(frame))) => {
                assert_eq!(u16::from(frame.code), code, "{expect}");
                break;
            }
            Some(_) => {}
            None => panic!("no close frame for {expect}"),
        }
    }
    drop(peer);
    let counted = async {
        while house.ended_by(expect.label()) == before {
            tokio::time::sleep(SECOND / 100).await;
        }
    };
    tokio::time::timeout(60 * SECOND, counted).await.unwrap_or_else(|_| {
        let ends = house.handler.stats().ends;
        let counted: Vec<_> = ends.into_iter().filter(|(_, count)| *count > 0).collect();
        panic!("not {expect} but {counted:?}");
    });
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_is_away_ends_whose_path_needs_it() {
    let cluster = MemoryCluster::new();
    let house = House::open(|config| {
        desks(config);
        let history = HistorySpec { size: 10, ttl: 60 * SECOND };
        let kept = RuleSpec { history: Some(history), ..rule("desk:*", "subscribe publish") };
        config.policy.rules = compiled(&[kept]);
        config.engine = cluster.node();
    });
    cluster.set_down("pulled the plug");
    check(&house, "/ws/desks/1", "ada", 1013, EndReason::Engine).await;
    assert_eq!(house.ended_by("engine"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_house_that_is_full_ends_whose_path_would_need_more_of_it() {
    let house = House::open(|config| {
        desks(config);
        config.policy.subscriptions.channels_max = NonZeroUsize::MIN;
    });
    let mut ada = house.visit("ada").await;
    ada.enter("elsewhere").await;
    check(&house, "/ws/desks/1", "bob", 1013, EndReason::Overload).await;
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_is_full_has_too_many_connections() {
    let house = House::open(|config| {
        desks(config);
        config.policy.subscriptions.subscribers_per_channel_max = NonZeroU32::MIN;
    });
    let mut ada = house.visit("ada").await;
    ada.enter("desk:1").await;
    check(&house, "/ws/desks/1", "bob", 1008, EndReason::TooManyConnections).await;
}

#[tokio::test(start_paused = true)]
async fn who_has_the_last_word_is_the_reason_also_where_it_has_none() {
    let (house, _) = house_kept_by(desks, |question| {
        let busy = || Refusal {
            code: ErrorCode::Overloaded,
            message: ErrorCode::Overloaded.sentence().into(),
        };
        match question {
            it if it.contains("busy") => Judgement::Refuse(busy()),
            it => as_it_says(it),
        }
    });
    check(&house, PATH, "now-no", 1008, EndReason::HookRefused).await;
    check(&house, PATH, "out-of-reach", 1013, EndReason::HookUnavailable).await;
    check(&house, PATH, "busy", 1013, EndReason::Overload).await;
    assert_eq!(house.ended_by("hook_refused"), 1);
    // And of a channel of the path.
    check(&house, "/ws/desks/now-no", "ada", 1008, EndReason::HookRefused).await;
    assert_eq!(house.ended_by("hook_refused"), 2);
}

#[tokio::test(start_paused = true)]
async fn who_makes_way_is_replaced() {
    let house = House::open(desks);
    let target = |user: &str| format!("/ws/desks/1?token={}", house.token(user));
    let mut ada = house.connect(&target("ada"), &[]).await;
    ada.heard().await;
    let mut bob = house.connect(&target("bob"), &[]).await;
    bob.heard().await;
    ends(&house, ada, 1008, EndReason::Replaced, 0).await;
    assert_eq!(house.ended_by("replaced"), 1);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_is_slow() {
    let house = House::open(|config| config.policy.limits.outbox_bytes_max = 16 * 1024);
    let mut ada = house.visit("ada").await;
    ada.enter("ticks").await;
    for n in 0..200 {
        house.bulletin("ticks", format!("{n}{}", "x".repeat(1000)));
        tokio::task::yield_now().await;
    }
    ends(&house, ada, 1013, EndReason::Slow, 0).await;
}
