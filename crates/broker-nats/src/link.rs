//! One connection to a NATS server, whatever becomes of it.
//!
//! The client library connects again by itself and subscribes again to what was subscribed. What is added here:
//! nothing is sent while it is down, calls have deadlines and bounds, and [`Linked::handle_up`] is asked to
//! look after everything before anybody is told that it is up again.

use std::{
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_nats::{
    Client, HeaderMap, HeaderName, Message, PublishErrorKind, Statistics, Subject,
    client::traits::Publisher, message::OutboundMessage,
};
use bytes::Bytes;
use futures_util::FutureExt;
use parking_lot::Mutex;
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot, watch},
    task::coop::unconstrained,
};
use ws_broker::{EngineError, Status};

use self::{calls::Calls, events::Events};
use crate::{
    NatsConfig, NatsStats, StartError,
    error::{overloaded, refused, unavailable},
    names::Names,
};

pub(crate) use self::{
    calls::{CallError, Reply, Ticket},
    fence::passed,
    subscriptions::Following,
    supervise::{Tasks, run},
};

mod calls;
mod dispatch;
mod events;
mod fence;
mod options;
mod peers;
mod subscriptions;
mod supervise;

/// What goes on with one subscription, until it is over.
type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where subscriptions come to be served.
pub(crate) type Workers = mpsc::UnboundedReceiver<Work>;

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) config: NatsConfig,
    pub(crate) names: Names,
    wire: OnceLock<Wire>,
    /// Says when `wire` is there.
    connected: watch::Sender<bool>,
    is_up: AtomicBool,
    pub(super) status: Mutex<Status>,
    /// What came of the last attempt to be up: none yet, it is, or why not.
    outcome: watch::Sender<Option<Result<(), StartError>>>,
    /// What changes something at the server.
    writes: Calls,
    /// What does not, and what others answer.
    calls: Calls,
    inbox: String,
    events: Arc<Events>,
    work: mpsc::UnboundedSender<Work>,
    /// Where it was made: calls may come from other threads.
    pub(crate) runtime: Handle,
    fences: fence::Fences,
    peers: peers::Peers,
    /// The subscription that takes answers; made once, as the library subscribes again.
    answers: OnceLock<[Following; 2]>,
    /// What was handed to the library, as it counts what it has written.
    sent_bytes: AtomicU64,
    /// How often something may have been missed.
    seams: AtomicU64,
    pub(crate) counts: Counts,
}

/// The client library's handle.
#[derive(Debug)]
struct Wire {
    client: Client,
    statistics: Arc<Statistics>,
}

/// What was done since the start.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) published: AtomicU64,
    pub(crate) received: AtomicU64,
    pub(crate) appended: AtomicU64,
    pub(crate) followed: AtomicU64,
    pub(crate) read: AtomicU64,
    pub(crate) overloads: AtomicU64,
    pub(crate) late: AtomicU64,
}

/// A question, not asked yet.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) subject: String,
    pub(crate) headers: Option<HeaderMap>,
    pub(crate) payload: Bytes,
    pub(crate) patience: Duration,
}

impl Link {
    pub(crate) fn new(config: NatsConfig) -> (Arc<Self>, Workers) {
        let (work, workers) = mpsc::unbounded_channel();
        let inbox = format!("_INBOX.{:016x}{:016x}.", fastrand::u64(..), fastrand::u64(..));
        let calls = |kind| {
            let inbox = format!("{inbox}{kind}.");
            Calls::new(inbox, config.pending_max, config.pending_bytes_max)
        };
        let link = Self {
            names: Names::new(&config.prefix),
            wire: OnceLock::new(),
            connected: watch::Sender::new(false),
            is_up: AtomicBool::new(false),
            status: Mutex::new(Status::Starting),
            outcome: watch::Sender::new(None),
            writes: calls("w"),
            calls: calls("c"),
            inbox,
            events: Arc::new(Events::default()),
            work,
            runtime: Handle::current(),
            fences: fence::Fences::default(),
            peers: peers::Peers::default(),
            answers: OnceLock::new(),
            sent_bytes: AtomicU64::new(0),
            seams: AtomicU64::new(0),
            counts: Counts::default(),
            config,
        };
        (Arc::new(link), workers)
    }

    pub(crate) fn status(&self) -> Status {
        self.status.lock().clone()
    }

    /// Whether anything may be asked now.
    pub(crate) fn check_up(&self) -> Result<(), EngineError> {
        if self.is_up.load(Ordering::Acquire) {
            return Ok(());
        }
        Err(match &*self.status.lock() {
            Status::Down(reason) => unavailable(reason.to_string()),
            Status::Starting => unavailable("it was not reached yet"),
            Status::Up => unavailable("the connection broke"),
        })
    }

    /// Puts a message on its way, at once or not at all.
    pub(crate) fn send(&self, message: OutboundMessage) -> Result<(), EngineError> {
        let wire = self.wire()?;
        let bytes = counted_by_library(&message);
        if self.bytes_queued(wire) > self.config.pending_bytes_max as u64 {
            self.counts.overloads.fetch_add(1, Ordering::Relaxed);
            return Err(overloaded());
        }
        match unconstrained(wire.client.publish_message(message)).now_or_never() {
            Some(Ok(())) => {
                self.sent_bytes.fetch_add(bytes, Ordering::Relaxed);
                Ok(())
            }
            Some(Err(error)) => Err(match error.kind() {
                PublishErrorKind::Send => unavailable("the connection is over"),
                _ => refused(error.to_string()),
            }),
            None => {
                self.counts.overloads.fetch_add(1, Ordering::Relaxed);
                Err(overloaded())
            }
        }
    }

    /// Asks, whether or not it is up. It is on its way when this returns.
    pub(crate) fn ask(&self, call: Call) -> oneshot::Receiver<Reply> {
        let (answer, receiver) = oneshot::channel();
        self.ask_of(&self.calls, call, answer);
        receiver
    }

    /// The same for what changes something: [`Link::writes_done`] waits for its answer.
    pub(crate) fn write(&self, call: Call, answer: oneshot::Sender<Reply>) {
        self.ask_of(&self.writes, call, answer);
    }

    /// Returns when all that was to be written before has been, or has failed. The server may answer a
    /// question before it does what was asked earlier, so that who wants to see it waits.
    pub(crate) fn writes_done(&self) -> impl Future<Output = ()> + Send + use<> {
        let before = self.writes.all_before();
        async {
            if let Some(before) = before {
                let _ = before.await;
            }
        }
    }

    fn ask_of(&self, calls: &Calls, call: Call, answer: oneshot::Sender<Reply>) {
        let bytes = call.payload.len() + call.subject.len();
        match calls.open(bytes, call.patience, answer) {
            Ok((token, reply)) => {
                let message = OutboundMessage {
                    subject: Subject::from(call.subject),
                    reply: Some(Subject::from(reply)),
                    payload: call.payload,
                    headers: call.headers,
                };
                if let Err(error) = self.send(message) {
                    calls.cancel(token, error);
                }
            }
            Err(answer) => {
                self.counts.overloads.fetch_add(1, Ordering::Relaxed);
                let _ = answer.send(Err(Calls::refusal()));
            }
        }
    }

    /// Asks, and waits for the answer.
    pub(crate) async fn answer_to(&self, call: Call) -> Reply {
        answered(self.ask(call)).await
    }

    pub(crate) fn stats(&self) -> NatsStats {
        let counts = &self.counts;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let wire = self.wire.get();
        NatsStats {
            published: count(&counts.published),
            received: count(&counts.received),
            appended: count(&counts.appended),
            followed: count(&counts.followed),
            read: count(&counts.read),
            overloads: count(&counts.overloads),
            late: count(&counts.late),
            missed: count(&self.events.messages_missed),
            connects: wire.map_or(0, |wire| wire.statistics.connects.load(Ordering::Relaxed)),
            calls_waiting: (self.calls.waiting() + self.writes.waiting()) as u64,
            bytes_queued: wire.map_or(0, |wire| self.bytes_queued(wire)),
        }
    }

    /// The library's handle, once there was a connection.
    fn wire(&self) -> Result<&Wire, EngineError> {
        self.wire.get().ok_or_else(|| unavailable("it was not reached yet"))
    }

    /// Whether the server is new enough.
    pub(crate) fn check_version(&self) -> Result<(), StartError> {
        let Some(wire) = self.wire.get() else { return Ok(()) };
        match wire.client.is_server_compatible(2, 9, 0) {
            true => Ok(()),
            false => Err(StartError::TooOld { version: wire.client.server_info().version }),
        }
    }

    /// The connection broke.
    fn handle_break(&self) {
        self.seams.fetch_add(1, Ordering::AcqRel);
        self.calls.handle_break();
        self.writes.handle_break();
    }

    /// Something may have been missed: it is said soon.
    pub(crate) fn handle_doubt(&self) {
        self.seams.fetch_add(1, Ordering::AcqRel);
        self.events.missed.store(true, Ordering::Release);
    }

    /// Changes when something may have been missed.
    pub(crate) fn seams(&self) -> u64 {
        self.seams.load(Ordering::Acquire)
    }

    /// Somebody listens from now on, and has heard nothing.
    pub(crate) fn handle_listener(&self) {
        self.events.is_new_listener.store(true, Ordering::Release);
        self.events.changed.notify_one();
    }

    /// Returns when it is up, or what the last attempt failed by.
    pub(crate) async fn ready(&self) -> Result<(), StartError> {
        let mut outcome = self.outcome.subscribe();
        let known = outcome.wait_for(Option::is_some).await;
        let ended = || StartError::Unreachable("it was ended".to_owned());
        known.ok().and_then(|known| known.clone()).unwrap_or_else(|| Err(ended()))
    }

    /// What the library was handed and has not written.
    fn bytes_queued(&self, wire: &Wire) -> u64 {
        let written = wire.statistics.out_bytes.load(Ordering::Relaxed);
        self.sent_bytes.load(Ordering::Relaxed).saturating_sub(written)
    }
}

/// An answer, or that nobody will give it any more.
pub(crate) async fn answered(receiver: oneshot::Receiver<Reply>) -> Reply {
    receiver.await.unwrap_or(Err(CallError::Broken))
}

impl Call {
    /// Without headers.
    pub(crate) fn new(subject: String, payload: impl Into<Bytes>, patience: Duration) -> Self {
        Self { subject, headers: None, payload: payload.into(), patience }
    }
}

/// What the library adds to its `out_bytes` for a message, which tells how much it has not written yet. A test
/// tells when it counts otherwise.
fn counted_by_library(message: &OutboundMessage) -> u64 {
    let reply = message.reply.as_ref().map_or(0, |reply| reply.len());
    let headers = message.headers.as_ref().map_or(0, HeaderMap::len);
    (message.payload.len() + reply + message.subject.len() + headers) as u64
}

/// The first value of a header.
pub(crate) fn header<'a>(message: &'a Message, name: &'static str) -> Option<&'a str> {
    let value = message.headers.as_ref()?.get(HeaderName::from_static(name))?;
    Some(value.as_str())
}

/// Who is told of the connection.
pub(crate) trait Linked: Send + Sync + 'static {
    /// The connection is there, and nobody was told yet. What fails is tried again.
    fn handle_up(&self) -> Pin<Box<dyn Future<Output = Result<(), StartError>> + Send + '_>>;

    /// The connection broke.
    fn handle_break(&self);

    /// It is like this now.
    fn handle_status(&self, status: &Status);
}
