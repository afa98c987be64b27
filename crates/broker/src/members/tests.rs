use crate::{
    Engine,
    stage::{Seen, Stage, pass},
};

fn is_estate(seen: &Seen) -> bool {
    matches!(seen, Seen::Estate { .. })
}

fn died(at: u64, node: u64) -> impl Fn(&Seen) -> bool {
    move |seen| *seen == Seen::Died { at, node }
}

#[tokio::test(start_paused = true)]
async fn nodes_find_each_other_and_are_told_once_that_one_has_died() {
    let stage = Stage::new(1, 20);
    let (a, b, c) = (stage.node(1), stage.node(2), stage.node(3));
    pass(5).await;
    for node in [&a, &b, &c] {
        assert_eq!(node.members.others().len(), 2, "{:?}", node.id);
    }
    c.kill();
    pass(7).await;
    assert_eq!(stage.seen(is_estate), [], "not before the lease has ended");
    pass(8).await;
    assert_eq!(stage.seen(is_estate).len(), 1, "one node settles");
    for at in [1, 2] {
        assert_eq!(stage.seen(died(at, 3)).len(), 1, "{at} is told once");
    }
    pass(60).await;
    assert_eq!((a.members.others(), b.members.others()), (vec![b.id], vec![a.id]));
    assert_eq!(stage.seen(died(1, 3)).len(), 1);
    assert_eq!(a.engine.get("node:0000000000000003").await, Ok(None), "nothing is left of it");
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_three_nodes_race_for_is_won_by_one() {
    for seed in 0..15 {
        let stage = Stage::new(seed, 300);
        let nodes: Vec<_> = (1..=4).map(|number| stage.node(number)).collect();
        pass(6).await;
        let [a, b, c, d] = nodes.try_into().ok().unwrap();
        d.kill();
        pass(30).await;
        assert_eq!(stage.seen(is_estate).len(), 1, "seed {seed}");
        drop((a, b, c));
    }
}

#[tokio::test(start_paused = true)]
async fn who_leaves_is_missed_by_nobody_and_settled_by_nobody() {
    let stage = Stage::new(1, 5);
    let (a, b) = (stage.node(1), stage.node(2));
    pass(5).await;
    b.members.leave().await.unwrap();
    pass(3).await;
    assert_eq!(stage.seen(died(1, 2)).len(), 1, "at the next look");
    pass(30).await;
    assert_eq!(stage.seen(is_estate), []);
    assert_eq!(a.members.others(), []);
}

#[tokio::test(start_paused = true)]
async fn silence_while_the_engine_is_away_kills_nobody() {
    let stage = Stage::new(1, 5);
    let (a, b) = (stage.node(1), stage.node(2));
    pass(5).await;
    stage.cluster.set_down("gone for lunch");
    pass(100).await;
    stage.cluster.set_up();
    pass(7).await;
    assert_eq!(stage.seen(|seen| is_estate(seen) || matches!(seen, Seen::Died { .. })), []);
    assert_eq!((a.members.others(), b.members.others()), (vec![b.id], vec![a.id]));
}

#[tokio::test(start_paused = true)]
async fn who_finds_the_engine_again_later_than_others_is_given_a_whole_lease() {
    let stage = Stage::new(1, 5);
    let (a, b) = (stage.node(1), stage.node(2));
    pass(5).await;
    stage.cluster.set_down("gone for lunch");
    pass(100).await;
    a.engine.memory.set_up();
    pass(6).await;
    b.engine.memory.set_up();
    pass(7).await;
    assert_eq!(stage.seen(|seen| is_estate(seen) || matches!(seen, Seen::Died { .. })), []);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_paused_takes_nobody_for_dead_and_comes_back_in_another_life() {
    for seed in 0..8 {
        let stage = Stage::new(seed, 20);
        let (a, b) = (stage.node(1), stage.node(2));
        pass(5).await;
        b.engine.set_paused(true);
        pass(30).await;
        assert_eq!(stage.seen(is_estate), [Seen::Estate { at: 1, node: 2 }]);
        b.engine.set_paused(false);
        pass(6).await;
        let lives = stage.seen(|seen| matches!(seen, Seen::Joined { node: 2, .. }));
        let joined = |life| Seen::Joined { node: 2, life };
        assert_eq!(lives, [joined(1), joined(2)], "seed {seed}");
        assert_eq!(stage.seen(died(2, 1)), [], "the other had lived all the time");
        assert_eq!((a.members.others(), b.members.others()), (vec![b.id], vec![a.id]));
        pass(30).await;
        assert_eq!(stage.seen(is_estate).len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_has_forgotten_everything_is_told_again() {
    let stage = Stage::new(3, 5);
    let (a, b) = (stage.node(1), stage.node(2));
    pass(5).await;
    for key in ["nodes", "node:0000000000000001", "node:0000000000000002"] {
        let record = a.engine.memory.get(key).await.unwrap().unwrap();
        a.engine.memory.put(key, None, Some(record.revision)).await.unwrap().unwrap();
    }
    pass(30).await;
    assert_eq!((a.members.others(), b.members.others()), (vec![b.id], vec![a.id]));
    assert_eq!(stage.seen(is_estate), []);
}

#[tokio::test(start_paused = true)]
async fn lost_answers_cost_nobody_its_life() {
    for seed in 0..5 {
        let stage = Stage::new(seed, 50);
        let nodes = [stage.node(1), stage.node(2), stage.node(3)];
        nodes.iter().for_each(|node| node.engine.lose_one_of(Some(4)));
        pass(200).await;
        assert_eq!(stage.seen(|seen| matches!(seen, Seen::Died { .. })), [], "seed {seed}");
        let is_other_life = |seen: &Seen| matches!(seen, Seen::Joined { life: 2.., .. });
        assert_eq!(stage.seen(is_other_life), [], "seed {seed}");
    }
}
