//! What somebody sees who hears everything a room is told, against who is really there.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::clock::millis;

const GRACE_MS: u64 = 15_000;

#[derive(Clone, Debug)]
enum Step {
    Join(u8),
    Leave(u8, bool),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let user = || 0..6_u8;
    let step = prop_oneof![
        4 => user().prop_map(Step::Join),
        4 => (user(), any::<bool>()).prop_map(|(user, meant)| Step::Leave(user, meant)),
        1 => (0..2_000_u64).prop_map(Step::Wait),
        1 => (0..20_000_u64).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 1..200)
}

struct Witness {
    presence: Presence,
    room: ChannelName,
    now_ms: u64,
    connections: BTreeMap<u8, u32>,
    /// Who has no connection, and until when that is not told.
    absent: BTreeMap<u8, u64>,
    /// Who is there, as the room was told.
    believed: BTreeSet<String>,
}

impl Witness {
    fn take(&mut self, step: &Step) -> Result<(), TestCaseError> {
        let now = millis(self.now_ms);
        match *step {
            Step::Join(user) => {
                let change = self.presence.join(&self.room, &name(user), now);
                let was_there = self.absent.remove(&user).is_some();
                let connections = self.connections.entry(user).or_default();
                *connections += 1;
                if *connections > 1 || was_there {
                    prop_assert_eq!(change.announcement, Announcement::None);
                }
                if change.announcement == Announcement::Now {
                    self.joined(&name(user))?;
                }
            }
            Step::Leave(user, meant) => {
                let departure = if meant { Departure::Meant } else { Departure::Lost };
                let change = self.presence.leave(&self.room, &name(user), departure, now);
                match self.connections.get_mut(&user) {
                    Some(1) => {
                        self.connections.remove(&user);
                        if !meant {
                            self.absent.insert(user, self.now_ms + GRACE_MS);
                            prop_assert_eq!(change.announcement, Announcement::None);
                        }
                    }
                    Some(more) => *more -= 1,
                    None => prop_assert_eq!(change.announcement, Announcement::None),
                }
                if change.announcement == Announcement::Now {
                    self.left(&name(user))?;
                }
            }
            Step::Wait(ms) => self.wait(ms)?,
        }
        prop_assert_eq!(
            self.presence.count(&self.room),
            self.connections.len() + self.absent.len()
        );
        Ok(())
    }

    /// Goes from deadline to deadline, as a driver does.
    fn wait(&mut self, ms: u64) -> Result<(), TestCaseError> {
        let end = millis(self.now_ms + ms);
        while let Some(deadline) = self.presence.poll_timeout().filter(|deadline| *deadline <= end)
        {
            let mut events = Vec::new();
            self.presence.handle_timeout(deadline, |event| events.push(event));
            for event in events {
                match event {
                    PresenceEvent::Left { user, .. } => self.left(&user)?,
                    PresenceEvent::Difference(told) => {
                        told.joined.iter().try_for_each(|user| self.joined(user))?;
                        told.left.iter().try_for_each(|user| self.left(user))?;
                    }
                }
            }
            prop_assert!(self.presence.poll_timeout().is_none_or(|next| next > deadline));
        }
        self.now_ms += ms;
        self.absent.retain(|_, until| *until > self.now_ms);
        Ok(())
    }

    fn joined(&mut self, user: &str) -> Result<(), TestCaseError> {
        prop_assert!(self.believed.insert(user.to_owned()), "{user} is told to join twice");
        Ok(())
    }

    fn left(&mut self, user: &str) -> Result<(), TestCaseError> {
        prop_assert!(self.believed.remove(user), "{user} is told to leave twice");
        Ok(())
    }

    fn present(&self) -> BTreeSet<String> {
        self.connections
            .keys()
            .chain(self.absent.keys())
            .map(|user| name(*user).to_string())
            .collect()
    }
}

fn name(user: u8) -> Arc<str> {
    format!("user-{user}").into()
}

proptest! {
    #[test]
    fn who_hears_everything_knows_who_is_there(steps in steps(), batch_above in 0..8_usize) {
        let config = PresenceConfig { batch_above, ..PresenceConfig::default() };
        let mut witness = Witness {
            presence: Presence::new(config),
            room: ChannelName::room("1").unwrap(),
            now_ms: 0,
            connections: BTreeMap::new(),
            absent: BTreeMap::new(),
            believed: BTreeSet::new(),
        };
        for step in &steps {
            witness.take(step)?;
            if batch_above > 6 {
                prop_assert_eq!(&witness.believed, &witness.present(), "told at once");
            }
        }
        // Twice, because a grace period may end after the last difference.
        witness.wait(GRACE_MS)?;
        witness.wait(GRACE_MS)?;
        prop_assert_eq!(&witness.believed, &witness.present());
        let listed: BTreeSet<String> =
            witness.presence.users("room:1", 99).iter().map(ToString::to_string).collect();
        prop_assert_eq!(listed, witness.present());
        let rooms = usize::from(!witness.present().is_empty());
        let stats = witness.presence.stats();
        prop_assert_eq!((stats.rooms, stats.joinable), (rooms, rooms), "nothing is left behind");
    }
}
