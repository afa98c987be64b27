//! Thousands of clients, and a gateway that is killed and comes back: do they arrive as a wave or as a wall?
//!
//! The same is done with delays that are spread by chance and with such that are not, so that what is measured
//! is seen to be able to fail.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use ws_client::{BackoffConfig, Client, Jitter, News, State, Subscription};

use crate::{
    numbered::wanted,
    site::{Folder, Site},
};

/// How many come back: so many that a process may have their sockets open wherever the tests run. The variable is
/// for more; the system must allow as many files.
const CLIENTS: u64 = 500;
const CHANNEL: &str = "t:wave";
/// How long the gateway is away. Without jitter the attempts are after one second, three and seven: one of them
/// must not meet with the start.
const OUTAGE: Duration = Duration::from_secs(5);
/// What is published before it is killed, and while they come back.
const BEFORE: u64 = 5;
const MEANWHILE: u64 = 20;
/// How many connect at once in the beginning, which is no wave.
const AT_ONCE: usize = 64;
/// The longest delay is 30 s; the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(90);

/// How they came back.
struct Wave {
    /// When each began the attempt that succeeded, and when it was connected, since the gateway was there again.
    arrivals: Vec<(Duration, Duration)>,
}

/// One client: what it has seen, and when it was back.
struct Rider {
    back: mpsc::UnboundedSender<(Instant, Instant)>,
    seen: watch::Sender<u64>,
}

impl Rider {
    /// Tells when the connection that follows on the first one was tried for, and when it was there.
    async fn watch(back: mpsc::UnboundedSender<(Instant, Instant)>, client: Client) {
        let mut states = client.states();
        let mut tried = Instant::now();
        let mut was_away = false;
        while states.changed().await.is_ok() {
            let state = *states.borrow_and_update();
            let now = Instant::now();
            match state {
                State::Connecting => tried = now,
                State::Connected if was_away => {
                    // Nobody listens any more: the test is over.
                    let _ = back.send((tried, now));
                    return;
                }
                _ => {}
            }
            was_away |= state != State::Connected;
        }
    }

    /// Sees that nothing is missed.
    async fn follow(self, client: Client, mut news: Subscription) {
        tokio::spawn(Self::watch(self.back, client.clone()));
        let mut last = 0_u64;
        while let Some(news) = news.next().await {
            let News::Message(message) = news else { panic!("{news:?} behind {last}") };
            let number: u64 = message.json().expect("a number");
            assert_eq!(number, last + 1, "in order, and once");
            last = number;
            self.seen.send_modify(|seen| *seen += 1);
        }
    }
}

impl Wave {
    async fn measure(name: &str, jitter: Jitter, clients: u64) -> Self {
        let data = Folder::new(name);
        let variables =
            [("DATA_DIR", data.path()), ("PING_INTERVAL", "30s"), ("PONG_TIMEOUT", "5s")];
        let site = Arc::new(Site::open_alone(name, &variables).await);
        let (back, mut backs) = mpsc::unbounded_channel();
        let (seen, mut all_seen) = watch::channel(0);
        let mut riders = start(&site, jitter, clients, &back, &seen).await;
        let publisher = site.client_at(&site.direct_uri(), "publisher");
        let publisher = publisher.connect().expect("an address");
        for number in 1..=BEFORE {
            publisher.publish(CHANNEL, &number).await.expect("published");
        }
        wait_for(&mut all_seen, &mut riders, BEFORE * clients).await;

        site.kill().await;
        sleep(OUTAGE).await;
        // Some are there before we hear that it listens.
        let started = Instant::now();
        site.start().await;
        for number in BEFORE + 1..=BEFORE + MEANWHILE {
            publisher.publish(CHANNEL, &number).await.expect("published");
            sleep(Duration::from_millis(200)).await;
        }
        let mut arrivals = Vec::new();
        while (arrivals.len() as u64) < clients {
            let arrival = timeout(PATIENCE, backs.recv()).await;
            let (tried, came) = arrival.expect("the next one comes back").expect("they live");
            arrivals.push((tried - started, came - started));
        }
        wait_for(&mut all_seen, &mut riders, (BEFORE + MEANWHILE) * clients).await;
        riders.shutdown().await;
        Self { arrivals }
    }

    /// When the last one was back.
    fn window(&self) -> Duration {
        self.arrivals.iter().map(|(_, came)| *came).max().unwrap_or_default()
    }

    /// When 99 of 100 were.
    fn most(&self) -> Duration {
        let mut came: Vec<_> = self.arrivals.iter().map(|(_, came)| *came).collect();
        came.sort_unstable();
        came.get(came.len() * 99 / 100).copied().unwrap_or_default()
    }

    /// How many came within the fullest interval of such a length, wherever it begins.
    fn peak(&self, interval: Duration) -> usize {
        let mut tried: Vec<_> = self.arrivals.iter().map(|(tried, _)| *tried).collect();
        tried.sort_unstable();
        let until = |from: &Duration| tried.partition_point(|it| *it < *from + interval);
        tried.iter().enumerate().map(|(index, from)| until(from) - index).max().unwrap_or_default()
    }

    fn by_the_second(&self) -> Vec<usize> {
        let mut bins = Vec::new();
        for (tried, _) in &self.arrivals {
            let second = tried.as_secs() as usize;
            bins.resize(bins.len().max(second + 1), 0);
            bins[second] += 1;
        }
        bins
    }

    /// A row of the table; the mean is over the time that is given.
    fn row(&self, name: &str, over: Duration) -> String {
        let mean = self.arrivals.len() as f64 / over.as_secs_f64();
        let peak = self.peak(Duration::from_secs(1));
        format!(
            "| {name} | {} | {:.1} s | {} | {peak} | {mean:.0} | {:.1} |",
            self.arrivals.len(),
            self.window().as_secs_f64(),
            self.peak(Duration::from_millis(100)),
            peak as f64 / mean,
        )
    }
}

async fn start(
    site: &Arc<Site>,
    jitter: Jitter,
    clients: u64,
    back: &mpsc::UnboundedSender<(Instant, Instant)>,
    seen: &watch::Sender<u64>,
) -> JoinSet<()> {
    let gate = Arc::new(Semaphore::new(AT_ONCE));
    let mut connecting = JoinSet::new();
    let mut riders = JoinSet::new();
    for index in 0..clients {
        let (site, gate) = (site.clone(), gate.clone());
        connecting.spawn(async move {
            let _turn = gate.acquire().await.expect("never closed");
            let backoff = BackoffConfig { jitter, ..BackoffConfig::default() };
            let client = Client::builder(site.direct_uri())
                .tls(site.trusting())
                .token(site.token(&format!("rider-{index}")))
                .backoff(backoff)
                .connect()
                .expect("an address");
            let news = client.subscribe(CHANNEL).await.expect("allowed");
            (client, news)
        });
    }
    while let Some(connected) = connecting.join_next().await {
        let (client, news) = connected.expect("it connects");
        let rider = Rider { back: back.clone(), seen: seen.clone() };
        riders.spawn(rider.follow(client, news));
    }
    riders
}

/// Waits until so much was seen by all together; what one of them has to complain about is told.
async fn wait_for(seen: &mut watch::Receiver<u64>, riders: &mut JoinSet<()>, count: u64) {
    let waiting = async {
        tokio::select! {
            _ = seen.wait_for(|seen| *seen >= count) => {}
            Some(ended) = riders.join_next() => {
                ended.expect("each goes on");
                panic!("one has ended");
            }
        }
    };
    if timeout(PATIENCE, waiting).await.is_err() {
        panic!("{} of {count} messages were seen", *seen.borrow());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_back_to_a_gateway_that_was_away_comes_spread_over_the_window() {
    let clients = wanted("CLIENTS_WAVE", CLIENTS);
    let spread = Wave::measure("wave-full", Jitter::Full, clients).await;
    let wall = Wave::measure("wave-none", Jitter::None, clients).await;
    // For both the time in which 99 of 100 of the spread ones were back: to come at once is no merit.
    let (window, most) = (spread.window(), spread.most());
    println!(
        "| jitter | clients | all back within | most in 0.1 s | most in 1 s | \
         mean a second over {:.1} s | most ÷ mean |\n|---|---|---|---|---|---|---|\n{}\n{}",
        most.as_secs_f64(),
        spread.row("full", most),
        wall.row("none", most)
    );
    for (name, wave) in [("full", &spread), ("none", &wall)] {
        println!("{name}, by the second: {:?}", wave.by_the_second());
    }
    println!("CPU: here {:.1} s", crate::site::cpu_secs("self"));
    // The longest delay there can be, and a connect that may have to wait for others.
    assert!(window < BackoffConfig::default().cap + Duration::from_secs(10), "{window:?}");
    let share = |wave: &Wave| wave.peak(Duration::from_secs(1)) as f64 / clients as f64;
    assert!(share(&spread) < 0.45, "{} of all came in one second", share(&spread));
    assert!(share(&wall) > 0.55, "what shows the difference shows none: {}", share(&wall));
}
