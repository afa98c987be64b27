//! Gateways with Redis between them.

use ws_test_servers::{Redis, RedisCluster, RedisOptions};

use crate::story::{self, House};

fn house(name: &str, redis: &Redis) -> House {
    House::new(name, &[("REDIS_HOST", "127.0.0.1"), ("REDIS_PORT", &redis.port().to_string())])
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_cross_and_nothing_is_lost_with_a_gateway() {
    let redis = Redis::start(&RedisOptions::default()).expect("a redis-server");
    let house = house("redis-cross", &redis);
    story::messages_cross_and_nothing_is_lost_with_a_gateway(&house, "redis").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_cross_a_cluster_and_nothing_is_lost_with_a_gateway() {
    let cluster = RedisCluster::start(&RedisOptions::default()).expect("three nodes");
    let urls = cluster.ports().map(|port| format!("redis://127.0.0.1:{port}")).join(",");
    let house = House::new("redis-cluster", &[("REDIS_URL", &urls), ("REDIS_CLUSTER", "on")]);
    story::messages_cross_and_nothing_is_lost_with_a_gateway(&house, "redis").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_outlive_a_server_that_is_killed() {
    let mut redis = Redis::start(&RedisOptions::durable()).expect("a redis-server");
    let house = house("redis-killed", &redis);
    let redis = std::cell::RefCell::new(&mut redis);
    let stop = || redis.borrow_mut().kill().expect("it is killed");
    let start = || redis.borrow_mut().restart().expect("it starts again");
    story::connections_outlive_the_server(&house, "redis", stop, start).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn users_of_a_gateway_that_dies_are_told_of_once() {
    let redis = Redis::start(&RedisOptions::default()).expect("a redis-server");
    let house = house("redis-dies", &redis);
    story::users_of_a_gateway_that_dies_are_told_of_once(house, "redis").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_without_the_server_goes_on_or_fails_as_it_is_set() {
    let mut redis = Redis::start(&RedisOptions::durable()).expect("a redis-server");
    redis.kill().expect("it is killed");
    let house = house("redis-away", &redis);
    let said = story::a_start_that_fails(&house).await;
    assert!(said.contains("not there after 300ms: redis at "), "{said}");
    let start = || redis.restart().expect("it starts");
    story::a_start_without_the_server(&house, "redis", start).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_said_and_not_shown() {
    let options = RedisOptions { password: Some("right".to_owned()), ..RedisOptions::default() };
    let redis = Redis::start(&options).expect("a redis-server");
    let url = format!("redis://:wrong-horse@127.0.0.1:{}", redis.port());
    let said = story::a_start_that_fails(&House::new("redis-login", &[("REDIS_URL", &url)])).await;
    assert!(said.contains("refuses the login") && !said.contains("wrong-horse"), "{said}");
}
