use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Wake,
    time::Duration,
};

use futures_util::{SinkExt, StreamExt, task::noop_waker};
use tokio::{io::DuplexStream, time};
use tokio_tungstenite::{WebSocketStream, tungstenite::protocol::Role};

use super::*;

const SECOND: Duration = Duration::from_secs(1);
/// The first ping of this seed goes at the end of the interval.
const FIRST_AT_INTERVAL: u64 = u64::MAX;

type WebSocket = WebSocketStream<DuplexStream>;

async fn pair(buffer: usize) -> (HeartbeatStream<WebSocket>, WebSocket) {
    let (ours, theirs) = tokio::io::duplex(buffer);
    let server = WebSocketStream::from_raw_socket(ours, Role::Server, None).await;
    let client = WebSocketStream::from_raw_socket(theirs, Role::Client, None).await;
    let config = HeartbeatConfig::default();
    (HeartbeatStream::with_seed(server, config, FIRST_AT_INTERVAL), client)
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_reads_is_pinged_thrice_and_closed_at_45_seconds() {
    let (mut server, mut client) = pair(4096).await;
    let start = time::Instant::now();
    assert!(server.next().await.is_none());
    assert_eq!(start.elapsed().as_secs(), 45);
    assert!(server.is_dead());
    assert!(server.next().await.is_none(), "it stays ended");
    assert_eq!(server.stats().missed, 3);

    for _ in 0..3 {
        assert!(client.next().await.unwrap().unwrap().is_ping());
    }
    let Message::Close(Some(frame)) = client.next().await.unwrap().unwrap() else {
        panic!("expected a close frame");
    };
    assert_eq!((frame.code, frame.reason.as_str()), (CloseCode::Away, "Connection timeout"));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_pings_lives_and_is_measured() {
    let (mut server, mut client) = pair(4096).await;
    // tungstenite answers pings while it is read.
    let client = tokio::spawn(async move { while client.next().await.is_some() {} });
    let hour = time::sleep(3600 * SECOND);
    tokio::pin!(hour);
    let mut pongs = 0;
    loop {
        tokio::select! {
            item = server.next() => {
                assert!(item.unwrap().unwrap().is_pong(), "passed through");
                pongs += 1;
            }
            () = &mut hour => break,
        }
    }
    assert_eq!(pongs, 3600 / 30 - 1, "one an interval; that of the last is on its way");
    let stats = server.stats();
    assert_eq!((stats.pongs, stats.missed, stats.healthy), (pongs, 0, true));
    assert!(stats.latency.is_some());
    client.abort();
}

#[tokio::test(start_paused = true)]
async fn any_message_is_life_and_a_peer_that_talks_is_never_pinged() {
    let (mut server, mut client) = pair(4096).await;
    let talker = tokio::spawn(async move {
        for number in 0..100 {
            time::sleep(10 * SECOND).await;
            client.send(Message::text(number.to_string())).await.unwrap();
        }
        client
    });
    for number in 0..100 {
        let message = server.next().await.unwrap().unwrap();
        assert_eq!(message, Message::text(number.to_string()));
    }
    assert_eq!(server.stats().pings, 0);
    let gone_silent = time::Instant::now();
    assert!(server.next().await.is_none());
    assert_eq!(gone_silent.elapsed().as_secs(), 45, "counted from the last message");
    drop(talker.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_is_stuck_delays_the_end_by_one_pong_timeout() {
    let (mut server, client) = pair(64).await;
    let start = time::Instant::now();
    let stuck = time::timeout(SECOND, server.send(Message::binary(vec![0; 1 << 20]))).await;
    assert!(stuck.is_err(), "nobody reads");
    assert!(server.next().await.is_none());
    assert!(server.is_dead());
    assert_eq!(start.elapsed().as_secs(), 45 + 5);
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn no_ping_follows_a_close_frame() {
    let (mut server, mut client) = pair(4096).await;
    server.send(Message::Close(None)).await.unwrap();
    let silent = time::timeout(100 * SECOND, server.next()).await;
    assert!(silent.is_err(), "the peer does not answer and no deadline is ours");
    assert_eq!(server.stats().pings, 0);
    drop(server);
    assert!(client.next().await.unwrap().unwrap().is_close());
    assert!(client.next().await.is_none_or(|end| end.is_err()), "nothing after");
}

#[tokio::test(start_paused = true)]
async fn a_close_frame_from_the_peer_passes_and_the_stream_ends_as_it_does_without_us() {
    let (mut server, mut client) = pair(4096).await;
    client.send(Message::Close(None)).await.unwrap();
    assert!(server.next().await.unwrap().unwrap().is_close());
    assert!(server.next().await.is_none());
    assert!(!server.is_dead());
}

#[tokio::test(start_paused = true)]
async fn no_ping_follows_the_peers_close_frame_though_the_peer_keeps_tcp_open() {
    let (ours, theirs) = tokio::io::duplex(4096);
    let client = WebSocketStream::from_raw_socket(ours, Role::Client, None).await;
    let mut peer = WebSocketStream::from_raw_socket(theirs, Role::Server, None).await;
    let mut client =
        HeartbeatStream::with_seed(client, HeartbeatConfig::default(), FIRST_AT_INTERVAL);
    peer.send(Message::Close(None)).await.unwrap();
    assert!(client.next().await.unwrap().unwrap().is_close());
    assert!(time::timeout(100 * SECOND, client.next()).await.is_err());
    assert_eq!(client.stats().pings, 0);
}

#[tokio::test(start_paused = true)]
async fn a_split_stream_pings_while_the_other_half_writes() {
    let (server, mut client) = pair(64).await;
    let (mut writing, mut reading) = server.split();
    let writer = tokio::spawn(async move {
        // Far more than the transport holds: this half waits in the sink most of the time.
        for _ in 0..200 {
            writing.send(Message::binary(vec![7; 4000])).await.unwrap();
        }
    });
    let reader = tokio::spawn(async move { while reading.next().await.is_some() {} });
    let (mut data, mut pings) = (0, 0);
    // A slow peer: a message a second, so 200 seconds.
    while data < 200 {
        match client.next().await.unwrap().unwrap() {
            Message::Binary(_) => data += 1,
            Message::Ping(_) => pings += 1,
            other => panic!("unexpected {other:?}"),
        }
        time::sleep(SECOND).await;
    }
    writer.await.unwrap();
    assert!(pings >= 5, "{pings} pings in 200 seconds of silence");
    reader.abort();
}

/// A sink with room for one message and a strict contract, and a stream of nothing.
#[derive(Default)]
struct Narrow {
    places: usize,
    promised: bool,
    accepted: VecDeque<Message>,
    /// Of the task that asked last, as a socket keeps it.
    waiting: Option<Waker>,
}

impl Stream for Narrow {
    type Item = Result<Message, ()>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Pending
    }
}

impl Sink<Message> for Narrow {
    type Error = ();

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), ()>> {
        self.promised = self.places > 0;
        if self.promised {
            return Poll::Ready(Ok(()));
        }
        self.waiting = Some(cx.waker().clone());
        Poll::Pending
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), ()> {
        assert!(self.promised && self.places > 0, "sent into a sink that was not ready");
        self.promised = false;
        self.places -= 1;
        self.accepted.push_back(message);
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
async fn a_ping_that_takes_a_promised_place_loses_no_message() {
    let waker = noop_waker();
    let cx = &mut Context::from_waker(&waker);
    let narrow = Narrow { places: 1, ..Narrow::default() };
    let mut server =
        HeartbeatStream::with_seed(narrow, HeartbeatConfig::default(), FIRST_AT_INTERVAL);

    assert!(server.poll_ready_unpin(cx).is_ready());
    // The user dawdles, and the ping comes first.
    assert!(time::timeout(31 * SECOND, server.next()).await.is_err());
    assert!(server.get_ref().accepted[0].is_ping());

    server.start_send_unpin(Message::text("promised")).unwrap();
    assert_eq!(server.get_ref().accepted.len(), 1, "no room yet");
    assert!(server.poll_flush_unpin(cx).is_pending());
    server.get_mut().places = 1;
    assert!(server.poll_flush_unpin(cx).is_ready());
    assert_eq!(server.get_ref().accepted[1], Message::text("promised"));
}

#[tokio::test(start_paused = true)]
async fn a_ping_that_never_left_is_replaced_by_the_newest() {
    let narrow = Narrow::default();
    let mut server =
        HeartbeatStream::with_seed(narrow, HeartbeatConfig::default(), FIRST_AT_INTERVAL);
    assert!(time::timeout(41 * SECOND, server.next()).await.is_err());
    assert_eq!(server.stats().pings, 3);
    server.get_mut().places = 9;
    assert!(time::timeout(SECOND, server.next()).await.is_err());
    assert_eq!(server.get_ref().accepted.len(), 1);
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_writing_task_whose_place_in_the_sink_the_reading_task_took_is_woken() {
    let woken = Arc::new(Woken::default());
    let writer = Waker::from(woken.clone());
    let mut server = HeartbeatStream::with_seed(
        Narrow::default(),
        HeartbeatConfig::default(),
        FIRST_AT_INTERVAL,
    );
    assert!(server.poll_ready_unpin(&mut Context::from_waker(&writer)).is_pending());
    assert!(time::timeout(31 * SECOND, server.next()).await.is_err());
    assert!(!server.get_ref().waiting.as_ref().unwrap().will_wake(&writer), "the reader's now");

    server.get_mut().places = 2;
    assert!(time::timeout(SECOND, server.next()).await.is_err());
    assert!(server.get_ref().accepted[0].is_ping());
    assert!(woken.0.load(Ordering::Relaxed));
}
