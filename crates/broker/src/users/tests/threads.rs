//! Many threads at once, as connections are.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use super::counts;
use crate::stage::{Node, Stage};

const USERS: usize = 10;
const TASKS: usize = 4;
const TURNS: usize = 500;

/// Comes and goes, and stays with whom it is connected to at the end.
async fn come_and_go(node: Arc<Node>, task: usize, connected: Arc<[AtomicU32; USERS]>) {
    let mut own = [0u32; USERS];
    let mut dice = task as u64 * 2 + 1;
    for _ in 0..TURNS {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let user = (dice >> 33) as usize % USERS;
        let name = format!("u{user}");
        if own[user] > 0 && (dice >> 40).is_multiple_of(2) {
            own[user] -= 1;
            node.users.leave(&name);
        } else if node.enter(&name, Some(8)).await {
            own[user] += 1;
        }
    }
    for (user, count) in own.into_iter().enumerate() {
        connected[user].fetch_add(count, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_threads_do_at_the_same_moment_is_counted_and_told_exactly() {
    let stage = Stage::new(1, 0);
    let nodes = [1, 2, 3].map(|number| Arc::new(stage.node(number)));
    while !nodes.iter().all(|node| node.members.has_joined()) {
        tokio::task::yield_now().await;
    }
    let connected: [Arc<[AtomicU32; USERS]>; 3] = Default::default();
    let tasks = nodes.iter().zip(&connected).enumerate().flat_map(|(at, (node, connected))| {
        (0..TASKS).map(move |task| {
            let (node, connected) = (node.clone(), connected.clone());
            tokio::spawn(come_and_go(node, at * TASKS + task, connected))
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    for node in &nodes {
        node.users.written().await;
    }
    for user in 0..USERS {
        let expected: Vec<u32> = connected
            .iter()
            .map(|counts| counts[user].load(Ordering::Relaxed))
            .filter(|count| *count > 0)
            .collect();
        assert!(expected.iter().sum::<u32>() <= 8, "u{user}: {expected:?}");
        assert_eq!(counts(&nodes[0], &format!("u{user}")).await, expected, "u{user}");
    }
    assert_eq!(stage.check_told_once(), 0, "none is forgotten");
}
