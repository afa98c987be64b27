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

#[tokio::test(start_paused = true)]
async fn a_part_without_its_beginning_is_asked_for_again_once() {
    let cluster = MemoryCluster::new();
    let [one] = nodes(&cluster);
    let mut ada = one.member("ada").await;
    let (ears, engine) = Eavesdropper::in_room(&cluster).await;
    // The second and the third part of a restatement: who says it, that it is one, its number, which, and bob.
    for (index, is_last) in [(1_u32, 0), (2, 1)] {
        let mut note = vec![2];
        note.extend(77_u64.to_be_bytes());
        note.extend([2, is_last]);
        note.extend(5_u32.to_be_bytes());
        note.extend(index.to_be_bytes());
        note.extend(3_u16.to_be_bytes());
        note.extend(b"bob");
        engine.publish("ch:room:r", note.into()).expect("it is up");
    }
    assert_eq!((one.sees(), ears.notes()), (vec!["ada".to_owned(), "bob".to_owned()], 2));
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(ears.notes(), 1, "a question, together with its own restatement");
    assert_eq!(ada.heard().await, [change(2, &["bob"], &[])]);
}
