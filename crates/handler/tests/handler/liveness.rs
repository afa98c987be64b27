//! DESIGN §4.1 liveness, §4.2 JSON pings, §4.3 idle.

use std::{collections::HashSet, sync::Arc, time::Duration};

use serde_json::json;
use ws_connection::{Cause, ConnectionConfig};

use crate::{
    house::House,
    raw::{CLOSE, PING, PONG, TEXT},
};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn section_4_1_a_silent_peer_is_found_dead_within_45_seconds_and_closed_with_1001() {
    let house = House::open(|_| {});
    let mut silent = house.visit_raw("ada").await;
    let frames = silent.rest().await;

    let pings: Vec<_> = frames.iter().filter(|frame| frame.first == PING).map(|it| it.at).collect();
    assert_eq!(pings.len(), 3, "{frames:?}");
    assert!(pings[0] <= 30 * SECOND, "the first ping came at {:?}", pings[0]);
    let gaps = [pings[1] - pings[0], pings[2] - pings[1]];
    assert!(gaps.iter().all(|gap| gap.as_millis().abs_diff(5000) <= 10), "{gaps:?}");
    let close = frames.last().expect("a close frame");
    assert_eq!(close.close(), (1001, "Connection timeout".to_owned()));
    assert!(close.at <= 45 * SECOND, "found dead at {:?}", close.at);

    house.emptied().await;
    assert_eq!(house.ended_by("pong_timeout"), 1);
    let notes = house.handler.application().notes.lock();
    assert!(matches!(notes.disconnected[..], [(_, Cause::PongTimeout { .. })]));
}

#[tokio::test(start_paused = true)]
async fn section_4_1_a_peer_that_answers_pings_stays() {
    let house = House::open(|config| {
        config.policy.connection = Arc::new(ConnectionConfig::server().with_idle_timeout(None));
    });
    let mut peer = house.visit("ada").await;
    peer.quiet_for(3500 * SECOND).await;
    assert_eq!(peer.ask("still there?").await["payload"], "still there?");
    let stats = house.handler.stats();
    assert!((110..=120).contains(&stats.pings), "{} pings in an hour", stats.pings);
    assert_eq!(stats.round_trips.count, stats.pings);
}

#[tokio::test(start_paused = true)]
async fn section_4_1_any_frame_proves_life_and_spares_pings() {
    let house = House::open(|_| {});
    let mut talker = house.visit_raw("ada").await;
    for _ in 0..60 {
        tokio::time::sleep(10 * SECOND).await;
        talker.send(TEXT, br#"{"type":"heartbeat"}"#).await;
    }
    assert_eq!(house.handler.connection_count(), 1, "it never answered a ping, but it talked");
    assert_eq!(house.handler.stats().pings, 0, "who talks is not pinged");
}

#[tokio::test(start_paused = true)]
async fn section_4_1_first_pings_are_spread_so_that_a_reconnect_wave_does_not_ping_in_step() {
    let house = House::open(|_| {});
    let mut first_pings = tokio::task::JoinSet::new();
    for user in 0..32 {
        let mut raw = house.visit_raw(&format!("user-{user}")).await;
        first_pings.spawn(async move { raw.next().await.expect("a ping") });
    }
    let mut moments = HashSet::new();
    for ping in first_pings.join_all().await {
        assert_eq!(ping.first, PING);
        assert!((15 * SECOND..=30 * SECOND).contains(&ping.at), "{:?}", ping.at);
        moments.insert(ping.at.as_secs());
    }
    assert!(moments.len() >= 6, "all within {moments:?}");
}

#[tokio::test(start_paused = true)]
async fn section_4_1_latency_comes_only_from_a_pong_that_matches_its_ping() {
    let house = House::open(|_| {});
    let mut raw = house.visit_raw("ada").await;
    raw.send(PONG, b"whatever").await;
    raw.send(PONG, b"").await;
    let ping = raw.next().await.expect("a ping");
    tokio::time::sleep(Duration::from_millis(40)).await;
    raw.send(PONG, b"not that one").await;
    let client = house.handler.connections().remove(0);
    assert_eq!(client.latency(), None);
    assert_eq!(house.handler.check_connection_health().average_latency, None);

    raw.send(PONG, &ping.payload).await;
    crate::house::settle().await;
    let latency = client.latency().expect("measured");
    assert!((40..60).contains(&latency.as_millis()), "{latency:?}");
    assert_eq!(house.handler.check_connection_health().average_latency, Some(latency));
}

#[tokio::test(start_paused = true)]
async fn section_4_1_a_missed_pong_shows_as_unhealthy_until_the_peer_speaks_again() {
    let house = House::open(|_| {});
    let mut raw = house.visit_raw("ada").await;
    let healthy = || {
        let health = house.handler.check_connection_health();
        assert_eq!(health.active_connections, 1);
        (health.healthy_connections, health.unhealthy_connections)
    };
    assert_eq!(raw.next().await.expect("a ping").first, PING);
    assert_eq!(healthy(), (1, 0), "it has five seconds yet");
    assert_eq!(raw.next().await.expect("the next ping, at once").first, PING);
    assert_eq!(healthy(), (0, 1));
    raw.send(TEXT, br#"{"type":"heartbeat"}"#).await;
    crate::house::settle().await;
    assert_eq!(healthy(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn section_4_2_a_json_ping_is_answered_by_a_pong_that_carries_its_id() {
    let house = House::open(|_| {});
    let mut peer = house.visit("ada").await;
    peer.send(json!({ "type": "ping", "id": 7 })).await;
    let pong = peer.next().await;
    assert_eq!((&pong["type"], &pong["id"]), (&json!("pong"), &json!(7)));
    assert!(pong["timestamp"].as_u64() >= Some(crate::house::OPENING * 1000), "{pong}");
}

#[tokio::test(start_paused = true)]
async fn section_4_2_heartbeats_and_pongs_get_no_reply() {
    let house = House::open(|_| {});
    let mut peer = house.visit("ada").await;
    peer.send(json!({ "type": "heartbeat" })).await;
    peer.send(json!({ "type": "pong" })).await;
    peer.send(json!({ "type": "ping", "id": "after" })).await;
    assert_eq!(peer.next().await["id"], "after");
}

#[tokio::test(start_paused = true)]
async fn section_4_2_json_pings_are_off_by_default_and_go_out_beside_control_pings_when_on() {
    for (on, expect) in [(false, &[PING][..]), (true, &[PING, TEXT])] {
        let house = House::open(|config| config.policy.json_ping = on);
        let mut raw = house.visit_raw("ada").await;
        let mut came = Vec::new();
        for _ in expect {
            let frame = raw.next().await.expect("a ping");
            if frame.first == TEXT {
                assert!(frame.payload.starts_with(br#"{"type":"ping""#), "{frame:?}");
            }
            came.push(frame.first);
        }
        assert_eq!(came, expect);
        let next = raw.next().await.expect("the ping after the miss");
        assert_eq!(next.first, PING, "no JSON ping unasked");
    }
}

#[tokio::test(start_paused = true)]
async fn section_4_3_five_minutes_without_a_data_message_end_with_1001_idle_timeout() {
    let house = House::open(|_| {});
    let mut raw = house.visit_raw("ada").await;
    // Control frames in both directions do not count.
    let close = loop {
        let frame = raw.next().await.expect("a frame");
        if frame.first == CLOSE {
            break frame;
        }
        raw.send(PONG, &frame.payload).await;
        raw.send(PING, b"").await;
        assert_eq!(raw.next().await.expect("a pong").first, PONG);
    };
    assert_eq!(close.close(), (1001, "Idle timeout".to_owned()));
    assert!((299..=301).contains(&close.at.as_secs()), "{:?}", close.at);
    raw.send(CLOSE, &1001u16.to_be_bytes()).await;
    assert_eq!(raw.next().await, None);
    house.emptied().await;
    assert_eq!(house.ended_by("idle"), 1);
}

#[tokio::test(start_paused = true)]
async fn section_4_3_a_message_in_either_direction_starts_the_five_minutes_anew() {
    let house = House::open(|_| {});
    let mut listener = house.visit("ada").await;
    let client = house.handler.connections().remove(0);
    listener.quiet_for(290 * SECOND).await;
    client.send_text("\"from the server\"").expect("open");
    assert_eq!(listener.next().await, "from the server");
    listener.quiet_for(290 * SECOND).await;
    listener.send(json!({ "type": "heartbeat" })).await;
    listener.quiet_for(290 * SECOND).await;
    assert_eq!(listener.closed().await, (1001, "Idle timeout".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn section_4_3_json_pings_count_as_messages_and_zero_means_for_ever() {
    let with_pings = House::open(|config| config.policy.json_ping = true);
    let without_limit = House::open(|config| {
        config.policy.connection = Arc::new(ConnectionConfig::server().with_idle_timeout(None));
    });
    let mut pinged = with_pings.visit("ada").await;
    let mut unlimited = without_limit.visit("ada").await;
    let twenty_minutes = async {
        for _ in 0..40 {
            assert_eq!(pinged.next().await["type"], "ping");
        }
    };
    tokio::join!(twenty_minutes, unlimited.quiet_for(1200 * SECOND));
    assert_eq!(with_pings.handler.connection_count(), 1);
    assert_eq!(without_limit.handler.connection_count(), 1);
}
