//! Who takes part in each scenario.

use std::time::Duration;

use super::{Reader, preset::Preset, values};
use crate::{
    plan::{Drive, Drop, Group, Reading, Role, Settings, When},
    scenario::Scenario,
    schedule::Pace,
    stamp::PUBLISHERS_MAX,
    target::Target,
};

/// Which options say where a group connects to and what it says first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Asker,
    Receiver,
    Publisher,
}

/// The groups of a plan while they are read.
pub(super) struct Population<'r, 'a> {
    pub(super) reader: &'r mut Reader<'a>,
    pub(super) scenario: Scenario,
    pub(super) preset: Preset,
    pub(super) settings: &'r Settings,
    pub(super) target: &'r Target,
    pub(super) groups: Vec<Group>,
}

impl Population<'_, '_> {
    pub(super) fn read(mut self) -> Vec<Group> {
        let connections = self.settings.connections;
        match self.scenario {
            Scenario::Echo | Scenario::Request => {
                let drive = self.drive();
                self.add(Side::Asker, Role::Ask(drive), connections);
            }
            Scenario::Idle => drop(self.add(Side::Asker, Role::Idle, connections)),
            Scenario::FanOut => {
                self.add(Side::Receiver, Role::Receive, connections);
                self.add_publishers();
            }
            Scenario::Slow => {
                self.add_receivers(connections);
                self.add_publishers();
            }
            Scenario::Churn => {
                let messages = self.reader.read("visit", values::number).unwrap_or(1);
                self.add(Side::Asker, Role::Visit { messages }, connections);
            }
            Scenario::Reconnect => self.add_returning(connections),
            Scenario::Connect => {
                self.add_background();
                let leaves = self.reader.flag("and-close");
                let role = if leaves { Role::Leave } else { Role::Idle };
                self.add(Side::Asker, role, connections).when = When::Measured;
            }
        }
        self.numbered()
    }

    fn drive(&mut self) -> Drive {
        let ramp = self.reader.read("ramp", values::duration).unwrap_or_default();
        match (self.settings.rate, self.settings.window) {
            (Some(rate), _) => Drive::Pace(Pace::new(rate, ramp)),
            (None, window) => Drive::Window(window.unwrap_or(1)),
        }
    }

    fn add(&mut self, side: Side, role: Role, count: usize) -> &mut Group {
        let opening = self.reader.opening(side, self.target, self.scenario, self.preset);
        self.groups.push(Group {
            role,
            count,
            first: 0,
            when: When::Before,
            message: self.reader.message(self.scenario, self.preset, self.settings),
            expectation: self.reader.expectation(self.scenario, self.preset),
            opening,
            background: false,
            reading: Reading::Full,
        });
        let last = self.groups.len() - 1;
        &mut self.groups[last]
    }

    /// Fast ones and slow ones.
    fn add_receivers(&mut self, connections: usize) {
        let share = self.reader.read("slow-share", values::share).unwrap_or_default();
        let rate = self.reader.read("slow-rate", values::bytes).unwrap_or_default();
        let slow = values::share_of(connections, share);
        self.add(Side::Receiver, Role::Receive, connections - slow);
        self.add(Side::Receiver, Role::Receive, slow).reading = Reading::Slow(rate as u64);
    }

    fn add_publishers(&mut self) {
        let drive = self.drive();
        let burst = self.reader.read("burst", values::count).unwrap_or(1);
        let publishers = self.reader.read("publishers", values::count).unwrap_or(1);
        if publishers > PUBLISHERS_MAX {
            let fault = format!(
                "--publishers: {publishers} are too many; {PUBLISHERS_MAX} can be told apart"
            );
            self.reader.fault(fault);
        }
        self.add(Side::Publisher, Role::Publish { burst, drive }, publishers);
    }

    /// Those that stay and those that are dropped.
    fn add_returning(&mut self, connections: usize) {
        let share = self.reader.read("drop-share", values::share).unwrap_or_default();
        let how = self.reader.read("drop", values::dropping).unwrap_or_default();
        let backoff = self.reader.read("backoff", values::duration).unwrap_or_default();
        let dropped = values::share_of(connections, share);
        self.add(Side::Asker, Role::Idle, connections - dropped);
        self.add(Side::Asker, Role::Return(Drop { how, backoff }), dropped);
    }

    fn add_background(&mut self) {
        let count = self.reader.read("background", values::number).unwrap_or_default();
        let rate = self.reader.read("background-rate", values::rate).unwrap_or(1.0);
        let drive = Drive::Pace(Pace::new(rate, Duration::ZERO));
        self.add(Side::Asker, Role::Ask(drive), count as usize).background = true;
    }

    /// Groups of nobody are left out; the others' connections are numbered one after the other.
    fn numbered(mut self) -> Vec<Group> {
        self.groups.retain(|group| group.count > 0);
        let mut first = 0;
        for group in &mut self.groups {
            group.first = first;
            first += group.count;
        }
        self.groups
    }
}
