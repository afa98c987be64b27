//! Several nodes that tell each other whom they hold, late and with losses, against who is really there.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;

use super::*;
use crate::clock::millis;

const NODES: usize = 3;
const GRACE_MS: u64 = 15_000;

#[derive(Clone, Debug)]
enum Step {
    Join { node: usize, user: u8 },
    Leave { node: usize, user: u8, meant: bool },
    Deliver { from: usize, to: usize, messages: usize },
    LoseOne { from: usize, to: usize },
    Restate { node: usize },
    LookDead { node: usize, to: usize },
    StopListening { node: usize },
    Wait(u64),
}

/// What one node tells another.
#[derive(Clone, Debug)]
enum Told {
    Here(u8),
    Gone(u8, bool),
    All(Part, Vec<u8>),
}

struct Node {
    presence: Presence,
    connections: BTreeMap<u8, u32>,
    /// Who is there, as its members were told.
    believed: BTreeSet<String>,
    /// What is on its way to it, by who sent it.
    arriving: [VecDeque<Told>; NODES],
    restatements: u32,
}

struct World {
    nodes: [Node; NODES],
    room: ChannelName,
    now_ms: u64,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let node = || 0..NODES;
    let user = || 0..6_u8;
    let step = prop_oneof![
        6 => (node(), user()).prop_map(|(node, user)| Step::Join { node, user }),
        6 => (node(), user(), any::<bool>())
            .prop_map(|(node, user, meant)| Step::Leave { node, user, meant }),
        8 => (node(), node(), 1..4_usize)
            .prop_map(|(from, to, messages)| Step::Deliver { from, to, messages }),
        2 => (node(), node()).prop_map(|(from, to)| Step::LoseOne { from, to }),
        2 => node().prop_map(|node| Step::Restate { node }),
        1 => (node(), node()).prop_map(|(node, to)| Step::LookDead { node, to }),
        1 => node().prop_map(|node| Step::StopListening { node }),
        1 => (0..2_000_u64).prop_map(Step::Wait),
        1 => (0..20_000_u64).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 1..250)
}

fn name(user: u8) -> Arc<str> {
    format!("user-{user}").into()
}

impl Node {
    fn new(batch_above: usize) -> Self {
        let config = PresenceConfig { batch_above, ..PresenceConfig::default() };
        Self {
            presence: Presence::new(config),
            connections: BTreeMap::new(),
            believed: BTreeSet::new(),
            arriving: std::array::from_fn(|_| VecDeque::new()),
            restatements: 0,
        }
    }

    fn joined(&mut self, user: &str) -> Result<(), TestCaseError> {
        prop_assert!(self.believed.insert(user.to_owned()), "{user} is told to join twice");
        Ok(())
    }

    fn left(&mut self, user: &str) -> Result<(), TestCaseError> {
        prop_assert!(self.believed.remove(user), "{user} is told to leave twice");
        Ok(())
    }

    fn hear(
        &mut self,
        room: &ChannelName,
        from: usize,
        told: Told,
        now: Instant,
    ) -> Result<(), TestCaseError> {
        let holder = from as Holder;
        match told {
            Told::Here(user) => {
                let user = name(user);
                let change = self.presence.hear(room, holder, Statement::Here(&user), now);
                prop_assert!(!change.concerns_nodes, "nobody says what others have said");
                if change.announcement == Announcement::Now {
                    self.joined(&user)?;
                }
            }
            Told::Gone(user, meant) => {
                let user = name(user);
                let statement = Statement::Gone(&user, departure(meant));
                let change = self.presence.hear(room, holder, statement, now);
                prop_assert!(!change.concerns_nodes, "nobody says what others have said");
                if change.announcement == Announcement::Now {
                    self.left(&user)?;
                }
            }
            Told::All(part, users) => {
                let users: Vec<_> = users.into_iter().map(name).collect();
                let users = users.iter().map(|user| &**user);
                self.presence.restate(room, holder, part, users, now);
            }
        }
        Ok(())
    }

    fn present(&self) -> BTreeSet<String> {
        self.presence.users("room:1", 99).iter().map(ToString::to_string).collect()
    }
}

fn departure(meant: bool) -> Departure {
    if meant { Departure::Meant } else { Departure::Lost }
}

impl World {
    fn take(&mut self, step: &Step) -> Result<(), TestCaseError> {
        let now = millis(self.now_ms);
        match *step {
            Step::Join { node, user } => {
                let it = &mut self.nodes[node];
                let change = it.presence.join(&self.room, &name(user), now);
                let connections = it.connections.entry(user).or_default();
                *connections += 1;
                prop_assert_eq!(change.concerns_nodes, *connections == 1);
                if change.announcement == Announcement::Now {
                    it.joined(&name(user))?;
                }
                if change.concerns_nodes {
                    self.tell(node, &Told::Here(user));
                }
            }
            Step::Leave { node, user, meant } => self.leave(node, user, meant, now)?,
            Step::Deliver { from, to, messages } => {
                for _ in 0..messages {
                    let Some(told) = self.nodes[to].arriving[from].pop_front() else { break };
                    self.nodes[to].hear(&self.room, from, told, now)?;
                }
            }
            Step::LoseOne { from, to } => drop(self.nodes[to].arriving[from].pop_front()),
            Step::Restate { node } => self.restate(node),
            Step::LookDead { node, to } if node != to => {
                self.nodes[to].presence.drop_holder(node as Holder, now);
            }
            Step::LookDead { .. } => {}
            // Who has no members there any more does not follow what others say, and has nobody to tell what
            // it has collected.
            Step::StopListening { node } => {
                let it = &mut self.nodes[node];
                if it.connections.is_empty() {
                    it.presence.forget_others(&self.room);
                    it.believed = it.present();
                }
            }
            Step::Wait(ms) => self.wait(ms)?,
        }
        let shown: Vec<_> = self.nodes.iter().map(|it| it.presence.count(&self.room)).collect();
        let listed: Vec<_> = self.nodes.iter().map(|it| it.present().len()).collect();
        prop_assert_eq!(shown, listed);
        Ok(())
    }

    fn leave(
        &mut self,
        node: usize,
        user: u8,
        meant: bool,
        now: Instant,
    ) -> Result<(), TestCaseError> {
        let it = &mut self.nodes[node];
        let change = it.presence.leave(&self.room, &name(user), departure(meant), now);
        let connections = it.connections.remove(&user).unwrap_or_default();
        prop_assert_eq!(change.concerns_nodes, connections == 1);
        if connections > 1 {
            it.connections.insert(user, connections - 1);
        }
        if change.announcement == Announcement::Now {
            it.left(&name(user))?;
        }
        if change.concerns_nodes {
            self.tell(node, &Told::Gone(user, meant));
        }
        Ok(())
    }

    fn tell(&mut self, from: usize, told: &Told) {
        for (to, it) in self.nodes.iter_mut().enumerate() {
            if to != from {
                it.arriving[from].push_back(told.clone());
            }
        }
    }

    /// In parts of two users.
    fn restate(&mut self, node: usize) {
        let it = &mut self.nodes[node];
        it.restatements += 1;
        let restatement = it.restatements;
        let own = it.presence.own_users(&self.room);
        let users: BTreeSet<u8> = it.connections.keys().copied().collect();
        assert_eq!(
            own.into_iter().collect::<BTreeSet<_>>(),
            users.iter().map(|&u| name(u)).collect()
        );
        let users: Vec<u8> = users.into_iter().collect();
        let parts = users.len().div_ceil(2).max(1);
        for index in 0..parts {
            let is_last = index + 1 == parts;
            let part = Part { restatement, index: index as u32, is_last };
            let some = users.iter().skip(2 * index).take(2).copied().collect();
            self.tell(node, &Told::All(part, some));
        }
    }

    /// Goes from deadline to deadline, as drivers do.
    fn wait(&mut self, ms: u64) -> Result<(), TestCaseError> {
        let end = millis(self.now_ms + ms);
        for it in &mut self.nodes {
            while let Some(deadline) = it.presence.poll_timeout().filter(|at| *at <= end) {
                let mut events = Vec::new();
                it.presence.handle_timeout(deadline, |event| events.push(event));
                for event in events {
                    match event {
                        PresenceEvent::Left { user, .. } => it.left(&user)?,
                        PresenceEvent::Difference(told) => {
                            told.joined.iter().try_for_each(|user| it.joined(user))?;
                            told.left.iter().try_for_each(|user| it.left(user))?;
                        }
                    }
                }
            }
        }
        self.now_ms += ms;
        Ok(())
    }

    fn deliver_all(&mut self) -> Result<(), TestCaseError> {
        for (from, to) in (0..NODES).flat_map(|from| (0..NODES).map(move |to| (from, to))) {
            self.take(&Step::Deliver { from, to, messages: usize::MAX })?;
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn nodes_agree_on_who_is_there_when_all_have_restated_whatever_was_lost_before(
        steps in steps(),
        batch_above in 0..8_usize,
    ) {
        let mut world = World {
            nodes: std::array::from_fn(|_| Node::new(batch_above)),
            room: ChannelName::room("1").unwrap(),
            now_ms: 0,
        };
        for step in &steps {
            world.take(step)?;
        }
        (0..NODES).for_each(|node| world.restate(node));
        world.deliver_all()?;
        // Twice, because a grace period may end after the last difference.
        world.wait(GRACE_MS)?;
        world.wait(GRACE_MS)?;
        let there: BTreeSet<String> = world.nodes.iter()
            .flat_map(|it| it.connections.keys())
            .map(|user| name(*user).to_string())
            .collect();
        for it in &world.nodes {
            prop_assert_eq!(&it.present(), &there);
            prop_assert_eq!(&it.believed, &there);
            let rooms = usize::from(!there.is_empty());
            let stats = PresenceStats { rooms, joinable: rooms, users: there.len(), absent: 0 };
            prop_assert_eq!(it.presence.stats(), stats);
        }
        // Two of them die, and nothing of theirs is left behind.
        for node in 1..NODES {
            world.nodes[0].presence.drop_holder(node as Holder, millis(world.now_ms));
        }
        world.wait(GRACE_MS)?;
        world.wait(GRACE_MS)?;
        let own: BTreeSet<String> =
            world.nodes[0].connections.keys().map(|user| name(*user).to_string()).collect();
        prop_assert_eq!(&world.nodes[0].present(), &own);
        prop_assert_eq!(&world.nodes[0].believed, &own);
    }
}
