//! Nodes that are killed, paused, cut off, also while they settle what another has left.

use std::collections::HashSet;

use super::counts;
use crate::{
    Engine, OfflineCause,
    stage::{Node, Seen, Stage, pass},
};

async fn fill(node: &Node, users: impl Iterator<Item = usize>) {
    let names: Vec<String> = users.map(|number| format!("u{number}")).collect();
    let entered = names.iter().map(|name| node.enter(name, None));
    assert!(futures_util::future::join_all(entered).await.into_iter().all(|entered| entered));
}

fn lost(stage: &Stage) -> HashSet<String> {
    let seen =
        stage.seen(|seen| matches!(seen, Seen::Offline { cause: OfflineCause::NodeLost, .. }));
    let users = seen.into_iter().filter_map(|seen| match seen {
        Seen::Offline { user, .. } => Some(user),
        _ => None,
    });
    users.collect()
}

#[tokio::test(start_paused = true)]
async fn users_of_a_killed_node_are_told_of_once_and_those_who_are_elsewhere_are_not() {
    let stage = Stage::new(1, 5);
    let (a, b, c) = (stage.node(1), stage.node(2), stage.node(3));
    pass(3).await;
    fill(&a, 0..300).await;
    fill(&b, 200..400).await;
    a.kill();
    pass(20).await;
    let expected: HashSet<_> = (0..200).map(|number| format!("u{number}")).collect();
    assert_eq!(lost(&stage), expected);
    stage.check_told_once();
    assert_eq!(counts(&c, "u250").await, [1], "the other node's entry stands");
    let keys = c.engine.keys("user:").await.unwrap();
    assert_eq!(keys.len(), 200, "nothing is left of who is gone");
    drop(b);
}

#[tokio::test(start_paused = true)]
async fn a_settler_that_dies_half_way_is_followed_by_another_and_nobody_is_told_of_twice() {
    let mut forgotten = Vec::new();
    for seed in 0..6 {
        let stage = Stage::new(seed, 60);
        let mut nodes: Vec<_> = (1..=4).map(|number| Some(stage.node(number))).collect();
        pass(3).await;
        fill(nodes[0].as_ref().unwrap(), 0..400).await;
        nodes[0].take().unwrap().kill();
        let is_estate = |seen: &Seen| matches!(seen, Seen::Estate { node: 1, .. });
        while lost(&stage).len() < 40 * seed as usize + 1 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        let Seen::Estate { at, .. } = stage.seen(is_estate)[0] else { unreachable!() };
        let told_before = lost(&stage).len();
        assert!(told_before < 400, "it was under way");
        nodes[at as usize - 1].take().unwrap().kill();
        pass(60).await;
        stage.check_told_once();
        assert!(stage.seen(is_estate).len() >= 2, "another went on");
        forgotten.push(400 - lost(&stage).len());
        assert_eq!(stage.check_told_once(), 400 - lost(&stage).len());
        let alive = nodes.iter().flatten().next().unwrap();
        assert_eq!(alive.engine.keys("user:").await.unwrap(), Vec::<String>::new());
    }
    // Those who were being told of when the settler died: at most as many as it settles at a time.
    assert!(forgotten.iter().all(|count| *count <= 64), "{forgotten:?}");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_paused_for_longer_than_its_lease_writes_its_users_down_again() {
    for seed in 0..5 {
        let stage = Stage::new(seed, 30);
        let (a, b) = (stage.node(1), stage.node(2));
        pass(3).await;
        fill(&a, 0..50).await;
        a.engine.set_paused(true);
        // What happens on it meanwhile is heard of when it goes on.
        (0..10).for_each(|number| a.users.leave(&format!("u{number}")));
        pass(30).await;
        assert_eq!(lost(&stage).len(), 50, "seed {seed}");
        a.engine.set_paused(false);
        pass(10).await;
        for number in 0..50 {
            let expected: &[u32] = if number < 10 { &[] } else { &[1] };
            let user = format!("u{number}");
            assert_eq!(counts(&b, &user).await, expected, "{user}, seed {seed}");
        }
        stage.check_told_once();
        assert_eq!(stage.offline().len(), 50);
        (10..50).for_each(|number| a.users.leave(&format!("u{number}")));
        pass(5).await;
        assert_eq!(stage.offline().len(), 90, "offline again, after having been back");
        assert_eq!(b.engine.keys("user:").await.unwrap(), Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_comes_back_while_it_is_being_settled_keeps_its_users() {
    for seed in 0..5 {
        let stage = Stage::new(seed, 60);
        let (a, b) = (stage.node(1), stage.node(2));
        pass(3).await;
        fill(&a, 0..400).await;
        a.engine.set_paused(true);
        while lost(&stage).len() < 50 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        a.engine.set_paused(false);
        pass(20).await;
        for number in (0..400).step_by(7) {
            assert_eq!(counts(&b, &format!("u{number}")).await, [1], "u{number}, seed {seed}");
        }
        stage.check_told_once();
        assert_eq!(b.members.others(), [a.id]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_engine_may_go_away_while_an_estate_is_settled() {
    let stage = Stage::new(5, 30);
    let (a, b, c) = (stage.node(1), stage.node(2), stage.node(3));
    pass(3).await;
    fill(&a, 0..500).await;
    a.kill();
    while lost(&stage).len() < 50 {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    b.engine.memory.set_down("gone");
    c.engine.memory.set_down("gone");
    pass(30).await;
    let told = lost(&stage).len();
    assert!(told < 500, "{told}");
    b.engine.memory.set_up();
    c.engine.memory.set_up();
    pass(60).await;
    stage.check_told_once();
    assert_eq!(lost(&stage).len(), 500, "none is forgotten");
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_lost_while_an_estate_is_settled_leave_nobody_in_doubt() {
    for seed in 0..5 {
        let stage = Stage::new(seed, 10);
        let (a, b, c) = (stage.node(1), stage.node(2), stage.node(3));
        pass(3).await;
        fill(&a, 0..100).await;
        a.kill();
        [&b, &c].into_iter().for_each(|node| node.engine.lose_one_of(Some(20)));
        pass(200).await;
        [&b, &c].into_iter().for_each(|node| node.engine.lose_one_of(None));
        pass(20).await;
        stage.check_told_once();
        assert_eq!(lost(&stage).len(), 100, "none is forgotten, seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_last_leave_whose_answer_is_lost_is_told_of_when_that_is_found_out() {
    for is_done in [true, false] {
        let stage = Stage::new(1, 5);
        let a = stage.node(1);
        pass(3).await;
        fill(&a, 0..1).await;
        match is_done {
            true => a.engine.memory.lose_answers(1),
            false => a.engine.memory.lose_calls(1),
        }
        a.users.leave("u0");
        pass(5).await;
        assert_eq!(stage.offline(), ["u0"], "was it done: {is_done}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_node_was_about_to_tell_when_it_was_taken_for_dead_is_told_by_the_other_alone() {
    for seed in 0..10 {
        let stage = Stage::new(seed, 30);
        let (a, b) = (stage.node(1), stage.node(2));
        pass(3).await;
        fill(&a, 0..20).await;
        a.engine.memory.lose_calls(20);
        (0..20).for_each(|number| a.users.leave(&format!("u{number}")));
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        a.engine.memory.set_down("cut off");
        pass(30).await;
        assert_eq!(lost(&stage).len(), 20, "seed {seed}");
        a.engine.memory.set_up();
        pass(30).await;
        assert_eq!(stage.offline().len(), 20, "seed {seed}");
        stage.check_told_once();
        assert_eq!(b.engine.keys("user:").await.unwrap(), Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn a_removal_that_arrives_late_does_not_remove_who_is_back() {
    let stage = Stage::new(1, 5);
    let a = stage.node(1);
    pass(3).await;
    fill(&a, 0..1).await;
    a.engine.delay_next(std::time::Duration::from_secs(2));
    a.users.leave("u0");
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    fill(&a, 0..1).await;
    pass(5).await;
    assert_eq!(counts(&a, "u0").await, [1]);
}

#[tokio::test(start_paused = true)]
async fn a_first_count_that_arrives_late_does_not_stand_for_who_is_gone() {
    let stage = Stage::new(1, 5);
    let a = stage.node(1);
    pass(3).await;
    a.engine.delay_next(std::time::Duration::from_secs(2));
    let moment = std::time::Duration::from_millis(50);
    assert!(tokio::time::timeout(moment, a.users.enter("u0", None)).await.is_err());
    pass(4).await;
    assert_eq!(counts(&a, "u0").await, [1], "it has arrived");
    pass(15).await;
    assert_eq!(counts(&a, "u0").await, [0; 0]);
    assert_eq!(a.users.len(), 0);
}
