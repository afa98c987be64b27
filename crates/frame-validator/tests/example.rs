//! The example is run against a real client, so that it cannot rot.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpListener;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use ws_frame_validator::FrameSizeValidator;

#[path = "../examples/size_limited_echo.rs"]
#[expect(dead_code, reason = "the example's main is not called here")]
mod size_limited_echo;

const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn large_message_is_echoed_and_a_larger_one_is_refused_with_1009() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let validator = Arc::new(FrameSizeValidator::strict());
    tokio::spawn(size_limited_echo::serve(listener, Arc::clone(&validator)));

    let story = async {
        let (mut client, _) = connect_async(&url).await.unwrap();
        let large = Message::binary(vec![7; 200_000]);
        client.send(large.clone()).await.unwrap();
        assert_eq!(client.next().await.unwrap().unwrap(), large);

        // The server answers while the payload is still being sent.
        client.send(Message::binary(vec![7; 300_000])).await.unwrap();
        let Message::Close(Some(frame)) = client.next().await.unwrap().unwrap() else {
            panic!("expected a close frame");
        };
        assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1009, "Message too large"));
        while client.next().await.is_some_and(|message| message.is_ok()) {}
        drop(client);

        // The books are closed when the server has seen the end of the connection.
        while validator.stats().frames == 0 {
            tokio::task::yield_now().await;
        }
        let stats = validator.stats();
        assert_eq!((stats.frames, stats.bytes, stats.warnings), (1, 200_000, 1));
        assert_eq!((stats.violations, stats.largest_refused), (1, 300_000));
    };
    tokio::time::timeout(PATIENCE, story).await.unwrap();
}
