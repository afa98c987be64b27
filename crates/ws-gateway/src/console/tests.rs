use std::{net::IpAddr, time::SystemTime};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, DuplexStream},
    task::JoinHandle,
};
use ws_auth::{Authenticator, Issuer, Secret};
use ws_handler::{HandlerConfig, WallClock};
use ws_transport::WebSocketStream;

use super::{door::Visitor, *};
use crate::upstream::Upstream;

fn console() -> Console<Upstream> {
    let issuer =
        Issuer::new("test").secret(Secret::new("a secret of at least 32 bytes, for tests"));
    let authenticator = Authenticator::builder().issuer(issuer).build().unwrap();
    let clock = Arc::new(WallClock::new(Instant::now().into_std(), SystemTime::UNIX_EPOCH));
    let upstream = Upstream::echo();
    let outcomes = upstream.outcomes();
    let handler = WebSocketHandler::new(HandlerConfig::default(), authenticator, clock, upstream);
    let options = ConsoleOptions {
        key: Key::new("a key"),
        dev: false,
        websocket_path: "/ws".into(),
        settings: json!({}),
        minter: None,
    };
    Console::new(handler, outcomes, Arc::default(), options)
}

/// A viewer whose socket holds `room` bytes in either direction.
fn look(console: &Console<Upstream>, room: usize) -> (DuplexStream, JoinHandle<()>) {
    let (ours, theirs) = tokio::io::duplex(room);
    let inner = console.0.clone();
    let stream =
        WebSocketStream::after_handshake(theirs, inner.connection.clone(), None, Bytes::new());
    let visitor = Visitor { number: 1, address: IpAddr::from([192, 0, 2, 1]) };
    let place = inner.places.clone().try_acquire_owned().unwrap();
    (ours, tokio::spawn(viewer::serve(inner, stream, visitor, place)))
}

/// Waits until a viewer is not served any more.
async fn ended(served: JoinHandle<()>) {
    let served = tokio::time::timeout(Duration::from_secs(120), served).await;
    served.expect("it is served although it is not there").unwrap();
}

async fn sampling_has_ended(console: &Console<Upstream>) -> u64 {
    let ending = async {
        while console.0.sampling.lock().is_running {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(10), ending).await;
    assert!(ended.is_ok(), "it goes on although nobody looks");
    console.0.sampling.lock().samples
}

#[tokio::test(start_paused = true)]
async fn a_viewer_that_does_not_read_is_dropped() {
    let console = console();
    // Room for what is said first, and not for many samples.
    let (_socket, served) = look(&console, 8 * 1024);
    let began = Instant::now();
    ended(served).await;
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(console.0.viewers(), 0);
    sampling_has_ended(&console).await;
}

#[tokio::test(start_paused = true)]
async fn a_viewer_that_has_vanished_is_gone_within_a_minute() {
    let console = console();
    // Whatever is sent finds room on the way, and nothing comes back.
    let (_socket, served) = look(&console, 16 << 20);
    let began = Instant::now();
    ended(served).await;
    let took = began.elapsed();
    assert!((20..60).contains(&took.as_secs()), "{took:?}");
    assert_eq!(console.0.viewers(), 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_looked_at_before_somebody_looks_and_after_all_have_gone() {
    let console = console();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(console.0.sampling.lock().samples, 0);
    let (mut first, first_served) = look(&console, 16 << 20);
    let (second, second_served) = look(&console, 16 << 20);
    tokio::time::sleep(Duration::from_millis(9500)).await;
    let samples = console.0.sampling.lock().samples;
    assert!((8..=10).contains(&samples), "one a second, whoever looks: {samples} in 9.5 s");
    assert!(first.read_u8().await.is_ok());
    drop((first, second));
    first_served.await.unwrap();
    second_served.await.unwrap();
    let last = sampling_has_ended(&console).await;
    assert!(last <= samples + 2, "{samples} and then {last}");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(console.0.sampling.lock().samples, last);
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_while_one_leaves_is_told_all_the_same() {
    let console = console();
    for pause in [0, 1, 500, 999, 1000, 1001] {
        let news = console.0.watch();
        tokio::time::sleep(Duration::from_millis(pause)).await;
        drop(news);
        let mut news = console.0.watch();
        let told = async {
            loop {
                news.changed().await.unwrap();
                if matches!(*news.borrow_and_update(), News::Sample(_)) {
                    return;
                }
            }
        };
        let told = tokio::time::timeout(Duration::from_millis(2500), told).await;
        assert!(told.is_ok(), "nothing came after {pause} ms");
        drop(news);
        sampling_has_ended(&console).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_farewell_is_the_last_that_is_told() {
    let console = console();
    let mut news = console.0.watch();
    console.close().await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(matches!(*news.borrow_and_update(), News::Farewell));
    // Whoever was let in a moment before is told it, too.
    assert!(matches!(*console.0.watch().borrow_and_update(), News::Farewell));
}
