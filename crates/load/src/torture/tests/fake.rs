//! A gateway of a few lines: one log for each channel, in memory, and a flaw.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tungstenite::{Error, Message, WebSocket};

/// In which way it breaks its word, every now and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    /// Leaves a message out.
    Loses,
    /// Says that all is recovered, and leaves the first out.
    LosesAtReturn,
    /// Acknowledges what it does not keep.
    AcknowledgesOnly,
    Doubles,
    /// Keeps once more what is published again.
    ForgetsEvents,
    /// Delivers two in the wrong order.
    Swaps,
    /// The same, with the offsets of the right order.
    SwapsOffsetsToo,
    /// Has nothing for who comes back, and says so.
    CannotRecover,
}

pub(crate) struct Fake {
    port: u16,
    house: Arc<House>,
}

struct House {
    flaw: Flaw,
    is_over: AtomicBool,
    channels: Mutex<HashMap<String, Log>>,
}

#[derive(Default)]
struct Log {
    entries: Vec<Value>,
    events: HashMap<String, usize>,
    publishes: usize,
}

/// One connection, and how far it is in each channel.
struct Session {
    house: Arc<House>,
    socket: WebSocket<TcpStream>,
    cursors: HashMap<String, usize>,
}

/// How often it is tempted.
const NOW_AND_THEN: usize = 29;

impl Fake {
    pub(crate) fn start(flaw: Flaw) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let channels = Mutex::default();
        let house = Arc::new(House { flaw, is_over: AtomicBool::new(false), channels });
        let shared = house.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if shared.is_over.load(Ordering::Relaxed) {
                    return;
                }
                let house = shared.clone();
                thread::spawn(move || serve(house, stream));
            }
        });
        Self { port, house }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.house.is_over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

/// Ends with the first error, as all that breaks here.
fn serve(house: Arc<House>, stream: TcpStream) -> Option<()> {
    let socket = tungstenite::accept(stream).ok()?;
    socket.get_ref().set_read_timeout(Some(Duration::from_millis(1))).ok()?;
    let mut session = Session { house, socket, cursors: HashMap::new() };
    while !session.house.is_over.load(Ordering::Relaxed) {
        match session.socket.read() {
            Ok(Message::Text(text)) => {
                session.handle(&serde_json::from_str(&text).unwrap())?;
            }
            Ok(_) => {}
            Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return None,
        }
        session.deliver()?;
    }
    Some(())
}

impl Session {
    fn say(&mut self, message: &Value) -> Option<()> {
        self.socket.send(Message::text(message.to_string())).ok()
    }

    fn handle(&mut self, message: &Value) -> Option<()> {
        let channel = message["channel"].as_str().unwrap_or_default().to_owned();
        match message["type"].as_str()? {
            "subscribe" => self.subscribe(&channel, message),
            "publish" => self.publish(channel, message),
            _ => self.say(&json!({ "type": "pong" })),
        }
    }

    fn subscribe(&mut self, channel: &str, message: &Value) -> Option<()> {
        let head = self.house.channels.lock().entry(channel.to_owned()).or_default().entries.len();
        let since = message["since"]["offset"].as_u64().map(|it| usize::try_from(it).unwrap());
        let forgets = self.house.flaw == Flaw::CannotRecover;
        let recovered = since.map(|since| since == head || !forgets);
        let loses = self.house.flaw == Flaw::LosesAtReturn;
        let cursor = since.filter(|_| recovered == Some(true)).unwrap_or(head);
        let skipped = usize::from(loses && since.is_some() && cursor < head);
        self.cursors.insert(channel.to_owned(), cursor + skipped);
        let offset = if recovered == Some(true) { cursor } else { head };
        self.say(&json!({
            "type": "subscribed", "channel": channel, "epoch": "e1", "offset": offset,
            "recovered": recovered, "id": message["id"],
        }))
    }

    fn publish(&mut self, channel: String, message: &Value) -> Option<()> {
        let offset = {
            let mut channels = self.house.channels.lock();
            let log = channels.entry(channel).or_default();
            log.publishes += 1;
            let event = message["eventId"].as_str()?.to_owned();
            let is_tempted = log.publishes.is_multiple_of(NOW_AND_THEN);
            let known = log.events.get(&event).copied();
            match known.filter(|_| self.house.flaw != Flaw::ForgetsEvents) {
                Some(offset) => offset,
                None if is_tempted && self.house.flaw == Flaw::AcknowledgesOnly => {
                    log.entries.len() + 1
                }
                None => {
                    log.entries.push(message["data"].clone());
                    log.events.insert(event, log.entries.len());
                    // It is kept, and its publisher is not told: it breaks before.
                    if is_tempted && self.house.flaw != Flaw::AcknowledgesOnly {
                        return None;
                    }
                    log.entries.len()
                }
            }
        };
        self.say(&json!({ "type": "ack", "id": message["id"], "offset": offset }))
    }

    fn deliver(&mut self) -> Option<()> {
        for channel in self.cursors.keys().cloned().collect::<Vec<_>>() {
            let cursor = self.cursors[&channel];
            let fresh: Vec<(usize, Value)> = {
                let channels = self.house.channels.lock();
                let entries = channels[&channel].entries.iter().enumerate().skip(cursor);
                entries.map(|(index, data)| (index + 1, data.clone())).collect()
            };
            self.cursors.insert(channel.clone(), cursor + fresh.len());
            for (offset, data) in self.house.flaw.spoil(fresh) {
                self.say(&json!({
                    "type": "message", "channel": channel, "data": data, "offset": offset,
                }))?;
            }
        }
        Some(())
    }
}

impl Flaw {
    fn spoil(self, mut fresh: Vec<(usize, Value)>) -> Vec<(usize, Value)> {
        match self {
            Self::Loses => fresh.retain(|(offset, _)| !offset.is_multiple_of(NOW_AND_THEN)),
            Self::Doubles => {
                let tempted = |it: &(usize, Value)| it.0.is_multiple_of(NOW_AND_THEN);
                fresh = fresh
                    .into_iter()
                    .flat_map(|it| std::iter::repeat_n(it.clone(), 1 + usize::from(tempted(&it))))
                    .collect();
            }
            Self::Swaps if fresh.len() > 1 => fresh.swap(0, 1),
            Self::SwapsOffsetsToo if fresh.len() > 1 => {
                fresh.swap(0, 1);
                let first = fresh[0].0;
                fresh[0].0 = fresh[1].0;
                fresh[1].0 = first;
            }
            _ => {}
        }
        fresh
    }
}
