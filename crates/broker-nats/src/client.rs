//! Requests to services, and bridges to subjects that are not ours.

use std::{pin::Pin, sync::Arc, time::Duration};

use async_nats::{HeaderMap, HeaderName, HeaderValue, Message, Subject, message::OutboundMessage};
use bytes::Bytes;
use ws_broker::{EngineError, Status};

use crate::{
    NatsConfig, NatsStats, RequestError, StartError,
    error::refused,
    link::{Call, CallError, Following, Link, Linked, Tasks, run},
};

/// Says from whom a message is, so that what goes out over one bridge does not come back over another.
const ORIGIN: HeaderName = HeaderName::from_static("Ws-Gateway");

/// A connection to NATS for requests and bridges: an engine's own ([`Nats::client`](crate::Nats::client)), or one
/// by itself, which takes no JetStream.
#[derive(Clone, Debug)]
pub struct Client {
    link: Arc<Link>,
    _tasks: Arc<Tasks>,
}

/// A subscription to a subject of others; over when dropped.
#[derive(Debug)]
#[must_use = "a bridge is over when it is dropped"]
pub struct Bridge {
    _following: Following,
}

/// What came over a bridge.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// Where it was published.
    pub subject: &'a str,
    /// What was published.
    pub payload: &'a Bytes,
    /// Its headers.
    pub headers: Headers<'a>,
    /// Where an answer is expected, if one is.
    pub reply: Option<&'a str>,
}

/// Headers of a message.
#[derive(Clone, Copy, Debug)]
pub struct Headers<'a>(Option<&'a HeaderMap>);

/// A client by itself has nothing to look after.
struct Alone;

impl Client {
    /// Goes to work and returns at once, like [`Nats::connect`](crate::Nats::connect).
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn connect(config: NatsConfig) -> Self {
        let (link, workers) = Link::new(config);
        let tasks = Arc::new(run(&link, workers, Arc::new(Alone)));
        Self { link, _tasks: tasks }
    }

    pub(crate) fn over(link: Arc<Link>, tasks: Arc<Tasks>) -> Self {
        Self { link, _tasks: tasks }
    }

    /// Returns when it is up.
    ///
    /// # Errors
    ///
    /// What the last attempt failed by. It goes on trying nevertheless.
    pub async fn ready(&self) -> Result<(), StartError> {
        self.link.ready().await
    }

    /// How it is now.
    pub fn status(&self) -> Status {
        self.link.status()
    }

    /// What was done, and what waits.
    pub fn stats(&self) -> NatsStats {
        self.link.stats()
    }

    /// Asks whoever answers on a subject.
    ///
    /// # Errors
    ///
    /// Nobody does, or not in time, or the server is away.
    pub async fn request(
        &self,
        subject: &str,
        payload: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, RequestError> {
        self.request_with(subject, &[], payload, timeout).await
    }

    /// As [`Client::request`], with headers.
    ///
    /// # Errors
    ///
    /// As there, and a header is none.
    pub async fn request_with(
        &self,
        subject: &str,
        headers: &[(&str, &str)],
        payload: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, RequestError> {
        if let Some(complaint) = complaint_about(subject) {
            return Err(RequestError::Refused(complaint));
        }
        if let Err(error) = self.link.check_up() {
            return Err(RequestError::Down(error.to_string()));
        }
        let mut call = Call::new(subject.to_owned(), payload, timeout);
        if !headers.is_empty() {
            let map = header_map(headers);
            call.headers = Some(map.map_err(|what| RequestError::Refused(what.to_owned()))?);
        }
        match self.link.answer_to(call).await {
            Ok(message) => Ok(message.payload),
            Err(CallError::NoResponders) => Err(RequestError::NoResponders),
            Err(CallError::TimedOut) => Err(RequestError::TimedOut),
            Err(CallError::Broken) => Err(RequestError::Down("the connection broke".to_owned())),
            Err(CallError::Unsent(error)) => Err(match error {
                EngineError::Overloaded { .. } => RequestError::Overloaded,
                EngineError::Refused { reason, .. } => RequestError::Refused(reason.into_owned()),
                error => RequestError::Down(error.to_string()),
            }),
        }
    }

    /// Publishes to a subject of others. Other gateways of the same prefix know it as ours.
    ///
    /// # Errors
    ///
    /// It is not on its way, and will not be.
    pub fn publish(
        &self,
        subject: &str,
        payload: Bytes,
        headers: &[(&str, &str)],
    ) -> Result<(), EngineError> {
        self.link.check_up()?;
        if let Some(complaint) = complaint_about(subject) {
            return Err(refused(complaint));
        }
        let mut map = header_map(headers).map_err(refused)?;
        map.insert(ORIGIN, self.link.names.prefix());
        let subject = Subject::from(subject);
        self.link.send(OutboundMessage { subject, reply: None, payload, headers: Some(map) })
    }

    /// Takes what others publish on a subject, which may have the wildcards `*` and `>`, from now on, or
    /// from when the server is reached. What gateways of the same prefix published is left out.
    ///
    /// Every gateway takes it, unless there is a `group`: then one of those in it does. For a
    /// channel without history, no group; for one with history, where one has to append it for all, a group.
    ///
    /// # Errors
    ///
    /// The subject or the group cannot be.
    pub fn bridge(
        &self,
        subject: &str,
        group: Option<&str>,
        mut take: impl FnMut(Arrival<'_>) + Send + 'static,
    ) -> Result<Bridge, EngineError> {
        if let Some(complaint) = complaint_about_pattern(subject) {
            return Err(refused(complaint));
        }
        if group.is_some_and(|group| group.is_empty() || group.contains(char::is_whitespace)) {
            return Err(refused("the name of a group is empty or has spaces"));
        }
        let own = self.link.names.prefix().to_owned();
        let group = group.map(str::to_owned);
        let take = move |message: Message| {
            let arrival = Arrival {
                subject: &message.subject,
                payload: &message.payload,
                headers: Headers(message.headers.as_ref()),
                reply: message.reply.as_deref(),
            };
            if arrival.headers.get(ORIGIN.as_ref()) != Some(own.as_str()) {
                take(arrival);
            }
        };
        let following = self.link.subscribe_when_reached(subject.to_owned(), group, take)?;
        Ok(Bridge { _following: following })
    }
}

impl<'a> Headers<'a> {
    /// The first value of a header; names are told apart by case.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        let name: HeaderName = name.parse().ok()?;
        self.0?.get(name).map(HeaderValue::as_str)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let all = self.0.into_iter().flat_map(HeaderMap::iter);
        all.flat_map(|(name, values)| {
            let name: &str = name.as_ref();
            values.iter().map(move |value| (name, value.as_str()))
        })
    }
}

impl Linked for Alone {
    fn handle_up(&self) -> Pin<Box<dyn Future<Output = Result<(), StartError>> + Send + '_>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn handle_break(&self) {}

    fn handle_status(&self, _: &Status) {}
}

/// These as NATS has them, or what of one of them is none.
fn header_map(headers: &[(&str, &str)]) -> Result<HeaderMap, &'static str> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name: HeaderName = name.parse().map_err(|_| "a header's name")?;
        let value: HeaderValue = value.parse().map_err(|_| "a header's value")?;
        map.append(name, value);
    }
    Ok(map)
}

/// What is wrong with a subject to publish on.
fn complaint_about(subject: &str) -> Option<String> {
    if subject.split('.').any(|token| token == "*" || token == ">") {
        return Some(format!("{subject:?} has a wildcard"));
    }
    complaint_about_pattern(subject)
}

/// What is wrong with a subject to subscribe to.
fn complaint_about_pattern(subject: &str) -> Option<String> {
    let mut tokens = subject.split('.').peekable();
    while let Some(token) = tokens.next() {
        if token.is_empty() {
            return Some(format!("{subject:?} has an empty part"));
        }
        if token.contains(|sign: char| sign.is_whitespace() || sign.is_control()) {
            return Some(format!("{subject:?} has a space"));
        }
        if token == ">" && tokens.peek().is_some() {
            return Some(format!("{subject:?} goes on behind `>`"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_that_cannot_be_are_refused() {
        for (subject, publish, subscribe) in [
            ("orders.eu", true, true),
            ("orders.*", false, true),
            ("orders.>", false, true),
            ("orders.>.eu", false, false),
            ("orders..eu", false, false),
            ("", false, false),
            ("a b", false, false),
            ("a\r\nPUB x 0", false, false),
        ] {
            assert_eq!(complaint_about(subject).is_none(), publish, "{subject}");
            assert_eq!(complaint_about_pattern(subject).is_none(), subscribe, "{subject}");
        }
    }
}
