//! Epochs: whether a server that came back has lost something.

use ws_broker::{Engine, ReadLimits};
use ws_broker_redis::RedisConfig;
use ws_test_servers::{Redis as Server, RedisOptions};

use crate::scene::{Scene, config, log, server};

/// Appends three, ends the server as `kill -9` does, and starts it again.
async fn crash(options: &RedisOptions, is_durable: bool) -> (Server, Scene) {
    let mut server = server(options);
    let scene = Scene::open(RedisConfig { is_durable, ..config(&server) }).await;
    for payload in ["a", "b", "c"] {
        scene.append("h:a", payload).await.unwrap();
    }
    server.kill().unwrap();
    scene.until_down().await;
    server.restart().unwrap();
    scene.until_up().await;
    (server, scene)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_disk_begins_another_epoch() {
    let mut server = server(&RedisOptions::default());
    let scene = Scene::open(config(&server)).await;
    let before = scene.append("h:a", "a").await.unwrap().position;
    server.kill().unwrap();
    scene.until_down().await;
    server.restart().unwrap();
    scene.until_up().await;
    let page = scene.read("h:a", before.offset).await;
    assert_ne!(page.head.epoch, before.epoch);
    assert_eq!(page.head.offset, 0);
    assert!(!page.is_complete, "it is not known what came behind 1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_writes_before_it_answers_keeps_its_epoch_over_kill_9() {
    let (_server, scene) = crash(&RedisOptions::durable(), false).await;
    let page = scene.read("h:a", 1).await;
    assert!(page.is_complete);
    assert_eq!(page.head.offset, 3);
    let next = scene.append("h:a", "d").await.unwrap().position;
    assert_eq!((next.epoch, next.offset), (page.head.epoch, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_writes_each_second_begins_another_epoch_with_what_it_has() {
    let lines = vec!["appendonly yes".to_owned(), "appendfsync everysec".to_owned()];
    let options = RedisOptions { lines, ..RedisOptions::default() };
    let mut server = server(&options);
    let scene = Scene::open(config(&server)).await;
    let before = scene.append("h:a", "a").await.unwrap().position;
    server.stop().unwrap();
    scene.until_down().await;
    server.restart().unwrap();
    scene.until_up().await;
    let page = scene.read("h:a", 0).await;
    assert_eq!((page.head.offset, page.entries.len()), (1, 1), "what is there can be read");
    assert_ne!(page.head.epoch, before.epoch, "and nobody takes it for all there was");
    let next = scene.append("h:a", "b").await.unwrap().position;
    assert_eq!((next.epoch, next.offset), (page.head.epoch, 2), "it changes once");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_may_vouch_for_the_server() {
    let lines = vec!["appendonly yes".to_owned(), "appendfsync everysec".to_owned()];
    let options = RedisOptions { lines, ..RedisOptions::default() };
    let mut server = server(&options);
    let scene = Scene::open(RedisConfig { is_durable: true, ..config(&server) }).await;
    let before = scene.append("h:a", "a").await.unwrap().position;
    server.stop().unwrap();
    scene.until_down().await;
    server.restart().unwrap();
    scene.until_up().await;
    let next = scene.append("h:a", "b").await.unwrap().position;
    assert_eq!((next.epoch, next.offset), (before.epoch, 2));
}

/// One node was told that the server is durable, the other was not.
#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_do_not_agree_on_a_promise_agree_on_the_epoch() {
    let mut server = server(&RedisOptions::durable());
    let left = Scene::open(RedisConfig { is_durable: true, ..config(&server) }).await;
    let right = Scene::open(config(&server)).await;
    for round in 0..2 {
        let first = left.append("h:a", "a").await.unwrap().position;
        for scene in [&right, &left, &right] {
            let next = scene.append("h:a", "a").await.unwrap().position;
            assert_eq!(next.epoch, first.epoch, "round {round}");
        }
        server.restart().unwrap();
        left.until_back().await;
        right.until_back().await;
    }
}

/// All is gone, and the operator's word with it: the place of the log was not there any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_word_does_not_help_where_all_is_gone() {
    let (_server, scene) = crash(&RedisOptions::default(), true).await;
    let page = scene.read("h:a", 3).await;
    assert_eq!(page.head.offset, 0);
    assert!(!page.is_complete);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_whose_place_was_evicted_begins_another_epoch_without_old_entries() {
    let server = server(&RedisOptions::default());
    let scene = Scene::open(config(&server)).await;
    let before = scene.engine.append(&log("h:a"), "a".into(), Some("e")).await.unwrap();
    assert_eq!(server.command(&["DEL", "ws:{l:h:a}:m"]).unwrap(), "1");
    let page = scene.read("h:a", 0).await;
    assert_ne!(page.head.epoch, before.position.epoch);
    assert_eq!((page.head.offset, page.entries.len()), (0, 0));
    let again = scene.engine.append(&log("h:a"), "a".into(), Some("e")).await.unwrap();
    assert!(!again.is_repeated, "the event was of another life");
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_that_were_evicted_are_not_taken_for_none() {
    let server = server(&RedisOptions::default());
    let scene = Scene::open(config(&server)).await;
    for payload in ["a", "b"] {
        scene.append("h:a", payload).await.unwrap();
    }
    assert_eq!(server.command(&["DEL", "ws:{l:h:a}:s"]).unwrap(), "1");
    for after in [0, 1] {
        assert!(!scene.read("h:a", after).await.is_complete, "after {after}");
    }
    assert!(scene.read("h:a", 2).await.is_complete);
    scene.append("h:a", "c").await.unwrap();
    assert!(!scene.read("h:a", 1).await.is_complete);
    let page = scene.read("h:a", 2).await;
    assert!(page.is_complete);
    assert_eq!(page.entries.len(), 1);
}

/// An inbox: what was taken out one by one is not missing, also when nothing is left.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_removed_is_not_missing() {
    let server = server(&RedisOptions::default());
    let scene = Scene::open(config(&server)).await;
    for payload in ["a", "b", "c"] {
        scene.append("inbox:a", payload).await.unwrap();
    }
    scene.engine.remove(&log("inbox:a"), &[1, 2, 7]).await.unwrap();
    let page = scene.read("inbox:a", 0).await;
    assert!(page.is_complete);
    assert_eq!(page.entries.len(), 1);
    scene.engine.remove(&log("inbox:a"), &[3]).await.unwrap();
    assert_eq!(server.command(&["EXISTS", "ws:{l:inbox:a}:s"]).unwrap(), "0");
    assert!(scene.read("inbox:a", 0).await.is_complete);
    scene.append("inbox:a", "d").await.unwrap();
    let page = scene.read("inbox:a", 0).await;
    assert!(page.is_complete);
    assert_eq!(page.entries.iter().map(|entry| entry.position.offset).collect::<Vec<_>>(), [4]);
}

/// Everything expires by itself: the entries soon, their place much later.
#[tokio::test(flavor = "multi_thread")]
async fn keys_expire() {
    let server = server(&RedisOptions::default());
    let scene = Scene::open(config(&server)).await;
    scene.engine.read(&log("h:a"), 0, ReadLimits::NOTHING).await.unwrap();
    scene.engine.append(&log("h:a"), "a".into(), Some("e")).await.unwrap();
    let expires = |key: &str| server.command(&["PTTL", key]).unwrap().parse::<i64>().unwrap();
    let entries = expires("ws:{l:h:a}:s");
    assert!((3_600_000..=4_500_000).contains(&entries), "{entries}");
    let event = expires("ws:{l:h:a}:e:e");
    assert!((1..=60_000).contains(&event), "{event}");
    assert!(expires("ws:{l:h:a}:m") > 29 * 24 * 3_600_000);
}
