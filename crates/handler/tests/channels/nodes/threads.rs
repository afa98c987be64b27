//! On several threads at once, in real time: nodes wait for each other nowhere, and each is told everything in its
//! order.

use std::collections::BTreeSet;

use tokio::{task::JoinHandle, time::timeout};

use super::*;
use crate::talk::undated;

const NODES: usize = 3;
const GUESTS: usize = 9;
const ROUNDS: usize = 50;

/// Hears everything until it is told that this is all, but for what was collected, and no guest is left. Of the
/// other witnesses it hears nothing that came before it.
fn witness(mut peer: Peer) -> JoinHandle<Peer> {
    let believe = |believed: &mut BTreeSet<String>, user: &Value, came: bool| {
        let name = user.as_str().expect("a name").to_owned();
        if name.starts_with("guest") {
            let is_news = if came { believed.insert(name) } else { believed.remove(&name) };
            assert!(is_news, "{user} is told twice to have {}", if came { "come" } else { "left" });
        }
    };
    tokio::spawn(async move {
        let mut believed = BTreeSet::new();
        let mut is_over = false;
        while !is_over || !believed.is_empty() {
            let message = undated(peer.next().await);
            match message["type"].as_str() {
                Some("user_joined") => believe(&mut believed, &message["user_id"], true),
                Some("user_left") => believe(&mut believed, &message["user_id"], false),
                Some("presence") => {
                    for (field, came) in [("joined", true), ("left", false)] {
                        let users = message[field].as_array().into_iter().flatten();
                        users.for_each(|user| believe(&mut believed, user, came));
                    }
                }
                Some("message") => is_over = true,
                _ => panic!("{message}"),
            }
        }
        peer
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn members_at_all_nodes_are_told_of_each_user_in_turn_that_it_came_and_that_it_left() {
    let cluster = MemoryCluster::new();
    let presence =
        PresenceConfig { batch_interval: Duration::from_millis(20), ..PresenceConfig::default() };
    let nodes: [_; NODES] =
        std::array::from_fn(|_| Arc::new(Node::with_presence(&cluster, presence)));
    let mut witnesses = Vec::new();
    for (i, node) in nodes.iter().enumerate() {
        let name = format!("witness-{i}");
        let mut peer = node.house.visit(&name).await;
        peer.send(join("r")).await;
        assert_eq!(undated(peer.next().await), joined("r", &name));
        witnesses.push(witness(peer));
    }
    let guests = (0..GUESTS).map(|guest| {
        let node = nodes[guest % NODES].clone();
        tokio::spawn(async move {
            // Each user has a connection at every node.
            let mut peer = node.house.visit(&format!("guest-{}", guest / NODES)).await;
            for _ in 0..ROUNDS {
                for message in [join("r"), leave("r"), join("r"), leave("r")] {
                    peer.feed(&message).await;
                }
                peer.heard_now().await;
            }
            peer
        })
    });
    let guests: Vec<_> = guests.collect();
    let all = async {
        let mut peers = Vec::new();
        for guest in guests {
            peers.push(guest.await.expect("no guest fails"));
        }
        for node in &nodes {
            while node.sees() != ["witness-0", "witness-1", "witness-2"] {
                tokio::task::yield_now().await;
            }
        }
        nodes[0].house.bulletin("room:r", "that is all");
        for witness in witnesses {
            peers.push(witness.await.expect("no witness fails"));
        }
        peers
    };
    drop(timeout(Duration::from_secs(60), all).await.expect("nobody waits for anybody"));
}
