//! A room: a channel in which people see each other.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::Stream;
use serde::Serialize;

use crate::{
    client::{Client, Pending, Sent},
    news::News,
    subscription::Subscription,
};

/// A room that one is in, until it is dropped. What is said in it comes as [`News::Message`], whose `data` is what was
/// said; who comes, leaves and types as [`News::Joined`], [`News::Left`] and [`News::Typing`].
#[derive(Debug)]
pub struct Room {
    client: Client,
    name: String,
    subscription: Subscription,
}

impl Room {
    pub(crate) fn new(client: Client, name: &str, subscription: Subscription) -> Self {
        Self { client, name: name.to_owned(), subscription }
    }

    /// Its name, without the `room:` of its channel.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The next thing; none after the end.
    pub async fn next(&mut self) -> Option<News> {
        self.subscription.next().await
    }

    /// Says something to everybody in the room. It is queued when this returns.
    pub fn send<T: Serialize + ?Sized>(&self, message: &T) -> Pending<Sent> {
        self.client.send_room_message(&self.name, message)
    }

    /// Tells the others that this user is typing.
    pub fn typing(&self) {
        self.client.send_typing(&self.name);
    }

    /// Leaves. To drop it does the same.
    pub fn leave(self) {}
}

impl Stream for Room {
    type Item = News;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<News>> {
        Pin::new(&mut self.get_mut().subscription).poll_next(cx)
    }
}
