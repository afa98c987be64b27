use futures_util::{SinkExt, StreamExt};
use tokio::{io::DuplexStream, time};
use tokio_tungstenite::{WebSocketStream, tungstenite::protocol::Role as WebSocketRole};
use tungstenite::protocol::frame::coding::CloseCode;

use super::*;
use crate::{Ending, FrameStatus, Side};

const TIMEOUT: Duration = Duration::from_secs(5);

type WebSocket = WebSocketStream<DuplexStream>;

async fn pair(buffer: usize) -> (WebSocket, WebSocket) {
    let (ours, theirs) = tokio::io::duplex(buffer);
    let server = WebSocketStream::from_raw_socket(ours, WebSocketRole::Server, None).await;
    let client = WebSocketStream::from_raw_socket(theirs, WebSocketRole::Client, None).await;
    (server, client)
}

async fn restart(server: &mut WebSocket) -> CloseOutcome {
    close_stream(server, Role::Server, SendableCode::RESTART, "Server restart", TIMEOUT).await
}

const RESTART: FrameStatus = FrameStatus::Code(CloseCode::Restart);

#[tokio::test(start_paused = true)]
async fn a_server_that_closes_is_acknowledged() {
    let (mut server, mut client) = pair(4096).await;
    let client = tokio::spawn(async move {
        let Some(Ok(Message::Close(Some(frame)))) = client.next().await else {
            panic!("expected a close frame");
        };
        // Lets tungstenite write its answer.
        assert!(client.next().await.is_none());
        frame
    });
    let outcome = restart(&mut server).await;
    drop(server);
    assert_eq!(outcome.ending, Ending::Acknowledged);
    assert_eq!(outcome.started_by, Some(Side::Local));
    assert_eq!((outcome.sent, outcome.received), (RESTART, RESTART));
    assert_eq!(client.await.unwrap(), SendableCode::RESTART.frame("Server restart"));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_closes_waits_for_the_server_to_close_tcp() {
    let (mut server, mut client) = pair(4096).await;
    let server = tokio::spawn(async move {
        while server.next().await.is_some() {}
        time::sleep(Duration::from_secs(2)).await;
    });
    let start = time::Instant::now();
    let closing = close_stream(&mut client, Role::Client, SendableCode::NORMAL, "", TIMEOUT);
    let outcome = closing.await;
    assert!(outcome.is_clean());
    assert_eq!(start.elapsed().as_secs(), 2, "the server dawdled with its end of TCP");
    server.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_answers_is_forced_at_the_deadline() {
    let (mut server, _client) = pair(4096).await;
    let start = time::Instant::now();
    let outcome = restart(&mut server).await;
    assert_eq!(outcome.ending, Ending::Forced);
    assert_eq!(outcome.received, FrameStatus::NoFrame);
    assert_eq!(start.elapsed(), TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_reads_is_forced_at_the_deadline() {
    let (mut server, _client) = pair(64).await;
    let big = server.send(Message::binary(vec![0; 1 << 20]));
    assert!(time::timeout(TIMEOUT, big).await.is_err(), "the transport is full");
    let start = time::Instant::now();
    assert_eq!(restart(&mut server).await.ending, Ending::Forced);
    assert_eq!(start.elapsed(), TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_breaks_is_eof() {
    let (mut server, client) = pair(4096).await;
    let broken = tokio::spawn(async move {
        time::sleep(Duration::from_secs(1)).await;
        drop(client);
    });
    let outcome = restart(&mut server).await;
    assert_eq!((outcome.ending, outcome.received), (Ending::Eof, FrameStatus::NoFrame));
    broken.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_peer_stuck_in_its_own_writing_is_read_out_first() {
    // Both pipes are full: neither side would ever finish writing if it did not read meanwhile.
    let (mut server, mut client) = pair(64).await;
    let big = server.send(Message::binary(vec![0; 10_000]));
    assert!(time::timeout(TIMEOUT, big).await.is_err());
    let client = tokio::spawn(async move {
        client.send(Message::binary(vec![0; 10_000])).await.unwrap();
        while client.next().await.is_some() {}
    });
    assert_eq!(restart(&mut server).await.ending, Ending::Acknowledged);
    drop(server);
    client.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn close_frames_that_cross_are_a_clean_close() {
    let (mut server, mut client) = pair(4096).await;
    client.send(Message::Close(Some(SendableCode::NORMAL.frame("bye")))).await.unwrap();
    let outcome = restart(&mut server).await;
    assert_eq!(outcome.ending, Ending::Acknowledged);
    assert_eq!(outcome.received, FrameStatus::Code(CloseCode::Normal));
}

/// A stream that answers a close frame and then neither ends nor says more.
#[derive(Default)]
struct Lingering {
    answer: Option<Message>,
}

impl Stream for Lingering {
    type Item = Result<Message, ()>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.answer.take().map_or(Poll::Pending, |answer| Poll::Ready(Some(Ok(answer))))
    }
}

impl Sink<Message> for Lingering {
    type Error = ();

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), ()>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), ()> {
        self.answer = Some(message);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), ()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), ()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn after_the_answer_only_a_client_waits_for_the_transport_to_end() {
    for (role, expect) in [(Role::Server, Duration::ZERO), (Role::Client, TIMEOUT)] {
        let start = time::Instant::now();
        let mut stream = Lingering::default();
        let outcome = close_stream(&mut stream, role, SendableCode::NORMAL, "", TIMEOUT).await;
        assert!(outcome.is_clean(), "{role:?}");
        assert_eq!(start.elapsed(), expect, "{role:?}");
    }
}
