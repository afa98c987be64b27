//! Many who come at once.

use ws_broker::{Engine as _, Listener, Status};

use super::*;

/// Counts what is said in the room.
#[derive(Default)]
struct Eavesdropper {
    notes: std::sync::atomic::AtomicUsize,
    longest: std::sync::atomic::AtomicUsize,
}

impl Listener for Eavesdropper {
    fn handle_message(&self, _: &str, payload: bytes::Bytes) {
        use std::sync::atomic::Ordering::Relaxed;
        self.notes.fetch_add(1, Relaxed);
        self.longest.fetch_max(payload.len(), Relaxed);
    }

    fn handle_entry(&self, _: &str, _: ws_broker::Entry) {}

    fn handle_status(&self, _: &Status) {}
}

impl Eavesdropper {
    async fn in_room(cluster: &MemoryCluster) -> (Arc<Self>, Arc<Memory>) {
        let (ears, engine) = (Arc::new(Self::default()), cluster.node());
        engine.start(ears.clone());
        engine.subscribe("ch:room:r").await.expect("it is up");
        (ears, engine)
    }

    fn notes(&self) -> usize {
        self.notes.swap(0, std::sync::atomic::Ordering::Relaxed)
    }

    fn longest(&self) -> usize {
        self.longest.load(std::sync::atomic::Ordering::Relaxed)
    }
}

#[tokio::test(start_paused = true)]
async fn a_wave_into_one_room_costs_a_few_notes_between_nodes() {
    const USERS: usize = 3_000;
    let cluster = MemoryCluster::new();
    let [one, two] = nodes(&cluster);
    let mut ada = one.member("ada").await;
    let (ears, _engine) = Eavesdropper::in_room(&cluster).await;
    let mut peers = Vec::new();
    for i in 0..USERS {
        let mut peer = two.house.visit(&format!("user-{i}")).await;
        peer.send(join("r")).await;
        peers.push(peer);
        // Two seconds of it.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(one.house.handler.presence("room:r", 1).count, USERS + 1);
    // Some fifty while the room was small, and then five each second. The connections take their time, too.
    let notes = ears.notes();
    assert!(notes < 120, "{notes} notes");
    let heard = ada.heard().await;
    assert!(heard.len() < 80, "{} messages", heard.len());
    drop(peers);
    tokio::time::sleep(20 * SECOND).await;
    let notes = ears.notes();
    assert!(notes < 60, "{notes} notes");
    assert_eq!(one.sees(), ["ada"]);
}

#[tokio::test(start_paused = true)]
async fn a_large_room_is_restated_in_parts() {
    const USERS: usize = 3_000;
    let cluster = MemoryCluster::new();
    let [one, two] = nodes(&cluster);
    let mut peers = Vec::new();
    for i in 0..USERS {
        // Long names, as those of users of large rooms may be.
        let mut peer = two.house.visit(&format!("user-{i}-{}", "x".repeat(40))).await;
        peer.send(join("r")).await;
        peers.push(peer);
    }
    tokio::time::sleep(2 * SECOND).await;
    let (ears, _engine) = Eavesdropper::in_room(&cluster).await;
    let mut ada = one.member("ada").await;
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(one.house.handler.presence("room:r", 1).count, USERS + 1);
    let notes = ears.notes();
    assert!((6..20).contains(&notes), "{notes} notes");
    assert!(ears.longest() < 17 * 1024, "{} bytes", ears.longest());
    let heard = ada.heard().await;
    assert_eq!(heard.last().map(|it| &it["count"]), Some(&json!(USERS + 1)), "{heard:?}");
}
