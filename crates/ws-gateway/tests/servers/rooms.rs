//! A room whose members are at several gateways.

use serde_json::{Value, json};
use ws_test_servers::{Nats, NatsOptions, Redis, RedisOptions};

use crate::{process::Client, story::House};

impl Client {
    /// The next message of such a type; those of others are let go.
    async fn next_of(&mut self, kind: &str) -> Value {
        loop {
            let message = self.next().await;
            if message["type"] == kind {
                return message;
            }
        }
    }

    /// What it is answered when it asks, or is told meanwhile.
    async fn next_presence(&mut self) -> Value {
        self.send(json!({ "type": "presence", "channel": "room:r" })).await;
        self.next_of("presence").await
    }

    async fn says_in_room(&mut self, kind: &str) {
        self.send(json!({ "type": kind, "payload": { "room_id": "r" } })).await;
    }
}

/// Who joins, types and leaves at one gateway is told to the members at the other; who comes to a gateway is told
/// who is at the other; and who was at one that is killed has left.
async fn a_room_is_one_room_behind_all_gateways(house: &House, engine: &str) {
    let (a, b) = tokio::join!(house.open_and_up(engine), house.open_and_up(engine));
    let (mut ada, mut bob) = (a.visit("ada").await, b.visit("bob").await);
    ada.says_in_room("join_room").await;
    assert_eq!(ada.next_of("user_joined").await["user_id"], "ada");
    bob.says_in_room("join_room").await;
    assert_eq!(ada.next_of("user_joined").await["user_id"], "bob");
    // Perhaps told, perhaps heard of before bob was there; who asks knows in any case.
    while bob.next_presence().await["count"] != 2 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    bob.says_in_room("typing").await;
    assert_eq!(ada.next_of("typing").await["user_id"], "bob");
    bob.says_in_room("leave_room").await;
    assert_eq!(ada.next_of("user_left").await["user_id"], "bob");
    bob.says_in_room("join_room").await;
    assert_eq!(ada.next_of("user_joined").await["user_id"], "bob");
    // Nobody misses a node of which it has not heard.
    a.logs("another node is there").await;
    b.signal("KILL").await;
    assert_eq!(ada.next_of("user_left").await["user_id"], "bob");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_is_one_room_with_redis_between_gateways() {
    let redis = Redis::start(&RedisOptions::default()).expect("a redis-server");
    let port = redis.port().to_string();
    let variables =
        [("REDIS_HOST", "127.0.0.1"), ("REDIS_PORT", &*port), ("PRESENCE_GRACE", "500ms")];
    let house = House::new("redis-room", &variables);
    a_room_is_one_room_behind_all_gateways(&house, "redis").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_is_one_room_with_nats_between_gateways() {
    let nats = Nats::start(&NatsOptions::jetstream()).expect("a nats-server");
    let house = House::new("nats-room", &[("NATS_URL", &nats.url()), ("PRESENCE_GRACE", "500ms")]);
    a_room_is_one_room_behind_all_gateways(&house, "nats").await;
}
