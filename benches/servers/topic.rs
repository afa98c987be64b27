//! Fan-out on the transport alone, to stand beside the peers of `benches/peers`: what arrives on `/pub`
//! goes to every connection on `/sub`.
//!
//! ```text
//! cargo run --release -p ws-gateway-benches --features servers --example topic -- --port 9002
//! ```
//!
//! What came with one read leaves as one batch: framed once, deflated once, one reference and one wake
//! for each receiver. `--compress` accepts permessage-deflate; `--mode topic`, which the peers need, is
//! the only mode. `--groups N --members C` spreads receivers over N groups, as many as C receivers can
//! fill; publishes go to them in turn.
#![expect(clippy::print_stdout, reason = "whoever starts it waits for its line")]

use std::{
    collections::HashMap,
    error::Error,
    mem,
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
    time::Instant,
};
use ws_compression::{CompressionConfig, CompressionManager, Role};
use ws_connection::{
    Connection, ConnectionConfig, End, Event, Prepared,
    handshake::{HeadLimits, Upgrade, encode_response},
};
use ws_transport::{Driver, Meter, Outbox, Replies, Session, read_request};

/// What waits for a client that does not read.
const OUTBOX_BYTES_MAX: usize = 16 << 20;

/// What all connections share.
struct Shared {
    connection: Arc<ConnectionConfig>,
    compression: CompressionManager,
    meter: Arc<Meter>,
    groups: usize,
    members: usize,
    joined: AtomicUsize,
    topics: HashMap<usize, Mutex<Vec<Outbox>>>,
}

impl Shared {
    /// A connection joins every group that falls to it.
    fn join(&self, outbox: &Outbox) {
        let place = self.joined.fetch_add(1, Ordering::Relaxed) % self.members;
        let first = place % self.groups;
        for group in (first..self.groups).step_by(self.members) {
            self.topics[&group].lock().push(outbox.clone());
        }
    }

    fn publish(&self, group: usize, message: &Arc<Prepared>) {
        // Whoever is gone, or takes nothing any more, is no longer a member.
        self.topics[&group].lock().retain(|outbox| outbox.send(message.clone()).is_ok());
    }
}

/// What a connection does: the path says.
enum Part {
    Receiver,
    Publisher { shared: Arc<Shared>, gathered: Vec<Arc<Prepared>>, next: usize },
}

impl Session for Part {
    fn handle_event(&mut self, event: Event<'_>, _replies: &mut Replies<'_>) {
        let Self::Publisher { gathered, .. } = self else { return };
        match event {
            Event::Text(text) => gathered.push(Arc::new(Prepared::text(text))),
            Event::Binary(bytes) => gathered.push(Arc::new(Prepared::binary(bytes))),
            Event::Ping(_) | Event::Pong { .. } | Event::Close(_) | Event::Failed(_) => {}
        }
    }

    fn handle_caught_up(&mut self, _replies: &mut Replies<'_>) {
        let Self::Publisher { shared, gathered, next } = self else { return };
        if shared.groups == 1 {
            if let Some(batch) = Prepared::join(gathered) {
                shared.publish(0, &batch);
            }
            return gathered.clear();
        }
        for message in mem::take(gathered) {
            shared.publish(*next % shared.groups, &message);
            // A stride, so that neighbours in time are no neighbours in memory.
            *next = next.wrapping_add(7919);
        }
    }

    fn handle_end(&mut self, _end: End) {}
}

fn main() -> Result<(), Box<dyn Error>> {
    let (mut port, mut compress, mut groups, mut members) = (0, false, 1, 1);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match (&*argument, arguments.len()) {
            ("--port", 1..) => port = arguments.next().unwrap_or_default().parse()?,
            ("--mode", 1..) if arguments.next().as_deref() == Some("topic") => {}
            ("--groups", 1..) => groups = arguments.next().unwrap_or_default().parse()?,
            ("--members", 1..) => members = arguments.next().unwrap_or_default().parse()?,
            ("--compress", _) => compress = true,
            _ => return Err(format!("`{argument}`: not here, or not so").into()),
        }
    }
    if groups == 0 || members == 0 {
        return Err("there is at least one group, and one member".into());
    }
    let compression = CompressionConfig::default().with_enabled(compress);
    let shared = Arc::new(Shared {
        connection: Arc::new(ConnectionConfig::server()),
        compression: CompressionManager::new(compression),
        meter: Arc::default(),
        groups,
        members,
        joined: AtomicUsize::new(0),
        topics: (0..groups).map(|group| (group, Mutex::default())).collect(),
    });
    runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        println!("listening on ws://{}", listener.local_addr()?);
        // On a worker's thread, like the connections.
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, shared.clone()));
            }
        })
        .await?;
        Ok(())
    })
}

async fn serve(socket: TcpStream, shared: Arc<Shared>) {
    // A client that is no WebSocket is not answered: this is a server for measuring.
    if let Some(driver) = upgrade(socket, &shared).await {
        tokio::spawn(driver);
    }
}

async fn upgrade(mut socket: TcpStream, shared: &Arc<Shared>) -> Option<Driver<TcpStream, Part>> {
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
    let is_publisher = head.request.uri().path().starts_with("/pub");
    let driver = Driver::new(socket, connection, meter, OUTBOX_BYTES_MAX, |outbox| {
        if is_publisher {
            Part::Publisher { shared: shared.clone(), gathered: Vec::new(), next: 0 }
        } else {
            shared.join(&outbox);
            Part::Receiver
        }
    });
    Some(driver.with_first_output(first).with_early_input(head.early()))
}
