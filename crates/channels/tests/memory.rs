//! How many bytes a subscription costs. A test binary of its own, with one test: the counter is the
//! allocator's.

#![expect(unsafe_code, reason = "an allocator that counts cannot be written without")]
#![expect(clippy::expect_used, reason = "a test says what is wrong by panicking")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    hint::black_box,
    num::{NonZeroU16, NonZeroU32},
    sync::{Arc, LazyLock},
    time::Instant,
};

use ws_channels::{
    Channel, ChannelName, ConnectionTypeSpec, ConnectionTypes, Departure, EventIds, Places,
    Presence, PresenceConfig, PublishedEvents, PublishedEventsConfig, SeenEvents, Statement,
    Subscriber, SubscriptionLimits, Subscriptions,
};

#[expect(clippy::disallowed_methods, reason = "a test needs some instant")]
static NOW: LazyLock<Instant> = LazyLock::new(Instant::now);

thread_local! {
    static BYTES: Cell<isize> = const { Cell::new(0) };
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

/// What glibc's allocator takes for so many bytes.
fn chunk(bytes: usize) -> usize {
    (bytes + 8).next_multiple_of(16).max(32)
}

// SAFETY: everything is passed on to the system's allocator as it came. The counters are constant-initialized
// thread locals without destructors, so that touching them allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BYTES.set(BYTES.get() + chunk(layout.size()) as isize);
        CALLS.set(CALLS.get() + 1);
        // SAFETY: the caller's promise is ours.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        BYTES.set(BYTES.get() - chunk(layout.size()) as isize);
        // SAFETY: the caller's promise is ours.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        BYTES.set(BYTES.get() + chunk(new_size) as isize - chunk(layout.size()) as isize);
        CALLS.set(CALLS.get() + 1);
        // SAFETY: the caller's promise is ours.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A handle to an outbox, as far as memory is concerned.
type Member = Arc<u64>;

fn name(i: usize) -> ChannelName {
    ChannelName::new(&format!("channel:{i:08}")).expect("it is one")
}

/// The bytes for each subscription when `connections` each are subscribed to `each` of `channels`. What a
/// connection costs without any (its [`Subscriber`], its member) is not counted, nor are the names that
/// the caller has while it subscribes.
fn bytes_per_subscription(connections: usize, each: usize, channels: usize) -> f64 {
    let limits = SubscriptionLimits {
        channels_per_subscriber_max: NonZeroU32::MAX,
        ..SubscriptionLimits::default()
    };
    let table = Arc::new(Subscriptions::new(limits, 1));
    let member = Member::default();
    let mut subscribers: Vec<Subscriber<Member>> =
        (0..connections).map(|_| Subscriber::new(table.clone(), member.clone())).collect();
    let before = BYTES.get();
    for (i, subscriber) in subscribers.iter_mut().enumerate() {
        for n in 0..each {
            subscriber.subscribe(&name((i * each + n) % channels)).expect("no limit is near");
        }
    }
    let bytes = BYTES.get() - before;
    assert_eq!(table.stats().subscriptions, connections * each);
    assert_eq!(table.stats().channels, channels);
    let empty = BYTES.get();
    drop(subscribers);
    assert!(BYTES.get() < empty - bytes / 2, "what was taken is given back");
    bytes as f64 / (connections * each) as f64
}

#[test]
fn a_subscription_costs_tens_of_bytes() {
    assert!(size_of::<Subscriber<Member>>() <= 48, "{}", size_of::<Subscriber<Member>>());
    assert!(size_of::<Channel<Member>>() <= 112, "{}", size_of::<Channel<Member>>());

    // (connections, subscriptions of each, channels, at most so many bytes for each)
    for (connections, each, channels, bytes_max) in [
        (100_000, 1, 1, 32.0),
        (100_000, 1, 1_000, 32.0),
        (100_000, 1, 10_000, 60.0),
        (10_000, 10, 100, 64.0),
        (1_000, 100, 1_000, 64.0),
        // Each in a channel of its own, where the subscription pays for all of it.
        (100_000, 1, 100_000, 240.0),
    ] {
        let bytes = bytes_per_subscription(connections, each, channels);
        println!("{connections} connections × {each}, {channels} channels: {bytes:.1} bytes each");
        assert!(bytes <= bytes_max, "{bytes:.1} > {bytes_max}");
    }

    publishing_allocates_nothing();

    let (here, absent) = bytes_per_user();
    println!("a user in a room: {here:.1} bytes, {absent:.1} in its grace period");
    assert!(here <= 90.0 && absent <= 250.0);
    let (one, more) = bytes_per_user_elsewhere();
    println!("a user whom another node holds: {one:.1} bytes, {more:.1} for each further node");
    assert!(one <= 150.0 && more <= 40.0);

    let place = bytes_per_place();
    println!("a place of a connection type: {place:.1} bytes");
    assert!(place <= 160.0);

    let (of_client, of_channel) = bytes_per_event();
    println!("an event: {of_client:.1} bytes for a client, {of_channel:.1} for a channel");
    assert!(of_client <= 20.0 && of_channel <= 60.0);
}

/// In a room, and in the grace period; the name is not counted.
fn bytes_per_user() -> (f64, f64) {
    const USERS: usize = 100_000;
    let presence =
        Presence::new(PresenceConfig { batch_above: USERS, ..PresenceConfig::default() });
    let users: Vec<Arc<str>> = (0..USERS).map(|i| format!("user-{i}").into()).collect();
    let room = name(0);
    let before = BYTES.get();
    for user in &users {
        black_box(presence.join(&room, user, *NOW));
    }
    let here = (BYTES.get() - before) as f64 / USERS as f64;
    for user in &users {
        black_box(presence.leave(&room, user, Departure::Lost, *NOW));
    }
    let absent = (BYTES.get() - before) as f64 / USERS as f64;
    assert_eq!(presence.stats().absent, USERS);
    (here, absent)
}

/// Whom one other node holds, with the name, and for each further node that holds the same users.
fn bytes_per_user_elsewhere() -> (f64, f64) {
    const USERS: usize = 100_000;
    const FURTHER: usize = 3;
    let presence =
        Presence::new(PresenceConfig { batch_above: USERS, ..PresenceConfig::default() });
    let users: Vec<String> = (0..USERS).map(|i| format!("user-{i}")).collect();
    let room = name(0);
    let before = BYTES.get();
    let hear = |holder| {
        for user in &users {
            black_box(presence.hear(&room, holder, Statement::Here(user), *NOW));
        }
        (BYTES.get() - before) as f64 / USERS as f64
    };
    let one = hear(1);
    let all = (2..).take(FURTHER).map(hear).last().unwrap_or_default();
    assert_eq!(presence.count(room.as_str()), USERS);
    (one, (all - one) / FURTHER as f64)
}

/// Of a type with one connection for each key.
fn bytes_per_place() -> f64 {
    const CONNECTIONS: usize = 100_000;
    let types = ConnectionTypes::compile(&ConnectionTypeSpec::default_table()).expect("they hold");
    let places: Arc<Places<Member>> = Arc::default();
    let member = Member::default();
    let mut held = Vec::with_capacity(CONNECTIONS);
    let before = BYTES.get();
    for i in 0..CONNECTIONS {
        let path = format!("/ws/chat/{i:08}");
        let target = types.target(&path).expect("the value is fine").expect("a type means it");
        held.push(places.enter(&target, member.clone()).expect("each has a key of its own"));
    }
    let bytes = BYTES.get() - before;
    assert_eq!(places.len(), CONNECTIONS);
    bytes as f64 / CONNECTIONS as f64
}

/// For a client that was sent it, and for the channel in which it was published.
fn bytes_per_event() -> (f64, f64) {
    let ids = EventIds::new();
    let mut seen = SeenEvents::new(NonZeroU16::new(1_000).expect("it is not zero"));
    let before = BYTES.get();
    for i in 0..2_000 {
        seen.insert(ids.id(&format!("event-{i}")));
    }
    let of_client = (BYTES.get() - before) as f64 / 1_000.0;
    let published = PublishedEvents::new(PublishedEventsConfig::default());
    let before = BYTES.get();
    for i in 0..100_000 {
        published.insert(&name(i % 100), &format!("event-{i}"), *NOW);
    }
    let of_channel = (BYTES.get() - before) as f64 / 100_000.0;
    (of_client, of_channel)
}

fn publishing_allocates_nothing() {
    let table = Arc::new(Subscriptions::new(SubscriptionLimits::default(), 1));
    let orders = name(0);
    let mut all: Vec<Subscriber<Member>> =
        (0..1_000).map(|i| Subscriber::new(table.clone(), Member::new(i))).collect();
    for subscriber in &mut all {
        subscriber.subscribe(&orders).expect("no limit is near");
    }
    let before = CALLS.get();
    let channel = table.channel(&orders).expect("it has members");
    let mut publication = channel.publish();
    black_box(publication.advance(16));
    assert_eq!(publication.members_except(&all[7]).map(black_box).count(), 999);
    drop(publication);
    assert_eq!(CALLS.get(), before);
}
