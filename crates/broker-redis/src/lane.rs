//! The way of calls to one server: they are asked here, and written elsewhere.

use std::sync::Arc;

use parking_lot::RwLock;
use redis::{Cmd, Value};
use tokio::sync::{mpsc, oneshot};
use ws_broker::EngineError;

use crate::{
    budget::{Budget, Permit},
    error::{KIND, unavailable},
    stats::Counters,
};

/// The way of calls to one server.
#[derive(Debug)]
pub(crate) struct Lane {
    queue: mpsc::UnboundedSender<Request>,
    budget: Arc<Budget>,
    state: RwLock<State>,
    counters: Arc<Counters>,
}

#[derive(Debug)]
enum State {
    Open(Arc<Open>),
    Closed(Arc<str>),
}

/// A connection that takes calls.
#[derive(Debug)]
pub(crate) struct Open {
    /// Of which connection this is. A call for one is not written to the next: it may name another life.
    pub(crate) generation: u64,
    /// The life of the server, as the logs remember it.
    pub(crate) life: String,
}

/// Where the answer goes. Dropped without one, it is not known whether the call was done.
pub(crate) type Reply = oneshot::Sender<Result<Value, EngineError>>;
pub(crate) type Replied = oneshot::Receiver<Result<Value, EngineError>>;

/// A call on its way.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) command: Cmd,
    /// None awaits how a publish went.
    pub(crate) reply: Option<Reply>,
    pub(crate) generation: u64,
    /// Held until it was answered.
    pub(crate) permit: Permit,
}

impl Lane {
    pub(crate) fn new(
        budget: Arc<Budget>,
        counters: Arc<Counters>,
    ) -> (Self, mpsc::UnboundedReceiver<Request>) {
        let (queue, requests) = mpsc::unbounded_channel();
        let state = RwLock::new(State::Closed("it is being connected".into()));
        (Self { queue, budget, state, counters }, requests)
    }

    pub(crate) fn open(&self, open: Open) {
        *self.state.write() = State::Open(Arc::new(open));
    }

    pub(crate) fn close(&self, reason: Arc<str>) {
        *self.state.write() = State::Closed(reason);
    }

    pub(crate) fn pending(&self) -> usize {
        self.budget.pending()
    }

    /// Asks; `bytes` is what it will hold, about.
    pub(crate) fn ask(
        &self,
        bytes: usize,
        command: impl FnOnce(&Open) -> Cmd,
    ) -> Result<Replied, EngineError> {
        let (reply, replied) = oneshot::channel();
        self.push(bytes, Some(reply), command)?;
        Ok(replied)
    }

    /// Says something whose answer nobody awaits.
    pub(crate) fn tell(
        &self,
        bytes: usize,
        command: impl FnOnce() -> Cmd,
    ) -> Result<(), EngineError> {
        self.push(bytes, None, |_| command())
    }

    fn push(
        &self,
        bytes: usize,
        reply: Option<Reply>,
        command: impl FnOnce(&Open) -> Cmd,
    ) -> Result<(), EngineError> {
        let open = match &*self.state.read() {
            State::Open(open) => open.clone(),
            State::Closed(reason) => {
                self.counters.unavailable.add(1);
                return Err(unavailable(reason.to_string()));
            }
        };
        let Some(permit) = self.budget.take(bytes) else {
            self.counters.overloaded.add(1);
            return Err(EngineError::Overloaded { kind: KIND });
        };
        self.counters.calls.add(1);
        let (command, generation) = (command(&open), open.generation);
        let request = Request { command, reply, generation, permit };
        self.queue.send(request).map_err(|_| unavailable("the server left the cluster"))
    }
}

impl Request {
    pub(crate) fn answer(self, answer: Result<Value, EngineError>) {
        if let Some(reply) = self.reply {
            // Who asked may have gone.
            let _gone = reply.send(answer);
        }
    }
}
