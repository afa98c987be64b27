use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::clock;

/// A million seconds after 1970, and all clocks agree.
const WALL: u64 = 1_000_000_000_000_000;

fn bucket(per_second: u32, burst: u32) -> TokenBucket {
    TokenBucket::per_second(NonZeroU32::new(per_second).unwrap())
        .with_burst(NonZeroU32::new(burst).unwrap())
}

/// Nodes, and the accounts between them.
struct Stage {
    nodes: Vec<LeasedLimiter<u32>>,
    accounts: HashMap<Arc<str>, Vec<u8>>,
    now_ms: u64,
    is_down: bool,
}

impl Stage {
    fn new(bucket: TokenBucket, count: u32) -> Self {
        let capacity = NonZeroUsize::new(1000).unwrap();
        let node = |name| LeasedLimiter::new(bucket, u64::from(name), capacity);
        let nodes: Vec<_> = (0..count).map(node).collect();
        for node in &nodes {
            node.set_nodes(NonZeroU32::new(count).unwrap());
        }
        Self { nodes, accounts: HashMap::new(), now_ms: 0, is_down: false }
    }

    fn now(&self) -> Instant {
        clock::millis(self.now_ms)
    }

    fn charge(&self, node: usize, cost: u32) -> Result<(), Denied> {
        self.nodes[node].charge(&7, || "seven".into(), cost, self.now()).0
    }

    fn allowed(&self, node: usize, wanted: u32) -> u32 {
        (0..wanted).filter(|_| self.charge(node, 1).is_ok()).count() as u32
    }

    fn begin(&self, node: usize) -> Vec<Claim<u32>> {
        std::iter::from_fn(|| self.nodes[node].poll_claim(self.now())).collect()
    }

    fn end(&mut self, node: usize, claim: Claim<u32>) {
        let (now, limiter) = (self.now(), &self.nodes[node]);
        if self.is_down {
            return limiter.handle_failure(claim, now);
        }
        let account = self.accounts.get(&claim.name).map(Vec::as_slice);
        let settlement = limiter.settle(&claim, account, WALL + self.now_ms * 1_000_000);
        match &settlement.value {
            Some(value) => self.accounts.insert(claim.name.clone(), value.clone()),
            None => self.accounts.remove(&claim.name),
        };
        limiter.handle_settled(claim, &settlement, now);
    }

    /// All that is to be settled is, at once.
    fn settle(&mut self) {
        for node in 0..self.nodes.len() {
            for claim in self.begin(node) {
                self.end(node, claim);
            }
        }
    }

    fn pass(&mut self, ms: u64) {
        for _ in 0..ms.div_ceil(10) {
            self.now_ms += 10;
            self.settle();
        }
    }
}

#[test]
fn caller_of_one_node_has_the_whole_limit_and_no_more() {
    let mut stage = Stage::new(bucket(10, 40), 2);
    let mut allowed = 0;
    for _ in 0..100 {
        allowed += stage.allowed(0, 1);
        stage.settle();
    }
    assert_eq!(allowed, 40);
    let denied = stage.charge(0, 1).unwrap_err();
    // A token takes 100 ms, and its answer a moment.
    assert_eq!(denied.retry_after(stage.now()), Duration::from_millis(150));
    stage.pass(150);
    assert_eq!(stage.charge(0, 1), Ok(()));
}

#[test]
fn callers_of_all_nodes_share_it_beyond_the_credit() {
    let mut stage = Stage::new(bucket(10, 80), 4);
    assert_eq!(stage.nodes[0].credit(), 5);
    let mut allowed = 0;
    for _ in 0..100 {
        allowed += (0..4).map(|node| stage.allowed(node, 1)).sum::<u32>();
        stage.settle();
    }
    assert!((80..=100).contains(&allowed), "{allowed}");
    // What was too much is paid back: in the long run it is ten a second.
    for _ in 0..1000 {
        stage.pass(10);
        allowed += (0..4).map(|node| stage.allowed(node, 1)).sum::<u32>();
    }
    assert!((150..=180).contains(&allowed), "{allowed}");
}

#[test]
fn who_keeps_to_the_limit_is_never_denied_though_answers_take_a_while() {
    let mut stage = Stage::new(bucket(20, 40), 3);
    let mut under_way: VecDeque<(u64, Claim<u32>)> = VecDeque::new();
    for step in 0..2000_u64 {
        stage.now_ms += 10;
        if step % 5 == 0 {
            assert_eq!(stage.charge(0, 1), Ok(()), "after {} ms", stage.now_ms);
        }
        under_way.extend(stage.begin(0).into_iter().map(|claim| (stage.now_ms + 40, claim)));
        while under_way.front().is_some_and(|(at, _)| *at <= stage.now_ms) {
            let (_, claim) = under_way.pop_front().unwrap();
            stage.end(0, claim);
        }
    }
    let stats = stage.nodes[0].stats();
    // Slices, and not a question for each request.
    assert!(stats.settled < stats.allowed / 2, "{stats:?}");
}

#[test]
fn without_the_engine_each_node_has_its_share_and_says_what_it_gave_out() {
    let mut stage = Stage::new(bucket(1, 40), 4);
    stage.nodes.iter().for_each(|node| node.set_alone(true));
    let by_node: Vec<u32> = (0..4).map(|node| stage.allowed(node, 100)).collect();
    assert_eq!(by_node, [10, 10, 10, 10]);
    assert_eq!(stage.nodes[0].stats().alone, 100);
    stage.nodes.iter().for_each(|node| node.set_alone(false));
    for node in 0..4 {
        // Each of them is asked once, on credit.
        stage.charge(node, 1).unwrap();
        stage.charge(node, 1).unwrap();
    }
    // The first to report does not know yet what the others will say.
    stage.settle();
    let allowed: u32 = (0..4).map(|node| stage.allowed(node, 100)).sum();
    assert!(allowed <= 4 * (5 + 2), "{allowed}: a slice and the credit");
    stage.settle();
    let allowed: u32 = (0..4).map(|node| stage.allowed(node, 100)).sum();
    assert_eq!(allowed, 0, "what was given out alone counts for all");
}

#[test]
fn accounts_that_cannot_be_settled_are_left_to_the_share_and_tried_again() {
    let mut stage = Stage::new(bucket(1, 40), 4);
    stage.is_down = true;
    let mut allowed = 0;
    for _ in 0..5 {
        allowed += stage.allowed(0, 100);
        stage.pass(1000);
    }
    // The credit, the share, and what comes back of the share in that time.
    assert!((12..=14).contains(&allowed), "{allowed}");
    assert!(stage.nodes[0].stats().failed >= 4);
    stage.is_down = false;
    stage.pass(2000);
    assert!(stage.allowed(0, 100) > 0);
}

#[test]
fn whoever_is_silent_is_forgotten_by_the_node_and_by_the_engine() {
    let mut stage = Stage::new(bucket(10, 40), 2);
    assert_eq!(stage.allowed(0, 30), 5, "the credit of a node");
    stage.settle();
    assert_eq!(stage.allowed(0, 30), 15, "a slice, and the credit until the next");
    stage.pass(20_000);
    assert_eq!((stage.accounts.len(), stage.nodes[0].stats().keys), (0, 0));
    assert_eq!(stage.nodes[0].poll_timeout(), None);
}

#[test]
fn node_that_dies_has_used_what_it_had_leased() {
    let mut stage = Stage::new(bucket(1, 40), 2);
    stage.allowed(0, 5);
    stage.settle();
    // It held ten, and is not heard of again.
    stage.nodes[0] = LeasedLimiter::new(bucket(1, 40), 9, NonZeroUsize::MIN);
    let mut allowed = 0;
    for _ in 0..100 {
        allowed += stage.allowed(1, 1);
        stage.settle();
    }
    assert_eq!(allowed, 25);
    stage.pass(20_000);
    assert_eq!(stage.allowed(1, 100), 5, "its credit: all is back");
}

#[test]
fn table_is_bounded_and_a_watched_limit_denies_nobody() {
    let limiter = LeasedLimiter::new(bucket(1, 4), 1, NonZeroUsize::new(64).unwrap());
    limiter.set_mode(Mode::Shadow);
    for key in 0..10_000_u32 {
        assert_eq!(limiter.charge(&key, || "k".into(), u32::MAX, clock::millis(0)).0, Ok(()));
        while let Some(claim) = limiter.poll_claim(clock::millis(0)) {
            limiter.handle_failure(claim, clock::millis(0));
        }
        assert_eq!(limiter.charge(&key, || "k".into(), 4, clock::millis(0)).0, Ok(()));
        assert_eq!(limiter.charge(&key, || "k".into(), 4, clock::millis(0)).0, Ok(()));
    }
    let stats = limiter.stats();
    assert!(stats.keys <= 64 && stats.evicted > 9_000, "{stats:?}");
    assert_eq!((stats.denied, stats.shadowed), (0, 10_000));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Whoever comes to whichever node at whatever moment, with answers that take their time: over any
    /// span no more is allowed than the bound says.
    #[test]
    fn no_span_has_more_than_the_bound(
        steps in prop::collection::vec((0_usize..3, 0_u32..12, 0_u64..4, 0_u64..300), 1..400),
    ) {
        let (rate, burst, nodes, cost_max) = (20_u32, 60_u32, 3_u32, 2_u32);
        let mut stage = Stage::new(bucket(rate, burst), nodes);
        let credit = stage.nodes[0].credit().max(cost_max);
        let mut under_way: Vec<(u64, usize, Claim<u32>)> = Vec::new();
        let mut taken: Vec<(u64, u32)> = Vec::new();
        for (node, wanted, pause, latency) in steps {
            stage.now_ms += pause * pause * pause;
            let (ready, rest) =
                under_way.into_iter().partition(|(at, ..)| *at <= stage.now_ms);
            under_way = rest;
            let ready: Vec<_> = ready;
            for (_, node, claim) in ready {
                stage.end(node, claim);
            }
            for turn in 0..wanted {
                let cost = 1 + turn % cost_max;
                if stage.charge(node, cost).is_ok() {
                    taken.push((stage.now_ms, cost));
                }
            }
            for node in 0..nodes as usize {
                let claims = stage.begin(node).into_iter();
                under_way.extend(claims.map(|claim| (stage.now_ms + latency, node, claim)));
            }
        }
        for (first, (from, _)) in taken.iter().enumerate() {
            let mut sum = 0;
            for (at, cost) in &taken[first..] {
                sum += cost;
                let span_ms = at - from;
                let bound = u64::from(burst + nodes * credit) + span_ms * u64::from(rate) / 1000;
                prop_assert!(u64::from(sum) <= bound + 1, "{sum} in {span_ms} ms, at most {bound}");
            }
        }
    }
}

#[test]
fn a_spray_of_keys_does_not_outgrow_the_table_while_the_engine_is_slow() {
    let limiter = LeasedLimiter::new(bucket(1, 2), 1, NonZeroUsize::new(64).unwrap());
    let mut unanswered = Vec::new();
    for key in 0..20_000_u32 {
        let now = clock::millis(u64::from(key / 100));
        // Everybody wants more than the credit, and is asked for; few are answered.
        for _ in 0..3 {
            let _ = limiter.charge(&key, || "somebody".into(), 1, now);
        }
        if key % 1000 == 0 {
            unanswered.extend(limiter.poll_claim(now));
        }
    }
    assert!(limiter.stats().keys <= 64, "{:?}", limiter.stats());
    for shard in &limiter.shards {
        let shard = shard.lock();
        assert!(
            shard.wants.len() <= 64 && shard.due.len() <= 64,
            "{} {}",
            shard.wants.len(),
            shard.due.len()
        );
    }
    // Answers to those who were forgotten find nobody.
    for claim in unanswered {
        limiter.handle_failure(claim, clock::millis(300));
    }
    assert!(limiter.stats().keys <= 64);
}

#[test]
fn who_was_forgotten_and_came_again_is_asked_for_once() {
    let limiter = LeasedLimiter::new(bucket(1, 2), 1, NonZeroUsize::new(1).unwrap());
    let want = |key: u32| {
        for _ in 0..3 {
            let _ = limiter.charge(&key, || "somebody".into(), 1, clock::millis(0));
        }
    };
    [1, 2, 1].into_iter().for_each(want);
    let claimed = std::iter::from_fn(|| limiter.poll_claim(clock::millis(1))).count();
    assert_eq!((claimed, limiter.stats().keys), (1, 1));
}
