//! What an echo costs the server: ours beside tokio-tungstenite's own, over TCP, in one run.
//!
//! ```text
//! cargo run --release -p ws-transport --example echo_cost
//! ```
//!
//! It starts each server as a process of its own, keeps messages in flight on one connection, and reads
//! the time that the kernel ran that process (Linux only). You see microseconds of CPU for each message,
//! the best of five turns, and the ratio; it exits with 1 if a driver's echo of 20 bytes with 16 in flight
//! costs more than a quarter of tokio-tungstenite's.
#![expect(clippy::print_stdout, reason = "an example talks to its terminal")]

use std::{
    error::Error,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, ExitCode, Stdio},
    sync::Arc,
};

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpListener;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use ws_connection::{
    Connection, ConnectionConfig, End, Event, apply_mask, encode_header,
    handshake::{HeadLimits, Upgrade, encode_response},
};
use ws_transport::{Acceptor, Driver, Meter, Replies, Session, read_request};

const TURNS: usize = 5;
const MESSAGES: usize = 160_000;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<ExitCode> {
    match std::env::args().nth(1) {
        Some(server) => serve(&server).map(|()| ExitCode::SUCCESS),
        None => compare(),
    }
}

fn compare() -> Outcome<ExitCode> {
    let mut within = true;
    println!(
        "{:>10} {:>7} {:>18} {:>8} {:>8}",
        "bytes", "window", "tokio-tungstenite", "stream", "driver"
    );
    for (bytes, window) in [(20, 1), (20, 16), (1024, 16)] {
        let mut best = [f64::INFINITY; 3];
        // In turns, so that whatever else the machine does meets all of them.
        for _ in 0..TURNS {
            for (best, server) in best.iter_mut().zip(["tungstenite", "stream", "driver"]) {
                *best = best.min(cost(server, bytes, window)?);
            }
        }
        let [theirs, stream, driver] = best;
        println!("{bytes:>10} {window:>7} {theirs:>15.2} µs {stream:>5.2} µs {driver:>5.2} µs");
        let ratio = driver / theirs;
        if (bytes, window) == (20, 16) {
            within = ratio <= 0.25;
            println!("the driver's share of tokio-tungstenite's cost: {ratio:.3} (at most 0.25)");
        }
    }
    Ok(if within { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Microseconds of the server's CPU for one message.
fn cost(server: &str, bytes: usize, window: usize) -> Outcome<f64> {
    let mut child =
        Command::new(std::env::current_exe()?).arg(server).stdout(Stdio::piped()).spawn()?;
    let measured = talk(&mut child, bytes, window);
    child.kill()?;
    child.wait()?;
    measured
}

fn talk(child: &mut Child, bytes: usize, window: usize) -> Outcome<f64> {
    let mut address = String::new();
    BufReader::new(child.stdout.take().ok_or("piped")?).read_line(&mut address)?;
    let mut socket = TcpStream::connect(address.trim())?;
    socket.set_nodelay(true)?;
    socket.write_all(
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    )?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte)?;
        head.extend(byte);
    }

    let key = [1, 2, 3, 4];
    let opcode = OpCode::Data(Data::Text);
    let (mut frame, mut echo) = (Vec::new(), Vec::new());
    encode_header(&mut echo, true, false, opcode, bytes, None);
    echo.resize(echo.len() + bytes, b'x');
    encode_header(&mut frame, true, false, opcode, bytes, Some(key));
    let body = frame.len();
    frame.resize(body + bytes, b'x');
    apply_mask(&mut frame[body..], key, 0);
    let (frames, expected) = (frame.repeat(window), echo.repeat(window));

    let mut answer = vec![0; expected.len()];
    let mut rounds = |count: usize| -> Outcome<()> {
        for _ in 0..count {
            socket.write_all(&frames)?;
            socket.read_exact(&mut answer)?;
        }
        if answer == expected { Ok(()) } else { Err("another echo came back".into()) }
    };
    let count = MESSAGES / 4 / window;
    rounds(count / 4)?;
    let before = cpu_ns(child)?;
    rounds(count)?;
    let ns = cpu_ns(child)? - before;
    Ok(ns as f64 / 1000.0 / (count * window) as f64)
}

/// How long the process's first thread, which is its only busy one, has run.
fn cpu_ns(child: &Child) -> Outcome<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{}/schedstat", child.id()))?;
    Ok(stat.split(' ').next().ok_or("empty")?.parse()?)
}

/// Sends back what comes.
struct Echo;

impl Session for Echo {
    fn handle_event(&mut self, event: Event<'_>, replies: &mut Replies<'_>) {
        // A reply fails only when the connection is closing, and then nobody waits for it.
        let _ = match event {
            Event::Text(text) => replies.send_text(text),
            Event::Binary(bytes) => replies.send_binary(bytes),
            Event::Ping(_) | Event::Pong { .. } | Event::Close(_) | Event::Failed(_) => Ok(()),
        };
    }

    fn handle_end(&mut self, _end: End) {}
}

/// Serves one connection.
fn serve(server: &str) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        let (mut socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        match server {
            "tungstenite" => {
                let mut stream = tokio_tungstenite::accept_async(socket).await?;
                while let Some(Ok(message)) = stream.next().await {
                    stream.send(message).await?;
                }
            }
            "stream" => {
                let mut stream = Acceptor::new().accept(socket).await?;
                while let Some(Ok(message)) = stream.next().await {
                    stream.send(message).await?;
                }
            }
            "driver" => {
                let head = read_request(&mut socket, HeadLimits::default(), Vec::new()).await?;
                let response = Upgrade::from_request(&head.request)?.response(None, None);
                let mut first = Vec::new();
                encode_response(&response.map(|()| ""), &mut first);
                let now = tokio::time::Instant::now().into_std();
                let config = Arc::new(ConnectionConfig::server());
                let connection = Connection::new(config, None, 1, now);
                Driver::new(socket, connection, Arc::<Meter>::default(), 1 << 20, |_| Echo)
                    .with_first_output(first)
                    .with_early_input(head.early())
                    .await;
            }
            other => return Err(format!("no such server: {other}").into()),
        }
        Ok(())
    })
}
