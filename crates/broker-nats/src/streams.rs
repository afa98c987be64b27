//! The streams that keep logs: one for each [`Keep`], made when it is needed first.

use std::{
    collections::HashMap,
    mem,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep},
};
use ws_broker::{EngineError, Keep, WhenFull};

use crate::{
    NatsConfig, Storage,
    api::{ApiFailure, Republish, StreamConfig, StreamInfo, one_header},
    clock::{micros_of, nanos},
    error::{overloaded, unavailable},
    link::{Call, CallError, Link},
    names::StreamNames,
};

/// How often a stream without a leader is asked.
const NOT_YET: Duration = Duration::from_millis(20);
/// JetStream takes nothing shorter.
const SHORTEST: Duration = Duration::from_millis(100);

#[derive(Debug, Default)]
pub(crate) struct Streams {
    known: Mutex<HashMap<Keep, Arc<LogStream>>>,
}

/// The stream of one [`Keep`].
#[derive(Debug)]
pub(crate) struct LogStream {
    pub(crate) names: StreamNames,
    pub(crate) keep: Keep,
    /// When it was made, in µs; 0 while that is not known.
    epoch: AtomicU64,
    state: Mutex<State>,
}

enum State {
    /// Nobody asked for it since the connection was made.
    Unknown,
    /// It is being asked for, and these wait.
    Asking(Queue),
    /// It is there.
    Ready,
}

type Waiting = Box<dyn FnOnce(Result<(), EngineError>) + Send>;

/// Who waits for a stream, in the order of coming, and how much is to be written then.
#[derive(Default)]
struct Queue {
    waiting: Vec<Waiting>,
    bytes: usize,
}

impl Streams {
    /// The stream of a keep, whether or not it is there.
    pub(crate) fn of(&self, link: &Link, keep: &Keep) -> Arc<LogStream> {
        let mut known = self.known.lock();
        if let Some(stream) = known.get(keep) {
            return Arc::clone(stream);
        }
        let stream = Arc::new(LogStream {
            names: StreamNames::new(&link.names, keep),
            keep: keep.clone(),
            epoch: AtomicU64::new(0),
            state: Mutex::new(State::Unknown),
        });
        known.insert(keep.clone(), Arc::clone(&stream));
        stream
    }

    /// Whether it is the stream of a log that was asked for, and is there.
    pub(crate) fn is_used(&self, stream: &str) -> bool {
        let known = self.known.lock();
        let found = known.values().find(|known| known.names.stream == stream);
        found.is_some_and(|found| matches!(*found.state.lock(), State::Ready))
    }

    /// The connection broke: it may be another server that is found next, or one without its files.
    pub(crate) fn handle_break(&self) {
        let known: Vec<_> = self.known.lock().values().cloned().collect();
        for stream in known {
            stream.forget();
        }
    }

    /// Looks for all that are known.
    pub(crate) async fn look_after(&self, link: &Link) -> Result<(), ApiFailure> {
        let known: Vec<_> = self.known.lock().values().cloned().collect();
        for stream in known {
            stream.look(link).await?;
        }
        Ok(())
    }
}

impl LogStream {
    /// The epoch of its logs.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Does something at once if it is there; otherwise asks for it, and does it then. What is to be
    /// done is done in the order in which it came. So many bytes are held until then: what waits has the bounds of
    /// what is under way.
    pub(crate) fn when_there(
        self: &Arc<Self>,
        link: &Arc<Link>,
        bytes: usize,
        act: impl FnOnce(Result<(), EngineError>) + Send + 'static,
    ) {
        let mut state = self.state.lock();
        match &mut *state {
            State::Ready => act(Ok(())),
            State::Asking(queue) if queue.has_room(bytes, &link.config) => {
                queue.push(Box::new(act), bytes);
            }
            State::Asking(_) => act(Err(overloaded())),
            State::Unknown => {
                let mut queue = Queue::default();
                queue.push(Box::new(act), bytes);
                *state = State::Asking(queue);
                let (stream, link) = (Arc::clone(self), Arc::clone(link));
                let runtime = link.runtime.clone();
                runtime.spawn(async move {
                    let found = stream.look(&link).await;
                    if let Err(failure) = found {
                        tracing::warn!(reason = failure.clone().reason(), "no stream of a log");
                        stream.give_up(&match failure.into_engine_error() {
                            refused @ EngineError::Refused { .. } => refused,
                            // What waits was not sent.
                            other => unavailable(other.to_string()),
                        });
                    }
                });
            }
        }
    }

    /// Returns when it is there.
    pub(crate) async fn there(self: &Arc<Self>, link: &Arc<Link>) -> Result<(), EngineError> {
        let (sender, receiver) = oneshot::channel();
        self.when_there(link, 0, move |found| {
            let _ = sender.send(found);
        });
        receiver.await.unwrap_or_else(|_| Err(unavailable("the connection broke")))
    }

    /// Somebody found that it is not where it was.
    pub(crate) fn forget(&self) {
        let mut state = self.state.lock();
        if let State::Ready = *state {
            *state = State::Unknown;
        }
    }

    /// Finds it or makes it, and lets those go on who wait.
    async fn look(&self, link: &Link) -> Result<(), ApiFailure> {
        let wanted = self.config(link);
        let mut info = found_or_made(link, &wanted).await?;
        taking(link, &format!("{}nothing", self.names.marks)).await?;
        if link.is_clustered() {
            // Only now it is certain when it was made: who asks before there is a leader may be told when a
            // server began with its copy, and that is another epoch than the others have.
            info = link.led_stream_info(&wanted.name).await?;
        }
        let created = micros_of(&info.created)
            .ok_or_else(|| ApiFailure::Odd(format!("a stream made at {}", info.created)))?;
        self.epoch.store(created, Ordering::Release);
        // Those who come now wait for the lock, so that they come behind those who waited.
        let mut state = self.state.lock();
        if let State::Asking(queue) = mem::replace(&mut *state, State::Ready) {
            queue.waiting.into_iter().for_each(|act| act(Ok(())));
        }
        Ok(())
    }

    fn give_up(&self, error: &EngineError) {
        let mut state = self.state.lock();
        if let State::Asking(queue) = mem::replace(&mut *state, State::Unknown) {
            queue.waiting.into_iter().for_each(|act| act(Err(error.clone())));
        }
    }

    fn config(&self, link: &Link) -> StreamConfig {
        let keep = &self.keep;
        let max_age = keep.ttl.saturating_add(link.config.keep_beyond_ttl);
        let window = keep.event_window.max(SHORTEST);
        let (discard, discard_new_per_subject) = match keep.when_full {
            WhenFull::DropOldest => ("old", false),
            WhenFull::Refuse => ("new", true),
        };
        StreamConfig {
            name: self.names.stream.clone(),
            subjects: vec![format!("{}>", self.names.entries), format!("{}>", self.names.marks)],
            max_age: nanos(max_age.max(window)),
            max_msgs_per_subject: i64::from(keep.entries_max.get()),
            discard: discard.to_owned(),
            discard_new_per_subject,
            duplicate_window: nanos(window),
            republish: Some(Republish {
                src: format!("{}>", self.names.entries),
                dest: format!("{}>", self.names.feed),
            }),
            ..basic_config(link)
        }
    }
}

impl Queue {
    fn has_room(&self, bytes: usize, config: &NatsConfig) -> bool {
        self.waiting.len() < config.pending_max && self.bytes + bytes <= config.pending_bytes_max
    }

    fn push(&mut self, waiting: Waiting, bytes: usize) {
        self.waiting.push(waiting);
        self.bytes += bytes;
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unknown => "Unknown",
            Self::Asking(_) => "Asking",
            Self::Ready => "Ready",
        })
    }
}

/// What all streams of ours have in common.
pub(crate) fn basic_config(link: &Link) -> StreamConfig {
    let storage = match link.config.storage {
        Storage::File => "file",
        Storage::Memory => "memory",
    };
    StreamConfig {
        retention: "limits".to_owned(),
        max_consumers: -1,
        max_msgs: -1,
        max_bytes: -1,
        storage: storage.to_owned(),
        num_replicas: link.config.replicas,
        ..StreamConfig::default()
    }
}

/// Returns when the stream takes what is published. Its leader may be there before all servers of the cluster know
/// where: until then nobody would take a message.
///
/// What is asked here is refused by every stream, as it is for another one.
pub(crate) async fn taking(link: &Link, subject: &str) -> Result<(), ApiFailure> {
    let deadline = Instant::now() + link.config.timeout;
    loop {
        let mut call = Call::new(subject.to_owned(), Bytes::new(), link.config.timeout);
        call.headers = Some(one_header("Nats-Expected-Stream", "-".to_owned()));
        match link.answer_to(call).await {
            Ok(_) => return Ok(()),
            Err(CallError::NoResponders) if Instant::now() < deadline => sleep(NOT_YET).await,
            Err(error) => return Err(ApiFailure::Call(error)),
        }
    }
}

/// The stream as it is wanted, or as another node wanted it if it cannot be changed.
pub(crate) async fn found_or_made(
    link: &Link,
    wanted: &StreamConfig,
) -> Result<StreamInfo, ApiFailure> {
    let found = match link.stream_info(&wanted.name).await {
        Err(failure) if failure.is_no_stream() => match link.create_stream(wanted).await {
            // Another node was faster, and has other settings.
            Err(failure) if failure.is_stream_in_use() => link.stream_info(&wanted.name).await?,
            made => return made,
        },
        found => found?,
    };
    if found.config == *wanted {
        return Ok(found);
    }
    match link.update_stream(wanted).await {
        Ok(updated) => Ok(updated),
        Err(failure) => {
            let (stream, reason) = (&wanted.name, failure.reason());
            tracing::warn!(stream, reason, "a stream stays as it was made");
            Ok(found)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_for_a_stream_is_bounded_in_number_and_in_bytes() {
        let config =
            NatsConfig { pending_max: 3, pending_bytes_max: 1000, ..NatsConfig::default() };
        let mut queue = Queue::default();
        for bytes in [400, 600] {
            assert!(queue.has_room(bytes, &config), "{bytes}");
            queue.push(Box::new(drop), bytes);
        }
        assert!(!queue.has_room(1, &config), "a thousand bytes wait");
        assert!(queue.has_room(0, &config));
        queue.push(Box::new(drop), 0);
        assert!(!queue.has_room(0, &config), "three wait");
    }
}
