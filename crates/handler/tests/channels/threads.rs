//! On several threads at once, in real time: what is promised holds without anybody waiting for anybody.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::{Value, json};
use tokio::sync::Barrier;

use crate::{
    house::{House, Peer},
    talk::{join, leave, publish, subscribe, undated, with_id},
};

const ROUNDS: u64 = 100;

/// All that comes until the answer to something that is said now.
async fn heard_until_answered(peer: &mut Peer) -> Vec<Value> {
    peer.send(json!({ "type": "ping", "id": "until" })).await;
    let mut heard = Vec::new();
    loop {
        let message = undated(peer.next().await);
        if message["id"] == "until" {
            return heard;
        }
        heard.push(message);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_room_is_told_of_each_user_in_turn_that_it_came_and_that_it_left() {
    let house = House::open(|config| config.policy.limits.connections_per_user_max = None);
    let house = Arc::new(house);
    let mut ada = house.visit("ada").await;
    ada.send(join("r")).await;
    ada.next().await;
    // Two connections of each user: it comes with the first and leaves with the last.
    let guests: Vec<_> = (0..8)
        .map(|guest| {
            let house = house.clone();
            tokio::spawn(async move {
                let mut peer = house.visit(&format!("guest-{}", guest % 4)).await;
                for _ in 0..ROUNDS {
                    // Many in one write: the server has them all at hand, and threads meet.
                    for _ in 0..10 {
                        peer.feed(&join("r")).await;
                        peer.feed(&leave("r")).await;
                    }
                    heard_until_answered(&mut peer).await;
                }
            })
        })
        .collect();
    let hearing = tokio::spawn(async move {
        let mut heard = Vec::new();
        loop {
            match undated(ada.next().await) {
                end if end["type"] == "message" => return heard,
                message => heard.push(message),
            }
        }
    });
    for guest in guests {
        guest.await.expect("comes and goes");
    }
    // Behind everything that was told before.
    assert_eq!(house.bulletin("room:r", "the end").receivers, 1);
    let mut present: HashMap<String, bool> = HashMap::new();
    let heard = hearing.await.expect("is there all the time");
    for message in &heard {
        let user = message["user_id"].as_str().expect("a user").to_owned();
        let came = message["type"] == "user_joined";
        let before = present.insert(user.clone(), came);
        assert_ne!(before.unwrap_or(false), came, "{user} twice in a row: {message}");
    }
    assert!(heard.len() >= 8, "{}", heard.len());
    assert!(present.values().all(|is_there| !is_there), "{present:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn all_subscribers_see_the_same_order_whoever_publishes_meanwhile() {
    let house = Arc::new(House::open(|_| {}));
    let start = Arc::new(Barrier::new(6));
    let writers: Vec<_> = (0..3)
        .map(|writer| {
            let (house, start) = (house.clone(), start.clone());
            tokio::spawn(async move {
                let mut peer = house.visit(&format!("writer-{writer}")).await;
                start.wait().await;
                for n in 0..ROUNDS {
                    peer.send(with_id(publish("orders", n), n)).await;
                    if n % 10 == 9 {
                        heard_until_answered(&mut peer).await;
                    }
                }
                peer
            })
        })
        .collect();
    let readers: Vec<_> = (0..3)
        .map(|reader| {
            let (house, start) = (house.clone(), start.clone());
            tokio::spawn(async move {
                let mut peer = house.visit(&format!("reader-{reader}")).await;
                peer.send(subscribe("orders")).await;
                peer.next().await;
                start.wait().await;
                let mut heard = Vec::new();
                for _ in 0..3 * ROUNDS {
                    let news = peer.next().await;
                    heard.push((news["from"].to_string(), news["data"].as_u64()));
                }
                heard
            })
        })
        .collect();
    let mut orders = Vec::new();
    for reader in readers {
        orders.push(reader.await.expect("reads on"));
    }
    assert!(orders.iter().all(|order| *order == orders[0]), "not the same order for all");
    for writer in 0..3 {
        let name = format!("\"writer-{writer}\"");
        let own = orders[0].iter().filter(|(from, _)| *from == name).map(|(_, data)| *data);
        assert!(own.eq((0..ROUNDS).map(Some)), "not in the order in which {name} wrote");
    }
    for writer in writers {
        writer.await.expect("writes on");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn connections_that_end_while_others_publish_leave_nothing_behind() {
    let house = Arc::new(House::open(|config| {
        config.policy.limits.connections_per_user_max = None;
        config.channels.presence.grace = std::time::Duration::ZERO;
    }));
    let ends = Arc::new(AtomicUsize::new(0));
    let visitors: Vec<_> = (0..6)
        .map(|visitor| {
            let (house, ends) = (house.clone(), ends.clone());
            tokio::spawn(async move {
                for round in 0..40 {
                    let mut peer = house.visit(&format!("user-{}", visitor % 3)).await;
                    for request in [
                        json!({ "type": "subscribe", "channel": "orders", "presence": true }),
                        join("r"),
                        publish("orders", 1),
                    ] {
                        peer.feed(&request).await;
                    }
                    peer.flush().await;
                    match round % 3 {
                        0 => peer.vanish().await,
                        1 => drop(peer),
                        _ => {
                            peer.task.abort();
                            drop(peer);
                        }
                    }
                    ends.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    while ends.load(Ordering::Relaxed) < 240 {
        house.bulletin("orders", 0);
        house.bulletin("room:r", 0);
        tokio::task::yield_now().await;
    }
    for visitor in visitors {
        visitor.await.expect("visits on");
    }
    let all_gone = async {
        while house.handler.connection_count() > 0 || house.holds() != [0; 6] {
            tokio::task::yield_now().await;
        }
    };
    let gone = tokio::time::timeout(std::time::Duration::from_secs(60), all_gone).await;
    assert!(gone.is_ok(), "{:?} stay behind", house.holds());
}
