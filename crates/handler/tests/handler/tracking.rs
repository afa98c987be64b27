//! Connections are known by name, by user and all together; a drain reaches every one of them.

use std::{net::SocketAddr, num::NonZeroUsize, time::Duration};

use bytes::Bytes;
use serde_json::json;
use tokio::time::Instant;
use ws_close_manager::{CloseOptions, Pace, SendableCode};
use ws_connection::handshake::{HeadLimits, parse_request};
use ws_handler::Admission;

use crate::{
    house::{House, PATH, upgrade},
    raw::{CLOSE, Raw},
};

#[tokio::test(start_paused = true)]
async fn connections_are_found_by_name_by_user_and_all_while_they_last() {
    let house = House::open(|_| {});
    let peers = [house.visit("ada").await, house.visit("ada").await, house.visit("bob").await];
    let handler = &house.handler;
    assert_eq!(handler.connection_count(), 3);
    assert_eq!(handler.connections().len(), 3);
    assert_eq!(handler.connections_by_user_id("ada").len(), 2);
    assert_eq!(handler.connections_by_user_id("eve").len(), 0);
    let bob = handler.connections_by_user_id("bob").remove(0);
    assert_eq!(handler.connection(bob.id()).map(|client| client.id()), Some(bob.id()));
    let health = handler.check_connection_health();
    assert_eq!((health.active_connections, health.online_users), (3, 2));

    for peer in peers {
        peer.leave().await;
    }
    assert!(handler.connection(bob.id()).is_none());
    assert!(bob.send_text("anybody?").is_err(), "what is kept of it is closed");
    house.emptied().await;
}

#[tokio::test(start_paused = true)]
async fn the_application_is_told_of_each_connect_and_once_of_each_end() {
    let house = House::open(|_| {});
    let peer = house.visit("ada").await;
    let id = house.handler.connections()[0].id();
    assert_eq!(house.handler.application().notes.lock().connected, [id]);
    peer.leave().await;
    let notes = house.handler.application().notes.lock();
    let ended: Vec<_> = notes.disconnected.iter().map(|(id, _)| *id).collect();
    assert_eq!(ended, [id]);
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_from_elsewhere_reaches_the_client_in_order() {
    let house = House::open(|_| {});
    let mut peer = house.visit("ada").await;
    let client = house.handler.connections().remove(0);
    for n in 0..100 {
        client.send_text(&n.to_string()).expect("there is room");
    }
    for n in 0..100 {
        assert_eq!(peer.next().await, n);
    }
}

fn admitted(house: &House) -> impl Future<Output = Admission> {
    let wire = upgrade(&format!("{PATH}?token={}", house.token("ada")), &[]);
    let limits = HeadLimits::default();
    let (request, _) = parse_request(wire.as_bytes(), limits).expect("sound").expect("complete");
    let (handler, peer) = (house.handler.clone(), SocketAddr::from(([192, 0, 2, 1], 40_000)));
    async move { handler.admit(&request, peer).await.expect("a good token") }
}

#[tokio::test(start_paused = true)]
async fn an_admission_can_be_served_on_a_transport_that_somebody_else_upgraded() {
    let house = House::open(|_| {});
    let admission = admitted(&house).await;
    assert_eq!(admission.response().status(), 101);
    assert_eq!(admission.address(), SocketAddr::from(([192, 0, 2, 1], 1)).ip());
    assert_eq!(admission.identity().map(|it| it.user_id.to_string()).as_deref(), Some("ada"));
    let (ours, theirs) = tokio::io::duplex(4096);
    let task = tokio::spawn(house.handler.serve_upgraded(theirs, admission));
    let mut raw = Raw::new(ours, Vec::new());
    let greeting = raw.next().await.expect("the greeting, and no response before it");
    assert!(greeting.payload.starts_with(br#"{"type":"connected""#));
    drop(raw);
    task.await.expect("ends with its transport");
    house.emptied().await;
}

#[tokio::test(start_paused = true)]
async fn an_admission_that_is_never_served_holds_nothing() {
    let house = House::open(|_| {});
    drop(admitted(&house).await);
    house.emptied().await;
    let (_ours, theirs) = tokio::io::duplex(4096);
    drop(house.handler.serve(theirs, admitted(&house).await, Bytes::new()));
    house.emptied().await;
}

fn restart() -> CloseOptions {
    CloseOptions::new(SendableCode::RESTART)
        .reason("Server restart")
        .timeout(Duration::from_secs(5))
}

#[tokio::test(start_paused = true)]
async fn a_drain_refuses_upgrades_and_forces_who_does_not_answer_at_its_deadline() {
    let house = House::open(|_| {});
    let mut good = house.visit("ada").await;
    let mut mute = house.visit_raw("bob").await;
    let started = Instant::now();
    let handler = house.handler.clone();
    let drain = tokio::spawn(async move { handler.drain(&restart()).await });
    assert_eq!(good.closed().await.0, 1012);
    let refusal = house.refuse(PATH, &[]).await;
    assert_eq!(refusal.status, 503);
    assert_eq!(refusal.body["code"], "shutting_down");
    assert_eq!(refusal.body["error"], "Server restart");
    assert_eq!(mute.next_but_pings().await.expect("a close frame").close().0, 1012);
    let report = drain.await.expect("no panic");
    // The connection's own deadline and the drain's come at the same moment; either may be first.
    let unanswered = report.forced + report.dropped;
    assert_eq!((report.total, report.acknowledged, unanswered), (2, 1, 1), "{report}");
    assert_eq!(started.elapsed().as_secs(), 5);
    house.emptied().await;
}

#[tokio::test(start_paused = true)]
async fn a_drain_at_a_pace_tells_so_many_a_second() {
    let house = House::open(|_| {});
    let mut closed = tokio::task::JoinSet::new();
    for n in 0..50 {
        let mut peer = house.visit(&format!("user-{n}")).await;
        closed.spawn(async move {
            assert_eq!(peer.closed().await.0, 1012);
            Instant::now()
        });
    }
    let started = Instant::now();
    let pace = Pace::new(10.try_into().expect("not zero"), 7);
    let report = house.handler.drain(&restart().timeout(Duration::from_secs(30)).pace(pace)).await;
    assert_eq!((report.total, report.acknowledged), (50, 50), "{report}");
    let mut moments: Vec<_> = closed.join_all().await.into_iter().map(|at| at - started).collect();
    moments.sort_unstable();
    assert!((4..=6).contains(&moments[49].as_secs()), "the last at {:?}", moments[49]);
    let halfway = moments.iter().filter(|at| at.as_millis() < 2500).count();
    assert!((15..=35).contains(&halfway), "{halfway} of 50 at half time");
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_that_was_granted_just_before_a_drain_is_told_of_it_too() {
    let house = House::open(|_| {});
    let admission = admitted(&house).await;
    let report = house.handler.drain(&restart()).await;
    assert_eq!(report.total, 0);
    let (ours, theirs) = tokio::io::duplex(4096);
    tokio::spawn(house.handler.serve_upgraded(theirs, admission));
    let mut raw = Raw::new(ours, Vec::new());
    let close = raw.next().await.expect("a close frame");
    assert_eq!(close.close(), (1012, "Server restart".to_owned()));
    raw.send(CLOSE, &1012u16.to_be_bytes()).await;
    assert_eq!(raw.next().await, None);
    house.emptied().await;
    assert!(house.handler.application().notes.lock().connected.is_empty());
}

#[tokio::test(start_paused = true)]
async fn established_connections_are_served_while_upgrades_are_refused() {
    let house = House::open(|_| {});
    let mut peer = house.visit("ada").await;
    house.handler.start_drain();
    assert!(house.handler.is_draining());
    assert_eq!(house.refuse(PATH, &[]).await.status, 503);
    assert_eq!(peer.ask("still served").await["payload"], "still served");
    peer.send(json!({ "type": "ping" })).await;
    assert_eq!(peer.next().await["type"], "pong");
}

#[tokio::test(start_paused = true)]
async fn an_admission_has_its_place_from_the_judgement_on() {
    // Not from the moment of its registration: keys may be fetched in between, for a whole wave.
    let house = House::open(|config| config.policy.limits.connections_max = NonZeroUsize::new(1));
    let first = admitted(&house).await;
    let token = house.token("bob");
    let refusal = house.refuse(&format!("{PATH}?token={token}"), &[]).await;
    assert_eq!(refusal.status, 503);
    drop(first);
    house.visit("bob").await.leave().await;
}
