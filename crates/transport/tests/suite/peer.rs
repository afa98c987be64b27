//! A client's frames, a session that notes what it is told, and a driver between the two.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tungstenite::protocol::frame::coding::OpCode;
use ws_compression::PerMessageDeflate;
use ws_connection::{
    Connection, ConnectionConfig, End, Event, FrameHeader, Prepared, Role, apply_mask,
    encode_header,
};
use ws_transport::{Driver, Meter, Missed, Outbox, Replies, Session, Wake};

use crate::scripted::{Control, Scripted, scripted};

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A client's masked frame with any first byte.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    encode_header(&mut wire, true, false, OpCode::from(first & 0x0f), payload.len(), Some(KEY));
    wire[0] = first;
    let body = wire.len();
    wire.extend_from_slice(payload);
    apply_mask(&mut wire[body..], KEY, 0);
    wire
}

pub(crate) fn text(text: &str) -> Vec<u8> {
    frame(0x81, text.as_bytes())
}

/// A frame of the server: its first byte and its payload.
pub(crate) type Frame = (u8, Vec<u8>);

/// All complete frames that a server wrote, and how many bytes are left of an incomplete one.
pub(crate) fn frames(mut wire: &[u8]) -> (Vec<Frame>, usize) {
    let mut frames = Vec::new();
    while let Some((header, at)) = FrameHeader::parse(wire, Role::Client).expect("a sound frame") {
        let end = at + header.len as usize;
        let Some(payload) = wire.get(at..end) else { break };
        frames.push((wire[0], payload.to_vec()));
        wire = &wire[end..];
    }
    (frames, wire.len())
}

/// The code of the first close frame that the server wrote.
pub(crate) fn close_code(wire: &[u8]) -> Option<u16> {
    let (frames, _) = frames(wire);
    let (_, payload) = frames.into_iter().find(|(first, _)| *first == 0x88)?;
    Some(payload.get(..2).map_or(1005, |code| u16::from_be_bytes([code[0], code[1]])))
}

/// What a session was told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Told {
    Text(String),
    Binary(usize),
    Ping,
    Pong,
    Close,
    Failed,
    Wake(Wake),
    Missed(Missed),
    End(End),
}

/// The session's state, in the test's hands.
#[derive(Default)]
pub(crate) struct Notes {
    pub(crate) told: Vec<Told>,
    /// Whether it echoes text.
    pub(crate) echoes: bool,
    /// Whether it takes no events.
    pub(crate) busy: bool,
    /// Becomes busy after each event until it is nudged.
    pub(crate) one_at_a_time: bool,
    /// Is ready again as soon as it was found to be busy, as a session is that another thread makes ready.
    pub(crate) ready_when_asked_again: bool,
    /// Nudges itself within each event.
    pub(crate) nudges_itself: bool,
    /// Sends this through its own outbox within each event.
    pub(crate) sends_itself: Option<String>,
    /// Sends what others queued before it answers.
    pub(crate) sends_queued: bool,
    /// When it wants its timer.
    pub(crate) timer: Option<std::time::Instant>,
    /// What it answers each text with, instead of an echo.
    pub(crate) answer: Option<String>,
    /// How much it had been told whenever a read had been worked off.
    pub(crate) caught_up: Vec<usize>,
}

impl Notes {
    pub(crate) fn missed(&self) -> Vec<Missed> {
        let told = self.told.iter().cloned();
        told.filter_map(|it| if let Told::Missed(it) = it { Some(it) } else { None }).collect()
    }

    fn tell_missed(&mut self, missed: &Missed, replies: &mut Replies<'_>) {
        let _ = replies.send_text(&format!("missed {} of {}", missed.dropped, missed.channel));
        self.told.push(Told::Missed(missed.clone()));
    }
}

struct Note {
    notes: Arc<Mutex<Notes>>,
    outbox: Outbox,
}

impl Session for Note {
    fn handle_event(&mut self, event: Event<'_>, replies: &mut Replies<'_>) {
        let mut notes = self.notes.lock();
        assert!(!notes.busy, "an event for a session that is not ready");
        notes.busy = notes.one_at_a_time;
        if let Some(text) = &notes.sends_itself {
            let _ = self.outbox.send(Arc::new(Prepared::text(text)));
        }
        if notes.nudges_itself {
            self.outbox.nudge();
        }
        let told = match event {
            Event::Text(text) => {
                if notes.sends_queued {
                    replies.send_queued(|missed, replies| notes.tell_missed(missed, replies));
                }
                if let Some(answer) = &notes.answer {
                    let _ = replies.send_text(answer);
                } else if notes.echoes {
                    let _ = replies.send_text(text);
                }
                Told::Text(text.to_owned())
            }
            Event::Binary(bytes) => {
                if notes.echoes {
                    let _ = replies.send_binary(bytes);
                }
                Told::Binary(bytes.len())
            }
            Event::Ping(_) => Told::Ping,
            Event::Pong { .. } => Told::Pong,
            Event::Close(_) => Told::Close,
            Event::Failed(_) => Told::Failed,
        };
        notes.told.push(told);
    }

    fn handle_caught_up(&mut self, _replies: &mut Replies<'_>) {
        let mut notes = self.notes.lock();
        let told = notes.told.len();
        notes.caught_up.push(told);
    }

    fn handle_wake(&mut self, wake: Wake, _replies: &mut Replies<'_>) {
        let mut notes = self.notes.lock();
        notes.busy &= wake != Wake::Nudged;
        if wake == Wake::Timer {
            notes.timer = None;
        }
        notes.told.push(Told::Wake(wake));
    }

    fn handle_missed(&mut self, missed: &Missed, replies: &mut Replies<'_>) {
        self.notes.lock().tell_missed(missed, replies);
    }

    fn poll_timeout(&self) -> Option<std::time::Instant> {
        self.notes.lock().timer
    }

    fn is_ready(&self) -> bool {
        let mut notes = self.notes.lock();
        let is_ready = !notes.busy;
        notes.busy &= !notes.ready_when_asked_again;
        is_ready
    }

    fn handle_end(&mut self, end: End) {
        self.notes.lock().told.push(Told::End(end));
    }
}

/// A message for an outbox.
pub(crate) fn prepared(text: &str) -> Arc<Prepared> {
    Arc::new(Prepared::text(text))
}

/// One driven connection, and everything around it.
pub(crate) struct Driven {
    pub(crate) wire: Control,
    pub(crate) outbox: Outbox,
    pub(crate) notes: Arc<Mutex<Notes>>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) task: JoinHandle<()>,
}

/// How a connection is built.
pub(crate) struct Setup {
    pub(crate) config: ConnectionConfig,
    pub(crate) deflate: Option<PerMessageDeflate>,
    pub(crate) outbox_bytes_max: usize,
    pub(crate) first_output: Vec<u8>,
    pub(crate) early_input: Vec<u8>,
    pub(crate) notes: Notes,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            config: ConnectionConfig::server().with_heartbeat(None).with_idle_timeout(None),
            deflate: None,
            outbox_bytes_max: 1024 * 1024,
            first_output: Vec::new(),
            early_input: Vec::new(),
            notes: Notes { echoes: true, ..Notes::default() },
        }
    }
}

impl Setup {
    /// The driver, its outbox and the session's notes; not yet spawned.
    pub(crate) fn driver<IO>(
        self,
        io: IO,
        meter: Arc<Meter>,
    ) -> (impl Future<Output = ()>, Outbox, Arc<Mutex<Notes>>)
    where
        IO: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    {
        let now = tokio::time::Instant::now().into_std();
        let connection = Connection::new(Arc::new(self.config), self.deflate, 7, now);
        let notes = Arc::new(Mutex::new(self.notes));
        let mut outbox = None;
        let driver = Driver::new(io, connection, meter, self.outbox_bytes_max, |it| {
            outbox = Some(it.clone());
            Note { notes: notes.clone(), outbox: it }
        })
        .with_first_output(self.first_output)
        .with_early_input(self.early_input);
        (driver, outbox.expect("the session is made at once"), notes)
    }

    /// Spawned over a scripted transport that is prepared before the driver sees it.
    pub(crate) fn spawn(self, prepare: impl FnOnce(&Control)) -> Driven {
        let (io, wire): (Scripted, Control) = scripted();
        prepare(&wire);
        let meter = Arc::new(Meter::default());
        let (driver, outbox, notes) = self.driver(io, meter.clone());
        let task = tokio::spawn(driver);
        Driven { wire, outbox, notes, meter, task }
    }
}

pub(crate) fn drive() -> Driven {
    Setup::default().spawn(|_| {})
}

impl Driven {
    pub(crate) fn told(&self) -> Vec<Told> {
        self.notes.lock().told.clone()
    }

    /// The texts that the session was told.
    pub(crate) fn texts(&self) -> Vec<String> {
        let told = self.told().into_iter();
        told.filter_map(|it| if let Told::Text(text) = it { Some(text) } else { None }).collect()
    }

    /// What the session was told that the peer missed.
    pub(crate) fn missed(&self) -> Vec<Missed> {
        self.notes.lock().missed()
    }

    /// The frames that have left so far.
    pub(crate) fn frames(&self) -> Vec<Frame> {
        self.wire.with(|script| frames(&script.written).0)
    }

    /// The texts among them.
    pub(crate) fn sent_texts(&self) -> Vec<String> {
        let texts = self.frames().into_iter().filter(|(first, _)| *first == 0x81);
        texts.map(|(_, payload)| String::from_utf8(payload).expect("UTF-8")).collect()
    }

    pub(crate) fn written(&self) -> usize {
        self.wire.with(|script| script.written.len())
    }

    /// How the connection ended, once.
    pub(crate) fn end(&self) -> Option<End> {
        let told = self.told();
        let mut ends =
            told.iter().filter_map(|it| if let Told::End(end) = it { Some(end) } else { None });
        let end = ends.next().copied();
        assert!(ends.next().is_none(), "told twice of the end");
        end
    }

    pub(crate) fn is_dropped(&self) -> bool {
        self.wire.with(|script| script.dropped)
    }
}

/// Lets every task that is woken run, without letting time pass: whatever is not done afterwards
/// waits for a wake.
pub(crate) async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// Lets time pass and everything happen that is due.
pub(crate) async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
    settle().await;
}
