//! Who asks again while it is still being sent what it asked for before, and what a long wait does to others.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use ws_broker::{
    Answer, Appended, Conflict, Engine, EngineError, Listener, Log, Memory, MemoryCluster, Page,
    ReadLimits, Record, Revision, Status,
};
use ws_channels::{RuleSpec, SlowConsumer};

use crate::{
    house::{House, Peer, settle},
    slow::Slow,
    story::{Place, data_of, house_on, since},
    talk::{publish, subscribe, with_id},
};

const KEPT: u64 = 3000;
const MS: Duration = Duration::from_millis(1);

/// In two channels far more is kept than is sent at once; somebody has begun to read the first of them.
async fn in_the_middle(house: &House) -> (Peer, [Place; 2]) {
    let mut ada = house.visit("ada").await;
    let places = [ada.follow("kept:a").await, ada.follow("kept:b").await];
    drop(ada);
    settle().await;
    for n in 1..=KEPT {
        house.bulletin("kept:a", n);
        house.bulletin("kept:b", n);
    }
    let mut ada = house.visit("ada").await;
    for (channel, place) in ["kept:a", "kept:b"].iter().zip(&places) {
        ada.send(since(channel, place)).await;
        assert_eq!(ada.next().await["recovered"], true);
        if *channel == "kept:a" {
            assert_eq!(ada.next().await["data"], 1);
            // The answer to the second comes between the pages of the first.
            return (ada, places);
        }
    }
    unreachable!("there are two")
}

fn slow_house() -> House {
    let memory = MemoryCluster::new().node();
    let engine = Slow { memory, reads: 20 * MS, appends: Duration::ZERO };
    house_on(Some(Arc::new(engine)), 1_000_000)
}

/// What comes until so many messages of a channel are there; all in order.
async fn hear(peer: &mut Peer, channel: &str, from: u64, to: u64) -> Vec<serde_json::Value> {
    let (mut next, mut others) = (from, Vec::new());
    while next <= to {
        let message = peer.next().await;
        if message["type"] == "message" && message["channel"] == channel {
            assert_eq!(message["data"], next, "{message}");
            next += 1;
        } else {
            others.push(message);
        }
    }
    others
}

#[tokio::test(start_paused = true)]
async fn who_subscribes_once_more_in_the_middle_of_a_replay_is_sent_the_rest_of_it() {
    let house = slow_house();
    let (mut ada, _) = in_the_middle(&house).await;
    ada.send(subscribe("kept:a")).await;
    let others = hear(&mut ada, "kept:a", 2, KEPT).await;
    assert_eq!(others.len(), 1, "{others:?}");
    assert_eq!(others[0]["type"], "subscribed");
    house.bulletin("kept:a", KEPT + 1);
    assert_eq!(data_of(&ada.heard().await), [KEPT + 1]);
}

#[tokio::test(start_paused = true)]
async fn who_needs_no_more_of_one_channel_is_sent_what_it_missed_in_the_next() {
    let house = slow_house();
    let (mut ada, [a, b]) = in_the_middle(&house).await;
    ada.send(since("kept:b", &b)).await;
    ada.send(since("kept:a", &Place { offset: KEPT, ..a })).await;
    let others = hear(&mut ada, "kept:b", 1, KEPT).await;
    let answers: Vec<_> = others.iter().filter(|it| it["type"] == "subscribed").collect();
    assert_eq!(answers.len(), 2, "{answers:?}");
    house.bulletin("kept:a", 0);
    house.bulletin("kept:b", 0);
    assert_eq!(data_of(&ada.heard().await), [0, 0]);
}

/// It is away when one looks, and back the next moment, when all that waits for it has been sent.
#[derive(Debug)]
struct Fickle {
    memory: Arc<Memory>,
    is_away: AtomicBool,
    /// How many appends it takes before it refuses one, because too much is under way.
    takes: AtomicU32,
}

impl Fickle {
    fn status(&self) -> Status {
        match self.is_away.swap(false, Ordering::AcqRel) {
            true => Status::Down("for a moment".into()),
            false => self.memory.status(),
        }
    }
}

impl Engine for Fickle {
    fn kind(&self) -> &'static str {
        self.memory.kind()
    }

    fn is_shared(&self) -> bool {
        self.memory.is_shared()
    }

    fn status(&self) -> Status {
        Fickle::status(self)
    }

    fn start(&self, listener: Arc<dyn Listener>) {
        self.memory.start(listener);
    }

    fn subscribe(&self, topic: &str) -> Answer<()> {
        self.memory.subscribe(topic)
    }

    fn unsubscribe(&self, topic: &str) {
        self.memory.unsubscribe(topic);
    }

    fn publish(&self, topic: &str, payload: Bytes) -> Result<(), EngineError> {
        self.memory.publish(topic, payload)
    }

    fn follow(&self, log: &Log<'_>) -> Answer<()> {
        self.memory.follow(log)
    }

    fn unfollow(&self, log: &Log<'_>) {
        self.memory.unfollow(log);
    }

    fn append(&self, log: &Log<'_>, entry: Bytes, event: Option<&str>) -> Answer<Appended> {
        if self.takes.fetch_sub(1, Ordering::AcqRel) == 0 {
            let overloaded = EngineError::Overloaded { kind: "fickle" };
            return Box::pin(std::future::ready(Err(overloaded)));
        }
        self.memory.append(log, entry, event)
    }

    fn read(&self, log: &Log<'_>, after: u64, limits: ReadLimits) -> Answer<Page> {
        self.memory.read(log, after, limits)
    }

    fn remove(&self, log: &Log<'_>, offsets: &[u64]) -> Answer<()> {
        self.memory.remove(log, offsets)
    }

    fn get(&self, key: &str) -> Answer<Option<Record>> {
        self.memory.get(key)
    }

    fn put(
        &self,
        key: &str,
        value: Option<Bytes>,
        expected: Option<Revision>,
    ) -> Answer<Result<Revision, Conflict>> {
        self.memory.put(key, value, expected)
    }

    fn keys(&self, prefix: &str) -> Answer<Vec<String>> {
        self.memory.keys(prefix)
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_left_to_wait_when_the_engine_is_back_does_not_wait_for_ever() {
    let memory = MemoryCluster::new().node();
    let engine = Arc::new(Fickle {
        memory,
        is_away: AtomicBool::new(false),
        takes: AtomicU32::new(u32::MAX),
    });
    let house = house_on(Some(engine.clone()), 100);
    let mut ada = house.visit("ada").await;
    ada.follow("waits:a").await;
    engine.is_away.store(true, Ordering::Release);
    ada.send(with_id(publish("waits:a", 1), 1)).await;
    let heard = ada.heard().await;
    assert!(heard.iter().any(|it| it["type"] == "ack"), "{heard:?}");
}

#[tokio::test(start_paused = true)]
async fn who_is_put_into_several_channels_at_once_is_in_all_of_them() {
    let house = slow_house();
    let mut ada = house.visit("ada").await;
    let client = house.handler.connections_by_user_id("ada").pop().expect("she is here");
    let names = ["kept:a", "kept:b", "kept:c"].map(crate::talk::name);
    names.iter().for_each(|name| client.subscribe(name));
    client.unsubscribe(&names[0]);
    for name in &names {
        assert_eq!(ada.next().await["channel"], name.as_str());
    }
    assert_eq!(ada.next().await["type"], "unsubscribed");
    for name in &names {
        house.bulletin(name, 1);
    }
    assert_eq!(data_of(&ada.heard().await), [1, 1]);
}

#[tokio::test(start_paused = true)]
async fn for_who_may_be_in_no_more_channels_nothing_is_followed() {
    let cluster = MemoryCluster::new();
    let house = house_on(Some(cluster.node()), 100);
    let mut ada = house.visit("ada").await;
    let mut refused = 0;
    for n in 0..500 {
        let heard = ada.say(subscribe(&format!("kept:{n}"))).await;
        refused += usize::from(heard[0]["code"] == "too_many_subscriptions");
    }
    let followed = cluster.stats().topics - crate::story::OWN_TOPICS;
    assert!(refused > 0 && followed + refused == 500, "{followed} followed, {refused} refused");
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_kept_in_its_order_though_the_engine_refuses_one_in_between() {
    let memory = MemoryCluster::new().node();
    let (is_away, takes) = (AtomicBool::new(false), AtomicU32::new(u32::MAX));
    let engine = Arc::new(Fickle { memory: memory.clone(), is_away, takes });
    let house = house_on(Some(engine.clone()), 100);
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    bob.follow("waits:a").await;
    memory.set_down("gone");
    for n in 1..=5 {
        ada.say(with_id(publish("waits:a", n), n)).await;
    }
    engine.takes.store(1, Ordering::Release);
    memory.set_up();
    tokio::time::sleep(1000 * MS).await;
    let heard = bob.heard().await;
    let messages: Vec<_> = heard.into_iter().filter(|it| it["type"] == "message").collect();
    assert_eq!(data_of(&messages), [1, 2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_ever_to_be_subscribed() {
    let memory = MemoryCluster::new().node();
    let engine = Slow { memory, reads: 3_600_000 * MS, appends: Duration::ZERO };
    let house = house_on(Some(Arc::new(engine)), 100);
    let mut ada = house.visit("ada").await;
    let began = tokio::time::Instant::now();
    ada.send(subscribe("kept:a")).await;
    tokio::time::sleep(15_000 * MS).await;
    assert_eq!(ada.next().await["code"], "broker_unavailable");
    assert!(began.elapsed() < 20_000 * MS, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn who_is_too_slow_for_its_own_ack_is_closed_and_does_not_wait_for_it() {
    let memory = MemoryCluster::new().node();
    let engine = Slow { memory, reads: Duration::ZERO, appends: 100 * MS };
    let house = House::open(|config| {
        config.engine = Arc::new(engine);
        config.policy.limits.outbox_bytes_max = 16 * 1024;
        config.policy.rules = crate::talk::compiled(&[
            crate::story::keeping("kept:*", 100),
            RuleSpec {
                slow_consumer: SlowConsumer::DropOldest,
                ..crate::talk::rule("flood", "subscribe publish")
            },
        ]);
    });
    let mut ada = house.visit("ada").await;
    ada.say(subscribe("flood")).await;
    for n in 0..300 {
        ada.feed(&with_id(publish("kept:a", n), n)).await;
    }
    ada.flush().await;
    // It does not read from now on, and goes without some of this.
    let long = "x".repeat(1000);
    for _ in 0..1000 {
        house.bulletin("flood", long.clone());
    }
    tokio::time::sleep(50 * MS).await;
    for _ in 0..1000 {
        house.bulletin("flood", long.clone());
    }
    tokio::time::sleep(1000 * MS).await;
    assert_eq!(house.tallied("closed_slow"), 1);
}
