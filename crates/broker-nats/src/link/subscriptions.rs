//! Subscriptions, and what takes their messages.

use std::{fmt, sync::Arc};

use async_nats::{Client, Message, Subscriber};
use futures_util::{
    FutureExt, StreamExt,
    future::{AbortHandle, Abortable},
};
use tokio::task::{coop::unconstrained, yield_now};
use ws_broker::EngineError;

use super::Link;
use crate::error::{overloaded, refused, unavailable};

/// After so many messages of one subscription, the others have their turn.
const TURN: u32 = 256;

/// A subscription; over when dropped.
pub(crate) struct Following {
    handle: AbortHandle,
}

impl Link {
    /// Takes the messages of a subject, also after the connection broke and is there again. The server is
    /// being told when this returns; [`Link::fence`] says when it knows.
    pub(crate) fn subscribe(
        &self,
        subject: String,
        mut take: impl FnMut(Message) + Send + 'static,
    ) -> Result<Following, EngineError> {
        let mut subscriber = self.subscriber(subject)?;
        let (handle, registration) = AbortHandle::new_pair();
        let following = handle.clone();
        let work = async move {
            let mut turn = 0_u32;
            while let Some(message) = subscriber.next().await {
                turn = turn.wrapping_add(1);
                if turn.is_multiple_of(TURN) {
                    yield_now().await;
                }
                // Whoever subscribes again takes what comes from then on: the same message must not
                // be taken by both.
                if following.is_aborted() {
                    return;
                }
                take(message);
            }
        };
        self.hand_over(Abortable::new(work, registration).map(drop))?;
        Ok(Following { handle })
    }

    /// The same, from when the server is reached for the first time.
    pub(crate) fn subscribe_when_reached(
        self: &Arc<Self>,
        subject: String,
        group: Option<String>,
        mut take: impl FnMut(Message) + Send + 'static,
    ) -> Result<Following, EngineError> {
        let link = Arc::clone(self);
        let (handle, registration) = AbortHandle::new_pair();
        let work = async move {
            let Some(client) = link.client_when_reached().await else { return };
            let subscribed = match group {
                Some(group) => client.queue_subscribe(subject, group).await,
                None => client.subscribe(subject).await,
            };
            match subscribed {
                Ok(mut subscriber) => {
                    let mut turn = 0_u32;
                    while let Some(message) = subscriber.next().await {
                        turn = turn.wrapping_add(1);
                        if turn.is_multiple_of(TURN) {
                            yield_now().await;
                        }
                        take(message);
                    }
                }
                Err(error) => tracing::error!(%error, "cannot subscribe at NATS"),
            }
        };
        self.hand_over(Abortable::new(work, registration).map(drop))?;
        Ok(Following { handle })
    }

    /// The messages of a subject as they come, for who takes them himself.
    pub(crate) fn subscriber(&self, subject: String) -> Result<Subscriber, EngineError> {
        match unconstrained(self.wire()?.client.subscribe(subject)).now_or_never() {
            Some(Ok(subscriber)) => Ok(subscriber),
            Some(Err(error)) => Err(refused(error.to_string())),
            None => Err(overloaded()),
        }
    }

    fn hand_over(
        &self,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), EngineError> {
        self.work.send(Box::pin(work)).map_err(|_| unavailable("it was ended"))
    }

    async fn client_when_reached(&self) -> Option<&Client> {
        let mut connected = self.connected.subscribe();
        connected.wait_for(|is_there| *is_there).await.ok()?;
        self.wire.get().map(|wire| &wire.client)
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

impl fmt::Debug for Following {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Following")
    }
}
