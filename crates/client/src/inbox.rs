//! What is said to this user alone.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::Stream;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::{
    client::Lease,
    letters::Post,
    mailbox::{Mailbox, Taken},
};

/// Letters, in the order in which they came.
#[derive(Debug)]
pub struct Inbox {
    lease: Arc<Lease>,
    mailbox: Arc<Mailbox<Post>>,
    /// Among those who share it.
    reader: u64,
}

/// Something that was said to this user alone. To drop it says that it was taken: the server keeps it no longer. Until then
/// it comes again with each connection, also of the next process; a letter that is dropped while a thread panics was not
/// taken.
#[derive(Debug)]
pub struct Letter {
    /// The user who sent it; none: a back-end did.
    pub from: Option<Box<str>>,
    /// What kind of thing, if a back-end said so.
    pub event: Option<Box<str>>,
    /// What is said.
    pub message: Box<RawValue>,
    /// When the server sent it, in milliseconds since 1970.
    pub timestamp: u64,
    receipt: Option<Receipt>,
}

#[derive(Debug)]
struct Receipt {
    lease: Arc<Lease>,
    message_id: Arc<str>,
}

impl Inbox {
    pub(crate) fn new(lease: Arc<Lease>, mailbox: Arc<Mailbox<Post>>) -> Self {
        let reader = mailbox.enter();
        Self { lease, mailbox, reader }
    }

    /// The next letter; none when the client has stopped.
    pub async fn next(&mut self) -> Option<Letter> {
        std::future::poll_fn(|cx| self.poll_letter(cx)).await
    }

    fn poll_letter(&self, cx: &Context<'_>) -> Poll<Option<Letter>> {
        loop {
            match self.mailbox.poll_take_as(self.reader, cx) {
                Poll::Ready(Taken::Item(post)) => {
                    let Post { from, event, message, message_id, timestamp } = post;
                    let lease = &self.lease;
                    let receipt =
                        message_id.map(|message_id| Receipt { lease: lease.clone(), message_id });
                    let letter = Letter { from, event, message, timestamp, receipt };
                    return Poll::Ready(Some(letter));
                }
                Poll::Ready(Taken::Closed) => return Poll::Ready(None),
                // What did not fit was not acked, and comes with the next connection.
                Poll::Ready(Taken::Overflown) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.mailbox.leave(self.reader);
    }
}

impl Stream for Inbox {
    type Item = Letter;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Letter>> {
        self.poll_letter(cx)
    }
}

impl Letter {
    /// What is said, parsed.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.message.get())
    }

    /// The gateway's name for it; none where nothing is kept of it.
    pub fn message_id(&self) -> Option<&str> {
        self.receipt.as_ref().map(|it| &*it.message_id)
    }

    /// It was taken. To drop it says the same.
    pub fn ack(self) {}

    /// It was not taken: it comes again with the next connection.
    pub fn keep(mut self) {
        if let Some(Receipt { lease, message_id }) = self.receipt.take() {
            lease.shared.change(|machine, _| machine.letters.handle_kept(&message_id));
        }
    }
}

impl Drop for Letter {
    fn drop(&mut self) {
        let Some(Receipt { lease, message_id }) = self.receipt.take() else { return };
        let is_taken = !std::thread::panicking();
        lease.shared.change(|machine, now| {
            if is_taken {
                machine.handle_letter_taken(&message_id, now);
            } else {
                machine.letters.handle_kept(&message_id);
            }
        });
    }
}
