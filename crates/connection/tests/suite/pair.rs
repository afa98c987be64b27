//! Two connections, a clock, latency, chunking and loss.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use ws_compression::{CompressionConfig, CompressionManager, Role as Side, accept_response, offer};
use ws_connection::{
    Connection, ConnectionConfig, Event, ProtocolError, Teardown, Timeout, Workspace,
};

/// What a side was told, kept.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong { round_trip: Option<Duration> },
    Close(Option<(u16, String)>),
    Failed(ProtocolError),
    Timeout(Timeout),
}

pub(crate) fn keep(event: Event<'_>) -> Seen {
    match event {
        Event::Text(text) => Seen::Text(text.to_owned()),
        Event::Binary(bytes) => Seen::Binary(bytes.to_vec()),
        Event::Ping(payload) => Seen::Ping(payload.to_vec()),
        Event::Pong { round_trip, .. } => Seen::Pong { round_trip },
        Event::Close(frame) => {
            Seen::Close(frame.map(|it| (u16::from(it.code), it.reason.as_str().to_owned())))
        }
        Event::Failed(error) => Seen::Failed(error),
    }
}

/// The same instant for a whole test; where it lies does not matter.
#[expect(clippy::disallowed_methods, reason = "a test's time has to begin somewhere")]
pub(crate) fn base() -> Instant {
    Instant::now()
}

/// One end, what it saw, and what is on its way to it.
pub(crate) struct End {
    pub(crate) connection: Connection,
    pub(crate) seen: Vec<(Duration, Seen)>,
    pub(crate) out: Vec<u8>,
    workspace: Workspace,
    incoming: VecDeque<(Instant, Vec<u8>)>,
    eof: bool,
}

pub(crate) struct Pair {
    pub(crate) client: End,
    pub(crate) server: End,
    pub(crate) now: Instant,
    pub(crate) latency: Duration,
    /// Bytes are delivered in pieces of this many.
    pub(crate) chunk: usize,
    /// The wire swallows what is sent: a half-open connection.
    pub(crate) cut: bool,
    start: Instant,
}

impl Pair {
    pub(crate) fn new(server: ConnectionConfig, client: ConnectionConfig) -> Self {
        Self::build(server, client, None)
    }

    /// Both sides negotiate `compression` by the real negotiation.
    pub(crate) fn compressed(compression: &CompressionConfig) -> Self {
        let (server, client) = (ConnectionConfig::server(), client());
        Self::build(server, client, Some(compression))
    }

    fn build(
        server: ConnectionConfig,
        client: ConnectionConfig,
        compression: Option<&CompressionConfig>,
    ) -> Self {
        let now = base();
        let codecs = compression.map(|config| {
            let manager = CompressionManager::new(config.clone());
            let offered = offer(config).expect("enabled");
            let accepted = manager.accept_offer([offered.as_str()]).expect("our own offer");
            let agreed = accept_response(config, [&*accepted.response]).expect("sound");
            let agreed = agreed.expect("accepted");
            (manager.codec(Side::Server, accepted.params), manager.codec(Side::Client, agreed))
        });
        let (server_codec, client_codec) = codecs.unzip();
        let end = |config, codec, entropy| End {
            connection: Connection::new(Arc::new(config), codec, entropy, now),
            seen: Vec::new(),
            out: Vec::new(),
            workspace: Workspace::new(),
            incoming: VecDeque::new(),
            eof: false,
        };
        Self {
            client: end(client, client_codec, 1),
            server: end(server, server_codec, 2),
            now,
            latency: Duration::from_millis(10),
            chunk: usize::MAX,
            cut: false,
            start: now,
        }
    }

    /// Plays everything that happens within `time`.
    pub(crate) fn run(&mut self, time: Duration) {
        let until = self.now + time;
        self.flush();
        while let Some(next) = self.next_event().filter(|next| *next <= until) {
            self.now = self.now.max(next);
            for end in [&mut self.client, &mut self.server] {
                end.work(self.now, self.start, self.chunk);
            }
            self.flush();
        }
        self.now = until;
    }

    fn next_event(&self) -> Option<Instant> {
        let arrivals = [&self.client, &self.server].map(|end| end.incoming.front().map(|it| it.0));
        let timeouts = [&self.client, &self.server]
            .map(|end| if end.is_over() { None } else { end.connection.poll_timeout() });
        arrivals.into_iter().chain(timeouts).flatten().min()
    }

    /// Puts what the sides wrote on the wire, and ends the wire where a side asks for it.
    fn flush(&mut self) {
        let at = self.now + self.latency;
        let (client, server) = (&mut self.client, &mut self.server);
        pass(client, server, at, self.cut);
        pass(server, client, at, self.cut);
        end_wire(client, server, at, self.cut);
        end_wire(server, client, at, self.cut);
    }
}

/// A side that is done, or shut its half, is the end of the stream for the other.
fn end_wire(from: &End, to: &mut End, at: Instant, cut: bool) {
    if from.connection.teardown() != Teardown::KeepOpen && !to.eof && !cut {
        to.eof = true;
        to.incoming.push_back((at, Vec::new()));
    }
}

fn pass(from: &mut End, to: &mut End, at: Instant, cut: bool) {
    let bytes = std::mem::take(&mut from.out);
    if !bytes.is_empty() && !cut && !to.eof {
        to.incoming.push_back((at, bytes));
    }
}

impl End {
    fn is_over(&self) -> bool {
        matches!(self.connection.teardown(), Teardown::Close | Teardown::Abandon)
    }

    fn work(&mut self, now: Instant, start: Instant, chunk: usize) {
        let at = now - start;
        while let Some(timeout) = self.connection.handle_timeout(&mut self.out, now) {
            self.seen.push((at, Seen::Timeout(timeout)));
        }
        while self.incoming.front().is_some_and(|(due, _)| *due <= now) {
            let (_, bytes) = self.incoming.pop_front().expect("just seen");
            if bytes.is_empty() {
                self.connection.handle_eof(now);
            }
            for piece in bytes.chunks(chunk.min(60_000)) {
                self.workspace.load(piece);
                while let Some(event) =
                    self.connection.poll_event(&mut self.workspace, &mut self.out, now)
                {
                    self.seen.push((at, keep(event)));
                }
            }
        }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.iter().map(|(_, seen)| seen.clone()).collect()
    }

    pub(crate) fn messages(&self) -> Vec<Seen> {
        let is_message = |seen: &Seen| matches!(seen, Seen::Text(_) | Seen::Binary(_));
        self.seen().into_iter().filter(is_message).collect()
    }

    /// When something was seen for the first time.
    pub(crate) fn when(&self, wanted: &Seen) -> Option<Duration> {
        self.seen.iter().find(|(_, seen)| seen == wanted).map(|(at, _)| *at)
    }
}

/// A client's side with a fixed masking key.
pub(crate) fn client() -> ConnectionConfig {
    ConnectionConfig::client(|| [0x37, 0xfa, 0x21, 0x3d])
}
