//! What is done over and over, and what grows meanwhile.

use bytes::Bytes;

use crate::{
    crowd::{CHANNELS_EACH, Crowd, elsewhere, frames, publish, subscribe, unsubscribe},
    house::Connected,
};

const CHANNEL: &str = "news:today";
/// Of the channel in whose deliveries we are interested.
const RECEIVERS: usize = 100;
/// Members that leave and come again, in turn: they stand anywhere among the others.
const RESTLESS: usize = 64;
/// Channels that are published to in turn, at most.
const IN_TURN: usize = 4_096;

#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Channels,
    Connections,
    InTurn,
    Members,
}

pub(crate) struct Work {
    kind: Kind,
    crowd: Crowd,
    publisher: Connected,
    /// Those whose turn comes with each round.
    receivers: Vec<Connected>,
    /// One of them is sent in each round.
    wires: Vec<Bytes>,
    /// Which of the receivers has which of the channels that are published to in turn.
    owners: Vec<usize>,
    rounds: usize,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] =
        [Self::Channels, Self::Connections, Self::InTurn, Self::Members];

    pub(crate) const fn about(self) -> &'static str {
        match self {
            Self::Channels => {
                "a delivery, to 100 subscribers: channels elsewhere, one subscriber each"
            }
            Self::Connections => "a delivery, to 100 subscribers: connections elsewhere",
            Self::InTurn => {
                "a publish to one of so many channels, each time another, one subscriber each"
            }
            Self::Members => "a member leaves and comes again: members of the channel",
        }
    }

    pub(crate) fn start(self) -> Work {
        let crowd = Crowd::new();
        let publisher = crowd.connect("publisher");
        let subscribed = |n| crowd.subscriber(&format!("receiver-{n}"), CHANNEL);
        let receivers = match self {
            Self::Channels | Self::Connections => (0..RECEIVERS).map(subscribed).collect(),
            Self::InTurn => Vec::new(),
            Self::Members => (0..RESTLESS).map(subscribed).collect(),
        };
        let wires = match self {
            Self::Channels | Self::Connections => vec![frames([publish(CHANNEL)])],
            Self::InTurn => Vec::new(),
            Self::Members => vec![frames([unsubscribe(CHANNEL), subscribe(CHANNEL)])],
        };
        Work { kind: self, crowd, publisher, receivers, wires, owners: Vec::new(), rounds: 0 }
    }
}

impl Work {
    /// Until there are so many.
    pub(crate) fn grow(&mut self, number: usize) {
        match self.kind {
            Kind::Channels => self.crowd.grow_channels(number),
            Kind::Connections => self.crowd.grow_connections(number, None),
            Kind::Members => self.crowd.grow_connections(number, Some(CHANNEL)),
            Kind::InTurn => {
                while self.owners.len() < number {
                    let first = self.owners.len();
                    let end = number.min(first + CHANNELS_EACH);
                    self.owners.extend((first..end).map(|_| self.receivers.len()));
                    self.receivers.push(self.crowd.owner(first..end));
                }
                let in_turn = 0..number.min(IN_TURN);
                let wire = |n| frames([publish(&elsewhere(strided(n, number)))]);
                self.wires = in_turn.map(wire).collect();
            }
        }
    }

    /// Answers what it counts as.
    pub(crate) fn round(&mut self) -> u32 {
        self.rounds += 1;
        if let Kind::Members = self.kind {
            let restless = self.rounds % self.receivers.len();
            assert!(self.receivers[restless].exchange(&self.wires[0]) > 0);
            return 1;
        }
        let wire = self.rounds % self.wires.len();
        assert_eq!(self.publisher.exchange(&self.wires[wire]), 0, "it asked for no ack");
        if let Kind::InTurn = self.kind {
            let owner = self.owners[strided(wire, self.owners.len())];
            assert!(self.receivers[owner].turn() > 0);
            return 1;
        }
        for receiver in &mut self.receivers {
            assert!(receiver.turn() > 0);
        }
        self.receivers.len() as u32
    }
}

/// Neighbours in time are no neighbours in memory.
const fn strided(n: usize, of: usize) -> usize {
    n * 7_919 % of
}
