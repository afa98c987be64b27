//! The connection that hears what is followed.

use std::sync::{Arc, atomic::Ordering};

use parking_lot::RwLock;
use redis::{Pipeline, Value, aio::MultiplexedConnection};
use tokio::{
    sync::{Notify, mpsc, oneshot, watch},
    time::MissedTickBehavior,
};
use ws_broker::EngineError;

use crate::{
    backoff::Backoff,
    budget::{Budget, Permit},
    ear::Ear,
    endpoint::Endpoint,
    error::{KIND, StartError, is_elsewhere, of_call, unavailable},
    greeting::refusal,
    health::Part,
    hub::Hub,
    stats::Counters,
};

/// Channels that are followed or left at once.
const BATCH_MAX: usize = 1_024;

/// The way of what is to be followed to one server.
#[derive(Debug)]
pub(crate) struct Follows {
    pub(crate) part: Part,
    changes: mpsc::UnboundedSender<Change>,
    budget: Arc<Budget>,
    /// Why not, while it is closed. Changes while what is wanted is held.
    closed: Arc<RwLock<Option<Arc<str>>>>,
    /// What is followed here may have changed without us.
    pub(crate) moved: Arc<Notify>,
}

#[derive(Debug)]
enum Change {
    Follow(Arc<str>, oneshot::Sender<Result<(), EngineError>>, Permit),
    Unfollow(Arc<str>),
}

/// The task's side of it.
#[derive(Debug)]
pub(crate) struct Following {
    hub: Arc<Hub>,
    part: Part,
    changes: mpsc::UnboundedReceiver<Change>,
    closed: Arc<RwLock<Option<Arc<str>>>>,
    moved: Arc<Notify>,
}

impl Follows {
    pub(crate) fn new(hub: &Arc<Hub>, part: Part) -> (Self, Following) {
        let (sender, changes) = mpsc::unbounded_channel();
        let budget = Budget::new(hub.config.pending_max, usize::MAX);
        let closed = Arc::new(RwLock::new(Some(Arc::from("it is being connected"))));
        let moved = Arc::new(Notify::new());
        let following = Following {
            hub: hub.clone(),
            part,
            changes,
            closed: closed.clone(),
            moved: moved.clone(),
        };
        (Self { part, changes: sender, budget, closed, moved }, following)
    }

    /// The caller holds what is wanted.
    pub(crate) fn follow(
        &self,
        channel: Arc<str>,
        counters: &Counters,
    ) -> Result<oneshot::Receiver<Result<(), EngineError>>, EngineError> {
        if let Some(reason) = &*self.closed.read() {
            counters.unavailable.add(1);
            return Err(unavailable(reason.to_string()));
        }
        let Some(permit) = self.budget.take(0) else {
            counters.overloaded.add(1);
            return Err(EngineError::Overloaded { kind: KIND });
        };
        let (reply, replied) = oneshot::channel();
        let change = Change::Follow(channel, reply, permit);
        self.changes.send(change).map_err(|_| unavailable("the server left the cluster"))?;
        Ok(replied)
    }

    /// The caller holds what is wanted. Needs no permit: there are no more than were followed.
    pub(crate) fn unfollow(&self, channel: Arc<str>) {
        if self.closed.read().is_none() {
            // If nobody takes it, the connection is gone, and what was followed with it.
            let _gone = self.changes.send(Change::Unfollow(channel));
        }
    }
}

impl Following {
    /// Connects to the chosen server, follows all that is wanted, and connects again.
    pub(crate) async fn run(mut self, mut chosen: watch::Receiver<Option<Endpoint>>) {
        let mut backoff = Backoff::new(&self.hub.config);
        loop {
            let endpoint = match chosen.wait_for(Option::is_some).await.as_deref() {
                Ok(Some(endpoint)) => endpoint.clone(),
                _ => return,
            };
            let ear = Ear::new(self.hub.clone());
            let Err(error) = self.listen(&endpoint, &ear, &mut chosen, &mut backoff).await;
            ear.close();
            self.close(&error);
            self.hub.counters.disconnects.add(1);
            self.hub.health.down(self.part, &error);
            self.hub.stale.notify_one();
            tokio::time::sleep(backoff.pause()).await;
        }
    }

    async fn listen(
        &mut self,
        endpoint: &Endpoint,
        ear: &Arc<Ear>,
        chosen: &mut watch::Receiver<Option<Endpoint>>,
        backoff: &mut Backoff,
    ) -> Result<std::convert::Infallible, StartError> {
        let hub = self.hub.clone();
        let config = &hub.config;
        let mut connection = endpoint.connect(config, ear.clone()).await?;
        let mut wire = Wire { hub: &hub, endpoint, ear, connection: &mut connection };
        let channels = self.open();
        for channels in channels.chunks(BATCH_MAX) {
            wire.follow_again(channels).await?;
        }
        if chosen.has_changed().unwrap_or(true) {
            return Err(endpoint.unreachable("another server is the master now"));
        }
        backoff.reset();
        hub.counters.connects.add(1);
        hub.health.up(self.part);

        let mut clock = tokio::time::interval(config.ping_interval);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut gathered = Vec::new();
        loop {
            tokio::select! {
                biased;
                () = ear.gone.notified() => return Err(endpoint.unreachable("the connection was lost")),
                _ = chosen.changed() => return Err(endpoint.unreachable("another server is the master now")),
                () = self.moved.notified() => return Err(endpoint.unreachable("slots of the cluster moved")),
                _ = clock.tick() => wire.ping().await?,
                count = self.changes.recv_many(&mut gathered, BATCH_MAX) => {
                    if count == 0 {
                        return Err(endpoint.unreachable("it is closed"));
                    }
                    wire.change(std::mem::take(&mut gathered)).await?;
                }
            }
        }
    }

    /// From now on, changes come here; before them, this was wanted.
    fn open(&mut self) -> Vec<Arc<str>> {
        let wanted = self.hub.wanted.lock();
        *self.closed.write() = None;
        self.hub.channels_of(self.part, &wanted)
    }

    fn close(&mut self, error: &StartError) {
        let _wanted = self.hub.wanted.lock();
        *self.closed.write() = Some(error.to_string().into());
        // Those who asked learn that it is not known; what is wanted is followed with the next connection.
        while self.changes.try_recv().is_ok() {}
    }
}

/// One connection.
struct Wire<'a> {
    hub: &'a Hub,
    endpoint: &'a Endpoint,
    ear: &'a Ear,
    connection: &'a mut MultiplexedConnection,
}

impl Wire<'_> {
    async fn follow_again(&mut self, channels: &[Arc<str>]) -> Result<(), StartError> {
        let mut pipeline = Pipeline::with_capacity(channels.len());
        for channel in channels {
            pipeline.add_command(self.command(true, channel));
        }
        for answer in self.exchange(&pipeline).await? {
            if let Value::ServerError(error) = answer {
                return Err(refusal(&error, self.endpoint, &self.hub.config));
            }
        }
        Ok(())
    }

    async fn change(&mut self, changes: Vec<Change>) -> Result<(), StartError> {
        let mut pipeline = Pipeline::with_capacity(changes.len());
        for change in &changes {
            pipeline.add_command(match change {
                Change::Follow(channel, ..) => self.command(true, channel),
                Change::Unfollow(channel) => {
                    self.ear.leaving.fetch_add(1, Ordering::Relaxed);
                    self.command(false, channel)
                }
            });
        }
        let answers = self.exchange(&pipeline).await?;
        for (change, answer) in changes.into_iter().zip(answers) {
            let Change::Follow(channel, reply, _permit) = change else { continue };
            let followed = match answer {
                Value::ServerError(error) => {
                    if is_elsewhere(&error) {
                        self.hub.stale.notify_one();
                    }
                    self.hub.wanted.lock().remove(&channel);
                    Err(of_call(&error))
                }
                _ => Ok(()),
            };
            // Who asked may have gone.
            let _gone = reply.send(followed);
        }
        Ok(())
    }

    async fn ping(&mut self) -> Result<(), StartError> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("PING");
        self.exchange(&pipeline).await.map(drop)
    }

    async fn exchange(&mut self, pipeline: &Pipeline) -> Result<Vec<Value>, StartError> {
        let answers = self.connection.send_packed_commands(pipeline, 0, pipeline.len());
        tokio::pin!(answers);
        // In two halves: if it was us who stood still, the answer is about to be read.
        let half = self.hub.config.answer_timeout / 2;
        for _ in 0..2 {
            match tokio::time::timeout(half, &mut answers).await {
                Ok(Ok(answers)) => return Ok(answers),
                Ok(Err(_)) => return Err(self.endpoint.unreachable("the connection was lost")),
                Err(_) => {}
            }
        }
        Err(self.endpoint.unreachable("it does not answer"))
    }

    fn command(&self, is_follow: bool, channel: &str) -> redis::Cmd {
        let name = match (self.hub.config.is_cluster, is_follow) {
            (false, true) => "SUBSCRIBE",
            (false, false) => "UNSUBSCRIBE",
            (true, true) => "SSUBSCRIBE",
            (true, false) => "SUNSUBSCRIBE",
        };
        let mut command = redis::Cmd::new();
        command.arg(name).arg(channel);
        command
    }
}
