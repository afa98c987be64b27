//! Many threads on the same few channels: no subscription is lost, and each channel has one first and
//! one last subscriber.

#![expect(clippy::expect_used, reason = "a test says what is wrong by panicking")]

use std::{
    collections::HashMap,
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use ws_channels::{
    Arrival, ChannelName, Left, Subscriber, SubscriptionLimits, SubscriptionStats, Subscriptions,
};

const THREADS: u64 = 8;
const ROUNDS: u64 = 4_000;
const CHANNELS: u64 = 3;

fn name(i: u64) -> ChannelName {
    ChannelName::new(&format!("channel:{i}")).expect("it is one")
}

/// Without a pattern that threads could fall into step by.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// What one thread was told, by channel and epoch: how often first, how often last.
#[derive(Default)]
struct Told(HashMap<(String, u64), (u32, u32)>);

impl Told {
    fn first(&mut self, channel: &str, epoch: u64) {
        self.0.entry((channel.to_owned(), epoch)).or_default().0 += 1;
    }

    fn left(&mut self, channel: &str, left: Left) {
        if left.last {
            self.0.entry((channel.to_owned(), left.position.epoch)).or_default().1 += 1;
        }
    }
}

fn come_and_go(table: &Arc<Subscriptions<u64>>, thread: u64) -> Told {
    let mut told = Told::default();
    let mut state = thread * 0x9e37_79b9 + 1;
    let mut subscriber = Subscriber::new(table.clone(), thread);
    for round in 0..ROUNDS {
        let channel = name(next(&mut state) % CHANNELS);
        if next(&mut state).is_multiple_of(2) {
            let subscribed = subscriber.subscribe(&channel).expect("no limit is near");
            if subscribed.arrival == Arrival::First {
                told.first(&channel, subscribed.position.epoch);
            }
        } else if let Some(left) = subscriber.unsubscribe(&channel) {
            told.left(&channel, left);
        }
        if round % 64 == 0 {
            subscriber.leave_all(|channel, left| told.left(channel, left));
        }
    }
    subscriber.leave_all(|channel, left| told.left(channel, left));
    told
}

#[test]
fn each_life_of_a_channel_has_one_first_and_one_last_subscriber() {
    let table = Arc::new(Subscriptions::new(SubscriptionLimits::default(), 1));
    let start = Barrier::new(THREADS as usize);
    let mut all: HashMap<(String, u64), (u32, u32)> = HashMap::new();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (table, start) = (&table, &start);
                scope.spawn(move || {
                    start.wait();
                    come_and_go(table, thread)
                })
            })
            .collect();
        for thread in threads {
            for (life, (first, last)) in thread.join().expect("no thread panics").0 {
                let sum = all.entry(life).or_default();
                *sum = (sum.0 + first, sum.1 + last);
            }
        }
    });
    assert!(all.len() > CHANNELS as usize, "channels were vacated and made again");
    for (life, told) in all {
        assert_eq!(told, (1, 1), "{life:?}");
    }
    assert_eq!(table.stats(), SubscriptionStats::default());
}

/// Says whether somebody else is still to be handed something.
#[derive(Clone)]
struct Listening(Arc<AtomicBool>);

#[test]
fn who_has_unsubscribed_is_handed_nothing_any_more() {
    let table = Arc::new(Subscriptions::new(SubscriptionLimits::default(), 1));
    let channel = name(0);
    let (handed, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let mut stays = Subscriber::new(table.clone(), Listening(Arc::new(AtomicBool::new(true))));
    stays.subscribe(&channel).expect("no limit is near");
    thread::scope(|scope| {
        let publishers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    while !done.load(Ordering::Acquire) {
                        let channel = table.channel(&channel).expect("somebody stays");
                        for Listening(is_listening) in channel.publish().members() {
                            assert!(is_listening.load(Ordering::SeqCst), "handed to one who left");
                            handed.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                })
            })
            .collect();
        // Who comes and goes does so while something is published, however late the publishers had their turn.
        while handed.load(Ordering::Relaxed) == 0 {
            thread::yield_now();
        }
        let leave = |_| {
            scope.spawn(|| {
                for round in 0..ROUNDS / 4 {
                    let listening = Arc::new(AtomicBool::new(true));
                    let mut leaves = Subscriber::new(table.clone(), Listening(listening.clone()));
                    leaves.subscribe(&channel).expect("no limit is near");
                    // However it leaves: from here on the answer may be written.
                    match round % 3 {
                        0 => drop(leaves.unsubscribe(&channel)),
                        1 => leaves.leave_all(|_, _| {}),
                        _ => drop(leaves),
                    }
                    listening.store(false, Ordering::SeqCst);
                }
            })
        };
        let guests: Vec<_> = (0..2).map(leave).collect();
        let guests: Vec<_> = guests.into_iter().map(thread::ScopedJoinHandle::join).collect();
        done.store(true, Ordering::Release);
        let publishers = publishers.into_iter().map(thread::ScopedJoinHandle::join);
        assert!(publishers.chain(guests).all(|end| end.is_ok()));
    });
    assert_eq!(table.stats(), SubscriptionStats { channels: 1, subscriptions: 1 });
}

#[test]
fn who_stays_receives_every_message_in_the_order_of_the_offsets() {
    let table = Arc::new(Subscriptions::new(SubscriptionLimits::default(), 1));
    let channel = name(0);
    let seen = Arc::new(AtomicU64::new(0));
    // A member is what it has seen last; all others come and go beside it.
    let mut stays = Subscriber::new(table.clone(), seen.clone());
    stays.subscribe(&channel).expect("no limit is near");
    let start = Barrier::new(THREADS as usize);
    thread::scope(|scope| {
        for _ in 0..THREADS / 2 {
            scope.spawn(|| {
                start.wait();
                let mut guest = Subscriber::new(table.clone(), Arc::default());
                for _ in 0..ROUNDS {
                    guest.subscribe(&channel).expect("no limit is near");
                    guest.unsubscribe(&channel).expect("it was there");
                }
            });
            scope.spawn(|| {
                start.wait();
                for _ in 0..ROUNDS {
                    let channel = table.channel(&channel).expect("somebody stays");
                    let mut publication = channel.publish();
                    let offset = publication.advance(1).offset;
                    for member in publication.members() {
                        let before = member.swap(offset, Ordering::Relaxed);
                        assert!(before == offset - 1 || !Arc::ptr_eq(member, &seen));
                    }
                }
            });
        }
    });
    assert_eq!(seen.load(Ordering::Relaxed), THREADS / 2 * ROUNDS);
}
