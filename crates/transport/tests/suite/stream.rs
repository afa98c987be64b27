//! `WebSocketStream`: what tokio-tungstenite's users expect of it, and what they forget to do.

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::time::Instant;
use tungstenite::{
    Error, Message,
    error::{CapacityError, ProtocolError},
    protocol::{CloseFrame, frame::coding::CloseCode},
};
use ws_connection::ConnectionConfig;
use ws_transport::WebSocketStream;

use crate::{
    peer::{close_code, frame, frames, settle, text},
    scripted::{Control, Scripted, scripted},
};

fn quiet() -> ConnectionConfig {
    ConnectionConfig::server().with_heartbeat(None).with_idle_timeout(None)
}

fn over(config: ConnectionConfig) -> (WebSocketStream<Scripted>, Control) {
    let (io, wire) = scripted();
    (WebSocketStream::after_handshake(io, Arc::new(config), None, Vec::new()), wire)
}

#[tokio::test(start_paused = true)]
async fn messages_come_and_go() {
    let (mut stream, wire) = over(quiet());
    wire.send([text("one"), frame(0x82, b"two"), frame(0x89, b"three")].concat());
    for expected in [Message::text("one"), Message::binary("two"), Message::Ping("three".into())] {
        assert_eq!(stream.next().await.expect("more").expect("sound"), expected);
    }
    stream.send(Message::text("back")).await.expect("open");
    let sent = wire.with(|script| frames(&script.written).0);
    assert_eq!(sent, [(0x8a, b"three".to_vec()), (0x81, b"back".to_vec())]);
}

#[tokio::test(start_paused = true)]
async fn the_peers_close_comes_as_a_message_and_then_the_stream_is_over() {
    let (mut stream, wire) = over(quiet());
    wire.send([text("last"), frame(0x88, b"\x03\xe8bye")].concat());
    assert_eq!(stream.next().await.expect("more").expect("sound"), Message::text("last"));
    let Some(Ok(Message::Close(Some(close)))) = stream.next().await else { panic!("no close") };
    assert_eq!((close.code, close.reason.as_str()), (CloseCode::Normal, "bye"));
    assert!(stream.next().await.is_none());
    assert!(stream.next().await.is_none(), "and stays so");
    assert!(wire.with(|script| script.shut));
    assert!(matches!(stream.send(Message::text("late")).await, Err(Error::ConnectionClosed)));
}

#[tokio::test(start_paused = true)]
async fn messages_that_came_with_a_close_frame_can_be_answered_before_it() {
    let (mut stream, wire) = over(quiet());
    let close = frame(0x88, &1000u16.to_be_bytes());
    wire.send([text("request"), frame(0x01, b"unfinished"), close].concat());
    assert_eq!(stream.next().await.expect("more").expect("sound"), Message::text("request"));
    stream.send(Message::text("answer")).await.expect("still open");
    assert!(matches!(stream.next().await, Some(Ok(Message::Close(_)))));
    assert!(stream.next().await.is_none());
    let sent = wire.with(|script| frames(&script.written).0);
    assert_eq!(sent, [(0x81, b"answer".to_vec()), (0x88, 1000u16.to_be_bytes().to_vec())]);
}

#[tokio::test(start_paused = true)]
async fn whoever_stops_at_the_close_message_has_answered_it() {
    let (mut stream, wire) = over(quiet());
    wire.send(frame(0x88, &1001u16.to_be_bytes()));
    assert!(matches!(stream.next().await, Some(Ok(Message::Close(_)))));
    drop(stream);
    assert_eq!(wire.with(|script| close_code(&script.written)), Some(1001));
}

#[tokio::test(start_paused = true)]
async fn whoever_stops_at_an_error_has_told_the_peer_why() {
    let (mut stream, wire) = over(quiet());
    wire.send(frame(0x81, b"\xff"));
    assert!(matches!(stream.next().await, Some(Err(Error::Utf8(_)))));
    drop(stream);
    assert_eq!(wire.with(|script| close_code(&script.written)), Some(1007));
}

#[tokio::test(start_paused = true)]
async fn broken_rules_have_tungstenites_names() {
    let large = vec![0; 1024 * 1024 + 1];
    for (wire, expected) in [
        (b"\x81\x01x".to_vec(), ProtocolError::UnmaskedFrameFromClient),
        (frame(0xc1, b""), ProtocolError::NonZeroReservedBits),
        (frame(0x80, b""), ProtocolError::UnexpectedContinueFrame),
        (frame(0x09, b""), ProtocolError::FragmentedControlFrame),
        (frame(0x89, &[0; 126]), ProtocolError::ControlFrameTooBig),
        (frame(0x88, b"\x03"), ProtocolError::InvalidCloseSequence),
    ] {
        let (mut stream, control) = over(quiet());
        control.send(wire);
        match stream.next().await {
            Some(Err(Error::Protocol(error))) => assert_eq!(error, expected),
            other => panic!("{expected:?} expected, not {other:?}"),
        }
        control.end();
        assert!(stream.next().await.is_none(), "after {expected:?}");
    }
    let (mut stream, control) = over(quiet());
    control.send(frame(0x82, &large));
    let Some(Err(Error::Capacity(CapacityError::MessageTooLong { size, max_size }))) =
        stream.next().await
    else {
        panic!("too long");
    };
    assert_eq!((size, max_size), (large.len(), large.len() - 1));
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_ends_without_a_close_frame_is_an_error() {
    let (mut stream, wire) = over(quiet());
    wire.send(text("cut o"));
    wire.end();
    assert!(matches!(stream.next().await, Some(Ok(Message::Text(_)))));
    let end = stream.next().await;
    assert!(
        matches!(end, Some(Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)))),
        "{end:?}"
    );
    assert!(stream.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_fails_is_an_error() {
    let (mut stream, wire) = over(quiet());
    wire.fail_read(std::io::ErrorKind::ConnectionReset);
    assert!(matches!(stream.next().await, Some(Err(Error::Io(_)))));
    assert!(stream.next().await.is_none());

    let (mut stream, wire) = over(quiet());
    wire.with(|script| script.write_error = Some(std::io::ErrorKind::BrokenPipe));
    assert!(matches!(stream.send(Message::text("x")).await, Err(Error::Io(_))));
    assert!(stream.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn our_close_waits_for_the_answer_and_has_a_deadline() {
    let frame_of_1012 = CloseFrame { code: CloseCode::Restart, reason: "bye".into() };
    let (mut stream, wire) = over(quiet());
    stream.close(Some(frame_of_1012.clone())).await.expect("written");
    assert_eq!(wire.with(|script| close_code(&script.written)), Some(1012));
    wire.send([text("late"), frame(0x88, &1012u16.to_be_bytes())].concat());
    assert!(matches!(stream.next().await, Some(Ok(Message::Close(_)))), "late ones are not heard");
    assert!(stream.next().await.is_none());

    let (mut stream, _wire) = over(quiet());
    stream.close(Some(frame_of_1012)).await.expect("written");
    let began = Instant::now();
    assert!(stream.next().await.is_none());
    assert!(began.elapsed().as_millis().abs_diff(5_000) <= 2, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_dead_peer_is_an_error_within_45_seconds() {
    let (mut stream, wire) = over(ConnectionConfig::server().with_idle_timeout(None));
    let began = Instant::now();
    let Some(Err(Error::Io(error))) = stream.next().await else { panic!("not noticed") };
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    assert!(began.elapsed() <= Duration::from_secs(45), "{:?}", began.elapsed());
    assert_eq!(wire.with(|script| close_code(&script.written)), Some(1001));
    assert!(stream.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn an_idle_stream_is_closed_in_the_end() {
    let (mut stream, wire) = over(ConnectionConfig::server().with_heartbeat(None));
    let began = Instant::now();
    assert!(stream.next().await.is_none());
    assert!(began.elapsed().as_secs().abs_diff(305) <= 1, "{:?}", began.elapsed());
    assert_eq!(wire.with(|script| close_code(&script.written)), Some(1001));
}

#[tokio::test(start_paused = true)]
async fn what_a_transport_holds_back_is_flushed_by_send() {
    let (mut stream, wire) = over(quiet());
    wire.with(|script| script.holds_back = true);
    stream.send(Message::text("now")).await.expect("open");
    assert_eq!(wire.with(|script| script.written.clone()), b"\x81\x03now");
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_takes_nothing_stops_the_sink_and_then_reading() {
    let (mut stream, wire) = over(quiet());
    wire.with(|script| script.room = 0);
    let message = Message::text("m".repeat(10_000));
    let mut fed = 0;
    while stream.feed(message.clone()).now_or_never().is_some() {
        fed += 1;
        assert!(fed < 100, "a sink without a bound");
    }
    assert_eq!(fed, 14, "the bound is 128 KiB, and one message may cross it");
    for _ in 0..10 {
        wire.send(frame(0x89, b"ping").repeat(1000));
    }
    assert!(stream.next().now_or_never().is_none());
    assert!(wire.unread() > 0, "pings whose pongs nobody takes are not read");
    wire.make_room(usize::MAX);
    for _ in 0..10_000 {
        assert!(matches!(stream.next().await, Some(Ok(Message::Ping(_)))));
    }
    settle().await;
    assert!(stream.next().now_or_never().is_none());
    let (sent, rest) = wire.with(|script| frames(&script.written));
    assert_eq!((sent.len(), rest), (10_000 + fed, 0));
}

#[tokio::test(start_paused = true)]
async fn a_close_by_one_task_has_its_deadline_in_the_other() {
    let (stream, wire) = over(quiet());
    let (mut sink, mut stream) = stream.split();
    let reading = tokio::spawn(async move { stream.next().await.is_none() });
    settle().await;
    let began = Instant::now();
    sink.close().await.expect("written");
    assert_eq!(wire.with(|script| close_code(&script.written)), Some(1000));
    assert!(reading.await.expect("no panic"));
    assert!(began.elapsed().as_millis().abs_diff(5_000) <= 2, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_two_halves_work_in_two_tasks() {
    let (near, far) = tokio::io::duplex(1000);
    let server = WebSocketStream::after_handshake(near, Arc::new(quiet()), None, Vec::new());
    let config = ws_transport::Connector::client_config().with_heartbeat(None);
    let client = WebSocketStream::after_handshake(far, Arc::new(config), None, Vec::new());
    let echo = tokio::spawn(async {
        let (mut sink, mut stream) = server.split();
        while let Some(message) = stream.next().await {
            match message.expect("sound") {
                Message::Close(_) => {}
                message => sink.send(message).await.expect("open"),
            }
        }
    });
    let (mut sink, mut stream) = client.split();
    let sent: Vec<_> = (0..200).map(|n| Message::text(format!("{n}").repeat(n))).collect();
    let sending = tokio::spawn({
        let sent = sent.clone();
        async move {
            for message in sent {
                sink.send(message).await.expect("open");
            }
            sink.close().await.expect("open");
        }
    });
    let mut received = Vec::new();
    let receiving = async {
        while let Some(message) = stream.next().await {
            match message.expect("sound") {
                Message::Close(_) => {}
                message => received.push(message),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), receiving).await.expect("a wake was lost");
    sending.await.expect("no panic");
    assert!(received == sent, "{} of {}: answers follow a close", received.len(), sent.len());
    echo.await.expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn a_stream_whose_peer_takes_nothing_ends_all_the_same() {
    // A peer that is dead.
    let (mut stream, wire) = over(ConnectionConfig::server().with_idle_timeout(None));
    wire.with(|script| script.room = 0);
    stream.feed(Message::text("never taken")).await.expect("open");
    let began = Instant::now();
    assert!(matches!(stream.next().await, Some(Err(Error::Io(_)))));
    assert!(began.elapsed() <= Duration::from_secs(46), "{:?}", began.elapsed());
    assert!(stream.next().await.is_none());

    // A peer that closes, and does not take the answer.
    let (mut stream, wire) = over(quiet());
    wire.with(|script| script.room = 0);
    stream.feed(Message::text("never taken")).await.expect("open");
    wire.send(frame(0x88, &1000u16.to_be_bytes()));
    let began = Instant::now();
    assert!(matches!(stream.next().await, Some(Ok(Message::Close(_)))));
    assert!(stream.next().await.is_none());
    assert!(began.elapsed() <= Duration::from_secs(6), "{:?}", began.elapsed());
}
