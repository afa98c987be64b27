//! Many come into one room within a few seconds: what everyone is told of everyone stays linear.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ws_channels::{Announcement, Presence, PresenceConfig, PresenceEvent};

use crate::{
    house::{House, settle},
    talk::{SECOND, join, name},
};

/// Over so long they come.
const WAVE: Duration = Duration::from_secs(10);

/// How often somebody was told of somebody while `users` came into a room one by one.
async fn deliveries_of_a_wave(users: u32) -> u64 {
    let house = House::open(|_| {});
    let mut peers = Vec::new();
    for user in 0..users {
        peers.push(house.visit(&format!("user-{user}")).await);
    }
    for peer in &mut peers {
        tokio::time::sleep(WAVE / users).await;
        peer.send(join("r")).await;
    }
    tokio::time::sleep(2 * SECOND).await;
    settle().await;
    assert_eq!(house.handler.presence("room:r", 0).count, users as usize);
    let delivered = house.tallied("delivered");
    // The first has been told of everyone once, by name or by number.
    let mut told = 0;
    let mut heard = peers[0].heard().await;
    for message in &heard {
        told += match message["type"].as_str() {
            Some("user_joined") => 1,
            _ => {
                let joined = message["joined"].as_array().map_or(0, Vec::len) as u64;
                joined + message["joinedMore"].as_u64().unwrap_or(0)
            }
        };
    }
    // The batch in which it would be told of itself came later than its own answer.
    assert_eq!(told, u64::from(users), "its own answer counted");
    assert_eq!(heard.pop().map(|last| last["count"].clone()), Some(users.into()));
    delivered
}

#[tokio::test(start_paused = true)]
async fn a_wave_of_2_000_connections_into_one_room_costs_each_a_few_messages() {
    let half = deliveries_of_a_wave(1_000).await;
    let whole = deliveries_of_a_wave(2_000).await;
    println!("presence deliveries of a wave: 1,000 users {half}, 2,000 users {whole}");
    // Fifty that are told each of each, and then one message a second to whoever is there.
    for (users, delivered) in [(1_000, half), (2_000, whole)] {
        let seconds = WAVE.as_secs() + 1;
        assert!(delivered <= 50 * 50 / 2 + seconds * users, "{users}: {delivered}");
        assert!(delivered >= users, "each was told at least once");
    }
    assert!(whole <= half * 5 / 2, "twice as many cost twice as much, not four times");
}

/// The same without connections, for more users than are worth connecting.
fn deliveries_without_connections(users: u32) -> usize {
    let start = tokio::time::Instant::now().into_std();
    let presence = Presence::new(PresenceConfig::default());
    let room = name("room:r");
    let mut delivered = 0;
    let differences = |presence: &Presence, now: Instant| {
        let mut delivered = 0;
        presence.handle_timeout(now, |event| match event {
            PresenceEvent::Difference(difference) => delivered += difference.count,
            PresenceEvent::Left { .. } => panic!("nobody left"),
        });
        delivered
    };
    for user in 0..users {
        let now = start + WAVE * user / users;
        delivered += differences(&presence, now);
        let user: Arc<str> = format!("user-{user}").into();
        if presence.join(&room, &user, now).announcement == Announcement::Now {
            delivered += presence.count(&room) - 1;
        }
    }
    delivered + differences(&presence, start + WAVE + SECOND)
}

#[test]
fn a_wave_of_10_000_users_into_one_room_costs_six_messages_each() {
    let delivered = deliveries_without_connections(10_000);
    println!("presence deliveries of a wave: 10,000 users {delivered}, of 50,000,000 one by one");
    assert!(delivered <= 50 * 50 / 2 + 11 * 10_000, "{delivered}");
    let many = deliveries_without_connections(100_000);
    assert!(many <= delivered * 11, "ten times as many: {many}");
}
