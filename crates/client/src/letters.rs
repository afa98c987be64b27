//! What is said to this user alone: handed out once, acked when the application has taken it.

use std::{collections::HashSet, sync::Arc, time::Instant};

use serde_json::value::RawValue;

use crate::{
    book::{REMEMBERED, REMEMBERED_MAX},
    duplicates::Duplicates,
    incoming::Incoming,
    mailbox::{Bounds, Mailbox},
};

/// Letters that nobody has fetched. What does not fit is not acked, and comes again.
const BOUNDS: Bounds = Bounds { items_max: 1_024, bytes_max: 4 * 1024 * 1024 };

/// What is said to this user.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    pub(crate) from: Option<Box<str>>,
    pub(crate) event: Option<Box<str>>,
    pub(crate) message: Box<RawValue>,
    pub(crate) message_id: Option<Arc<str>>,
    pub(crate) timestamp: u64,
}

/// Everything that is known of letters.
#[derive(Debug)]
pub(crate) struct Letters {
    mailbox: Arc<Mailbox<Post>>,
    /// Handed out or waiting to be, and not taken yet.
    untaken: HashSet<Arc<str>>,
    taken: Duplicates,
}

impl Default for Letters {
    fn default() -> Self {
        Self {
            mailbox: Arc::new(Mailbox::new(BOUNDS)),
            untaken: HashSet::new(),
            taken: Duplicates::new(REMEMBERED, REMEMBERED_MAX),
        }
    }
}

impl Letters {
    pub(crate) fn mailbox(&self) -> Arc<Mailbox<Post>> {
        self.mailbox.clone()
    }

    /// `chat`, or `message` without a channel. Answers what is to be acked at once: it was taken before.
    pub(crate) fn handle_letter(
        &mut self,
        incoming: &Incoming<'_>,
        now: Instant,
    ) -> Option<String> {
        let message_id = incoming.message_id.as_deref();
        if let Some(id) = message_id {
            if self.taken.contains(id, now) {
                return Some(ack(id));
            }
            if self.untaken.contains(id) {
                return None;
            }
        }
        let post = Post {
            from: incoming.from.as_deref().map(Box::from),
            event: incoming.event.as_deref().map(Box::from),
            message: incoming.message.or(incoming.data).unwrap_or(RawValue::NULL).to_owned(),
            message_id: message_id.map(Arc::from),
            timestamp: incoming.timestamp.unwrap_or(0),
        };
        let (id, bytes) = (post.message_id.clone(), 128 + post.message.get().len());
        if self.mailbox.offer(post, bytes).is_ok() {
            self.untaken.extend(id);
        }
        None
    }

    /// The application has taken it. Answers the ack.
    pub(crate) fn handle_taken(&mut self, id: &Arc<str>, now: Instant) -> String {
        self.untaken.remove(id);
        self.taken.insert(id, now);
        ack(id)
    }

    /// The application has not taken it: when it comes again, it is handed out again.
    pub(crate) fn handle_kept(&mut self, id: &Arc<str>) {
        self.untaken.remove(id);
    }

    pub(crate) fn close(&self) {
        self.mailbox.close();
    }
}

fn ack(id: &str) -> String {
    format!(r#"{{"type":"ack","messageId":{}}}"#, crate::book::quoted(id))
}
