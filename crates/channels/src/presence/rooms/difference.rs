//! What has come of the changes that were collected.

use std::sync::Arc;

use super::Rooms;
use crate::{ChannelName, presence::Difference};

impl Rooms {
    /// What was collected, if anything came of it: who came and went within the interval is not told.
    pub(super) fn difference(&mut self, name: ChannelName) -> Option<Difference> {
        let names_max = self.config.batch_names_max;
        let room = self.rooms.get_mut(&name)?;
        let mut told = Difference {
            room: name,
            joined: Vec::new(),
            joined_unnamed: 0,
            left: Vec::new(),
            left_unnamed: 0,
            count: room.present,
        };
        let name_one = |names: &mut Vec<Arc<str>>, unnamed: &mut usize, user| {
            if names.len() < names_max { names.push(user) } else { *unnamed += 1 }
        };
        for user in std::mem::take(&mut room.changed) {
            let Some(known) = room.users.get_mut(&user) else { continue };
            known.changed = false;
            match (known.is_present(), known.announced) {
                (true, true) => {}
                (true, false) => {
                    known.announced = true;
                    name_one(&mut told.joined, &mut told.joined_unnamed, user);
                }
                (false, announced) => {
                    room.users.remove(&user);
                    if announced {
                        name_one(&mut told.left, &mut told.left_unnamed, user);
                    }
                }
            }
        }
        room.give_back();
        if room.users.is_empty() {
            self.forget(&told.room);
        }
        (!told.joined.is_empty()
            || !told.left.is_empty()
            || told.joined_unnamed + told.left_unnamed > 0)
            .then_some(told)
    }
}
