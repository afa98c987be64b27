//! Connections that are lost, killed, or stand still.

use std::time::Duration;

use ws_broker::{Engine, EngineError, Status};
use ws_broker_redis::RedisConfig;
use ws_test_servers::RedisOptions;

use crate::scene::{Scene, config, log, server};

#[tokio::test(flavor = "multi_thread")]
async fn who_may_have_missed_something_is_told_so() {
    let server = server(&RedisOptions::default());
    let (left, right) = (Scene::open(config(&server)).await, Scene::open(config(&server)).await);
    right.engine.subscribe("ch:a").await.unwrap();
    right.engine.follow(&log("h:a")).await.unwrap();
    let ups = right.ups();
    assert_eq!(server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]).unwrap(), "1");
    right.until("another up", |told| told.ups() > ups).await;
    left.until_heard_by(&right, "ch:a", "back").await;
    left.append("h:a", "back").await.unwrap();
    right.until("an entry", |told| told.entries.len() == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_listens_too_slowly_for_the_server_is_told_so() {
    let lines = vec!["client-output-buffer-limit pubsub 256kb 0 0".to_owned()];
    let server = server(&RedisOptions { lines, ..RedisOptions::default() });
    let (left, right) = (Scene::open(config(&server)).await, Scene::open(config(&server)).await);
    right.engine.subscribe("ch:a").await.unwrap();
    let ups = right.ups();
    // More than the buffers of the sockets and the server hold, in one script: nobody reads meanwhile.
    let flood = "for i = 1, 200 do redis.call('PUBLISH', 'ws:t:ch:a', string.rep('x', 100000)) end";
    server.command(&["EVAL", flood, "0"]).unwrap();
    right.until("another up", |told| told.ups() > ups).await;
    left.until_heard_by(&right, "ch:a", "back").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_on_their_way_to_a_server_that_stands_still_are_unknown() {
    let server = server(&RedisOptions::default());
    let scene = Scene::open(config(&server)).await;
    server.pause().unwrap();
    let appended = scene.append("h:a", "a").await;
    assert!(matches!(appended, Err(EngineError::Unknown { .. })), "{appended:?}");
    scene.until_down().await;
    let refused = scene.append("h:a", "b").await;
    assert!(matches!(refused, Err(EngineError::Unavailable { .. })), "{refused:?}");
    server.resume().unwrap();
    scene.until_up().await;
    scene.append("h:a", "c").await.unwrap();
}

/// Nobody asks anything, and it is noticed all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stands_still_is_noticed() {
    let server = server(&RedisOptions::default());
    let scene = Scene::open(config(&server)).await;
    server.pause().unwrap();
    scene.until_down().await;
    server.resume().unwrap();
    scene.until_up().await;
}

/// What the server had not read when the connection was given up is not done behind what comes later.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_up_is_not_done_late() {
    let server = server(&RedisOptions::default());
    let (left, right) = (Scene::open(config(&server)).await, Scene::open(config(&server)).await);
    right.engine.subscribe("ch:a").await.unwrap();
    server.pause().unwrap();
    left.engine.publish("ch:a", "lost".into()).unwrap();
    left.until_down().await;
    server.resume().unwrap();
    left.until_up().await;
    right.until_up().await;
    left.until_heard_by(&right, "ch:a", "kept").await;
    left.until_heard_by(&right, "ch:a", "last").await;
    let order = right
        .told(|told| told.messages.iter().map(|(_, payload)| payload.clone()).collect::<Vec<_>>());
    let kept = order.iter().position(|payload| *payload == "kept").unwrap();
    assert!(!order[kept..].contains(&"lost".into()), "{order:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_may_wait_is_overloaded_and_nothing_of_it_is_done() {
    let server = server(&RedisOptions::default());
    let scene = Scene::open(RedisConfig {
        pending_max: 10,
        answer_timeout: Duration::from_secs(20),
        ..config(&server)
    })
    .await;
    server.pause().unwrap();
    let outcomes: Vec<_> = (0..15).map(|_| scene.engine.publish("ch:a", "a".into())).collect();
    let refused = Err(EngineError::Overloaded { kind: "redis" });
    assert!(outcomes.iter().filter(|outcome| **outcome == refused).count() >= 5, "{outcomes:?}");
    let appended = scene.append("h:a", "a").await;
    assert_eq!(appended, Err(EngineError::Overloaded { kind: "redis" }));
    server.resume().unwrap();
    // A question that is answered shows that those before it are.
    while scene.append("h:a", "a").await.is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(scene.read("h:a", 0).await.head.offset, 1);
    assert!(scene.engine.stats().overloaded >= 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_that_the_server_forgot_are_loaded_again() {
    let server = server(&RedisOptions::default());
    let scene = Scene::open(config(&server)).await;
    assert_eq!(server.command(&["SCRIPT", "FLUSH"]).unwrap(), "OK");
    let appends: Vec<_> = (0..20).map(|_| scene.append("h:a", "a")).collect();
    for append in appends {
        append.await.unwrap();
    }
    assert_eq!(scene.read("h:a", 0).await.head.offset, 20);
    assert_eq!(scene.engine.status(), Status::Up);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_followed_is_followed_again_after_a_restart() {
    let mut server = server(&RedisOptions::durable());
    let (left, right) = (Scene::open(config(&server)).await, Scene::open(config(&server)).await);
    let topics: Vec<String> = (0..3_000).map(|number| format!("ch:{number}")).collect();
    let following: Vec<_> = topics.iter().map(|topic| right.engine.subscribe(topic)).collect();
    for followed in following {
        followed.await.unwrap();
    }
    right.engine.unsubscribe(&topics[0]);
    server.restart().unwrap();
    left.until_back().await;
    right.until_back().await;
    for topic in &topics {
        left.engine.publish(topic, "a".into()).unwrap();
    }
    right.until("all messages", |told| told.messages.len() >= topics.len() - 1).await;
    let came =
        right.told(|told| told.messages.iter().map(|(topic, _)| topic.clone()).collect::<Vec<_>>());
    assert_eq!(came, topics[1..]);
}
