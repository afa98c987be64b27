//! The example is run against a real client, so that it cannot rot.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpListener;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::{Error, Message};

#[path = "../examples/limited_echo.rs"]
#[expect(dead_code, reason = "the example's main is not called here")]
mod limited_echo;

const PATIENCE: Duration = Duration::from_secs(10);

#[expect(clippy::unwrap_used, reason = "without a socket there is no test")]
async fn start() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    tokio::spawn(limited_echo::serve(listener));
    url
}

#[tokio::test]
async fn sixth_connect_of_an_address_is_answered_429_with_retry_after() {
    let story = async {
        let url = start().await;
        for _ in 0..5 {
            connect_async(&url).await.unwrap();
        }
        let Err(Error::Http(response)) = connect_async(&url).await else {
            panic!("expected an HTTP answer");
        };
        assert_eq!(response.status(), 429);
        // One connect comes back every twelve seconds, less what the five took.
        let seconds: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=12).contains(&seconds), "{seconds}");
    };
    tokio::time::timeout(PATIENCE, story).await.unwrap();
}

#[tokio::test]
async fn flood_is_told_before_it_is_closed_with_1008() {
    let story = async {
        let (mut client, _) = connect_async(start().await).await.unwrap();
        for n in 0..500 {
            client.feed(Message::text(n.to_string())).await.unwrap();
        }
        client.flush().await.unwrap();
        let (mut echoes, mut errors) = (0, 0);
        let frame = loop {
            match client.next().await.unwrap().unwrap() {
                Message::Text(text) if text.contains("rate_limited") => errors += 1,
                Message::Text(_) => echoes += 1,
                Message::Close(frame) => break frame.unwrap(),
                other => panic!("unexpected {other:?}"),
            }
        };
        assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1008, "Rate limit exceeded"));
        // The flood lasts some milliseconds; on a slow machine a few tokens come back meanwhile, and each
        // one gives occasion for one more word.
        assert!(echoes >= 10, "{echoes} echoes");
        assert!((1..=echoes - 9).contains(&errors), "{errors} errors, {echoes} echoes");
    };
    tokio::time::timeout(PATIENCE, story).await.unwrap();
}
