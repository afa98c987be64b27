//! Their clients against our servers: both of the crate's forms, and the example as it is shipped.

use futures_util::{SinkExt, StreamExt};
use tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};
use ws_compression::CompressionConfig;

use crate::{
    peers::{PATIENCE, Peer, example, first_line},
    server::{KINDS, Kind, LIMIT, start},
};

/// Takeover and windows as the client asks for them, and every message compressed.
fn generous() -> CompressionConfig {
    CompressionConfig::default()
        .with_threshold_bytes(0)
        .with_server_context_takeover(true)
        .with_client_context_takeover(true)
}

async fn against(peer: Peer, kind: Kind, config: CompressionConfig) {
    let address = start(kind, LIMIT, config).await;
    peer.run_client(&format!("ws://{address}/"), LIMIT, &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pythons_websockets_talks_to_both_of_our_servers() {
    for kind in KINDS {
        against(Peer::Websockets, kind, generous()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_ws_talks_to_both_of_our_servers() {
    for kind in KINDS {
        against(Peer::Ws, kind, generous()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_talk_to_a_server_that_grants_no_takeover() {
    for peer in [Peer::Websockets, Peer::Ws] {
        against(peer, Kind::Driver, CompressionConfig::default()).await;
    }
}

/// `examples/echo`, on a port of its own.
async fn echo_example() -> (tokio::process::Child, String) {
    let mut server = example("echo").arg("127.0.0.1:0").spawn().expect("it starts");
    let address = first_line(&mut server).await;
    (server, address)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_talk_to_the_echo_example() {
    let (_server, address) = echo_example().await;
    for peer in [Peer::Websockets, Peer::Ws] {
        peer.run_client(&address, 3 * 1024 * 1024, &["echo-only"]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_echo_example_takes_100_000_fragments_of_one_message() {
    let (_server, address) = echo_example().await;
    let (mut client, _) = tokio_tungstenite::connect_async(address).await.expect("accepted");
    for count in [16_385, 100_000] {
        for n in 0..count {
            let opcode = OpCode::Data(if n == 0 { Data::Binary } else { Data::Continue });
            let frame = Frame::message(vec![n as u8], opcode, n + 1 == count);
            client.feed(Message::Frame(frame)).await.expect("open");
        }
        client.flush().await.expect("open");
        let echo = tokio::time::timeout(PATIENCE, client.next()).await.expect("in time");
        let echo = echo.expect("not over").expect("sound").into_data();
        assert!((0..count).map(|n| n as u8).eq(echo.iter().copied()), "{count} fragments");
    }
}
