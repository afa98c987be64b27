//! An echo server on `ws-transport` alone: the driver, a session of ten lines, compression as the
//! client offers it. No heartbeat, no limits but 64 MiB and 100,000 fragments a message.
//!
//! ```text
//! cargo run --release --example echo -- 127.0.0.1:9001
//! ```
//!
//! It prints the address and echoes text and binary until it is stopped. Port 0 picks a free one.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its terminal")]

use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use ws_compression::{CompressionConfig, CompressionManager, Role};
use ws_connection::{
    Connection, ConnectionConfig, End, Event,
    handshake::{HeadLimits, Upgrade, encode_response},
};
use ws_frame_validator::SizeLimits;
use ws_transport::{Driver, Meter, Replies, Session, read_request};

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

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".to_owned());
    let listener = TcpListener::bind(&address).await?;
    println!("ws://{}", listener.local_addr()?);

    let sizes = SizeLimits::with_max(64 * 1024 * 1024)?;
    let connection = ConnectionConfig::server()
        .with_sizes(sizes)
        .with_fragments_max(100_000)
        .with_heartbeat(None)
        .with_idle_timeout(None);
    // Context takeover as far as clients ask for it: this server is for measuring and conformance.
    let compression = CompressionConfig::default()
        .with_threshold_bytes(0)
        .with_server_context_takeover(true)
        .with_client_context_takeover(true);
    let shared = Arc::new(Shared {
        connection: Arc::new(connection),
        compression: CompressionManager::new(compression),
        meter: Arc::default(),
    });
    loop {
        let (socket, _) = listener.accept().await?;
        tokio::spawn(serve(socket, shared.clone()));
    }
}

async fn serve(mut socket: TcpStream, shared: Arc<Shared>) {
    let Ok(head) = read_request(&mut socket, HeadLimits::default(), Vec::new()).await else {
        return;
    };
    let upgrade = match Upgrade::from_request(&head.request) {
        Ok(upgrade) => upgrade,
        Err(refusal) => {
            eprintln!("refused: {refusal}");
            let _ = socket.try_write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
            return;
        }
    };
    let accepted = shared.compression.accept_offer(Upgrade::extensions(head.request.headers()));
    let response = upgrade.response(None, accepted.as_ref().map(|it| &*it.response));
    let mut first = Vec::new();
    encode_response(&response.map(|()| ""), &mut first);

    let codec = accepted.map(|it| shared.compression.codec(Role::Server, it.params));
    let now = tokio::time::Instant::now().into_std();
    let connection = Connection::new(shared.connection.clone(), codec, rand::random(), now);
    let _ = socket.set_nodelay(true);
    Driver::new(socket, connection, shared.meter.clone(), 64 << 20, |_outbox| Echo)
        .with_first_output(first)
        .with_early_input(head.early())
        .await;
}
