//! An echo of the transport alone, to stand beside the peers of `benches/peers`: the driver and a session
//! of ten lines on one thread, with heartbeat, idle deadline and statistics on, as it comes.
//!
//! ```text
//! cargo run --release -p ws-gateway-benches --features servers --example transport_echo -- --port 9001
//! ```
//!
//! It prints `listening on` and its address, and echoes text and binary. `--compress` accepts
//! permessage-deflate; `--mode echo`, which the peers need, is the only mode.
#![expect(clippy::print_stdout, reason = "whoever starts it waits for its line")]

use std::{error::Error, net::Ipv4Addr, sync::Arc};

use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
    time::Instant,
};
use ws_compression::{CompressionConfig, CompressionManager, Role};
use ws_connection::{
    Connection, ConnectionConfig, End, Event,
    handshake::{HeadLimits, Upgrade, encode_response},
};
use ws_transport::{Driver, Meter, Replies, Session, read_request};

/// What waits for a client that does not read.
const OUTBOX_BYTES_MAX: usize = 16 << 20;

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

/// What all connections share.
struct Shared {
    connection: Arc<ConnectionConfig>,
    compression: CompressionManager,
    meter: Arc<Meter>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let (mut port, mut compress) = (0, false);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match (&*argument, arguments.len()) {
            ("--port", 1..) => port = arguments.next().unwrap_or_default().parse()?,
            ("--mode", 1..) if arguments.next().as_deref() == Some("echo") => {}
            ("--compress", _) => compress = true,
            _ => return Err(format!("`{argument}`: not here, or not so").into()),
        }
    }
    let compression = CompressionConfig::default().with_enabled(compress);
    let shared = Arc::new(Shared {
        connection: Arc::new(ConnectionConfig::server()),
        compression: CompressionManager::new(compression),
        meter: Arc::default(),
    });
    runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        println!("listening on ws://{}", listener.local_addr()?);
        loop {
            let (socket, _) = listener.accept().await?;
            tokio::spawn(serve(socket, shared.clone()));
        }
    })
}

async fn serve(socket: TcpStream, shared: Arc<Shared>) {
    // A client that is no WebSocket is not answered: this is a server for measuring.
    if let Some(driver) = upgrade(socket, &shared).await {
        drop(shared);
        driver.await;
    }
}

async fn upgrade(mut socket: TcpStream, shared: &Shared) -> Option<Driver<TcpStream, Echo>> {
    socket.set_nodelay(true).ok()?;
    let head = read_request(&mut socket, HeadLimits::default(), Vec::new()).await.ok()?;
    let upgrade = Upgrade::from_request(&head.request).ok()?;
    let accepted = shared.compression.accept_offer(Upgrade::extensions(head.request.headers()));
    let response = upgrade.response(None, accepted.as_ref().map(|it| &*it.response));
    let mut first = Vec::new();
    encode_response(&response.map(|()| ""), &mut first);

    let codec = accepted.map(|it| shared.compression.codec(Role::Server, it.params));
    let now = Instant::now().into_std();
    let connection = Connection::new(shared.connection.clone(), codec, rand::random(), now);
    let meter = shared.meter.clone();
    let driver = Driver::new(socket, connection, meter, OUTBOX_BYTES_MAX, |_outbox| Echo);
    Some(driver.with_first_output(first).with_early_input(head.early()))
}
