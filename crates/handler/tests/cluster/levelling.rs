//! Nodes that have more connections than others, and give some away.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{task::JoinSet, time::sleep};
use ws_close_manager::{CloseOptions, SendableCode};
use ws_handler::{Moving, Rebalance};

use crate::street::{Node, street};

const INTERVAL: Duration = Duration::from_secs(10);

fn keep_level(nodes: &[Node]) {
    for node in nodes {
        let handler = node.house.handler.clone();
        let rebalance = Some(Rebalance { margin_percent: 20, interval: INTERVAL });
        let per_second = NonZeroU32::new(100);
        let moving = Moving { rebalance, per_second, ..Moving::default() };
        tokio::spawn(async move { handler.keep_moving(move || moving).await });
    }
}

fn counts(nodes: &[Node]) -> Vec<usize> {
    nodes.iter().map(|node| node.house.handler.connection_count()).collect()
}

/// A client that comes back whenever it is sent away, to the node whose turn it is.
async fn faithful(nodes: Arc<[Node; 3]>, user: String, turn: Arc<AtomicUsize>) {
    let mut peer = nodes[0].house.visit(&user).await;
    loop {
        assert_eq!(peer.next().await["type"], "goodbye");
        assert_eq!(peer.closed().await, (1012, "Connections are rebalanced".to_owned()));
        let next = turn.fetch_add(1, Ordering::Relaxed) % nodes.len();
        peer = nodes[next].house.visit(&user).await;
    }
}

#[tokio::test(start_paused = true)]
async fn nodes_become_level_and_then_nobody_is_asked_any_more() {
    let (_cluster, nodes) = street(|_| {}).await;
    let nodes = Arc::new(nodes);
    let turn = Arc::new(AtomicUsize::new(1));
    let mut clients = JoinSet::new();
    for n in 0..60 {
        clients.spawn(faithful(nodes.clone(), format!("user-{n}"), turn.clone()));
    }
    sleep(INTERVAL).await;
    assert_eq!(counts(&*nodes), [60, 0, 0]);
    keep_level(&*nodes);
    sleep(INTERVAL * 12).await;
    let level = counts(&*nodes);
    assert_eq!(level.iter().sum::<usize>(), 60, "nobody is lost");
    assert!(level.iter().all(|count| *count <= 24), "{level:?}");
    let asked = turn.load(Ordering::Relaxed);
    assert!(asked <= 80, "{asked} moves");
    sleep(INTERVAL * 12).await;
    assert_eq!((counts(&*nodes), turn.load(Ordering::Relaxed)), (level, asked), "it is enough");
    // A client that ended otherwise has panicked.
    assert!(clients.try_join_next().is_none());
    let ended = |node: &Node| node.house.ended_by("rebalance");
    assert_eq!(nodes.iter().map(ended).sum::<u64>(), asked as u64 - 1);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_goes_is_no_reason_to_give_it_anybody() {
    let (_cluster, nodes) = street(|_| {}).await;
    let mut peers = JoinSet::new();
    for n in 0..20 {
        let mut peer = nodes[n % 2].house.visit(&format!("user-{n}")).await;
        peers.spawn(async move { while peer.next_message().await.is_some() {} });
    }
    keep_level(&nodes[..2]);
    let third = nodes[2].house.handler.clone();
    let restart = CloseOptions::new(SendableCode::RESTART);
    // It says that it has none, and then that it goes, before anybody has acted on that.
    let told = nodes[2].house.handler.clone();
    let rebalance = Some(Rebalance { margin_percent: 20, interval: INTERVAL });
    let saying = tokio::spawn(async move {
        told.keep_moving(move || Moving { rebalance, ..Moving::default() }).await;
    });
    sleep(INTERVAL / 2).await;
    third.drain(&restart).await;
    sleep(INTERVAL * 5).await;
    assert_eq!(counts(&nodes), [10, 10, 0]);
    saying.abort();
}
