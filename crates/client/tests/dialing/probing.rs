//! How the network is, by a server's word and by the clock.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{io::AsyncWriteExt, sync::watch, time::Instant};
use ws_client::{DialError, HealthProbe, NetworkSource, NetworkStatus, ProbeConfig};

use crate::server::{ADDRESS, in_memory, read_head};

/// A server whose health can be told, and which counts who asks.
#[derive(Clone, Default)]
struct Server {
    delay_ms: Arc<AtomicU64>,
    answer: Arc<Mutex<String>>,
    asked: Arc<AtomicUsize>,
    head: Arc<Mutex<String>>,
}

impl Server {
    fn new() -> Self {
        let server = Self::default();
        server.answers(0, "HTTP/1.1 200 OK\r\n\r\n");
        server
    }

    fn answers(&self, delay_ms: u64, answer: &str) {
        self.delay_ms.store(delay_ms, Ordering::Relaxed);
        answer.clone_into(&mut self.answer.lock());
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    fn config(&self) -> ProbeConfig {
        let server = self.clone();
        let connect = in_memory(move |mut io| {
            let server = server.clone();
            async move {
                server.asked.fetch_add(1, Ordering::Relaxed);
                *server.head.lock() = read_head(&mut io).await;
                let delay = server.delay_ms.load(Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(delay)).await;
                let answer = server.answer.lock().clone();
                let _ = io.write_all(answer.as_bytes()).await;
                // An answer that is cut short ends there; others have an end of their own.
            }
        });
        ProbeConfig { connect: Some(connect), ..ProbeConfig::new(ADDRESS) }
    }
}

async fn becomes(status: &mut watch::Receiver<NetworkStatus>, expected: NetworkStatus) -> Duration {
    let began = Instant::now();
    let patience = Duration::from_secs(120);
    let seen = tokio::time::timeout(patience, status.wait_for(|it| *it == expected)).await;
    assert!(matches!(seen, Ok(Ok(_))), "not {expected:?}");
    began.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_probe_of_health_tells_how_the_network_is() {
    use NetworkStatus as N;
    let server = Server::new();
    let probe = HealthProbe::start(&server.config()).expect("sound");
    let mut status = probe.watch();
    for (delay_ms, answer, expected) in [
        (6000, "HTTP/1.1 200 OK\r\n\r\n", N::Slow),
        (900, "HTTP/1.1 200 OK\r\n\r\n", N::Online),
        (1500, "HTTP/1.1 204 No Content\r\n\r\n", N::Unstable),
        (0, "HTTP/1.1 503 Service Unavailable\r\n\r\n", N::Offline),
        (0, "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", N::Online),
        (0, "HTTP/1.1 404 Not Found\r\n\r\n", N::Offline),
        (0, "HTTP/1.1 200 OK\r\n\r\n", N::Online),
        (0, "HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n", N::Offline),
        (0, "HTTP/1.1 200 OK\r\n\r\n", N::Online),
        (0, "HTTP/1.1 200 OK\r\nA: b", N::Offline),
        (4900, "HTTP/1.1 200 OK\r\n\r\n", N::Unstable),
        (11_000, "HTTP/1.1 200 OK\r\n\r\n", N::Offline),
        (0, "HTTP/1.1 200 OK\r\n\r\n", N::Online),
        (0, "SSH-2.0-OpenSSH_9.6\r\n", N::Offline),
    ] {
        server.answers(delay_ms, answer);
        probe.check_now();
        becomes(&mut status, expected).await;
        assert_eq!(probe.status(), expected);
    }
    let head = server.head.lock().clone();
    assert_eq!(head, "GET /health HTTP/1.1\r\nHost: gateway.test\r\nConnection: close\r\n\r\n");
}

#[tokio::test(start_paused = true)]
async fn a_probe_asks_at_the_start_on_demand_and_in_a_while() {
    let server = Server::new();
    let probe = HealthProbe::start(&server.config()).expect("sound");
    assert_eq!(probe.status(), NetworkStatus::Online, "until the contrary is known");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(server.asked(), 1);
    probe.check_now();
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(server.asked(), 2);
    for _ in 0..1000 {
        probe.check_now();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let asked = server.asked();
    assert!((10..=13).contains(&asked), "once a second however often it is told to: {asked}");
    tokio::time::sleep(Duration::from_secs(30 * 100)).await;
    let asked = server.asked() - asked;
    assert!((80..=120).contains(&asked), "every 30 s on average: {asked}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_back_is_found_within_the_interval_and_not_by_all_at_once() {
    let server = Server::new();
    server.answers(0, "HTTP/1.1 502 Bad Gateway\r\n\r\n");
    let mut waits = Vec::new();
    let probes: Vec<_> =
        (0..40).map(|_| HealthProbe::start(&server.config()).expect("sound")).collect();
    for probe in &probes {
        becomes(&mut probe.watch(), NetworkStatus::Offline).await;
    }
    server.answers(0, "HTTP/1.1 200 OK\r\n\r\n");
    let back = Instant::now();
    for probe in &probes {
        let mut status = probe.watch();
        waits.push(tokio::spawn(async move {
            becomes(&mut status, NetworkStatus::Online).await;
            Instant::now()
        }));
    }
    let mut seconds = std::collections::HashSet::new();
    for wait in waits {
        let after = wait.await.expect("no panic") - back;
        assert!(after <= Duration::from_secs(30), "{after:?}");
        seconds.insert(after.as_secs());
    }
    assert!(seconds.len() > 12, "forty over thirty seconds fall on {} of them", seconds.len());
}

#[tokio::test(start_paused = true)]
async fn a_probe_ends_with_the_last_who_listens() {
    let server = Server::new();
    server.answers(60_000, "");
    let probe = HealthProbe::start(&server.config()).expect("sound");
    let other = probe.clone();
    let status = probe.watch();
    drop((probe, other));
    tokio::time::sleep(Duration::from_secs(300)).await;
    let asked = server.asked();
    assert!(asked > 1, "somebody watches: {asked}");
    drop(status);
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(server.asked(), asked);
}

#[tokio::test]
async fn what_cannot_be_probed_is_told_at_once() {
    let told = |config: ProbeConfig| match HealthProbe::start(&config) {
        Err(DialError::Invalid(sentence)) => sentence,
        other => panic!("{other:?}"),
    };
    let config = ProbeConfig::new(ADDRESS);
    for path in ["", "health", "/a b", "/a\r\nb: c"] {
        let told = told(ProbeConfig { path: path.to_owned(), ..config.clone() });
        assert!(told.ends_with("is not the path of a URL"), "{told}");
    }
    let told = told(ProbeConfig::new("https://example.org/"));
    assert_eq!(told, "the address must begin with ws:// or wss://");
    let outside = std::thread::spawn(move || HealthProbe::start(&config).map(drop));
    let outside = outside.join().expect("no panic").expect_err("no runtime");
    assert_eq!(outside.to_string(), "a probe needs a tokio runtime");
}
