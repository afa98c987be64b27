//! Publishing, subscribing, leaving, rules and recent events of channels, beside tables by hand and
//! tokio's broadcast.
//!
//! What a member is sent is counted where its outbox would be: one atomic each, so that each member's
//! memory is visited. Encoding and queues are not here: `fan_out` has them.

#![expect(clippy::unwrap_used, reason = "a bench says what is wrong by panicking")]

use std::{
    collections::{HashMap, HashSet},
    hint::black_box,
    num::{NonZeroU16, NonZeroUsize},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use criterion::{BenchmarkId, Throughput};
use lru::LruCache;
use parking_lot::RwLock;
use tokio::sync::broadcast;
use ws_channels::{
    Action, Caller, ChannelName, ChannelRules, Departure, EventIds, Grants, Presence,
    PresenceConfig, PublishedEvents, PublishedEventsConfig, RuleSpec, SeenEvents, Subscriber,
    SubscriptionLimits, Subscriptions,
};
use ws_gateway_benches::now;

mod measured;

use measured::Criterion;

/// What was sent to one connection.
type Outbox = Arc<AtomicU64>;

const SIZES: [(&str, usize); 2] = [("1,000", 1_000), ("15,000", 15_000)];
const CHANNELS: [(&str, usize); 2] = [("1 channel", 1), ("100,000 channels", 100_000)];

fn name(i: usize) -> ChannelName {
    ChannelName::new(&format!("channel:{i}")).unwrap()
}

fn receive(outbox: &Outbox, messages: u64) {
    // No other thread writes: what the bench counts is not what a lock prefix costs.
    outbox.store(outbox.load(Ordering::Relaxed) + messages, Ordering::Relaxed);
}

fn table() -> Arc<Subscriptions<Outbox>> {
    Arc::new(Subscriptions::new(SubscriptionLimits::default(), 1))
}

/// `members` in channel 0, and one in each of the others.
fn subscribe_all(
    table: &Arc<Subscriptions<Outbox>>,
    members: usize,
    channels: usize,
) -> Vec<Subscriber<Outbox>> {
    let subscribe = |channel| {
        let mut subscriber = Subscriber::new(table.clone(), Outbox::default());
        subscriber.subscribe(&name(channel)).unwrap();
        subscriber
    };
    let others = 1..channels;
    (0..members).map(|_| subscribe(0)).chain(others.map(subscribe)).collect()
}

/// What one writes first: names to sets of connections, connections to sets of names and to outboxes.
#[derive(Default)]
struct ByHand {
    channels: HashMap<String, HashSet<u64>>,
    connections: HashMap<u64, (Outbox, HashSet<String>)>,
}

impl ByHand {
    fn connect(&mut self, id: u64) {
        self.connections.insert(id, Default::default());
    }

    fn subscribe(&mut self, id: u64, channel: &str) {
        self.channels.entry(channel.to_owned()).or_default().insert(id);
        self.connections.get_mut(&id).unwrap().1.insert(channel.to_owned());
    }

    fn unsubscribe(&mut self, id: u64, channel: &str) {
        self.connections.get_mut(&id).unwrap().1.remove(channel);
        let members = self.channels.get_mut(channel).unwrap();
        members.remove(&id);
        if members.is_empty() {
            self.channels.remove(channel);
        }
    }

    fn leave_all(&mut self, id: u64) {
        for channel in std::mem::take(&mut self.connections.get_mut(&id).unwrap().1) {
            self.unsubscribe(id, &channel);
        }
    }

    fn publish(&self, channel: &str, except: u64) -> u64 {
        let mut receivers = 0;
        for id in &self.channels[channel] {
            if *id != except {
                receive(&self.connections[id].0, 1);
                receivers += 1;
            }
        }
        receivers
    }

    fn with(members: usize, channels: usize) -> Self {
        let mut table = Self::default();
        for id in 0..members + channels - 1 {
            table.connect(id as u64);
            table.subscribe(id as u64, &name(id.saturating_sub(members - 1)));
        }
        table
    }
}

/// One message for all members but its sender.
fn publish(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("channels publish");
    for (size, members) in SIZES {
        group.throughput(Throughput::Elements(members as u64 - 1));
        for (of, channels) in CHANNELS {
            let case = format!("to {size}, {of}");
            let ours = table();
            let subscribers = subscribe_all(&ours, members, channels);
            let channel = name(0);
            for (who, messages) in [("ours", 1), ("ours, batch of 16", 16)] {
                group.bench_function(BenchmarkId::new(who, &case), |bencher| {
                    bencher.iter(|| {
                        let channel = ours.channel(black_box(&channel)).unwrap();
                        let mut publication = channel.publish();
                        black_box(publication.advance(messages as u32));
                        publication
                            .members_except(&subscribers[0])
                            .for_each(|member| receive(member, messages));
                    });
                });
            }
            let by_hand = RwLock::new(ByHand::with(members, channels));
            group.bench_function(BenchmarkId::new("by hand", &case), |bencher| {
                bencher.iter(|| {
                    let receivers = by_hand.read().publish(black_box(&channel), 0);
                    assert_eq!(receivers, members as u64 - 1);
                });
            });
        }
        let (sender, _) = broadcast::channel(16);
        let mut receivers: Vec<_> =
            (0..members).map(|_| (sender.subscribe(), Outbox::default())).collect();
        let case = format!("to {size}, 1 channel");
        group.bench_function(BenchmarkId::new("tokio broadcast", case), |bencher| {
            bencher.iter(|| {
                sender.send(black_box(1)).unwrap();
                for (receiver, outbox) in &mut receivers {
                    receive(outbox, receiver.try_recv().unwrap());
                }
            });
        });
    }
}

/// One subscribes to a channel and leaves it.
fn subscribe(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("channels subscribe");
    for (case, members, channels) in [
        ("as the only one", 1, 1),
        ("with 15,000 others", 15_000, 1),
        ("with 1,000 others, 100,000 channels", 1_000, 100_000),
    ] {
        let channel = if members == 1 { name(usize::MAX) } else { name(0) };
        let ours = table();
        let _others = subscribe_all(&ours, members, channels);
        let mut subscriber = Subscriber::new(ours, Outbox::default());
        group.bench_function(BenchmarkId::new("ours", case), |bencher| {
            bencher.iter(|| {
                black_box(subscriber.subscribe(black_box(&channel)).unwrap());
                subscriber.unsubscribe(&channel).unwrap()
            });
        });
        let by_hand = RwLock::new(ByHand::with(members, channels));
        by_hand.write().connect(u64::MAX);
        group.bench_function(BenchmarkId::new("by hand", case), |bencher| {
            bencher.iter(|| {
                by_hand.write().subscribe(u64::MAX, black_box(&channel));
                by_hand.write().unsubscribe(u64::MAX, &channel);
            });
        });
        let (sender, receiver) = broadcast::channel::<u64>(16);
        let _others: Vec<_> = (0..members).map(|_| receiver.resubscribe()).collect();
        group.bench_function(BenchmarkId::new("tokio broadcast", case), |bencher| {
            bencher.iter(|| drop(black_box(sender.subscribe())));
        });
    }
}

/// A connection subscribes to 100 channels of 1,000 members, and ends.
fn leave_all(criterion: &mut Criterion) {
    const EACH: usize = 100;
    let mut group = criterion.benchmark_group("channels, a connection of 100");
    group.throughput(Throughput::Elements(EACH as u64));
    let names: Vec<ChannelName> = (0..EACH).map(name).collect();
    let ours = table();
    let enter = |outbox: &Outbox| {
        let mut subscriber = Subscriber::new(ours.clone(), outbox.clone());
        for name in &names {
            subscriber.subscribe(name).unwrap();
        }
        subscriber
    };
    let outbox = Outbox::default();
    let _others: Vec<_> = (0..1_000).map(|_| enter(&outbox)).collect();
    group.bench_function(BenchmarkId::new("ours", "comes and goes"), |bencher| {
        bencher.iter(|| enter(&outbox).leave_all(|_, left| assert!(!black_box(left).last)));
    });
    let mut by_hand = ByHand::default();
    let enter = |by_hand: &mut ByHand, id| {
        by_hand.connect(id);
        for name in &names {
            by_hand.subscribe(id, name);
        }
    };
    for id in 0..1_000 {
        enter(&mut by_hand, id);
    }
    group.bench_function(BenchmarkId::new("by hand", "comes and goes"), |bencher| {
        bencher.iter(|| {
            enter(&mut by_hand, u64::MAX);
            by_hand.leave_all(u64::MAX);
        });
    });
}

/// May this user publish there?
fn rules(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("channels authorize");
    let caller = Caller { user_id: Some("user-123"), session_id: None };
    let action = Action::Publish { event: None };
    for (case, count) in [("10 rules", 10), ("1,000 rules", 1_000)] {
        let mut patterns = vec!["user:{user_id}:*".to_owned(), "lobby".to_owned()];
        patterns.extend((2..count).map(|i| format!("tenant-{i}:*")));
        let specs: Vec<RuleSpec> = patterns
            .iter()
            .map(|pattern| RuleSpec {
                pattern: pattern.clone(),
                publish: true,
                ..RuleSpec::default()
            })
            .collect();
        let rules = ChannelRules::compile(&specs).unwrap();
        let grants = Grants::unlimited();
        for (kind, channel) in [
            ("exact", "lobby"),
            ("pattern", "tenant-7:trades:BTC-USD"),
            ("placeholder", "user:user-123:inbox"),
        ] {
            let channel = ChannelName::new(channel).unwrap();
            let case = format!("{kind} of {case}");
            group.bench_function(BenchmarkId::new("ours", &case), |bencher| {
                bencher.iter(|| rules.authorize(black_box(&channel), action, &caller, &grants));
            });
            group.bench_function(BenchmarkId::new("all rules in turn", &case), |bencher| {
                bencher.iter(|| {
                    let mut all = rules.rules().iter();
                    all.find(|rule| rule.pattern().matches(black_box(&channel), &caller)).unwrap()
                });
            });
        }
    }
}

/// A name hashed and looked up, known and not.
fn events(criterion: &mut Criterion) {
    const CAPACITY: u16 = 1_000;
    let mut group = criterion.benchmark_group("channels, recent events");
    let ids = EventIds::new();
    for (case, names) in [("all repeated", 500), ("all new", 100_000)] {
        let names: Vec<String> = (0..names).map(|i| format!("event-{i:032}")).collect();
        let mut seen = SeenEvents::new(NonZeroU16::new(CAPACITY).unwrap());
        let mut all = names.iter().cycle();
        group.bench_function(BenchmarkId::new("ours, of a client", case), |bencher| {
            bencher.iter(|| seen.insert(ids.id(all.next().unwrap())));
        });
        let mut cache = LruCache::new(NonZeroUsize::new(CAPACITY.into()).unwrap());
        let mut all = names.iter().cycle();
        group.bench_function(BenchmarkId::new("lru with strings", case), |bencher| {
            bencher.iter(|| {
                let name = all.next().unwrap();
                cache.get(name.as_str()).is_some() || cache.put(name.clone(), ()).is_some()
            });
        });
        let published = PublishedEvents::new(PublishedEventsConfig::default());
        let (channel, now) = (name(0), now());
        let mut all = names.iter().cycle();
        group.bench_function(BenchmarkId::new("ours, of a channel", case), |bencher| {
            bencher.iter(|| published.insert(&channel, all.next().unwrap(), now));
        });
    }
}

/// A user comes into a room of 10,000 and goes.
fn presence(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("channels, presence");
    let presence = Presence::new(PresenceConfig::default());
    let room = ChannelName::room("room-123").unwrap();
    let now = now();
    let users: Vec<Arc<str>> = (0..10_000).map(|i| format!("user-{i}").into()).collect();
    for user in &users {
        presence.join(&room, user, now);
    }
    for (case, departure) in [("reconnect", Departure::Lost), ("leave", Departure::Meant)] {
        let mut all = users.iter().cycle();
        group.bench_function(BenchmarkId::new("ours", case), |bencher| {
            bencher.iter(|| {
                let user = all.next().unwrap();
                black_box(presence.leave(&room, user, departure, now));
                presence.join(&room, user, now)
            });
        });
    }
    group.bench_function(BenchmarkId::new("ours", "a second connection"), |bencher| {
        bencher.iter(|| {
            black_box(presence.join(&room, &users[7], now));
            presence.leave(&room, &users[7], Departure::Lost, now)
        });
    });
}

fn main() {
    measured::run(&[publish, subscribe, leave_all, rules, events, presence]);
}
