//! Tokens that are taken back, on all nodes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;
use ws_auth::{Revocation, Revoked, TokenRequest};
use ws_broker::{EngineError, MemoryCluster};
use ws_handler::{EndReason, HandlerConfig, RevocationConfig};
use ws_protocol::ErrorCode;

use crate::{
    house::{House, OPENING, PATH, Peer, counted},
    street::{A_WHILE, Node, street},
};

/// The engine tells of it at once; this is longer.
const A_MOMENT: Duration = Duration::from_millis(100);

fn revocable(config: &mut HandlerConfig) {
    config.revocation = Some(RevocationConfig::default());
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(OPENING + seconds)
}

fn until_tomorrow(revoked: Revoked) -> Revocation {
    Revocation { revoked, until: at(86_400) }
}

async fn visit_with(house: &House, token: &str) -> Peer {
    let mut peer = house.connect(&format!("{PATH}?token={token}"), &[]).await;
    assert_eq!(peer.next().await["type"], "connected");
    peer
}

async fn check_turned_out(mut peer: Peer) {
    let error = peer.next().await;
    assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!("token_revoked")));
    assert_eq!(peer.closed().await, (3000, "Token revoked".to_owned()));
}

async fn check_refused(house: &House, token: &str) {
    let refusal = house.refuse(&format!("{PATH}?token={token}"), &[]).await;
    assert_eq!((refusal.status, &refusal.body["error"]), (401, &json!("Token revoked")));
}

#[tokio::test(start_paused = true)]
async fn a_users_tokens_end_on_all_nodes_and_a_fresh_one_is_good() {
    let (_cluster, nodes) = street(revocable).await;
    let token = nodes[0].house.token("ada");
    let mut adas = Vec::new();
    for node in &nodes {
        adas.push(visit_with(&node.house, &token).await);
    }
    let mut bob = nodes[1].house.visit("bob").await;
    // The second is not over in which the token could have been issued.
    let revocation = until_tomorrow(Revoked::User("ada".into(), at(4)));
    assert_eq!(nodes[0].house.handler.revoke(revocation).await, Ok(1));
    tokio::time::sleep(A_MOMENT).await;
    for node in &nodes {
        check_refused(&node.house, &token).await;
    }
    for ada in adas {
        check_turned_out(ada).await;
    }
    for node in &nodes {
        assert_eq!(node.house.ended_by(EndReason::TokenRevoked.label()), 1);
        // Heard from a node and read in the log, it is told once.
        let told = counted(&node.house.handler.stats().errors, ErrorCode::TokenRevoked.name());
        assert_eq!(told, 1);
        let fresh = node.house.token("ada");
        visit_with(&node.house, &fresh).await.leave().await;
    }
    assert_eq!(bob.ask("still here").await["payload"], "still here");
}

#[tokio::test(start_paused = true)]
async fn one_token_is_taken_back_and_the_users_others_are_not() {
    let (_cluster, nodes) = street(revocable).await;
    let token = |id: &str| nodes[0].house.mint(&TokenRequest::new("ada").claim("jti", id));
    let (lost, kept) = (token("t-1"), token("t-2"));
    let loser = visit_with(&nodes[2].house, &lost).await;
    let mut keeper = visit_with(&nodes[2].house, &kept).await;
    let revocation = until_tomorrow(Revoked::Token("t-1".into()));
    assert_eq!(nodes[0].house.handler.revoke(revocation).await, Ok(0));
    check_turned_out(loser).await;
    assert_eq!(keeper.ask("mine").await["payload"], "mine");
    // As a first message, and as a refresh, it is no better.
    let mut late = nodes[1].house.stand_in_line().await;
    late.send(json!({ "type": "auth", "token": lost })).await;
    assert_eq!(late.next().await["code"], "token_revoked");
    assert_eq!(late.closed().await, (1008, "Token revoked".to_owned()));
    keeper.send(json!({ "type": "auth", "token": lost })).await;
    assert_eq!(keeper.next().await["code"], "token_revoked");
    assert_eq!(keeper.ask("as before").await["payload"], "as before");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_not_there_finds_what_was_revoked() {
    let cluster = MemoryCluster::new();
    let first = Node::open(&cluster, revocable);
    let token = first.house.token("ada");
    let everybody = until_tomorrow(Revoked::Everybody(at(1)));
    assert_eq!(first.house.handler.revoke(everybody).await, Ok(0));
    drop(first);
    tokio::time::sleep(A_WHILE).await;
    let second = Node::open(&cluster, revocable);
    tokio::time::sleep(A_MOMENT).await;
    check_refused(&second.house, &token).await;
    assert_eq!(second.house.handler.revocations().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_node_whose_clock_is_behind_turns_out_within_a_second_all_the_same() {
    let (_cluster, nodes) = street(revocable).await;
    let ada = nodes[1].house.visit("ada").await;
    let token = nodes[1].house.mint(&TokenRequest::new("bob").claim("jti", "t-1"));
    let bob = visit_with(&nodes[1].house, &token).await;
    for revoked in [Revoked::Token("t-1".into()), Revoked::User("ada".into(), at(3600))] {
        nodes[0].house.handler.revoke(until_tomorrow(revoked)).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(1) + A_MOMENT).await;
    check_turned_out(ada).await;
    check_turned_out(bob).await;
}

#[tokio::test(start_paused = true)]
async fn what_an_engine_has_lost_is_told_again_until_it_is_kept() {
    let cluster = MemoryCluster::new();
    let first = Node::open(&cluster, revocable);
    let token = first.house.mint(&TokenRequest::new("ada").claim("jti", "t-1"));
    let revocation = until_tomorrow(Revoked::Token("t-1".into()));
    assert_eq!(first.house.handler.revoke(revocation).await, Ok(0));
    tokio::time::sleep(A_WHILE).await;
    cluster.forget();
    first.engine.lose_calls(u32::MAX);
    // The node has looked, has found that nothing is there, and could not say so.
    tokio::time::sleep(4 * A_WHILE).await;
    first.engine.lose_calls(0);
    tokio::time::sleep(4 * A_WHILE).await;
    drop(first);
    let second = Node::open(&cluster, revocable);
    tokio::time::sleep(A_MOMENT).await;
    check_refused(&second.house, &token).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_without_the_engine_revokes_nothing_and_hears_of_it_when_it_is_back() {
    let (_cluster, nodes) = street(revocable).await;
    let ada = nodes[1].house.visit("ada").await;
    nodes[1].engine.set_down("the cable");
    let revocation = until_tomorrow(Revoked::User("ada".into(), at(4)));
    let refused = nodes[1].house.handler.revoke(revocation.clone()).await;
    assert!(matches!(refused, Err(EngineError::Unavailable { .. })), "{refused:?}");
    assert!(nodes[1].house.handler.revocations().is_empty());
    assert_eq!(nodes[0].house.handler.revoke(revocation).await, Ok(0));
    tokio::time::sleep(A_WHILE).await;
    assert!(nodes[1].house.handler.revocations().is_empty());
    nodes[1].engine.set_up();
    check_turned_out(ada).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_over_is_forgotten_and_more_than_may_be_is_refused() {
    let (_cluster, nodes) = street(|config| {
        let entries_max = std::num::NonZeroU32::MIN;
        config.revocation = Some(RevocationConfig { entries_max, ..RevocationConfig::default() });
    })
    .await;
    let handler = &nodes[0].house.handler;
    let revoke = async |id: &str, until: u64| {
        handler.revoke(Revocation { revoked: Revoked::Token(id.into()), until: at(until) }).await
    };
    assert_eq!(revoke("t-1", 60).await, Ok(0));
    assert_eq!(revoke("t-2", 60).await, Err(EngineError::Full));
    tokio::time::sleep(Duration::from_secs(60)).await;
    handler.forget_recovered(tokio::time::Instant::now().into_std());
    assert!(handler.revocations().is_empty());
}

/// A node that does not reach the engine, from its first moment on.
fn cut_off(cluster: &MemoryCluster) -> Node {
    let node = Node::open(cluster, revocable);
    node.engine.set_down("the cable");
    node
}

async fn mend_soon(node: &Node) {
    tokio::time::sleep(Duration::from_millis(500)).await;
    node.engine.set_up();
}

#[tokio::test(start_paused = true)]
async fn a_node_takes_no_token_before_it_has_read_the_list() {
    let cluster = MemoryCluster::new();
    let first = Node::open(&cluster, revocable);
    let revoked = first.house.token("ada");
    let everybody = until_tomorrow(Revoked::Everybody(at(1)));
    assert_eq!(first.house.handler.revoke(everybody).await, Ok(0));
    tokio::time::sleep(A_WHILE).await;
    let second = cut_off(&cluster);
    let fresh = first.house.token("bob");
    for token in [&revoked, &fresh] {
        let asked = tokio::time::Instant::now();
        let refusal = second.house.refuse(&format!("{PATH}?token={token}"), &[]).await;
        assert_eq!((refusal.status, &refusal.body["code"]), (503, &json!("revocations_unknown")));
        assert!(refusal.head.contains("retry-after: 1"), "{}", refusal.head);
        assert_eq!(asked.elapsed(), Duration::from_secs(1));
    }
    assert!(second.house.handler.awaits_revocations());
    // Who is waiting when it is read is judged by it.
    tokio::join!(check_refused(&second.house, &revoked), mend_soon(&second));
    assert!(!second.house.handler.awaits_revocations());
    visit_with(&second.house, &fresh).await.leave().await;
    // What is known goes on to count while the engine is away.
    second.engine.set_down("the cable");
    visit_with(&second.house, &fresh).await.leave().await;
    check_refused(&second.house, &revoked).await;
}

#[tokio::test(start_paused = true)]
async fn a_first_message_waits_for_the_list_as_well() {
    let cluster = MemoryCluster::new();
    let node = cut_off(&cluster);
    let token = node.house.token("ada");
    let mut early = node.house.stand_in_line().await;
    early.send(json!({ "type": "auth", "token": token })).await;
    let refused = early.next().await;
    let sentence = "It is not known yet which tokens were revoked";
    assert_eq!(
        (&refused["code"], &refused["message"]),
        (&json!("broker_unavailable"), &json!(sentence))
    );
    assert_eq!(early.closed().await, (1013, sentence.to_owned()));
    let mut patient = node.house.stand_in_line().await;
    patient.send(json!({ "type": "auth", "token": token })).await;
    let (answer, ()) = tokio::join!(patient.next(), mend_soon(&node));
    assert_eq!(answer["type"], "authenticated");
}

#[tokio::test(start_paused = true)]
async fn where_the_list_is_not_required_tokens_are_taken_without_it() {
    let cluster = MemoryCluster::new();
    let node = Node::open(&cluster, |config| {
        config.revocation = Some(RevocationConfig { is_required: false, ..Default::default() });
    });
    node.engine.set_down("the cable");
    node.house.visit("ada").await.leave().await;
    assert!(!node.house.handler.awaits_revocations());
}
