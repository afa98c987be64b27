use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// What the far end of the connections of a test looks like.
#[derive(Debug, Default)]
struct World {
    opened: AtomicUsize,
    closed: AtomicUsize,
    /// How long a closing takes.
    closing_ms: AtomicUsize,
}

#[derive(Debug)]
struct Fake {
    number: usize,
    has_stopped: AtomicBool,
    world: Arc<World>,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("refused")]
struct Failure;

impl Poolable for Fake {
    type Error = Failure;

    fn is_healthy(&self) -> bool {
        !self.has_stopped.load(Ordering::Relaxed)
    }

    async fn close(&self) {
        let millis = self.world.closing_ms.load(Ordering::Relaxed) as u64;
        tokio::time::sleep(Duration::from_millis(millis)).await;
        self.world.closed.fetch_add(1, Ordering::Relaxed);
    }
}

impl World {
    fn opened(&self) -> usize {
        self.opened.load(Ordering::Relaxed)
    }

    fn closed(&self) -> usize {
        self.closed.load(Ordering::Relaxed)
    }
}

/// A pool whose connections open at once, but for those to `ws://refused/` and `ws://slow/`.
fn pool(connections_max: usize, connections_per_host_max: usize) -> (Arc<Pool<Fake>>, Arc<World>) {
    let config = PoolConfig { connections_max, connections_per_host_max, ..PoolConfig::default() };
    let world = Arc::new(World::default());
    let open = {
        let world = Arc::clone(&world);
        move |url: String, _token| {
            let world = Arc::clone(&world);
            async move {
                match &*url {
                    "ws://refused/" => return Err(Failure),
                    "ws://slow/" => tokio::time::sleep(20 * SECOND).await,
                    _ => {}
                }
                let number = world.opened.fetch_add(1, Ordering::Relaxed);
                Ok(Fake { number, has_stopped: AtomicBool::new(false), world })
            }
        }
    };
    (Arc::new(Pool::new(config, open)), world)
}

/// Lets the other tasks go as far as they come.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_pool_shares_what_is_idle_and_bounds_each_host_and_all() {
    let (pool, world) = pool(3, 2);
    let first = pool.get("ws://a/", "alice").await.expect("there is room");
    drop(first);
    let again = pool.get("ws://a/", "alice").await.expect("one is idle");
    assert_eq!((again.number, world.opened()), (0, 1), "it is the same");
    let bob = pool.get("ws://a/", "bob").await.expect("there is room");
    assert_eq!((bob.number, world.opened()), (1, 2), "another token is another connection");

    // Two to a host, whatever the token.
    let full = pool.get("ws://a/", "carol").await;
    assert!(matches!(full, Err(PoolError::Full)), "{full:?}");
    let elsewhere = pool.get("ws://b/", "alice").await.expect("another host has room");
    assert_eq!(pool.metrics(), PoolMetrics { open: 3, idle: 0, waiting: 0 });
    // Three in all.
    let full = pool.get("ws://c/", "alice").await;
    assert!(matches!(full, Err(PoolError::Full)), "{full:?}");

    // What is idle makes way for what is wanted.
    drop(elsewhere);
    let other = pool.get("ws://c/", "alice").await.expect("one was idle");
    assert_eq!((other.number, world.opened(), world.closed()), (3, 4, 1));
}

#[tokio::test(start_paused = true)]
async fn a_pool_lets_go_of_what_is_idle_for_long_or_has_stopped() {
    let (pool, world) = pool(8, 8);
    drop(pool.get("ws://a/", "").await.expect("there is room"));
    tokio::time::sleep(59 * SECOND).await;
    assert_eq!((pool.metrics().idle, world.closed()), (1, 0));
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!((pool.metrics(), world.closed()), (PoolMetrics::default(), 1));

    // The task watches those that come later as well.
    let [one, two] = [pool.get("ws://a/", "").await, pool.get("ws://a/", "").await];
    drop(one);
    tokio::time::sleep(30 * SECOND).await;
    drop(two);
    tokio::time::sleep(31 * SECOND).await;
    assert_eq!((pool.metrics().idle, world.closed()), (1, 2));
    let used = pool.get("ws://a/", "").await.expect("one is idle");
    tokio::time::sleep(300 * SECOND).await;
    assert_eq!(world.closed(), 2, "what is in use is not idle");

    used.has_stopped.store(true, Ordering::Relaxed);
    drop(used);
    settle().await;
    assert_eq!((pool.metrics(), world.closed()), (PoolMetrics::default(), 3));
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_is_full_makes_wait_and_then_refuses() {
    let (pool, _world) = pool(1, 1);
    let used = pool.get("ws://a/", "").await.expect("there is room");
    let began_at = Instant::now();
    let refused = pool.get("ws://a/", "").await;
    assert!(matches!(refused, Err(PoolError::Full)), "{refused:?}");
    assert_eq!(began_at.elapsed().as_secs(), 10);
    assert_eq!(pool.metrics().waiting, 0, "who was refused waits no longer");

    // Those who wait are served in their order.
    let (order, mut served) = tokio::sync::mpsc::unbounded_channel();
    for number in 0..3 {
        let (pool, order) = (Arc::clone(&pool), order.clone());
        tokio::spawn(async move {
            let pooled = pool.get("ws://a/", "").await;
            order.send((number, pooled.is_ok())).expect("the test goes on");
            tokio::time::sleep(SECOND).await;
        });
        settle().await;
    }
    assert_eq!(pool.metrics().waiting, 3);
    drop(used);
    for number in 0..3 {
        assert_eq!(served.recv().await, Some((number, true)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_opening_is_told_and_leaves_its_place() {
    let (pool, _world) = pool(1, 1);
    let refused = pool.get("ws://refused/", "").await;
    assert!(matches!(refused, Err(PoolError::Open(Failure))), "{refused:?}");
    let slow = pool.get("ws://slow/", "").await;
    assert!(matches!(slow, Err(PoolError::TimedOut)), "{slow:?}");
    assert_eq!(pool.metrics(), PoolMetrics::default());
    pool.get("ws://a/", "").await.expect("there is room");
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_goes_away_leaves_nothing_behind() {
    let (pool, world) = pool(1, 1);
    // While it is opened.
    assert!(timeout(SECOND, pool.get("ws://slow/", "")).await.is_err());
    assert_eq!(pool.metrics(), PoolMetrics::default());
    // While it waits.
    let used = pool.get("ws://a/", "").await.expect("there is room");
    assert!(timeout(SECOND, pool.get("ws://a/", "")).await.is_err());
    assert_eq!(pool.metrics().waiting, 0);
    // When its turn has come, and before it noticed.
    let mut late = Box::pin(pool.get("ws://a/", ""));
    assert!(timeout(Duration::ZERO, late.as_mut()).await.is_err());
    drop(used);
    assert_eq!(pool.metrics(), PoolMetrics { open: 1, idle: 0, waiting: 0 });
    drop(late);
    assert_eq!(pool.metrics(), PoolMetrics { open: 1, idle: 1, waiting: 0 });
    assert_eq!((world.opened(), world.closed()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_place_is_taken_until_the_closing_is_over_or_has_taken_too_long() {
    let (pool, world) = pool(1, 1);
    world.closing_ms.store(3_000, Ordering::Relaxed);
    drop(pool.get("ws://a/", "").await.expect("there is room"));
    let began_at = Instant::now();
    drop(pool.get("ws://b/", "").await.expect("the other makes way"));
    assert_eq!((began_at.elapsed().as_secs(), world.closed()), (3, 1));

    world.closing_ms.store(3_600_000, Ordering::Relaxed);
    tokio::time::sleep(75 * SECOND).await;
    assert_eq!((pool.metrics().open, world.closed()), (0, 1), "it was given up");
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_is_closed_closes_all_and_refuses() {
    let (pool, world) = pool(2, 2);
    world.closing_ms.store(500, Ordering::Relaxed);
    let used = pool.get("ws://a/", "").await.expect("there is room");
    drop(pool.get("ws://a/", "").await.expect("there is room"));
    let opening = tokio::spawn({
        let pool = Arc::clone(&pool);
        async move { pool.get("ws://slow/", "").await.map(drop) }
    });
    settle().await;
    pool.close().await;
    assert_eq!(world.closed(), 2, "what was in use as well");
    drop(used);
    assert!(matches!(pool.get("ws://a/", "").await, Err(PoolError::Closed)));
    assert!(matches!(opening.await, Ok(Err(PoolError::TimedOut | PoolError::Closed))));
    settle().await;
    assert_eq!((world.closed(), pool.metrics()), (2, PoolMetrics::default()));
    pool.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_is_dropped_leaves_what_is_in_use() {
    let (pool, world) = pool(2, 2);
    let used = pool.get("ws://a/", "").await.expect("there is room");
    drop(pool.get("ws://a/", "idle").await.expect("there is room"));
    drop(pool);
    settle().await;
    assert_eq!(world.closed(), 1);
    assert!(used.is_healthy());
    drop(used);
    settle().await;
    assert_eq!(world.closed(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_guard_does_not_show_the_token() {
    let (pool, _world) = pool(1, 1);
    let used = pool.get("ws://a/", "s3cret").await.expect("there is room");
    let shown = format!("{pool:?} {used:?}");
    assert!(!shown.contains("s3cret"), "{shown}");
}
