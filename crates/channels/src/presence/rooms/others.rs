//! Whom other nodes hold. A user that only this node holds costs nothing here.

use std::{
    collections::{HashSet, hash_map::Entry},
    sync::Arc,
    time::Instant,
};

use ahash::RandomState;

use super::{By, Rooms, State, Telling};
use crate::{
    ChannelName,
    presence::{
        Change, Departure,
        statement::{Holder, Part, Progress, Restated, Statement},
    },
};

type Names = HashSet<Arc<str>, RandomState>;

/// Whom one other node holds in one room.
pub(super) struct Holding {
    holder: Holder,
    users: Names,
    /// Whom it has named since it began to name all of them. Apart from that, these are among `users`.
    restating: Option<Box<Restating>>,
    /// Since when it is not certain that this is as it was said.
    doubt: Option<u32>,
}

struct Restating {
    restatement: u32,
    next: u32,
    named: Names,
}

impl Rooms {
    pub(in crate::presence) fn hear(
        &mut self,
        name: &ChannelName,
        holder: Holder,
        statement: Statement<'_>,
        is_one_of_many: bool,
        now: Instant,
    ) -> Change {
        let telling = if is_one_of_many { Telling::Collected } else { Telling::BySize };
        match statement {
            Statement::Here(user) => self.hold(name, holder, user, telling, now),
            Statement::Gone(user, departure) => {
                self.release(name, holder, user, departure, telling, now)
            }
        }
    }

    pub(in crate::presence) fn restate<'u>(
        &mut self,
        name: &ChannelName,
        holder: Holder,
        part: Part,
        users: impl IntoIterator<Item = &'u str>,
        now: Instant,
    ) -> Restated {
        let Part { restatement, index, is_last } = part;
        let holding = self.holding(name, holder);
        if index == 0 {
            let named = Names::with_hasher(holding.users.hasher().clone());
            holding.restating = Some(Box::new(Restating { restatement, next: 0, named }));
        }
        let expected = |it: &Restating| it.restatement == restatement && it.next == index;
        let is_expected = holding.restating.as_deref().is_some_and(expected);
        match &mut holding.restating {
            Some(restating) if is_expected => restating.next += 1,
            restating => *restating = None,
        }
        let mut earlier = false;
        for user in users {
            earlier |= self.hold(name, holder, user, Telling::Collected, now).earlier;
        }
        let progress = match (is_expected, is_last) {
            (true, false) => Progress::Begun,
            (true, true) => {
                earlier |= self.believe_restated(name, holder, now);
                Progress::Complete
            }
            (false, _) => Progress::Broken,
        };
        self.forget_if_empty(name, holder);
        Restated { progress, earlier }
    }

    /// Whom the node has not named it does not hold any more. Whether that brought a deadline nearer.
    fn believe_restated(&mut self, name: &ChannelName, holder: Holder, now: Instant) -> bool {
        let holding = self.holding(name, holder);
        holding.doubt = None;
        let Some(restating) = holding.restating.take() else { return false };
        // Whoever was named is among the users.
        if restating.named.len() == holding.users.len() {
            return false;
        }
        let before = std::mem::replace(&mut holding.users, restating.named);
        let unnamed = before.difference(&holding.users).cloned();
        let lost: Vec<Arc<str>> = unnamed.collect();
        self.lose(name, &lost, now)
    }

    /// Marks all that others have said.
    pub(in crate::presence) fn doubt(&mut self, mark: u32) {
        for holding in self.others.values_mut().flatten() {
            holding.doubt = Some(mark);
        }
    }

    /// Which nodes have not restated since then, and in which rooms.
    pub(in crate::presence) fn doubted(&self, mark: u32) -> Vec<(ChannelName, Holder)> {
        let all = self.others.iter().flat_map(|(name, held)| held.iter().map(move |it| (name, it)));
        let doubted = all.filter(|(_, holding)| holding.doubt == Some(mark));
        doubted.map(|(name, holding)| (name.clone(), holding.holder)).collect()
    }

    /// In which rooms a node holds somebody.
    pub(in crate::presence) fn rooms_of(&self, holder: Holder) -> Vec<ChannelName> {
        let has_it = |held: &[Holding]| held.iter().any(|holding| holding.holder == holder);
        let rooms = self.others.iter().filter(|(_, held)| has_it(held));
        rooms.map(|(name, _)| name.clone()).collect()
    }

    /// A node has lost at most `max` of those whom it holds in a room; `None` if it holds nobody there.
    pub(in crate::presence) fn lose_some(
        &mut self,
        name: &ChannelName,
        holder: Holder,
        max: usize,
        now: Instant,
    ) -> Option<bool> {
        let held = self.others.get_mut(name)?;
        let at = held.iter().position(|holding| holding.holder == holder)?;
        let users = &mut held[at].users;
        let some: Vec<Arc<str>> = users.iter().take(max).cloned().collect();
        if some.len() == users.len() {
            self.take(name, |holding| holding.holder == holder);
        } else {
            for user in &some {
                users.remove(user);
            }
        }
        Some(self.lose(name, &some, now))
    }

    /// A node that held these does not any more, and nobody has said why.
    fn lose(&mut self, name: &ChannelName, users: &[Arc<str>], now: Instant) -> bool {
        let mut earlier = false;
        for user in users {
            let by = By::OtherNode;
            let lost = Departure::Lost;
            earlier |= self.withdraw(name, user, by, lost, Telling::Collected, now).earlier;
        }
        earlier
    }

    /// Drops what others have said of a room, and what was to be told there: nobody is left who could be told.
    pub(in crate::presence) fn forget_others(&mut self, name: &ChannelName) {
        let held = self.others.remove(name).unwrap_or_default();
        let Some(room) = self.rooms.get_mut(name) else { return };
        for user in held.iter().flat_map(|holding| &holding.users) {
            let Some(known) = room.users.get_mut(user) else { continue };
            let State::Here { connections, others } = &mut known.state else { continue };
            if *connections > 0 {
                *others = 0;
                continue;
            }
            room.present -= 1;
            self.present -= 1;
            if known.changed {
                known.state = State::Gone;
            } else {
                room.users.remove(user);
            }
        }
        // Looks at all that has changed, and forgets the room if nobody is left.
        self.difference(name.clone());
    }

    fn hold(
        &mut self,
        name: &ChannelName,
        holder: Holder,
        user: &str,
        telling: Telling,
        now: Instant,
    ) -> Change {
        let known = self.rooms.get(name).and_then(|room| room.users.get_key_value(user));
        // One copy of the name, however many nodes hold the user.
        let user = known.map_or_else(|| Arc::from(user), |(user, _)| user.clone());
        let holding = self.holding(name, holder);
        if let Some(restating) = &mut holding.restating {
            restating.named.insert(user.clone());
        }
        if !holding.users.insert(user.clone()) {
            return Change::nothing();
        }
        self.arrive(name, &user, By::OtherNode, telling, now)
    }

    fn release(
        &mut self,
        name: &ChannelName,
        holder: Holder,
        user: &str,
        departure: Departure,
        telling: Telling,
        now: Instant,
    ) -> Change {
        let held = self.others.get_mut(name).into_iter().flatten();
        let Some(holding) = held.into_iter().find(|holding| holding.holder == holder) else {
            return Change::nothing();
        };
        if let Some(restating) = &mut holding.restating {
            restating.named.remove(user);
        }
        let Some(user) = holding.users.take(user) else { return Change::nothing() };
        let change = self.withdraw(name, &user, By::OtherNode, departure, telling, now);
        self.forget_if_empty(name, holder);
        change
    }

    fn holding(&mut self, name: &ChannelName, holder: Holder) -> &mut Holding {
        let hasher = &self.hasher;
        let held = match self.others.entry(name.clone()) {
            Entry::Occupied(held) => held.into_mut(),
            Entry::Vacant(none) => none.insert(Vec::with_capacity(1)),
        };
        let known = held.iter().position(|holding| holding.holder == holder);
        let at = known.unwrap_or_else(|| {
            let users = Names::with_hasher(hasher.clone());
            held.push(Holding { holder, users, restating: None, doubt: None });
            held.len() - 1
        });
        &mut held[at]
    }

    /// Takes one holding out of a room, with its users.
    fn take(
        &mut self,
        name: &ChannelName,
        which: impl Fn(&Holding) -> bool,
    ) -> Option<Vec<Arc<str>>> {
        let held = self.others.get_mut(name)?;
        let at = held.iter().position(which)?;
        let users = held.swap_remove(at).users.into_iter().collect();
        if held.is_empty() {
            self.others.remove(name);
        }
        Some(users)
    }

    fn forget_if_empty(&mut self, name: &ChannelName, holder: Holder) {
        let is_empty = |holding: &Holding| {
            holding.holder == holder && holding.users.is_empty() && holding.restating.is_none()
        };
        self.take(name, is_empty);
    }
}
