//! A cluster whose slots move, and whose nodes come and go.

use ws_broker::{Engine, EngineError, Status};
use ws_broker_redis::RedisConfig;
use ws_test_servers::{RedisCluster, RedisOptions};

use crate::scene::{Scene, config, log, server};

fn cluster() -> RedisCluster {
    RedisCluster::start(&RedisOptions::durable()).unwrap_or_else(|error| panic!("{error}"))
}

/// One node is enough to find the others.
fn config_of(cluster: &mut RedisCluster) -> RedisConfig {
    let [first, ..] = cluster.nodes();
    RedisConfig { is_cluster: true, ..config(first) }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_topics_and_logs_are_spread_over_the_nodes() {
    let mut cluster = cluster();
    let config = config_of(&mut cluster);
    let (left, right) = (Scene::open(config.clone()).await, Scene::open(config).await);
    let names: Vec<String> = (0..300).map(|number| format!("{number}")).collect();
    for name in &names {
        right.engine.subscribe(name).await.unwrap();
        right.engine.follow(&log(name)).await.unwrap();
    }
    for name in &names {
        left.engine.publish(name, name.clone().into()).unwrap();
        left.append(name, name).await.unwrap();
        left.engine.put(name, Some(name.clone().into()), None).await.unwrap().unwrap();
    }
    right.until("all", |told| told.messages.len() == 300 && told.entries.len() == 300).await;
    assert_eq!(left.engine.keys("").await.unwrap().len(), 300);
    for node in cluster.nodes() {
        let channels = node.command(&["PUBSUB", "SHARDCHANNELS"]).unwrap();
        let count = channels.lines().count();
        assert!((100..300).contains(&count), "{count} of 600 channels at one of three nodes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_away_takes_only_its_own_with_it() {
    let mut cluster = cluster();
    let config = config_of(&mut cluster);
    let scene = Scene::open(config).await;
    let names: Vec<String> = (0..30).map(|number| format!("{number}")).collect();
    cluster.nodes()[2].kill().unwrap();
    scene.until_down().await;
    let mut outcomes = (0, 0);
    for name in &names {
        match scene.append(name, "a").await {
            Ok(_) => outcomes.0 += 1,
            Err(EngineError::Unavailable { .. } | EngineError::Unknown { .. }) => outcomes.1 += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(outcomes.0 >= 10 && outcomes.1 >= 3, "{outcomes:?}");
    cluster.nodes()[2].restart().unwrap();
    cluster.wait_until_agreed().unwrap();
    scene.until_up().await;
    for name in &names {
        // A node that is just back may still ask its fellows.
        while scene.append(name, "b").await.is_err() {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_moves_takes_those_who_follow_along() {
    let mut cluster = cluster();
    let config = config_of(&mut cluster);
    let scene = Scene::open(config).await;
    scene.engine.subscribe("a").await.unwrap();
    scene.until_heard_by(&scene, "a", "before").await;
    let ups = scene.ups();

    let nodes = cluster.nodes();
    let slot = nodes[0].command(&["CLUSTER", "KEYSLOT", "ws:t:a"]).unwrap();
    let ids = nodes.each_ref().map(|node| node.command(&["CLUSTER", "MYID"]).unwrap());
    let is_at = |node: &ws_test_servers::Redis| {
        node.command(&["PUBSUB", "SHARDCHANNELS"]).unwrap().contains("ws:t:a")
    };
    let from = nodes.iter().position(is_at).unwrap();
    let to = (from + 1) % 3;
    for node in nodes.iter() {
        let moved = node.command(&["CLUSTER", "SETSLOT", &slot, "NODE", &ids[to]]).unwrap();
        assert_eq!(moved, "OK");
    }

    scene
        .until("another up", |told| told.ups() > ups && told.statuses.last() == Some(&Status::Up))
        .await;
    scene.until_heard_by(&scene, "a", "after").await;
    assert!(is_at(&cluster.nodes()[to]));
}

/// A replica takes over: everything goes on, in another epoch where it took over and in the same one elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_takes_over_begins_another_epoch() {
    let mut cluster = cluster();
    let config = config_of(&mut cluster);
    let replica = server(&RedisOptions { is_cluster_node: true, ..RedisOptions::durable() });
    let [first, _, last] = cluster.nodes();
    let bus = first.command(&["CONFIG", "GET", "cluster-port"]).unwrap();
    let (port, bus) = (first.port().to_string(), bus.lines().last().unwrap().to_owned());
    replica.command(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]).unwrap();
    let id = last.command(&["CLUSTER", "MYID"]).unwrap();
    eventually(|| replica.command(&["CLUSTER", "REPLICATE", &id]).unwrap() == "OK").await;
    let is_linked = || {
        let info = replica.command(&["INFO", "replication"]).unwrap();
        info.contains("master_link_status:up")
    };
    eventually(is_linked).await;
    // Everybody has heard that it is one.
    eventually(|| first.command(&["CLUSTER", "REPLICAS", &id]).unwrap().contains("connected"))
        .await;

    let scene = Scene::open(config).await;
    scene.engine.subscribe("a").await.unwrap();
    let names: Vec<String> = (0..30).map(|number| format!("{number}")).collect();
    let mut before = Vec::new();
    for name in &names {
        before.push(scene.append(name, "a").await.unwrap().position);
    }
    let is_copied = |node: &ws_test_servers::Redis| node.command(&["DBSIZE"]).unwrap();
    eventually(|| is_copied(last) == is_copied(&replica)).await;
    last.kill().unwrap();
    scene.until_down().await;
    scene.until_up().await;
    let (mut same, mut other) = (0, 0);
    for (name, before) in names.iter().zip(before) {
        let after = scene.append(name, "b").await.unwrap().position;
        assert_eq!(after.offset, 2);
        *(if after.epoch == before.epoch { &mut same } else { &mut other }) += 1;
    }
    assert!(same >= 10 && other >= 3, "{same} in the same epoch, {other} in another");
    scene.until_heard_by(&scene, "a", "after").await;
}

/// Servers tell each other in their own time.
async fn eventually(is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::scene::DEADLINE, waiting).await.unwrap();
}
