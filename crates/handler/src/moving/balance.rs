//! Whether this node has more connections than it should.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// A node that has not said anything for so many rounds is not counted.
const ROUNDS_KEPT: u32 = 3;

/// What the nodes have, as they say, and what follows from it.
///
/// Half of what is above the mean is asked to go in a round: wherever a balancer sends those who go, even if
/// all to one node, that one cannot be above the mean because of it; and some will come back here.
#[derive(Debug, Default)]
pub(crate) struct Balance {
    nodes: HashMap<u64, (usize, Instant)>,
}

impl Balance {
    /// A node says how many connections it has; none if it is on its way out.
    pub(crate) fn handle_load(&mut self, node: u64, connections: Option<usize>, now: Instant) {
        match connections {
            Some(connections) => self.nodes.insert(node, (connections, now)),
            None => self.nodes.remove(&node),
        };
    }

    /// Whether no other node has said anything.
    pub(crate) fn is_alone(&self) -> bool {
        self.nodes.is_empty()
    }

    /// How many of `own` are to go elsewhere, where a node may have `margin` percent more than the mean.
    pub(super) fn excess(
        &mut self,
        own: usize,
        margin_percent: u32,
        round: Duration,
        now: Instant,
    ) -> usize {
        let kept = round * ROUNDS_KEPT;
        self.nodes.retain(|_, (_, said_at)| now.saturating_duration_since(*said_at) <= kept);
        if self.nodes.is_empty() {
            return 0;
        }
        let all: usize =
            own + self.nodes.values().map(|(connections, _)| connections).sum::<usize>();
        let mean = all as f64 / (self.nodes.len() + 1) as f64;
        if own as f64 <= mean * (1.0 + f64::from(margin_percent) / 100.0) {
            return 0;
        }
        ((own as f64 - mean) / 2.0) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND: Duration = Duration::from_secs(10);

    /// Nodes with so many connections each, as the first of them sees it.
    fn excess(own: usize, others: &[usize], margin: u32) -> usize {
        let now = tokio::time::Instant::now().into_std();
        let mut balance = Balance::default();
        for (node, connections) in others.iter().enumerate() {
            balance.handle_load(node as u64, Some(*connections), now);
        }
        balance.excess(own, margin, ROUND, now)
    }

    #[test]
    fn a_node_above_the_mean_by_more_than_the_margin_gives_half_of_what_is_above() {
        for (own, others, expect) in [
            (100, &[][..], 0),
            (100, &[100, 100], 0),
            (120, &[100, 80], 0),
            (130, &[100, 70], 15),
            (100, &[100, 0], 16),
            (0, &[100, 100], 0),
            // Among few, one more or less is nobody's matter.
            (1, &[0], 0),
            (2, &[0], 0),
            (3, &[0], 0),
            (4, &[0], 1),
        ] {
            assert_eq!(excess(own, others, 20), expect, "{own} beside {others:?}");
        }
    }

    #[test]
    fn nodes_that_are_silent_or_on_their_way_out_are_not_counted() {
        let mut now = tokio::time::Instant::now().into_std();
        let mut balance = Balance::default();
        balance.handle_load(1, Some(0), now);
        assert_eq!(balance.excess(100, 20, ROUND, now), 25);
        now += ROUND * 3;
        assert_eq!(balance.excess(100, 20, ROUND, now), 25);
        now += Duration::from_millis(1);
        assert_eq!(balance.excess(100, 20, ROUND, now), 0);
        balance.handle_load(1, Some(0), now);
        balance.handle_load(1, None, now);
        assert_eq!(balance.excess(100, 20, ROUND, now), 0);
    }

    /// Whatever a balancer does with those who go, it ends, and ends level.
    #[test]
    fn a_fleet_becomes_level_and_then_nobody_moves_any_more() {
        for spread in ["evenly", "to the emptiest"] {
            let mut nodes = [10_000_usize, 9000, 0, 0];
            let mut moved = 0;
            for round in 0.. {
                assert!(round < 20, "{spread}: {nodes:?}");
                let leaving: Vec<usize> = (0..nodes.len())
                    .map(|own| {
                        let others: Vec<_> =
                            (0..nodes.len()).filter(|it| *it != own).map(|it| nodes[it]).collect();
                        excess(nodes[own], &others, 20)
                    })
                    .collect();
                let sum: usize = leaving.iter().sum();
                if sum == 0 {
                    break;
                }
                moved += sum;
                for (node, leaving) in nodes.iter_mut().zip(&leaving) {
                    *node -= leaving;
                }
                for turn in 0..sum {
                    let to = match spread {
                        "evenly" => turn % nodes.len(),
                        _ => (0..nodes.len()).min_by_key(|it| nodes[*it]).unwrap(),
                    };
                    nodes[to] += 1;
                }
            }
            assert!(nodes.iter().all(|it| (3500..=5700).contains(it)), "{spread}: {nodes:?}");
            assert!(moved < 2 * 10_000, "{spread}: {moved} moves");
        }
    }
}
