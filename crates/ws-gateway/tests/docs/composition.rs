//! The README quotes the example, and the example runs.

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpListener;
use tokio_tungstenite::{connect_async, tungstenite::Message};
use ws_auth::Secret;

use crate::page::{README, blocks};

#[path = "../../examples/compose.rs"]
#[expect(dead_code, reason = "the example's main is not called here")]
mod compose;

const EXAMPLE: &str = include_str!("../../examples/compose.rs");

#[test]
fn the_readme_quotes_the_example_word_for_word() {
    let quoted = EXAMPLE.split("// begin: README\n").nth(1).unwrap();
    let quoted = quoted.split("// end: README\n").next().unwrap().trim_end();
    // Which this test needs to call it, and nobody else.
    let quoted = quoted.replace("pub(crate) ", "");
    let in_readme = blocks(README, "rust").iter().any(|(_, lines)| lines.join("\n") == quoted);
    assert!(in_readme, "no ```rust block of the README is\n\n{quoted}");
}

#[tokio::test]
async fn the_example_answers_requests_and_closes_gracefully() {
    let secret = Secret::from("thirty-two bytes that nobody else knows");
    let handler = compose::compose(&secret).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let token = compose::token(&secret).unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let client = async {
        let (mut socket, _) =
            connect_async(format!("ws://{address}/?token={}", token.expose())).await.unwrap();
        let request = r#"{"type":"request","requestId":"1","payload":"hello"}"#;
        socket.send(Message::text(request)).await.unwrap();
        let connected = socket.next().await.unwrap().unwrap();
        assert!(connected.to_string().contains(r#""userId":"user-123""#), "{connected}");
        let response = socket.next().await.unwrap().unwrap();
        assert!(response.to_string().contains(r#""payload":"HELLO""#), "{response}");
        drop(stop);
        let Some(Ok(Message::Close(Some(frame)))) = socket.next().await else {
            panic!("expected a close frame")
        };
        assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1012, "Server restart"));
        // The answer to the close frame leaves with the next look at the stream.
        assert!(socket.next().await.is_none());
    };
    let stopped = async {
        let _ = stopped.await;
    };
    let (report, ()) = tokio::join!(compose::serve(&handler, listener, stopped), client);
    let report = report.unwrap();
    assert_eq!((report.acknowledged, report.forced), (1, 0), "{report}");
}
