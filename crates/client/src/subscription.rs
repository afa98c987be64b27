//! A channel that is followed.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::Stream;

use crate::{
    client::Lease,
    mailbox::{Mailbox, Taken},
    news::News,
};

/// What comes out of a channel, from the moment that the server has granted it, over every reconnect. To drop it
/// is to leave.
#[derive(Debug)]
pub struct Subscription {
    lease: Arc<Lease>,
    channel: Arc<str>,
    id: u64,
    mailbox: Arc<Mailbox<News>>,
}

impl Subscription {
    pub(crate) fn new(
        lease: Arc<Lease>,
        channel: Arc<str>,
        id: u64,
        mailbox: Arc<Mailbox<News>>,
    ) -> Self {
        Self { lease, channel, id, mailbox }
    }

    /// Which channel.
    pub fn channel(&self) -> &str {
        &self.channel
    }

    /// The next thing; none after the end.
    pub async fn next(&mut self) -> Option<News> {
        std::future::poll_fn(|cx| self.poll_news(cx)).await
    }

    fn poll_news(&self, cx: &Context<'_>) -> Poll<Option<News>> {
        loop {
            match self.mailbox.poll_take(cx) {
                Poll::Ready(Taken::Item(news)) => return Poll::Ready(Some(news)),
                Poll::Ready(Taken::Closed) => return Poll::Ready(None),
                Poll::Ready(Taken::Overflown) => self.lease.shared.change(|machine, now| {
                    machine.book.handle_caught_up(&self.channel, self.id, now);
                }),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl Stream for Subscription {
    type Item = News;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<News>> {
        self.poll_news(cx)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.lease.shared.change(|machine, _| machine.book.leave(&self.channel, self.id));
    }
}
