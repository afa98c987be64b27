//! On several threads at once, in real time: nodes wait for each other nowhere, and each is told everything in its
//! order.

use std::collections::BTreeSet;

use tokio::{task::JoinHandle, time::timeout};

use super::*;
use crate::talk::undated;

const NODES: usize = 3;
const GUESTS: usize = 9;
const ROUNDS: usize = 50;

/// Hears everything until those alone are there who stay.
fn witness(mut peer: Peer, stays: BTreeSet<String>) -> JoinHandle<Peer> {
    let believe = |believed: &mut BTreeSet<String>, user: &Value, came: bool| {
        let name = user.as_str().expect("a name").to_owned();
        let is_news = if came { believed.insert(name) } else { believed.remove(&name) };
        assert!(is_news, "{user} is told twice to have {}", if came { "come" } else { "left" });
    };
    tokio::spawn(async move {
        let mut believed = BTreeSet::new();
        let mut has_seen_guests = false;
        loop {
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
                _ => panic!("{message}"),
            }
            has_seen_guests |= believed.len() > stays.len();
            if has_seen_guests && believed == stays {
                return peer;
            }
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn members_at_all_nodes_are_told_of_each_user_in_turn_that_it_came_and_that_it_left() {
    let cluster = MemoryCluster::new();
    let presence =
        PresenceConfig { batch_interval: Duration::from_millis(20), ..PresenceConfig::default() };
    let nodes: [_; NODES] =
        std::array::from_fn(|_| Arc::new(Node::with_presence(&cluster, presence)));
    let stays: BTreeSet<String> = (0..NODES).map(|i| format!("witness-{i}")).collect();
    let mut witnesses = Vec::new();
    for (i, node) in nodes.iter().enumerate() {
        let mut peer = node.house.visit(&format!("witness-{i}")).await;
        peer.send(join("r")).await;
        witnesses.push(witness(peer, stays.clone()));
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
        for witness in witnesses {
            peers.push(witness.await.expect("no witness fails"));
        }
        peers
    };
    let peers = timeout(Duration::from_secs(60), all).await.expect("nobody waits for anybody");
    for node in &nodes {
        assert_eq!(node.sees(), stays.iter().cloned().collect::<Vec<_>>());
    }
    drop(peers);
}
