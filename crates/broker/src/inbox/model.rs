//! Inboxes against a list: whatever letters, devices, nodes and faults do, in any order.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
    sync::Arc,
};

use proptest::prelude::*;

use super::tests::letter;
use crate::{Inbox, InboxConfig, InboxError, Mailbox, Memory, MemoryCluster, ReadLimits};

const DEVICES: [&str; 3] = ["a", "b", "c"];
const LETTERS_MAX: u32 = 6;

#[derive(Clone, Debug)]
enum Deed {
    Keep {
        node: usize,
    },
    Connect {
        node: usize,
        device: usize,
    },
    Read {
        device: usize,
        count: u32,
    },
    /// The letter of that place among those that were handed out.
    Ack {
        device: usize,
        place: usize,
    },
    /// The connection ends before anything more is written down.
    Drop {
        device: usize,
    },
    /// The next change is made or not, and nobody knows.
    Lose {
        node: usize,
        is_done: bool,
    },
}

fn deed() -> impl Strategy<Value = Deed> {
    let (node, device) = (0..2usize, 0..DEVICES.len());
    prop_oneof![
        4 => node.clone().prop_map(|node| Deed::Keep { node }),
        2 => (node.clone(), device.clone()).prop_map(|(node, device)| Deed::Connect { node, device }),
        4 => (device.clone(), 1..4u32).prop_map(|(device, count)| Deed::Read { device, count }),
        8 => (device.clone(), 0..8usize).prop_map(|(device, place)| Deed::Ack { device, place }),
        1 => device.prop_map(|device| Deed::Drop { device }),
        1 => (node, any::<bool>()).prop_map(|(node, is_done)| Deed::Lose { node, is_done }),
    ]
}

/// What is so.
#[derive(Default)]
struct Model {
    /// What is kept, and perhaps what may be: an answer was lost.
    kept: Vec<usize>,
    next: usize,
    known: BTreeSet<usize>,
    /// By device, what it has acknowledged, as far as it was written down.
    acked: BTreeMap<usize, BTreeSet<usize>>,
    /// An answer was lost: more may be in the inbox, or be acknowledged, than is known.
    is_unsure: bool,
}

struct Connection {
    mailbox: Arc<Mailbox>,
    seen: Vec<usize>,
}

impl Model {
    /// What a device is to get with a new connection.
    fn due(&self, device: usize) -> Vec<usize> {
        let acked = self.acked.get(&device);
        let is_due = |number: &&usize| acked.is_none_or(|acked| !acked.contains(number));
        self.kept.iter().filter(is_due).copied().collect()
    }

    /// What all devices have acknowledged is not kept.
    fn sweep(&mut self) {
        let (known, acked) = (&self.known, &self.acked);
        self.kept.retain(|number| {
            let has = |device| acked.get(device).is_some_and(|acked| acked.contains(number));
            !known.iter().all(has)
        });
    }
}

struct Stage {
    engines: [Arc<Memory>; 2],
    inboxes: [Arc<Inbox>; 2],
    connections: BTreeMap<usize, Connection>,
    model: Model,
}

impl Stage {
    fn new() -> Self {
        let cluster = MemoryCluster::new();
        let engines = [cluster.node(), cluster.node()];
        let entries_max = NonZeroU32::new(LETTERS_MAX).unwrap();
        let config = InboxConfig { entries_max, ..InboxConfig::default() };
        let inboxes = [0, 1].map(|node| Inbox::new(engines[node].clone() as _, config.clone()));
        Self { engines, inboxes, connections: BTreeMap::new(), model: Model::default() }
    }

    async fn act(&mut self, deed: &Deed) {
        match *deed {
            Deed::Keep { node } => self.keep(node).await,
            Deed::Connect { node, device } => {
                let mailbox = self.inboxes[node].open("ada", DEVICES[device], 0);
                self.connections.insert(device, Connection { mailbox, seen: Vec::new() });
            }
            Deed::Read { device, count } => self.read(device, count).await,
            Deed::Ack { device, place } => self.ack(device, place).await,
            Deed::Drop { device } => {
                self.connections.remove(&device);
            }
            Deed::Lose { node, is_done: true } => self.engines[node].lose_answers(1),
            Deed::Lose { node, is_done: false } => self.engines[node].lose_calls(1),
        }
    }

    async fn keep(&mut self, node: usize) {
        let number = self.model.next;
        self.model.next += 1;
        match self.inboxes[node].keep("ada", &letter(number), None).await {
            Ok(()) => self.model.kept.push(number),
            Err(InboxError::Full) => {
                let is_full = self.model.kept.len() >= LETTERS_MAX as usize;
                assert!(is_full || self.model.is_unsure, "{:?}", self.model.kept);
            }
            Err(InboxError::Engine(_)) => self.model.is_unsure = true,
        }
    }

    async fn read(&mut self, device: usize, count: u32) {
        let Some(connection) = self.connections.get_mut(&device) else { return };
        let limits = ReadLimits { entries_max: count, bytes_max: 1 << 20 };
        let Ok(letters) = connection.mailbox.next(limits).await else {
            self.model.is_unsure = true;
            return;
        };
        self.model.known.insert(device);
        let numbers = letters.iter().map(|letter| letter.id[1..].parse::<usize>().unwrap());
        for number in numbers {
            let is_in_order = connection.seen.last().is_none_or(|last| *last < number);
            assert!(is_in_order, "{number} behind {:?}", connection.seen);
            connection.seen.push(number);
        }
    }

    async fn ack(&mut self, device: usize, place: usize) {
        let Some(connection) = self.connections.get_mut(&device) else { return };
        let Some(number) = connection.seen.get(place).copied() else { return };
        if !connection.mailbox.ack(&format!("m{number}")) {
            return;
        }
        while connection.mailbox.flush().await.is_err() {
            self.model.is_unsure = true;
        }
        // An error before may have left some of them, which go with this one.
        self.model.acked.entry(device).or_default().insert(number);
        self.model.sweep();
    }

    /// Every device comes again, and gets exactly what it has not acknowledged.
    async fn check(&mut self) {
        for (device, name) in DEVICES.into_iter().enumerate() {
            let mailbox = self.inboxes[device % 2].open("ada", name, 0);
            let limits = ReadLimits { entries_max: 100, bytes_max: 1 << 20 };
            let mut got = Vec::new();
            loop {
                let Ok(letters) = mailbox.next(limits).await else { continue };
                if letters.is_empty() {
                    break;
                }
                got.extend(letters.iter().map(|letter| letter.id[1..].parse::<usize>().unwrap()));
            }
            assert!(got.is_sorted(), "{got:?}");
            let due = self.model.due(device);
            if !self.model.is_unsure {
                assert_eq!(got, due, "{name}");
            }
            // Whatever was lost on the way: nothing that was promised.
            for number in due {
                assert!(got.contains(&number), "{name} goes without {number}: {got:?}");
            }
        }
    }
}

proptest! {
    #[test]
    fn each_device_gets_what_it_has_not_acknowledged(
        deeds in proptest::collection::vec(deed(), 0..80)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut stage = Stage::new();
            for deed in &deeds {
                stage.act(deed).await;
            }
            stage.check().await;
        });
    }
}
