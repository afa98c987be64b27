//! Any messages with any policies, and a driver that takes them or does not, against a plain list.

use std::{collections::BTreeMap, sync::Arc};

use proptest::prelude::*;
use ws_connection::{Origin, Prepared};

use super::*;

const BYTES_MAX: usize = 400;
const CHANNELS: [&str; 3] = ["feed", "chat", "desk"];

#[derive(Clone, Debug)]
enum Step {
    Send {
        overflow: Overflow,
        channel: usize,
        key: u64,
        len: usize,
    },
    Urgent,
    Lossy {
        len: usize,
    },
    /// The driver takes what is queued, and its socket leaves so much of it.
    Take {
        unsent: usize,
    },
    /// The driver takes what is queued though its socket takes nothing.
    TakeBlocked,
    /// The socket takes more, and is asked again or not.
    Write {
        bytes: usize,
    },
    Discard,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    use Overflow::{Conflate, DropNewest, DropOldest, Refuse};
    let overflow = prop_oneof![Just(Refuse), Just(DropNewest), Just(DropOldest), Just(Conflate)];
    let len = || prop_oneof![20 => 2..30_usize, 2 => 30..200_usize, 1 => 200..600_usize];
    let send = (overflow, 0..CHANNELS.len(), 0..5_u64, len());
    let send =
        send.prop_map(|(overflow, channel, key, len)| Step::Send { overflow, channel, key, len });
    let step = prop_oneof![
        40 => send,
        1 => Just(Step::Urgent),
        2 => len().prop_map(|len| Step::Lossy { len }),
        2 => (0..300_usize).prop_map(|unsent| Step::Take { unsent }),
        1 => Just(Step::TakeBlocked),
        2 => (0..300_usize).prop_map(|bytes| Step::Write { bytes }),
        1 => Just(Step::Discard),
    ];
    proptest::collection::vec(step, 1..300)
}

/// A message as the model knows it. Its number is its place among all that were ever sent, and the
/// offset of its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Item {
    number: u64,
    overflow: Overflow,
    channel: usize,
    key: u64,
    len: usize,
}

#[derive(Default)]
struct Model {
    queued: Vec<Item>,
    urgent: Vec<u64>,
    unsent: usize,
    blocked: bool,
    conflating: bool,
    /// How many, and from where to where.
    missed: BTreeMap<&'static str, (u64, u64, u64)>,
}

impl Model {
    fn queued_bytes(&self) -> usize {
        self.queued.iter().map(|item| item.len).sum()
    }

    fn fits(&self, queued: usize, len: usize) -> bool {
        self.unsent + queued == 0 || self.unsent + queued + len <= BYTES_MAX
    }

    fn miss(&mut self, item: &Item) {
        let (count, from, to) =
            self.missed.entry(CHANNELS[item.channel]).or_insert((0, item.number, item.number));
        *count += 1;
        *from = (*from).min(item.number);
        *to = (*to).max(item.number);
    }

    /// Drops whatever is not to be kept.
    fn keep(&mut self, keep: impl Fn(usize, &Item) -> bool) {
        for (at, item) in std::mem::take(&mut self.queued).into_iter().enumerate() {
            if keep(at, &item) { self.queued.push(item) } else { self.miss(&item) }
        }
    }

    /// `None` if it is handed back.
    fn send(&mut self, new: Item) -> Option<Delivery> {
        let is_same = |one: &Item, other: &Item| {
            let both = [one, other].iter().all(|it| it.overflow == Overflow::Conflate);
            both && (one.channel, one.key) == (other.channel, other.key)
        };
        let conflates = new.overflow == Overflow::Conflate && (self.blocked || self.conflating);
        if self.fits(self.queued_bytes(), new.len) && !conflates {
            self.queued.push(new);
            return Some(Delivery::Queued);
        }
        match new.overflow {
            Overflow::DropNewest => {
                self.miss(&new);
                return Some(Delivery::Dropped);
            }
            Overflow::Conflate => {
                self.conflating = true;
                let all = self.queued.clone();
                self.keep(|at, item| !all[at + 1..].iter().any(|newer| is_same(item, newer)));
            }
            Overflow::Refuse | Overflow::DropOldest => {}
        }
        let kept = self.queued.iter().filter(|item| item.overflow == Overflow::Refuse);
        if !self.fits(kept.map(|item| item.len).sum(), new.len) {
            if new.overflow == Overflow::Refuse {
                return None;
            }
            self.miss(&new);
            return Some(Delivery::Dropped);
        }
        self.keep(|_, item| !is_same(item, &new));
        while !self.fits(self.queued_bytes(), new.len) {
            let oldest = self.queued.iter().position(|it| it.overflow != Overflow::Refuse);
            let oldest = oldest.expect("enough may be dropped");
            self.keep(|at, _| at != oldest);
        }
        self.queued.push(new);
        Some(Delivery::Queued)
    }

    /// What is taken, and what was missed.
    fn take(&mut self) -> (Vec<u64>, Vec<Missed>) {
        self.unsent += self.queued_bytes();
        self.conflating = false;
        let numbers = self.queued.drain(..).map(|item| item.number);
        let taken = self.urgent.drain(..).chain(numbers).collect();
        let missed = std::mem::take(&mut self.missed).into_iter();
        let missed = missed.map(|(channel, (dropped, from, to))| Missed {
            channel: channel.into(),
            dropped,
            range: Some((1, from, to)),
        });
        (taken, missed.collect())
    }
}

/// A message of `len` bytes on the wire that says its number.
fn message(number: u64, channel: Option<(usize, u64)>, len: usize) -> Arc<Prepared> {
    let text = format!("{number:0width$}", width = len.saturating_sub(2).max(6));
    let prepared = Prepared::text(&text);
    Arc::new(match channel {
        None => prepared,
        Some((channel, key)) => prepared.with_origin(Origin {
            channel: CHANNELS[channel].into(),
            key,
            range: Some((1, number, number)),
            count: 1,
        }),
    })
}

fn taken(mut waiting: Waiting) -> (Vec<u64>, Vec<Missed>) {
    let mut missed = waiting.take_missed().unwrap_or_default();
    missed.sort_by(|one, other| one.channel.cmp(&other.channel));
    let mut numbers = Vec::new();
    waiting.for_each(|message| {
        message.for_each(|_, text| {
            let text = std::str::from_utf8(text).expect("digits");
            numbers.push(text.parse().expect("a number"));
        });
    });
    (numbers, missed)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn an_outbox_keeps_and_drops_what_a_plain_list_would(steps in steps()) {
        let (outbox, inbox) = outbox(BYTES_MAX);
        let mut model = Model::default();
        for (step, number) in steps.into_iter().zip(0..) {
            match step {
                Step::Send { overflow, channel, key, len } => {
                    let message = message(number, Some((channel, key)), len);
                    let len = message.wire_len();
                    let expected = model.send(Item { number, overflow, channel, key, len });
                    prop_assert_eq!(outbox.send_or(message, overflow).ok(), expected);
                }
                Step::Urgent => {
                    model.urgent.push(number);
                    prop_assert!(outbox.send_urgent(message(number, None, 9)).is_ok());
                }
                Step::Lossy { len } => {
                    let message = message(number, None, len);
                    let len = message.wire_len();
                    let item = Item { number, overflow: Overflow::Refuse, channel: 0, key: 0, len };
                    let is_calm = model.unsent + model.queued_bytes() < BYTES_MAX / 8;
                    let expected = is_calm && model.send(item).is_some();
                    prop_assert_eq!(outbox.send_lossy(message), expected);
                }
                Step::Take { unsent } => {
                    if model.blocked {
                        prop_assert_eq!(taken(inbox.take(true).waiting), (vec![], vec![]));
                    } else {
                        let expected = model.take();
                        prop_assert_eq!(taken(inbox.take(false).waiting), expected);
                        model.unsent = model.unsent.min(unsent);
                        model.blocked = model.unsent > 0;
                        inbox.note_unsent(model.unsent, model.blocked);
                    }
                }
                Step::TakeBlocked => {
                    let expected = model.take();
                    prop_assert_eq!(taken(inbox.take_waiting()), expected);
                }
                Step::Write { bytes } => {
                    model.unsent = model.unsent.saturating_sub(bytes);
                    model.blocked &= model.unsent > 0;
                    inbox.note_unsent(model.unsent, model.blocked);
                }
                Step::Discard => {
                    // As a discarding close does, but that the outbox goes on.
                    outbox.shared.queue.lock().waiting.discard();
                    outbox.shared.queued.store(0, Ordering::Relaxed);
                    let unsent = model.unsent;
                    let urgent = std::mem::take(&mut model.urgent);
                    model = Model { urgent, unsent, blocked: model.blocked, ..Model::default() };
                }
            }
            prop_assert_eq!(outbox.queued_bytes(), model.unsent + model.queued_bytes());
            prop_assert!(model.queued_bytes() == 0
                || model.queued.len() == 1
                || model.unsent + model.queued_bytes() <= BYTES_MAX);
        }
        let expected = model.take();
        prop_assert_eq!(taken(inbox.take_waiting()), expected);
    }
}
