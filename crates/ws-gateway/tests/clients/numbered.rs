//! Numbered messages, and connections that are cut a thousand times while they travel.
//!
//! Two publish, one with each client, and two follow, one with each client; each of the four has a proxy of its
//! own in front of the one gateway. In the end what both followers have seen is compared with what both
//! publishers were told.

use std::time::Duration;

use futures_util::{StreamExt, stream::FuturesOrdered, stream::select_all};
use serde_json::json;
use tokio::time::Instant;
use ws_client::{BackoffConfig, Client, News, QueueConfig};

use crate::{
    ledger::{Accepted, Sighting, judge},
    proxy::{Proxy, Weather},
    scripts::Script,
    site::{Folder, Site, cpu_secs, until},
};

const CHANNELS: usize = 8;
/// How many messages in all, and how many ends each follower meets at least. The variables are for trying
/// out less, or more.
const MESSAGES: u64 = 100_000;
const CUTS: u64 = 1_000;
/// What a message takes on the wire between gateway and follower, about.
const MESSAGE_BYTES: u64 = 256;
/// The same for a publisher: the message and its ack.
const PUBLISH_BYTES: u64 = 240;
/// What each connection takes for itself, about: TLS with a ticket or without, the upgrade, subscribing again.
const COMING_BYTES: u64 = 5_000;
/// What a publisher has under way at most.
const UNDER_WAY: usize = 400;
/// Of these the gateway may have so many at once.
const IN_FLIGHT: usize = 32;
/// The gateway lives for so long before it is killed.
const BETWEEN_KILLS: Duration = Duration::from_millis(700);
/// No message comes for so long, and all is lost.
const PATIENCE: Duration = Duration::from_secs(30);

const RUST: usize = 0;
const JAVASCRIPT: usize = 1;

#[derive(serde::Deserialize)]
struct Numbered {
    p: usize,
    n: u64,
}

fn channel(index: usize) -> String {
    format!("t:{index}")
}

pub(crate) fn wanted(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().expect("a number"))
}

pub(crate) fn backoff() -> BackoffConfig {
    BackoffConfig {
        base: Duration::from_millis(10),
        cap: Duration::from_millis(200),
        reset_after: Duration::from_millis(20),
        ..BackoffConfig::default()
    }
}

/// Publishes so many, and answers where each of them was kept.
async fn publish(client: Client, count: u64) -> Accepted {
    let mut accepted = Accepted::new();
    let mut under_way = FuturesOrdered::new();
    for index in 0..count {
        if under_way.len() == UNDER_WAY {
            let (key, offset) = under_way.next().await.expect("one is under way");
            accepted.insert(key, offset);
        }
        let to = (index % CHANNELS as u64) as usize;
        let number = index / CHANNELS as u64 + 1;
        let published = client.publish(&channel(to), &json!({ "p": RUST, "n": number }));
        under_way.push_back(async move {
            let published = published.await.expect("it is published in the end");
            ((to, RUST, number), published.offset.expect("it is kept"))
        });
    }
    accepted.extend(under_way.collect::<Vec<_>>().await);
    client.close().await;
    accepted
}

/// Follows all channels until so many were seen.
async fn follow(client: Client, count: u64) -> Vec<Sighting> {
    let mut streams = Vec::new();
    for index in 0..CHANNELS {
        let subscription = client.subscribe(&channel(index)).await.expect("allowed");
        streams.push(subscription.map(move |news| (index, news)));
    }
    let mut news = select_all(streams);
    let mut seen = Vec::new();
    while (seen.len() as u64) < count {
        let next = tokio::time::timeout(PATIENCE, news.next()).await;
        let Ok(next) = next else {
            println!("nothing comes any more: {:?} {:?}", client.state(), client.metrics());
            break;
        };
        match next.expect("the streams go on") {
            (index, News::Message(message)) => {
                let Numbered { p, n } = message.json().expect("ours");
                let offset = message.position.expect("it is kept").offset;
                seen.push(Sighting { channel: index, publisher: p, number: n, offset });
            }
            other => panic!("no message: {other:?}"),
        }
    }
    println!("rust follower: {:?}", client.metrics());
    client.close().await;
    seen
}

/// What the script has seen and what it was told.
async fn listen(mut script: Script) -> (Vec<Sighting>, Accepted) {
    let (mut seen, mut accepted) = (Vec::new(), Accepted::new());
    while let Some(line) = script.line().await {
        let mut words = line.split(' ');
        let kind = words.next().unwrap_or_default().to_owned();
        let numbers: Vec<u64> = match &*kind {
            "seen" | "acked" => words.map(|word| word.parse().expect("a number")).collect(),
            "told" => {
                println!("javascript: {line}");
                continue;
            }
            _ => panic!("{line}"),
        };
        let [channel, publisher, number, offset] = numbers[..] else { panic!("{line}") };
        let (channel, publisher) = (channel as usize, publisher as usize);
        if kind == "seen" {
            seen.push(Sighting { channel, publisher, number, offset });
        } else {
            accepted.insert((channel, publisher, number), offset);
        }
    }
    script.ended().await;
    (seen, accepted)
}

/// What is to be gone through.
struct Course {
    name: &'static str,
    messages: u64,
    /// How many connections of each follower end at least.
    cuts: u64,
    /// How often the gateway is killed meanwhile; what it keeps is on the disk then.
    kills: u64,
    seed: u64,
}

/// What came of it.
struct Outcome {
    accepted: Accepted,
    seen_by_rust: Vec<Sighting>,
    seen_by_javascript: Vec<Sighting>,
    /// In front of the followers, Rust and JavaScript, and in front of the publishers.
    proxies: [Proxy; 4],
}

impl Course {
    async fn run(&self) -> Outcome {
        let data = Folder::new(self.name);
        let site = match self.kills {
            0 => Site::open(self.name, &[("EVENT_WINDOW", "1h")]).await,
            _ => Site::open(self.name, &[("DATA_DIR", data.path()), ("EVENT_WINDOW", "1h")]).await,
        };
        let each = self.messages / 2;
        let (followed, published) = (self.messages * MESSAGE_BYTES, each * PUBLISH_BYTES);
        let proxies = [
            self.storm(&site, 0, followed, self.cuts).await,
            self.storm(&site, 1, followed, self.cuts).await,
            self.storm(&site, 2, published, self.cuts / 5).await,
            self.storm(&site, 3, published, self.cuts / 5).await,
        ];
        let uris = proxies.each_ref().map(|proxy| site.uri_behind(proxy));
        let queue = QueueConfig { in_flight_max: IN_FLIGHT, ..QueueConfig::default() };
        let publisher = site.client_at(&uris[2], "publisher").queue(queue).connect();
        let follower = site.client_at(&uris[0], "follower").connect();
        let plan = json!({
            "channels": CHANNELS, "underWay": UNDER_WAY, "inFlight": IN_FLIGHT,
            "patience": PATIENCE.as_millis() as u64,
            "follow": { "uri": uris[1], "token": site.token("follower"), "count": self.messages },
            "publish": { "uri": uris[3], "token": site.token("publisher"), "count": each,
                         "publisher": JAVASCRIPT },
        });
        let started = Instant::now();
        let mut script = Script::start("numbered.mjs", &plan);
        let following = tokio::spawn(follow(follower.expect("an address"), self.messages));
        // Whoever publishes waits until both follow.
        assert_eq!(script.line().await.as_deref(), Some("ready"));
        until("the gateway has all subscriptions", async || {
            site.figure("ws_channel_subscriptions").await >= (2 * CHANNELS) as f64
        })
        .await;
        let publishing = tokio::spawn(publish(publisher.expect("an address"), each));
        script.go_on().await;
        let (listened, ()) = tokio::join!(listen(script), self.kill(&site));
        let (seen_by_javascript, mut accepted) = listened;
        accepted.extend(publishing.await.expect("it publishes"));
        let seen_by_rust = following.await.expect("it follows");
        self.report(&site, started, &proxies).await;
        Outcome { accepted, seen_by_rust, seen_by_javascript, proxies }
    }

    /// One that ends connections so often that as many end as are wanted while so much is carried.
    async fn storm(&self, site: &Site, index: u64, bytes: u64, ends: u64) -> Proxy {
        let proxy = site.another_proxy().await;
        // Some more than are wanted: it is only so on average.
        // What ends with the gateway ends before its time, and is not counted.
        let life = bytes / (ends + ends / 8 + 20 + 8 * self.kills) + COMING_BYTES;
        proxy.set_weather(Weather::storm(self.seed + index, life as usize));
        proxy
    }

    async fn kill(&self, site: &Site) {
        for _ in 0..self.kills {
            tokio::time::sleep(BETWEEN_KILLS).await;
            site.kill().await;
            site.start().await;
        }
    }

    async fn report(&self, site: &Site, started: Instant, proxies: &[Proxy; 4]) {
        let names = ["rust follower", "js follower", "rust publisher", "js publisher"];
        for (who, proxy) in names.into_iter().zip(proxies) {
            println!("{who}: {} ended, {:?}", proxy.ended(), proxy.tally());
        }
        println!(
            "{} messages, {} kills, seed {}: {:.1} s; CPU: here {:.1} s, gateway {:.1} s",
            self.messages,
            self.kills,
            self.seed,
            started.elapsed().as_secs_f64(),
            cpu_secs("self"),
            site.cpu_secs().await
        );
    }
}

impl Outcome {
    /// Everything is there, in order, once.
    fn judge(&self, course: &Course) {
        assert_eq!(self.accepted.len() as u64, course.messages / 2 * 2);
        judge(&self.accepted, &self.seen_by_rust).expect("the Rust client sees all of it");
        judge(&self.accepted, &self.seen_by_javascript).expect("and so does the other");
        for proxy in &self.proxies[..2] {
            assert!(proxy.ended() >= course.cuts, "only {} connections ended", proxy.ended());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_missed_comes_once_and_in_order() {
    let course = Course {
        name: "numbered",
        messages: wanted("CLIENTS_MESSAGES", MESSAGES),
        cuts: wanted("CLIENTS_CUTS", CUTS),
        kills: 0,
        seed: wanted("CLIENTS_SEED", 6),
    };
    course.run().await.judge(&course);
}

/// Beside the connections the gateway itself: it is killed again and again, and has what it keeps on the disk.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publish_survives_a_cut_and_is_there_once() {
    let course = Course {
        name: "killed",
        messages: wanted("CLIENTS_MESSAGES", 10_000).min(10_000),
        cuts: wanted("CLIENTS_CUTS", 50).min(50),
        kills: 5,
        seed: wanted("CLIENTS_SEED", 6) + 10,
    };
    course.run().await.judge(&course);
}
