//! What is pending goes out at once.

use std::time::Duration;

use ws_broker::Engine;
use ws_broker_redis::RedisConfig;
use ws_test_servers::RedisOptions;

use crate::scene::{Scene, config, log, server};

/// The server counts reads of its sockets: far fewer than calls.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_pending_is_written_at_once() {
    const CALLS: usize = 10_000;
    let server = server(&RedisOptions::default());
    let answer_timeout = Duration::from_secs(20);
    let scene = Scene::open(RedisConfig { answer_timeout, ..config(&server) }).await;
    let reads = || {
        let stats = server.command(&["INFO", "stats"]).unwrap();
        let line = stats.lines().find_map(|line| line.strip_prefix("total_reads_processed:"));
        line.unwrap().trim().parse::<usize>().unwrap()
    };
    for is_append in [false, true] {
        let (before, stats) = (reads(), scene.engine.stats());
        let mut appends = Vec::new();
        for number in 0..CALLS {
            let name = format!("{}", number % 100);
            match is_append {
                true => appends.push(scene.engine.append(&log(&name), "payload".into(), None)),
                false => scene.engine.publish(&name, "payload".into()).unwrap(),
            }
        }
        for append in appends {
            append.await.unwrap();
        }
        // Answered behind all of them.
        scene.read("0", 0).await;
        let (written, read) = (scene.engine.stats().batches - stats.batches, reads() - before);
        assert!(read < CALLS / 5, "{read} reads, {written} batches for {CALLS} calls");
    }
    assert_eq!(scene.engine.stats().publishes_lost, 0);
}
