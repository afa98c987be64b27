use std::time::SystemTime;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    task::JoinHandle,
    time::Instant,
};
use ws_auth::{Authenticator, Issuer, Secret};
use ws_connection::handshake::HeadLimits;
use ws_handler::{HandlerConfig, WallClock};

use super::*;
use crate::upstream::Upstream;

pub(super) fn http() -> Arc<Http<Upstream>> {
    let issuer =
        Issuer::new("test").secret(Secret::new("a secret of at least 32 bytes, for tests"));
    let authenticator = Authenticator::builder().issuer(issuer).build().unwrap();
    let clock = Arc::new(WallClock::new(Instant::now().into_std(), SystemTime::UNIX_EPOCH));
    let upstream = Upstream::echo();
    let outcomes = upstream.outcomes();
    let handler = WebSocketHandler::new(HandlerConfig::default(), authenticator, clock, upstream);
    let metrics = Metrics::new(handler.clone(), outcomes, Arc::default());
    Arc::new(Http::new(handler, metrics, "/ws", None, false))
}

/// A client whose socket holds `room` bytes in either direction.
fn dial(http: &Arc<Http<Upstream>>, room: usize) -> (DuplexStream, JoinHandle<()>) {
    let (ours, theirs) = tokio::io::duplex(room);
    let http = http.clone();
    let served = async move {
        let options = ServerOptions {
            handshake_timeout: Duration::from_secs(10),
            head: HeadLimits::default(),
            proxy_protocol: false,
            tls: None,
            http2_streams_max: 100,
        };
        let peer = SocketAddr::from(([192, 0, 2, 1], 40_000));
        http.serve(theirs, Bytes::new(), peer, &options).await;
    };
    (ours, tokio::spawn(served))
}

const METRICS: &[u8] = b"GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_no_answer_is_not_held_for_ever() {
    let http = http();
    let (mut socket, served) = dial(&http, 256);
    socket.write_all(METRICS).await.unwrap();
    let began = Instant::now();
    served.await.unwrap();
    assert!(began.elapsed() <= LIFETIME + GRACE, "{:?}", began.elapsed());
    assert!(began.elapsed() >= LIFETIME, "an answer has a minute to be taken");
}

#[tokio::test(start_paused = true)]
async fn a_connection_more_than_there_are_places_is_answered_once_and_not_kept() {
    let http = http();
    let held: Vec<_> = (0..CONNECTIONS_MAX).map(|_| dial(&http, 64)).collect();
    tokio::task::yield_now().await;
    let (mut hurried, _) = dial(&http, 64 * 1024);
    hurried.write_all(&METRICS.repeat(2)).await.unwrap();
    let mut answer = String::new();
    hurried.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "one answer, and the end");

    let (_silent, served) = dial(&http, 64);
    let began = Instant::now();
    served.await.unwrap();
    assert!(began.elapsed() <= HURRIED_LIFETIME + GRACE, "{:?}", began.elapsed());
    drop(held);
}

#[test]
fn a_key_is_in_no_text_for_debugging() {
    let key = Key::new("open-sesame");
    assert!(key.is(b"open-sesame") && !key.is(b"open-sesamf") && !key.is(b"open-sesame "));
    assert_eq!(format!("{key:?}"), "Key(…)");
}
