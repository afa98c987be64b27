//! What an application built on the handler provides.

use std::{borrow::Cow, sync::Arc};

use serde_json::value::RawValue;
use ws_broker::OfflineCause;
use ws_connection::{End, Prepared};
use ws_protocol::{Custom, ErrorCode, Id, ServerMessage};
use ws_transport::Replies;

use crate::{client::Client, clock::WallClock, stats::Counters};

/// The application behind the handler.
///
/// The hooks run in the connection's own task, one at a time for one connection, and must not
/// block: a request that has to wait for something is taken along with [`Responder::later`].
pub trait Application: Send + Sync + 'static {
    /// A client was admitted and, where that is asked for, has authenticated.
    fn handle_connect(&self, client: &Arc<Client>) {
        let _ = client;
    }

    /// A `request` arrived. Answer with the responder, now or later; a responder that is dropped
    /// answers with an error, so that no client waits for ever.
    fn handle_request(
        &self,
        client: &Arc<Client>,
        payload: &RawValue,
        responder: Responder<'_, '_>,
    );

    /// A message of a type that is none of the vocabulary arrived. `false` if it is not served here: the
    /// client is told what types there are.
    fn handle_message(
        &self,
        client: &Arc<Client>,
        message: &Custom<'_>,
        replies: &mut Replies<'_>,
    ) -> bool {
        let _ = (client, message, replies);
        false
    }

    /// A client that [`Application::handle_connect`] was told of is gone.
    fn handle_disconnect(&self, client: &Arc<Client>, end: &End) {
        let _ = (client, end);
    }

    /// The last connection of a user is gone, on all nodes. Told of by one node, once: by that which had it, or
    /// where that one is dead by the one that settles what it left behind. It may be told late, when the engine between
    /// the nodes was away; and while a user goes from one node to another, the two may tell in either order that
    /// it has gone and has come. Called in no connection's task.
    fn handle_user_offline(&self, user_id: &str, cause: OfflineCause) {
        let _ = (user_id, cause);
    }
}

/// Answers one request, exactly once.
#[derive(Debug)]
#[must_use = "a request wants an answer"]
pub struct Responder<'r, 'd> {
    pub(crate) client: &'r Arc<Client>,
    pub(crate) clock: &'r Arc<WallClock>,
    pub(crate) counters: &'r Arc<Counters>,
    pub(crate) replies: &'r mut Replies<'d>,
    pub(crate) request_id: Id<'r>,
    pub(crate) id: Option<Id<'r>>,
    pub(crate) answered: bool,
}

impl Responder<'_, '_> {
    /// Answers now, without a copy or an allocation of its own.
    pub fn respond(mut self, payload: &RawValue) {
        let message = ServerMessage::Response { request_id: self.request_id, payload };
        self.send(&message);
    }

    /// Answers with an error now. `None` says the sentence that the code stands for.
    pub fn fail(mut self, code: ErrorCode, message: Option<Cow<'_, str>>) {
        self.send_error(code, message);
    }

    /// Takes the answer along, to be given from anywhere.
    pub fn later(mut self) -> LateResponder {
        self.answered = true;
        LateResponder {
            client: self.client.clone(),
            clock: self.clock.clone(),
            counters: self.counters.clone(),
            request_id: self.request_id.raw().to_owned(),
            id: self.id.map(|id| id.raw().to_owned()),
            answered: false,
        }
    }

    fn send_error(&mut self, code: ErrorCode, message: Option<Cow<'_, str>>) {
        self.counters.errors.add(code as usize);
        let message = message.unwrap_or(Cow::Borrowed(code.sentence()));
        let request_id = Some(self.request_id);
        self.send(&ServerMessage::Error { code, message, request_id, retry_after_ms: None });
    }

    fn send(&mut self, message: &ServerMessage<'_>) {
        self.answered = true;
        let (id, timestamp) = (self.id, self.clock.wall_ms(self.replies.now()));
        // A connection that is closing has nobody to answer to.
        let _ = self.replies.send_text_with(|out| message.encode(id, timestamp, out));
    }
}

impl Drop for Responder<'_, '_> {
    fn drop(&mut self) {
        if !self.answered {
            self.send_error(ErrorCode::Internal, None);
        }
    }
}

/// Answers one request from anywhere, exactly once; dropped, it answers that it failed.
#[derive(Debug)]
#[must_use = "a request wants an answer"]
pub struct LateResponder {
    client: Arc<Client>,
    clock: Arc<WallClock>,
    counters: Arc<Counters>,
    request_id: Box<RawValue>,
    id: Option<Box<RawValue>>,
    answered: bool,
}

impl LateResponder {
    /// Who asked.
    pub fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// The request's own name, as its client wrote it.
    pub fn request_id(&self) -> &RawValue {
        &self.request_id
    }

    /// Answers.
    pub fn respond(mut self, payload: &RawValue) {
        let Some(request_id) = Id::new(&self.request_id) else { return };
        self.answered = true;
        self.send(&ServerMessage::Response { request_id, payload });
    }

    /// Answers with an error. `None` says the sentence that the code stands for.
    pub fn fail(mut self, code: ErrorCode, message: Option<Cow<'_, str>>) {
        self.answered = true;
        self.send_error(code, message);
    }

    fn send_error(&self, code: ErrorCode, message: Option<Cow<'_, str>>) {
        self.counters.errors.add(code as usize);
        let message = message.unwrap_or(Cow::Borrowed(code.sentence()));
        let request_id = Id::new(&self.request_id);
        self.send(&ServerMessage::Error { code, message, request_id, retry_after_ms: None });
    }

    fn send(&self, message: &ServerMessage<'_>) {
        let now = tokio::time::Instant::now().into_std();
        let mut text = Vec::with_capacity(256);
        let id = self.id.as_deref().and_then(Id::new);
        message.encode(id, self.clock.wall_ms(now), &mut text);
        let Ok(text) = String::from_utf8(text) else { return };
        // Full: a client that does not read its answers is too slow for more of them.
        match self.client.outbox().send(Arc::new(Prepared::text(&text))) {
            Ok(()) | Err(ws_transport::SendError::Closed(_)) => {}
            Err(ws_transport::SendError::Full(_)) => self.client.close_slow(),
        }
    }
}

impl Drop for LateResponder {
    fn drop(&mut self) {
        if !self.answered {
            self.send_error(ErrorCode::Internal, None);
        }
    }
}
