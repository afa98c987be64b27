//! What a message costs at the other end: from the bytes of the socket to the subscriber, beside a tokio-tungstenite
//! stream whose messages are parsed by hand.

#![expect(clippy::unwrap_used, reason = "a bench says what is wrong by panicking")]

use criterion::Throughput;
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    runtime::{Builder, Runtime},
    sync::mpsc,
};
use tungstenite::{handshake::derive_accept_key, protocol::Role};
use ws_client::{Client, News, Subscription};

mod measured;

use measured::Criterion;

/// Of one burst.
const MESSAGES: usize = 1_000;
const PIPE_BYTES: usize = 1024 * 1024;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A text as a server sends it.
fn frame(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match u8::try_from(text.len()) {
        Ok(len @ 0..126) => frame.push(len),
        _ => {
            frame.push(126);
            frame.extend_from_slice(&u16::try_from(text.len()).unwrap().to_be_bytes());
        }
    }
    frame.extend_from_slice(text.as_bytes());
    frame
}

/// Messages as the gateway sends them, the first at the offset `from`.
fn burst(from: u64, with_history: bool) -> Vec<u8> {
    let texts = (from..from + MESSAGES as u64).map(|number| {
        let offset = if with_history { format!(r#","offset":{number}"#) } else { String::new() };
        format!(
            r#"{{"type":"message","channel":"orders","event":"created","data":{{"symbol":"BTCUSDT","price":{number}}},"from":"user-123"{offset},"timestamp":1700000000000}}"#
        )
    });
    texts.flat_map(|text| frame(&text)).collect()
}

/// The client, subscribed, and the server's end of its wire.
async fn subscribed(with_history: bool) -> (Client, Subscription, DuplexStream) {
    let (sender, mut doors) = mpsc::unbounded_channel();
    let client = Client::builder("ws://bench.test/ws")
        .compression(false)
        .transport(move |_| {
            let (near, far) = tokio::io::duplex(PIPE_BYTES);
            sender.send(far).unwrap();
            async move { Ok::<_, std::io::Error>(near) }
        })
        .connect()
        .unwrap();
    let mut wire = doors.recv().await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        wire.read_buf(&mut head).await.unwrap();
    }
    let head = String::from_utf8(head).unwrap();
    let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    let accept = derive_accept_key(key.as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    wire.write_all(answer.as_bytes()).await.unwrap();
    wire.write_all(&frame(r#"{"type":"connected","userId":"u","heartbeatMs":0}"#)).await.unwrap();
    let place = if with_history { r#","epoch":"e","offset":0"# } else { "" };
    let granted = format!(r#"{{"type":"subscribed","channel":"orders","id":"s1"{place}}}"#);
    let grant = async {
        // An answer counts behind its question.
        wire.read_u8().await.unwrap();
        wire.write_all(&frame(&granted)).await.unwrap();
    };
    let (subscription, ()) = tokio::join!(client.subscribe("orders"), grant);
    (client, subscription.unwrap(), wire)
}

fn receive(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("client receive");
    group.throughput(Throughput::Elements(MESSAGES as u64));
    for (name, with_history) in [("ours", false), ("ours, with history", true)] {
        let runtime = runtime();
        let (client, mut orders, mut wire) = runtime.block_on(subscribed(with_history));
        let mut next = 1;
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || {
                    next += MESSAGES as u64;
                    burst(next - MESSAGES as u64, with_history)
                },
                |bytes| {
                    runtime.block_on(async {
                        wire.write_all(&bytes).await.unwrap();
                        for _ in 0..MESSAGES {
                            let Some(News::Message(message)) = orders.next().await else {
                                panic!("a message")
                            };
                            assert!(message.data.get().len() > 10);
                        }
                    });
                },
                criterion::BatchSize::LargeInput,
            );
        });
        drop(client);
    }
    by_hand::<Envelope>(&mut group, "tokio-tungstenite and a struct");
    by_hand::<Value>(&mut group, "tokio-tungstenite and serde_json::Value");
    group.finish();
}

/// What one would parse by hand.
#[derive(Deserialize)]
#[expect(dead_code, reason = "to be parsed is all that they are for")]
struct Envelope {
    #[serde(rename = "type")]
    kind: String,
    channel: String,
    event: Option<String>,
    data: Box<RawValue>,
    from: Option<String>,
    timestamp: u64,
}

fn by_hand<T: for<'a> Deserialize<'a>>(
    group: &mut criterion::BenchmarkGroup<'_, measured::ProcessorTime>,
    name: &str,
) {
    let runtime = runtime();
    let (near, mut wire) = tokio::io::duplex(PIPE_BYTES);
    let mut socket = runtime.block_on(tokio_tungstenite::WebSocketStream::from_raw_socket(
        near,
        Role::Client,
        None,
    ));
    let bytes = burst(1, false);
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            runtime.block_on(async {
                wire.write_all(&bytes).await.unwrap();
                for _ in 0..MESSAGES {
                    let message = socket.next().await.unwrap().unwrap();
                    let parsed = serde_json::from_str::<T>(message.to_text().unwrap());
                    assert!(parsed.is_ok());
                }
            });
        });
    });
}

fn main() {
    measured::run(&[receive]);
}
