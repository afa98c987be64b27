//! What an application follows.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::Client;
use crate::{
    book::Following,
    error::Error,
    inbox::Inbox,
    mailbox::{Bounds, Mailbox},
    news::Position,
    room::Room,
    subscription::Subscription,
};

/// How a channel is followed.
#[derive(Clone, Debug)]
pub struct SubscribeOptions {
    /// From where on, when it was followed before: the position of the last message that was handled.
    pub since: Option<Position>,
    /// Whether to be told who comes and who goes.
    pub presence: bool,
    /// How many messages may wait to be taken. In a channel with a history those beyond are fetched when these
    /// are taken; in one without they are told as a gap.
    pub messages_max: usize,
    /// How many bytes of them.
    pub bytes_max: usize,
}

impl Default for SubscribeOptions {
    fn default() -> Self {
        Self { since: None, presence: false, messages_max: 1_024, bytes_max: 4 * 1024 * 1024 }
    }
}

impl Client {
    /// Follows a channel. Resolves when the server has granted it, however long there is no connection; to drop the
    /// future is to leave.
    pub async fn subscribe(&self, channel: &str) -> Result<Subscription, Error> {
        self.subscribe_with(channel, SubscribeOptions::default()).await
    }

    /// As [`subscribe`](Self::subscribe), with a choice.
    pub async fn subscribe_with(
        &self,
        channel: &str,
        options: SubscribeOptions,
    ) -> Result<Subscription, Error> {
        let (answer, answered) = oneshot::channel();
        let SubscribeOptions { since, presence: wants_presence, messages_max, bytes_max } = options;
        let bounds = Bounds { items_max: messages_max.max(1), bytes_max };
        let mailbox = Arc::new(Mailbox::new(bounds));
        let following = Following { mailbox: mailbox.clone(), since, wants_presence, answer };
        let name: Arc<str> = channel.into();
        let id = self.lease.shared.change(|machine, now| match machine.stopped() {
            Some(stopped) => Err(Error::Closed(stopped.clone())),
            None => Ok(machine.book.follow(&name, following, now)),
        })?;
        // Made before the answer is awaited: who does not wait for it leaves.
        let subscription = Subscription::new(self.lease.clone(), name, id, mailbox);
        answered.await.unwrap_or(Err(Error::Unconfirmed))?;
        Ok(subscription)
    }

    /// Enters a room: the channel `room:<name>`, in which people see each other.
    pub async fn join_room(&self, room: &str) -> Result<Room, Error> {
        self.join_room_with(room, SubscribeOptions::default()).await
    }

    /// As [`join_room`](Self::join_room), with a choice.
    pub async fn join_room_with(
        &self,
        room: &str,
        options: SubscribeOptions,
    ) -> Result<Room, Error> {
        let subscription = self.subscribe_with(&format!("room:{room}"), options).await?;
        Ok(Room::new(self.clone(), room, subscription))
    }

    /// What is said to this user alone. All inboxes of a client share what comes: each letter goes to one.
    pub fn inbox(&self) -> Inbox {
        let mailbox = self.lease.shared.machine.lock().letters.mailbox();
        Inbox::new(self.lease.clone(), mailbox)
    }
}
