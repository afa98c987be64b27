//! What waits for the engine, where a rule allows it to wait.

use std::{
    borrow::Cow,
    collections::VecDeque,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use futures_util::{FutureExt, future::join_all};
use parking_lot::Mutex;
use serde_json::value::RawValue;
use ws_broker::{Answer, Appended, EngineError, Keep, Log, Status};
use ws_channels::{ChannelName, OnOutage};
use ws_protocol::{ErrorCode, Id, ServerMessage};
use ws_traces::Step;
use ws_transport::SendError;

use super::{Hub, Tally, delivery::prepare_answer, events::EventName, stored::Stored};
use crate::{
    client::Client,
    cluster::{Cluster, Kind, channel_topic, history_log},
};

/// So many are on their way at once when the engine is back.
const AT_ONCE: usize = 256;

/// A publish that is for the engine.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) name: ChannelName,
    /// None where nothing is kept, and the other nodes are to be told.
    keep: Option<Arc<Keep>>,
    pub(super) stored: Vec<u8>,
    event: Option<String>,
    /// It came from outside, and is not told of there.
    pub(super) is_inward: bool,
}

/// Who wants to know what came of it.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(crate) client: Arc<Client>,
    pub(crate) id: Option<Box<RawValue>>,
}

/// What waits, the oldest first, bounded in bytes.
pub(crate) struct Backlog {
    bytes_max: usize,
    waiting: Mutex<Waiting>,
    /// Something waits or is being sent: whatever comes has to wait behind it.
    is_busy: AtomicBool,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<(Job, Option<Ticket>)>,
    bytes: usize,
}

impl Job {
    pub(crate) fn new(
        name: ChannelName,
        keep: Option<Arc<Keep>>,
        stored: &Stored<'_>,
        event: Option<EventName<'_>>,
    ) -> Self {
        let mut bytes = Vec::with_capacity(128 + stored.data.get().len());
        stored.encode(&mut bytes);
        // Nobody takes away a name of the other kind.
        let event = event.map(|event| match event {
            EventName::OfClient(name) => ["c:", name].concat(),
            EventName::OfBackEnd(name) => ["b:", name].concat(),
        });
        Self { name, keep, stored: bytes, event, is_inward: false }
    }

    pub(super) fn inward(self) -> Self {
        Self { is_inward: true, ..self }
    }

    fn bytes(&self) -> usize {
        self.stored.len() + 256
    }
}

impl Backlog {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, waiting: Mutex::default(), is_busy: AtomicBool::new(false) }
    }

    /// Whether what may wait has to.
    pub(crate) fn is_needed(&self, cluster: &Cluster) -> bool {
        self.is_busy.load(Ordering::Acquire) || cluster.engine.status() != Status::Up
    }

    /// Lets it wait, or hands it back: too much waits.
    fn push(&self, job: Job, ticket: Option<Ticket>) -> Result<(), (Job, Option<Ticket>)> {
        let mut waiting = self.waiting.lock();
        if waiting.bytes + job.bytes() > self.bytes_max {
            return Err((job, ticket));
        }
        waiting.bytes += job.bytes();
        waiting.jobs.push_back((job, ticket));
        self.is_busy.store(true, Ordering::Release);
        Ok(())
    }

    fn take(&self) -> Vec<(Job, Option<Ticket>)> {
        let mut waiting = self.waiting.lock();
        let count = waiting.jobs.len().min(AT_ONCE);
        let taken: Vec<_> = waiting.jobs.drain(..count).collect();
        waiting.bytes -= taken.iter().map(|(job, _)| job.bytes()).sum::<usize>();
        if taken.is_empty() {
            self.is_busy.store(false, Ordering::Release);
        }
        taken
    }

    fn put_back(&self, jobs: Vec<(Job, Option<Ticket>)>) {
        let mut waiting = self.waiting.lock();
        waiting.bytes += jobs.iter().map(|(job, _)| job.bytes()).sum::<usize>();
        jobs.into_iter().rev().for_each(|job| waiting.jobs.push_front(job));
    }
}

impl Hub {
    /// Tells the other nodes of a publish in a channel that keeps nothing. An error is one that the rule does
    /// not put up with.
    pub(crate) fn tell_others(
        self: &Arc<Self>,
        name: &ChannelName,
        stored: &Stored<'_>,
        on_outage: OnOutage,
    ) -> Result<(), EngineError> {
        let cluster = &self.cluster;
        if !cluster.is_shared {
            return Ok(());
        }
        if on_outage == OnOutage::Queue && self.backlog.is_needed(cluster) {
            let job = Job::new(name.clone(), None, stored, None);
            let full = |_| EngineError::Overloaded { kind: cluster.engine.kind() };
            return self.wait_for_engine(job, None).map_err(full);
        }
        let hop = self.hop(stored.trace, "broker publish", name);
        let told =
            cluster.tell(&channel_topic(name), Kind::Publication, |out| match hop.context() {
                None => stored.encode(out),
                trace => Stored { trace, ..*stored }.encode(out),
            });
        self.end_hop(hop, told.as_ref().err());
        if on_outage == OnOutage::Local { Ok(()) } else { told }
    }

    /// Lets a job wait for the engine, or hands it back: too much waits.
    pub(crate) fn wait_for_engine(
        self: &Arc<Self>,
        job: Job,
        ticket: Option<Ticket>,
    ) -> Result<(), (Job, Option<Ticket>)> {
        self.backlog.push(job, ticket)?;
        // It may have come back since we looked, and have found nothing that waits for it.
        if self.cluster.engine.status() == Status::Up {
            self.send_backlog();
        }
        Ok(())
    }

    /// What is kept of a job, and the hop that it makes if it belongs to a trace.
    fn entry_of(&self, job: &Job) -> (Bytes, Step) {
        let mut entry = job.stored.clone();
        let Some((trace, range)) = Stored::trace_in(&entry) else {
            return (entry.into(), Step::NOTHING);
        };
        let hop = self.hop(Some(trace), "broker append", &job.name);
        if let Some(trace) = hop.context() {
            entry[range].copy_from_slice(&trace.to_bytes());
        }
        (entry.into(), hop)
    }

    fn tell_others_of(&self, job: &Job) -> Result<(), EngineError> {
        let topic = channel_topic(&job.name);
        self.cluster.tell(&topic, Kind::Publication, |out| out.extend_from_slice(&job.stored))
    }

    /// Appends to the log of a channel: on its way when this returns.
    pub(crate) fn append(&self, job: &Job) -> Answer<Appended> {
        let Some(keep) = &job.keep else {
            let refusal = EngineError::Refused { kind: "no", reason: "nothing is kept".into() };
            return Box::pin(std::future::ready(Err(refusal)));
        };
        let name = history_log(&job.name);
        let (entry, hop) = self.entry_of(job);
        let log = Log { name: &name, keep };
        let answer = self.cluster.engine.append(&log, entry, job.event.as_deref());
        self.outward_when_kept(job, self.until_kept(hop, answer))
    }

    fn send_job(&self, job: &Job) -> Answer<Option<Appended>> {
        if job.keep.is_none() {
            let told = self.tell_others_of(job).map(|()| None);
            return Box::pin(std::future::ready(told));
        }
        let appended = self.append(job);
        Box::pin(async { appended.await.map(Some) })
    }

    pub(crate) fn count_append(&self, appended: &Appended) {
        let tally = if appended.is_repeated { Tally::Repeated } else { Tally::Published };
        self.counts.add(tally as usize);
    }

    /// Tells a publisher what came of an append that took a while.
    pub(crate) fn tell_appended(
        &self,
        name: &ChannelName,
        ticket: Option<Ticket>,
        appended: &Result<Appended, EngineError>,
    ) {
        if let Ok(appended) = appended {
            self.count_append(appended);
        }
        let Some(Ticket { client, id }) = ticket else { return };
        let id = id.as_deref().and_then(Id::new);
        let message = match appended {
            Ok(_) if id.is_none() => return,
            Ok(appended) => {
                ServerMessage::Ack { message_id: None, offset: Some(appended.position.offset) }
            }
            Err(error) => ServerMessage::Error {
                code: code_of(error),
                message: sentence_of(name, error),
                request_id: None,
                retry_after_ms: None,
            },
        };
        let timestamp = self.wall_ms(tokio::time::Instant::now().into_std());
        // Who is gone is told nothing. Who is too slow for a line would wait for it for ever.
        let answer = Arc::new(prepare_answer(&message, id, timestamp));
        if let Err(SendError::Full(_)) = client.send(answer) {
            self.close_slow(&client);
        }
    }

    /// The engine is back: what has waited for it goes first.
    pub(crate) fn send_backlog(self: &Arc<Self>) {
        if self.backlog.is_busy.load(Ordering::Acquire)
            && let Some(runtime) = self.runtime()
        {
            runtime.spawn(send_on(Arc::downgrade(self)));
        }
    }
}

async fn send_on(hub: Weak<Hub>) {
    loop {
        let Some(hub) = hub.upgrade() else { return };
        // One at a time: two would overtake each other.
        let _turn = hub.backlog_turn.lock().await;
        let jobs = hub.backlog.take();
        if jobs.is_empty() {
            return;
        }
        let (sent, rest) = send_in_order(&hub, jobs);
        let mut unsent = Vec::new();
        let (jobs, answers): (Vec<_>, Vec<_>) = sent.into_iter().unzip();
        for ((job, ticket), answer) in jobs.into_iter().zip(join_all(answers).await) {
            match answer {
                // Gone again: it goes on waiting, and what is behind it as well.
                Err(EngineError::Unavailable { .. } | EngineError::Overloaded { .. }) => {
                    unsent.push((job, ticket));
                }
                Ok(None) => {}
                Ok(Some(appended)) => hub.tell_appended(&job.name, ticket, &Ok(appended)),
                Err(error) => hub.tell_appended(&job.name, ticket, &Err(error)),
            }
        }
        unsent.extend(rest);
        if !unsent.is_empty() {
            hub.backlog.put_back(unsent);
            if hub.cluster.engine.status() != Status::Up {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
}

type Waited = (Job, Option<Ticket>);
type Sent = (Waited, Answer<Option<Appended>>);

/// All of them are on their way, in their order, before the first answer is awaited. Behind one that the engine
/// does not take nothing is sent: it would come before it.
fn send_in_order(hub: &Hub, jobs: Vec<Waited>) -> (Vec<Sent>, Vec<Waited>) {
    let (mut sent, mut jobs) = (Vec::new(), jobs.into_iter());
    for (job, ticket) in jobs.by_ref() {
        let mut answer = hub.send_job(&job);
        let at_once = (&mut answer).now_or_never();
        let is_refused = matches!(
            at_once,
            Some(Err(EngineError::Unavailable { .. } | EngineError::Overloaded { .. }))
        );
        let answer = at_once.map_or(answer, |at_once| Box::pin(std::future::ready(at_once)));
        sent.push(((job, ticket), answer));
        if is_refused {
            break;
        }
    }
    (sent, jobs.collect())
}

/// For programs: what a client is told when the engine does not do something.
pub(crate) fn code_of(error: &EngineError) -> ErrorCode {
    match error {
        EngineError::Unavailable { .. } | EngineError::Unknown { .. } => {
            ErrorCode::BrokerUnavailable
        }
        EngineError::Overloaded { .. } | EngineError::Full => ErrorCode::Overloaded,
        EngineError::Refused { .. } => ErrorCode::Internal,
    }
}

/// For people who publish. Where the engine is and what is wrong with it is for our log alone.
pub(crate) fn sentence_of(name: &ChannelName, error: &EngineError) -> Cow<'static, str> {
    let channel = name.as_str();
    let outcome = match error {
        EngineError::Unknown { .. } => "it is not known whether it was published",
        _ => "it was not published",
    };
    format!("{channel}: {}; {outcome}", reason_of(error)).into()
}

/// What a client may know of it.
pub(crate) fn reason_of(error: &EngineError) -> &'static str {
    match error {
        EngineError::Unavailable { .. } => "the broker cannot be reached",
        EngineError::Unknown { .. } => "the broker did not answer",
        EngineError::Overloaded { .. } => "too much waits for the broker",
        EngineError::Full => "the broker has no room for it",
        EngineError::Refused { .. } => "the broker refuses it",
    }
}
