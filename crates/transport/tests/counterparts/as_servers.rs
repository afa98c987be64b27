//! Their servers and our client: the stream, and the example as it is shipped.

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tungstenite::{
    Error, Message,
    protocol::{CloseFrame, frame::coding::CloseCode},
};
use ws_compression::{CompressionConfig, CompressionManager};
use ws_frame_validator::SizeLimits;
use ws_transport::{Connector, WebSocketStream};

use crate::{
    peers::{PATIENCE, Peer, example, next_line},
    server::LIMIT,
};

/// Connects, offering takeover and every window, and returns the agreed extensions beside.
async fn connect(address: &str) -> (WebSocketStream<TcpStream>, String) {
    let compression = CompressionConfig::default()
        .with_threshold_bytes(0)
        .with_server_context_takeover(true)
        .with_client_context_takeover(true);
    let limits = SizeLimits::with_max(LIMIT as u64).expect("not zero");
    let connector = Connector::new()
        .with_connection(Connector::client_config().with_sizes(limits))
        .with_compression(CompressionManager::new(compression));
    let uri: http::Uri = address.parse().expect("sound");
    let host = uri.authority().expect("a host").as_str();
    let socket = TcpStream::connect(host).await.expect("it listens");
    let (stream, agreement) = connector.handshake(uri, socket).await.expect("accepted");
    (stream, agreement.extensions.join(", "))
}

async fn next(stream: &mut WebSocketStream<TcpStream>) -> Message {
    loop {
        let next = tokio::time::timeout(PATIENCE, stream.next()).await.expect("in time");
        match next.expect("not over").expect("sound") {
            Message::Ping(payload) => assert_eq!(&payload[..], b"between"),
            message => return message,
        }
    }
}

fn text(len: usize) -> String {
    "é😀a"
        .chars()
        .cycle()
        .scan(0, |sum, it| {
            *sum += it.len_utf8();
            (*sum <= len).then_some(it)
        })
        .collect()
}

async fn echoes(stream: &mut WebSocketStream<TcpStream>, lens: &[usize]) {
    for &len in lens {
        let bytes: Vec<_> = (0..len).map(|n| (n % 251) as u8).collect();
        for message in [Message::text(text(len)), Message::binary(bytes)] {
            stream.send(message.clone()).await.expect("open");
            assert!(next(stream).await == message, "{len} bytes");
        }
    }
    let expected: String = (0..100).map(|n: usize| format!("{n} あ😀 ").repeat(n)).collect();
    stream.send(Message::text("fragments")).await.expect("open");
    assert!(next(stream).await == Message::text(expected), "fragments");
    // Not too much at once: a stream that is only written to reads nothing meanwhile.
    for round in 0..10 {
        let messages: Vec<_> =
            (0..50).map(|n| Message::text(format!("{round} {n} {}", text(n * 7)))).collect();
        for message in &messages {
            stream.feed(message.clone()).await.expect("open");
        }
        stream.flush().await.expect("open");
        for message in messages {
            assert!(next(stream).await == message, "in the order in which they were sent");
        }
    }
}

async fn is_over(stream: &mut WebSocketStream<TcpStream>) {
    let over = tokio::time::timeout(PATIENCE, stream.next()).await.expect("in time");
    assert!(over.is_none(), "a clean end, not {over:?}");
    assert!(stream.connection().ended().expect("over").acknowledged);
}

async fn closes(address: &str) {
    let (mut stream, _) = connect(address).await;
    let close = CloseFrame { code: CloseCode::Library(3001), reason: "goodbye".into() };
    stream.close(Some(close)).await.expect("open");
    let Message::Close(Some(echo)) = next(&mut stream).await else { panic!("no close frame") };
    assert_eq!(u16::from(echo.code), 3001);
    is_over(&mut stream).await;

    let (mut stream, _) = connect(address).await;
    stream.send(Message::text("close 3999")).await.expect("open");
    let Message::Close(Some(close)) = next(&mut stream).await else { panic!("no close frame") };
    assert_eq!((u16::from(close.code), close.reason.as_str()), (3999, "as you wish"));
    is_over(&mut stream).await;

    let (mut stream, _) = connect(address).await;
    stream.send(Message::binary(vec![7; LIMIT + 1])).await.expect("we may send what we like");
    let refused = tokio::time::timeout(PATIENCE, stream.next()).await.expect("in time");
    assert!(matches!(refused, Some(Err(Error::Capacity(_)))), "{refused:?}");
    let over = tokio::time::timeout(PATIENCE, stream.next()).await.expect("in time");
    assert!(over.is_none(), "the rest was read and forgotten, not {over:?}");
}

/// Edges of the length's encoding and of the read buffer, and the limit.
const LENS: [usize; 11] =
    [0, 1, 125, 126, 127, 65_535, 65_536, 65_537, 1024 * 1024, LIMIT - 1, LIMIT];

/// Each server with each window, with and without takeover; `parameters` writes its JSON.
async fn every_window(peer: Peer, parameters: impl Fn(u8, bool) -> String) {
    for bits in 9..=15 {
        for takeover in [true, false] {
            let server = peer.serve(&[&parameters(bits, takeover)]).await;
            let (mut stream, agreed) = connect(&server.address).await;
            let asked = format!("server_max_window_bits={bits}");
            assert!(bits == 15 || agreed.contains(&asked), "{agreed}");
            assert_eq!(agreed.contains("server_no_context_takeover"), !takeover, "{agreed}");
            let edges = if bits == 15 { &LENS[..] } else { &LENS[..8] };
            echoes(&mut stream, edges).await;
            stream.close(None).await.expect("open");
            assert!(matches!(next(&mut stream).await, Message::Close(_)));
            is_over(&mut stream).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn we_talk_to_pythons_websockets() {
    every_window(Peer::Websockets, |bits, takeover| {
        let no = !takeover;
        format!(
            r#"{{"server_max_window_bits": {bits}, "client_max_window_bits": {bits},
                "server_no_context_takeover": {no}, "client_no_context_takeover": {no}}}"#
        )
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn we_talk_to_nodes_ws() {
    every_window(Peer::Ws, |bits, takeover| {
        let no = !takeover;
        format!(
            r#"{{"serverMaxWindowBits": {bits}, "clientMaxWindowBits": {bits}, "threshold": 0,
                "serverNoContextTakeover": {no}, "clientNoContextTakeover": {no}}}"#
        )
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_compression_and_to_either_close() {
    for (peer, none, default) in [(Peer::Websockets, "null", "{}"), (Peer::Ws, "false", "{}")] {
        let server = peer.serve(&[none]).await;
        let (mut stream, agreed) = connect(&server.address).await;
        assert_eq!(agreed, "");
        echoes(&mut stream, &LENS).await;
        closes(&server.address).await;

        let server = peer.serve(&[default]).await;
        let (_, agreed) = connect(&server.address).await;
        assert!(agreed.starts_with("permessage-deflate"), "{agreed}");
        closes(&server.address).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_echo_client_example_echoes_until_it_is_closed_and_exits_with_0() {
    for peer in [Peer::Websockets, Peer::Ws] {
        for parameters in ["{}", if peer == Peer::Ws { "false" } else { "null" }] {
            let mut server = peer.serve(&[parameters, "drive"]).await;
            let client = example("echo_client").arg(&server.address).output();
            let output = tokio::time::timeout(PATIENCE, client).await.expect("in time");
            let output = output.expect("it starts");
            assert!(output.status.success(), "{output:?}");
            assert_eq!(next_line(&mut server.lines).await, "ok", "{peer:?} {parameters}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_echo_client_example_says_so_when_it_is_not_closed() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = format!("ws://{}/", listener.local_addr().expect("bound"));
    let mut command = example("echo_client");
    let client = command.arg(address).stderr(std::process::Stdio::piped()).output();
    let cut = async {
        let (socket, _) = listener.accept().await.expect("a connection");
        drop(tokio_tungstenite::accept_async(socket).await.expect("sound"));
    };
    let (output, ()) = tokio::join!(client, cut);
    let output = output.expect("it starts");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(!output.stderr.is_empty());
}
