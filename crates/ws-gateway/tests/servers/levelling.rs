//! Gateways that become level: a node above the mean asks clients to move, ours follow `goodbye` to wherever a
//! balancer sends them, and nobody goes without a message.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use reqwest::Method;
use serde_json::json;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::timeout,
};
use ws_client::{BackoffConfig, Client, News, Subscription};
use ws_test_servers::{Nats, NatsOptions, Redis, RedisOptions};

use crate::{
    process::{Process, token},
    story::House,
};

const KEY: &str = "correct-horse-battery-staple";
const CLIENTS: usize = 12;
/// Of twelve, a node may have a fifth more than the mean.
const LEVEL: std::ops::RangeInclusive<u64> = 5..=7;
const PATIENCE: Duration = Duration::from_secs(60);

/// Deals connects out to those behind it, to each in its turn.
struct Balancer {
    address: SocketAddr,
    behind: Arc<parking_lot::Mutex<Vec<SocketAddr>>>,
}

impl Balancer {
    async fn open(first: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let behind = Arc::new(parking_lot::Mutex::new(vec![first]));
        let (turn, dealt) = (AtomicUsize::new(0), behind.clone());
        tokio::spawn(async move {
            while let Ok((mut front, _)) = listener.accept().await {
                let behind = {
                    let behind = dealt.lock();
                    behind[turn.fetch_add(1, Ordering::Relaxed) % behind.len()]
                };
                tokio::spawn(async move {
                    let mut back = TcpStream::connect(behind).await?;
                    copy_bidirectional(&mut front, &mut back).await
                });
            }
        });
        Self { address, behind }
    }
}

/// Reads on until the number that is the last, once that is known; each number must come once, in its order.
async fn read_all(mut news: Subscription, last: watch::Receiver<u64>) -> Result<u64, String> {
    let mut read = 0;
    while read == 0 || read != *last.borrow() {
        match timeout(PATIENCE, news.next()).await {
            Ok(Some(News::Message(message))) => {
                let number: u64 = message.json().map_err(|error| error.to_string())?;
                if number != read + 1 {
                    return Err(format!("{number} behind {read}"));
                }
                read = number;
            }
            other => return Err(format!("{other:?} behind {read}")),
        }
    }
    Ok(read)
}

async fn publish(gateway: &Process, number: u64) {
    let url = format!("http://{}/api/publish", gateway.address);
    let body = json!({ "channel": "orders", "data": number, "eventId": number.to_string() });
    for _ in 0..200 {
        let request = reqwest::Client::new().request(Method::POST, &url).bearer_auth(KEY);
        let request = request.header("content-type", "application/json").body(body.to_string());
        let answer = request.send().await.expect("an answer");
        if answer.status().is_success() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{number} is not taken:\n{}", gateway.log());
}

async fn counts(gateways: [&Process; 2]) -> [u64; 2] {
    let [a, b] = gateways.map(|it| async { it.page("/health").await["connections"].as_u64() });
    [a.await, b.await].map(|count| count.expect("a number"))
}

async fn they_become_level(house: House, engine: &str) {
    let house = house
        .with("API_KEY", KEY)
        .with("REBALANCE_MARGIN", "20")
        .with("REBALANCE_INTERVAL", "200ms")
        .with("RECONNECT_RATE", "50");
    let full = house.open_and_up(engine).await;
    let balancer = Balancer::open(full.address).await;
    let uri = format!("ws://{}/ws", balancer.address);
    let (last, known) = watch::channel(0_u64);
    let (mut clients, mut readers) = (Vec::new(), JoinSet::new());
    for n in 0..CLIENTS {
        let backoff = BackoffConfig { base: Duration::from_millis(20), ..BackoffConfig::default() };
        let client = Client::builder(&uri).token(token(&format!("user-{n}"))).backoff(backoff);
        let client = client.connect().expect("an address");
        let news = client.subscribe("orders").await.expect("allowed");
        clients.push(client);
        readers.spawn(read_all(news, known.clone()));
    }
    // A node is added: it is empty until somebody moves.
    let empty = house.open_and_up(engine).await;
    balancer.behind.lock().push(empty.address);
    let mut number = 0;
    let mut are_level = 0;
    let levelled = timeout(PATIENCE, async {
        // Thrice, so that it is no passing state.
        while are_level < 3 {
            number += 1;
            publish(if number % 2 == 0 { &full } else { &empty }, number).await;
            let now = counts([&full, &empty]).await;
            let is_level = now.iter().all(|count| LEVEL.contains(count))
                && now.iter().sum::<u64>() == CLIENTS as u64;
            are_level = if is_level { are_level + 1 } else { 0 };
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    if levelled.await.is_err() {
        panic!("{:?}, and no longer moving:\n{}", counts([&full, &empty]).await, full.log());
    }
    let page = full.text("/metrics").await;
    let moved = page
        .lines()
        .find_map(|line| line.strip_prefix("ws_connection_ends_total{reason=\"rebalance\"} "));
    assert!(moved.is_some_and(|moved| moved != "0"), "nobody was asked to move:\n{page}");
    last.send_replace(number + 1);
    publish(&full, number + 1).await;
    for read in readers.join_all().await {
        assert_eq!(read, Ok(number + 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gateways_become_level_with_redis_between_them_and_no_message_is_lost() {
    let redis = Redis::start(&RedisOptions::default()).expect("a redis-server");
    let port = redis.port().to_string();
    let variables = [("REDIS_HOST", "127.0.0.1"), ("REDIS_PORT", &*port)];
    they_become_level(House::new("redis-level", &variables), "redis").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gateways_become_level_with_nats_between_them_and_no_message_is_lost() {
    let nats = Nats::start(&NatsOptions::jetstream()).expect("a nats-server");
    they_become_level(House::new("nats-level", &[("NATS_URL", &nats.url())]), "nats").await;
}
