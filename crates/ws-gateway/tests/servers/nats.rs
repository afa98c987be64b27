//! Gateways with NATS between them.

use ws_test_servers::{Nats, NatsCluster, NatsOptions};

use crate::story::{self, House};

#[tokio::test(flavor = "multi_thread")]
async fn messages_cross_and_nothing_is_lost_with_a_gateway() {
    let nats = Nats::start(&NatsOptions::jetstream()).expect("a nats-server");
    let house = House::new("nats-cross", &[("NATS_URL", &nats.url())]);
    story::messages_cross_and_nothing_is_lost_with_a_gateway(&house, "nats").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_cross_a_cluster_and_nothing_is_lost_with_a_gateway() {
    let cluster = NatsCluster::start(&NatsOptions::jetstream()).expect("three nodes");
    let urls = cluster.urls().join(",");
    let house = House::new("nats-cluster", &[("NATS_URL", &urls), ("NATS_REPLICAS", "3")]);
    story::messages_cross_and_nothing_is_lost_with_a_gateway(&house, "nats").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_outlive_a_server_that_is_killed() {
    let mut nats = Nats::start(&NatsOptions::jetstream()).expect("a nats-server");
    let house = House::new("nats-killed", &[("NATS_URL", &nats.url())]);
    let nats = std::cell::RefCell::new(&mut nats);
    let stop = || nats.borrow_mut().kill().expect("it is killed");
    let start = || nats.borrow_mut().restart().expect("it starts again");
    story::connections_outlive_the_server(&house, "nats", stop, start).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_without_the_server_goes_on_or_fails_as_it_is_set() {
    let mut nats = Nats::start(&NatsOptions::jetstream()).expect("a nats-server");
    nats.kill().expect("it is killed");
    let house = House::new("nats-away", &[("NATS_URL", &nats.url())]);
    let said = story::a_start_that_fails(&house).await;
    assert!(said.contains("not there after 300ms: no NATS server can be reached"), "{said}");
    let start = || nats.restart().expect("it starts");
    story::a_start_without_the_server(&house, "nats", start).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_jetstream_is_said_to_be_one() {
    let nats = Nats::start(&NatsOptions::default()).expect("a nats-server");
    let said =
        story::a_start_that_fails(&House::new("nats-core", &[("NATS_URL", &nats.url())])).await;
    assert!(said.contains("has no JetStream"), "{said}");
}
