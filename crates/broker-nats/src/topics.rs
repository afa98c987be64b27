//! Topics, on core subjects.

use std::{
    collections::hash_map::{Entry as Place, HashMap},
    sync::{Arc, atomic::Ordering},
};

use async_nats::{Subject, message::OutboundMessage};
use bytes::Bytes;
use parking_lot::Mutex;
use ws_broker::{Answer, EngineError, Listener};

use crate::link::{Following, Link, passed};

#[derive(Debug)]
pub(crate) struct Topics {
    link: Arc<Link>,
    subscribed: Mutex<HashMap<String, Following>>,
}

impl Topics {
    pub(crate) fn new(link: Arc<Link>) -> Self {
        Self { link, subscribed: Mutex::default() }
    }

    pub(crate) fn subscribe(&self, topic: &str, listener: Arc<dyn Listener>) -> Answer<()> {
        if let Err(error) = self.link.check_up() {
            return Box::pin(std::future::ready(Err(error)));
        }
        if let Place::Vacant(place) = self.subscribed.lock().entry(topic.to_owned()) {
            let (name, link) = (topic.to_owned(), Arc::downgrade(&self.link));
            let take = move |message: async_nats::Message| {
                if let Some(link) = link.upgrade() {
                    link.counts.received.fetch_add(1, Ordering::Relaxed);
                }
                listener.handle_message(&name, message.payload);
            };
            match self.link.subscribe(self.link.names.topic(topic), take) {
                Ok(following) => drop(place.insert(following)),
                Err(error) => return Box::pin(std::future::ready(Err(error))),
            }
        }
        Box::pin(passed(self.link.fence()))
    }

    pub(crate) fn unsubscribe(&self, topic: &str) {
        self.subscribed.lock().remove(topic);
    }

    pub(crate) fn publish(&self, topic: &str, payload: Bytes) -> Result<(), EngineError> {
        self.link.check_up()?;
        let subject = Subject::from(self.link.names.topic(topic));
        self.link.send(OutboundMessage { subject, reply: None, payload, headers: None })?;
        self.link.counts.published.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}
