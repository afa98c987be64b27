//! The connection that calls are written to.

use std::{collections::VecDeque, sync::Arc};

use futures_util::{FutureExt, StreamExt, stream::FuturesOrdered};
use redis::{Pipeline, PushInfo, PushKind, ServerErrorKind, Value, aio::MultiplexedConnection};
use tokio::{
    sync::{Notify, mpsc::UnboundedReceiver, watch},
    time::{Instant, MissedTickBehavior},
};

use crate::{
    backoff::Backoff,
    endpoint::Endpoint,
    error::{StartError, is_elsewhere, of_call, unavailable},
    greeting::{Former, Greeting, greet},
    health::Part,
    hub::Hub,
    lane::{Lane, Open, Request},
    scripts,
    server::Target,
};

/// Calls that are written at once.
const BATCH_MAX: usize = 1_024;
/// Batches that are written before the first of them is answered. What comes meanwhile makes the next
/// ones larger.
const BATCHES_MAX: usize = 32;

/// What one task does for one server.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) hub: Arc<Hub>,
    pub(crate) lane: Arc<Lane>,
    pub(crate) part: Part,
    /// The part that hears what is followed.
    pub(crate) follows: Part,
    pub(crate) target: Target,
    /// The server that calls go to; what is followed is followed there.
    pub(crate) chosen: watch::Sender<Option<Endpoint>>,
}

/// A connection that is ready.
struct Ready {
    connection: MultiplexedConnection,
    endpoint: Endpoint,
    greeting: Greeting,
    gone: Arc<Notify>,
}

impl Link {
    /// Connects, writes what is asked, and connects again.
    pub(crate) async fn run(self, mut requests: UnboundedReceiver<Request>) {
        let (hub, mut backoff) = (&self.hub, Backoff::new(&self.hub.config));
        let mut former = None;
        for generation in 0.. {
            let error = match refusing(&mut requests, self.connect(former.as_ref())).await {
                Ok(ready) => {
                    backoff.reset();
                    former.clone_from(&ready.greeting.former);
                    hub.counters.connects.add(1);
                    self.drive(ready, generation, &mut requests).await
                }
                Err(error) => error,
            };
            hub.counters.disconnects.add(1);
            self.lane.close(error.to_string().into());
            hub.health.down(self.part, &error);
            hub.stale.notify_one();
            refusing(&mut requests, tokio::time::sleep(backoff.pause())).await;
        }
    }

    async fn connect(&self, former: Option<&Former>) -> Result<Ready, StartError> {
        let mut failed = None;
        for endpoint in self.target.endpoints(&self.hub).await? {
            match self.connect_to(endpoint, former).await {
                Ok(ready) => return Ok(ready),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        Err(failed.unwrap_or_else(|| self.target.nobody()))
    }

    async fn connect_to(
        &self,
        endpoint: Endpoint,
        former: Option<&Former>,
    ) -> Result<Ready, StartError> {
        let config = &self.hub.config;
        let gone = Arc::new(Notify::new());
        let told = gone.clone();
        let pushed = move |info: PushInfo| {
            if info.kind == PushKind::Disconnection {
                told.notify_one();
            }
            Ok::<(), ()>(())
        };
        let mut connection = endpoint.connect(config, pushed).await?;
        let Some(probe) = self.target.probe(&self.hub, self.part) else {
            return Err(endpoint.unreachable("no slot of the cluster is its"));
        };
        let greeting = greet(&mut connection, &endpoint, config, former, &probe).await?;
        Ok(Ready { connection, endpoint, greeting, gone })
    }

    /// Until the connection is of no use any more: why.
    async fn drive(
        &self,
        ready: Ready,
        generation: u64,
        requests: &mut UnboundedReceiver<Request>,
    ) -> StartError {
        let (hub, config) = (&self.hub, &self.hub.config);
        let Ready { connection, endpoint, greeting, gone } = ready;
        self.lane.open(Open { generation, life: greeting.life });
        let chosen = self.chosen.borrow().as_ref().map(|chosen| chosen.label.clone());
        if chosen.as_ref() != Some(&endpoint.label) {
            if chosen.is_some() {
                // What is followed must move there first.
                hub.health.down(self.follows, &endpoint.unreachable("it is the master now"));
            }
            self.chosen.send_replace(Some(endpoint.clone()));
        }
        hub.health.up(self.part);

        let mut written = FuturesOrdered::new();
        let mut since = VecDeque::new();
        let (mut progress, mut is_doubted) = (Instant::now(), false);
        let mut gathered = Vec::new();
        let mut clock = tokio::time::interval(config.ping_interval.min(config.answer_timeout / 4));
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let why = loop {
            let batch = tokio::select! {
                biased;
                Some(outcome) = written.next(), if !written.is_empty() => {
                    since.pop_front();
                    progress = Instant::now();
                    match outcome {
                        Outcome::Done => continue,
                        Outcome::Lost => break "the connection was lost",
                        Outcome::Replica => break "it is a replica now",
                    }
                }
                () = gone.notified() => break "the connection was lost",
                _ = clock.tick() => match since.front() {
                    // A long queue is no sign of death, as long as it moves.
                    Some(since) if progress.max(*since).elapsed() > config.answer_timeout => {
                        // Perhaps it was us who stood still: then the answer is about to be read.
                        if std::mem::replace(&mut is_doubted, true) {
                            break "it does not answer";
                        }
                        continue;
                    }
                    Some(_) => {
                        is_doubted = false;
                        continue;
                    }
                    None => Vec::new(),
                },
                count = requests.recv_many(&mut gathered, BATCH_MAX), if written.len() < BATCHES_MAX => {
                    if count == 0 {
                        break "it is closed";
                    }
                    self.current(&mut gathered, generation)
                }
            };
            let mut exchange = Box::pin(exchange(hub.clone(), connection.clone(), batch));
            // Written in this order, before anything else is asked.
            match (&mut exchange).now_or_never() {
                None => {
                    written.push_back(exchange);
                    since.push_back(Instant::now());
                }
                Some(Outcome::Done) => {}
                Some(_) => break "the connection was lost",
            }
        };
        endpoint.unreachable(why)
    }

    /// Those that were asked of this connection.
    fn current(&self, gathered: &mut Vec<Request>, generation: u64) -> Vec<Request> {
        let mut batch = Vec::with_capacity(gathered.len());
        for request in gathered.drain(..) {
            match request.generation == generation {
                true => batch.push(request),
                false => request.answer(Err(unavailable("the connection was lost"))),
            }
        }
        self.hub.counters.batches.add(1);
        batch
    }
}

/// How a batch went.
enum Outcome {
    Done,
    /// Nothing more will come of this connection.
    Lost,
    /// It takes no writes any more.
    Replica,
}

/// Writes a batch at once, and answers each call. An empty one asks whether the server lives.
async fn exchange(
    hub: Arc<Hub>,
    mut connection: MultiplexedConnection,
    batch: Vec<Request>,
) -> Outcome {
    let mut pipeline = Pipeline::with_capacity(batch.len().max(1));
    let mut waiting = Vec::with_capacity(batch.len());
    for Request { command, reply, permit, .. } in batch {
        pipeline.add_command(command);
        waiting.push((reply, permit));
    }
    if waiting.is_empty() {
        pipeline.cmd("PING");
    }
    let mut forgotten = Pipeline::new();
    let mut outcome = Outcome::Done;
    // A second time for those whose scripts the server had forgotten.
    for is_again in [false, true] {
        let answers = connection.send_packed_commands(&pipeline, 0, pipeline.len()).await;
        let Ok(mut answers) = answers else {
            hub.counters.unknown.add(waiting.len());
            hub.counters
                .publishes_lost
                .add(waiting.iter().filter(|(reply, _)| reply.is_none()).count());
            return Outcome::Lost;
        };
        let commands = pipeline.cmd_iter().skip(answers.len() - waiting.len().min(answers.len()));
        let first = answers.len() - waiting.len().min(answers.len());
        let mut again = Vec::new();
        for ((answer, command), (reply, permit)) in
            answers.drain(first..).zip(commands).zip(waiting)
        {
            let answer = match answer {
                Value::ServerError(error) => {
                    match error.kind() {
                        Some(ServerErrorKind::NoScript) if !is_again => {
                            forgotten.add_command(command.clone());
                            again.push((reply, permit));
                            continue;
                        }
                        Some(ServerErrorKind::ReadOnly) => outcome = Outcome::Replica,
                        _ => {}
                    }
                    if is_elsewhere(&error) {
                        hub.stale.notify_one();
                    }
                    Err(of_call(&error))
                }
                answer => Ok(answer),
            };
            match reply {
                // Who asked may have gone.
                Some(reply) => drop(reply.send(answer)),
                None if answer.is_err() => hub.counters.publishes_lost.add(1),
                None => {}
            }
        }
        if again.is_empty() {
            break;
        }
        waiting = again;
        pipeline = Pipeline::new();
        scripts::load(&mut pipeline);
        for command in forgotten.cmd_iter() {
            pipeline.add_command(command.clone());
        }
    }
    outcome
}

/// While there is no connection, nothing waits for one.
async fn refusing<T>(
    requests: &mut UnboundedReceiver<Request>,
    until: impl Future<Output = T>,
) -> T {
    tokio::pin!(until);
    loop {
        tokio::select! {
            biased;
            done = &mut until => return done,
            Some(request) = requests.recv() => {
                request.answer(Err(unavailable("the connection was lost")));
            }
        }
    }
}
