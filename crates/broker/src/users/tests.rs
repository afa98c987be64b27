use std::{collections::HashMap, sync::Arc};

use futures_util::FutureExt;

use crate::{
    Engine, Entered, Life, MemoryCluster, NodeId, OfflineCause, Status, Users, UsersConfig,
    UsersListener,
    stage::{Node, Seen, Stage, pass},
};

mod faults;
mod random;
mod threads;

async fn counts(node: &Node, user: &str) -> Vec<u32> {
    let mut counts = HashMap::new();
    for (id, count) in node.users.nodes_of(user).await.unwrap() {
        counts.insert(id.bits(), count);
    }
    (1..=4).filter_map(|number| counts.get(&number).copied()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_user_is_offline_when_the_last_connection_on_any_node_is_gone_and_one_node_tells() {
    let stage = Stage::new(1, 20);
    let (a, b) = (stage.node(1), stage.node(2));
    pass(3).await;
    assert!(a.enter("ada", None).await);
    assert!(a.enter("ada", None).await);
    assert!(b.enter("ada", None).await);
    pass(1).await;
    assert_eq!(counts(&b, "ada").await, [2, 1]);
    a.users.leave("ada");
    a.users.leave("ada");
    a.users.written().await;
    assert_eq!(counts(&a, "ada").await, [1]);
    assert_eq!(stage.offline(), Vec::<String>::new());
    b.users.leave("ada");
    b.users.written().await;
    let cause = OfflineCause::Left;
    let told = stage.seen(|seen| matches!(seen, Seen::Offline { .. }));
    assert_eq!(told, [Seen::Offline { at: 2, user: "ada".to_owned(), cause }]);
    assert_eq!((a.users.len(), b.users.len()), (0, 0), "nothing is kept of who is gone");
    assert_eq!(a.engine.get("user:ada").await, Ok(None));
}

#[tokio::test(start_paused = true)]
async fn two_nodes_that_lose_a_user_at_the_same_moment_tell_once() {
    for seed in 0..30 {
        let stage = Stage::new(seed, 40);
        let (a, b) = (stage.node(1), stage.node(2));
        pass(3).await;
        a.enter("ada", None).await;
        b.enter("ada", None).await;
        a.users.leave("ada");
        b.users.leave("ada");
        pass(5).await;
        assert_eq!(stage.offline(), ["ada"], "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_holds_across_nodes_whoever_comes_at_the_same_moment() {
    for seed in 0..30 {
        let stage = Stage::new(seed, 40);
        let nodes = [stage.node(1), stage.node(2), stage.node(3)];
        pass(3).await;
        let wishes = nodes.iter().flat_map(|node| (0..3).map(|_| node.enter("ada", Some(4))));
        let entered = futures_util::future::join_all(wishes).await;
        let entered = entered.into_iter().filter(|entered| *entered).count();
        assert_eq!(entered, 4, "seed {seed}");
        pass(1).await;
        assert_eq!(counts(&nodes[0], "ada").await.iter().sum::<u32>(), 4, "seed {seed}");
        for node in &nodes {
            assert!(!node.enter("ada", Some(4)).await);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_place_that_became_free_elsewhere_can_be_had_at_once() {
    let stage = Stage::new(1, 20);
    let (a, b) = (stage.node(1), stage.node(2));
    pass(3).await;
    assert!(a.enter("ada", Some(2)).await);
    assert!(b.enter("ada", Some(2)).await);
    assert!(!a.enter("ada", Some(2)).await);
    b.users.leave("ada");
    b.users.written().await;
    assert!(a.enter("ada", Some(2)).await, "what was known a while ago turns nobody away");
}

#[tokio::test(start_paused = true)]
async fn without_the_engine_a_node_counts_its_own_and_writes_it_down_afterwards() {
    let stage = Stage::new(1, 10);
    let (a, b) = (stage.node(1), stage.node(2));
    pass(3).await;
    assert!(b.enter("ada", Some(2)).await);
    stage.cluster.set_down("gone");
    assert!(a.enter("ada", Some(2)).await);
    assert!(a.enter("ada", Some(2)).await);
    assert!(!a.enter("ada", Some(2)).await, "its own count decides");
    b.users.leave("ada");
    assert!(a.enter("bob", None).await);
    a.users.leave("bob");
    pass(60).await;
    assert_eq!(stage.offline(), Vec::<String>::new(), "nothing can be told");
    stage.cluster.set_up();
    pass(20).await;
    assert_eq!(counts(&a, "ada").await, [2]);
    assert_eq!(stage.offline(), Vec::<String>::new(), "she had gone from one node to the other");
    a.users.leave("ada");
    a.users.leave("ada");
    pass(5).await;
    assert_eq!(stage.offline(), ["ada"], "nobody has heard of bob");
}

#[tokio::test(start_paused = true)]
async fn before_a_node_is_a_member_it_counts_its_own() {
    let stage = Stage::new(1, 10);
    stage.cluster.set_down("not yet");
    let a = stage.node(1);
    a.engine.memory.set_down("not yet");
    assert!(a.enter("ada", Some(1)).await);
    assert!(!a.enter("ada", Some(1)).await);
    a.engine.memory.set_up();
    pass(5).await;
    assert_eq!(counts(&a, "ada").await, [1]);
}

#[tokio::test(start_paused = true)]
async fn only_what_is_so_is_written_however_much_has_happened() {
    let stage = Stage::new(1, 200);
    let a = stage.node(1);
    pass(3).await;
    assert!(a.enter("ada", None).await);
    let before = a.engine.puts();
    for _ in 0..1000 {
        // What waits is let in together.
        let two = futures_util::future::join(a.enter("ada", None), a.enter("ada", None));
        if tokio::time::timeout(std::time::Duration::from_millis(1), two).await.is_ok() {
            a.users.leave("ada");
            a.users.leave("ada");
        }
    }
    a.users.written().await;
    // The heartbeat has its part in it.
    assert!(a.engine.puts() - before < 40, "{}", a.engine.puts() - before);
    assert_eq!(counts(&a, "ada").await, [1]);
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_waiting_has_not_entered() {
    for delay_ms in 0..100 {
        let stage = Stage::new(delay_ms, 40);
        let a = stage.node(1);
        pass(3).await;
        let wait = std::time::Duration::from_millis(delay_ms);
        let entered = tokio::time::timeout(wait, a.enter("ada", None)).await.is_ok();
        pass(5).await;
        let expected: &[u32] = if entered { &[1] } else { &[] };
        assert_eq!(counts(&a, "ada").await, expected, "after {delay_ms} ms");
        assert_eq!(a.users.len(), usize::from(entered));
    }
}

#[tokio::test(start_paused = true)]
async fn who_goes_at_the_moment_when_it_is_let_in_has_not_entered() {
    let stage = Stage::new(1, 10);
    let a = stage.node(1);
    pass(3).await;
    let mut entering = Box::pin(a.users.enter("ada", None));
    assert!((&mut entering).now_or_never().is_none());
    pass(1).await;
    assert_eq!(counts(&a, "ada").await, [1], "let in, and nobody has looked");
    drop(entering);
    pass(1).await;
    assert_eq!(counts(&a, "ada").await, [0; 0]);
    assert_eq!(a.users.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_waits_too_long_is_let_in_by_this_nodes_count() {
    let stage = Stage::new(1, 10);
    let a = stage.node(1);
    pass(3).await;
    a.engine.set_paused(true);
    let started = tokio::time::Instant::now();
    assert!(a.enter("ada", Some(1)).await);
    assert_eq!(started.elapsed().as_secs(), 5);
    assert!(!a.enter("ada", Some(1)).await);
    a.engine.set_paused(false);
    pass(5).await;
    assert_eq!(counts(&a, "ada").await, [1]);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_says_what_is_not_so_is_put_right_when_somebody_notices() {
    let stage = Stage::new(1, 10);
    let a = stage.node(1);
    pass(3).await;
    assert!(a.enter("ada", None).await);
    let record = a.engine.get("user:ada").await.unwrap().unwrap();
    let ghost = a.engine.memory.put("user:eve", Some(record.value), None).await;
    ghost.unwrap().unwrap();
    a.users.handle_doubt("eve");
    a.users.handle_doubt("ada");
    pass(2).await;
    assert_eq!(a.engine.get("user:eve").await, Ok(None));
    assert_eq!(counts(&a, "ada").await, [1]);
}

struct Nobody;

impl UsersListener for Nobody {
    fn handle_offline(&self, _: &str, _: OfflineCause) {}
}

#[tokio::test(start_paused = true)]
async fn a_join_that_is_told_of_during_an_outage_counts_when_it_is_over() {
    let engine = MemoryCluster::new().node();
    let id = NodeId::from_random(1);
    let users = Users::new(engine.clone(), id, UsersConfig::default(), Arc::new(Nobody));
    let running = tokio::spawn(users.clone().run());
    users.handle_status(&Status::Down("gone for lunch".into()));
    assert_eq!(users.enter("ada", None).await, Ok(Entered::Here));
    users.handle_join(Life::FIRST);
    pass(1).await;
    assert_eq!(engine.get("user:ada").await, Ok(None));
    users.handle_status(&Status::Up);
    pass(1).await;
    assert!(engine.get("user:ada").await.unwrap().is_some(), "written down");
    running.abort();
}
