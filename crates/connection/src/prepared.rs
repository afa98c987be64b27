//! Messages framed once for many receivers.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use ws_compression::{Outcome, PerMessageDeflate};

use crate::frame::{encode_header, header_len};

/// Window sizes that two ends may agree on (RFC 7692 §7.1.2).
const WINDOWS: usize = 8;
/// The longest header of a server's frame.
const HEADER_BYTES_MAX: usize = 10;

/// A server's message, or several that follow one another, framed when it is made and deflated at
/// most once for each window size that a receiver without context takeover has negotiated. Share it
/// behind an `Arc`.
#[derive(Debug)]
pub struct Prepared {
    content: Content,
    /// Headers and payloads of the plain form.
    framed: Bytes,
    /// Lazily made, for each window by whichever receiver comes first, while those with another one
    /// go on. `None` marks a window for which deflating does not pay.
    deflated: OnceLock<Box<[OnceLock<Option<Bytes>>; WINDOWS]>>,
    origin: Option<Box<Origin>>,
}

/// Where a message comes from: what is told to those who go without it, because they are too slow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The channel that it was published to.
    pub channel: Arc<str>,
    /// What it is about, within the channel: of two messages with the same key, the newer says it all.
    pub key: u64,
    /// Its place in the channel's history: the epoch, the first offset and the last. None in a channel
    /// without one.
    pub range: Option<(u64, u64, u64)>,
    /// How many messages it is to those who count.
    pub count: u32,
}

#[derive(Debug)]
enum Content {
    One { kind: Data, header_len: u8 },
    Several(Box<[Arc<Prepared>]>),
}

/// How a prepared message leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wire<'p> {
    /// It was encoded into the output: the receiver's form is its own.
    Written,
    /// These shared bytes are to be written as they are. Lent, because what is short is copied
    /// rather than referred to.
    Shared(&'p Bytes),
}

impl Prepared {
    /// Frames a text message.
    pub fn text(text: &str) -> Self {
        Self::new(Data::Text, text.as_bytes())
    }

    /// Frames a binary message.
    pub fn binary(bytes: &[u8]) -> Self {
        Self::new(Data::Binary, bytes)
    }

    fn new(kind: Data, payload: &[u8]) -> Self {
        let header_len = header_len(payload.len(), false);
        let mut framed = Vec::with_capacity(header_len + payload.len());
        encode_header(&mut framed, true, false, OpCode::Data(kind), payload.len(), None);
        framed.extend_from_slice(payload);
        let content = Content::One { kind, header_len: header_len as u8 };
        Self { content, framed: framed.into(), deflated: OnceLock::new(), origin: None }
    }

    /// Says where it comes from.
    #[must_use]
    pub fn with_origin(mut self, origin: Origin) -> Self {
        self.origin = Some(Box::new(origin));
        self
    }

    /// Where it comes from, if that was said. Of messages that were joined, each has its own.
    pub fn origin(&self) -> Option<&Origin> {
        self.origin.as_deref()
    }

    /// Calls `each` with the origin of every message, in order: one that was not given any counts too.
    pub fn for_each_origin(&self, mut each: impl FnMut(Option<&Origin>)) {
        self.visit_origins(&mut each);
    }

    fn visit_origins(&self, each: &mut dyn FnMut(Option<&Origin>)) {
        match (&self.content, self.origin()) {
            (Content::One { .. }, origin) | (Content::Several(_), origin @ Some(_)) => each(origin),
            (Content::Several(messages), None) => {
                messages.iter().for_each(|it| it.visit_origins(each));
            }
        }
    }

    /// Puts messages that go to the same receivers into one, in their order: each receiver is then
    /// reached once for all of them. Whoever receives sees no difference. `None` when there are none.
    pub fn join(messages: &[Arc<Self>]) -> Option<Arc<Self>> {
        match messages {
            [] => None,
            [one] => Some(one.clone()),
            several => {
                let mut framed = Vec::with_capacity(several.iter().map(|it| it.wire_len()).sum());
                several.iter().for_each(|it| framed.extend_from_slice(&it.framed));
                let content = Content::Several(several.into());
                let framed = framed.into();
                Some(Arc::new(Self { content, framed, deflated: OnceLock::new(), origin: None }))
            }
        }
    }

    /// Calls `each` with the kind and the payload of every message, in order.
    pub fn for_each(&self, mut each: impl FnMut(Data, &[u8])) {
        self.visit(&mut each);
    }

    fn visit(&self, each: &mut dyn FnMut(Data, &[u8])) {
        match &self.content {
            Content::One { kind, header_len } => {
                each(*kind, &self.framed[usize::from(*header_len)..]);
            }
            Content::Several(messages) => messages.iter().for_each(|it| it.visit(each)),
        }
    }

    /// Bytes of the plain form on the wire; outboxes are bounded by this.
    pub fn wire_len(&self) -> usize {
        self.framed.len()
    }

    /// The shared bytes for a receiver, unless its codec keeps a window of its own.
    pub(crate) fn shared_form(&self, deflate: Option<&PerMessageDeflate>) -> Option<&Bytes> {
        let Some(deflate) = deflate else { return Some(&self.framed) };
        let window = usize::from(deflate.shared_window_bits()?.get()) % WINDOWS;
        let forms = self.deflated.get_or_init(Box::default);
        let form = forms[window].get_or_init(|| self.deflate(deflate));
        Some(form.as_ref().unwrap_or(&self.framed))
    }

    fn deflate(&self, deflate: &PerMessageDeflate) -> Option<Bytes> {
        match &self.content {
            Content::One { kind, header_len } => {
                let mut payload = Vec::new();
                let plain = &self.framed[usize::from(*header_len)..];
                match deflate.compress_alone(plain, &mut payload) {
                    Outcome::Compressed => {}
                    Outcome::Plain => return None,
                }
                let room = HEADER_BYTES_MAX + payload.len();
                let mut framed = Vec::with_capacity(room);
                encode_header(&mut framed, true, true, OpCode::Data(*kind), payload.len(), None);
                framed.extend_from_slice(&payload);
                Some(framed.into())
            }
            Content::Several(messages) => {
                // Each may have been deflated for others already, alone or in another company.
                let mut framed = Vec::with_capacity(self.framed.len() / 2);
                for message in messages {
                    framed.extend_from_slice(message.shared_form(Some(deflate))?);
                }
                (framed.len() < self.framed.len()).then(|| framed.into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(channel: &str) -> Origin {
        Origin { channel: channel.into(), key: 7, range: Some((1, 2, 3)), count: 1 }
    }

    fn origins(message: &Prepared) -> Vec<Option<String>> {
        let mut origins = Vec::new();
        message.for_each_origin(|it| origins.push(it.map(|origin| origin.channel.to_string())));
        origins
    }

    #[test]
    fn joined_messages_keep_the_origins_of_all_their_parts() {
        let channel = |name: &str| Some(name.to_owned());
        let feed = Arc::new(Prepared::text("1").with_origin(origin("feed")));
        let none = Arc::new(Prepared::text("2"));
        let chat = Arc::new(Prepared::binary(b"3").with_origin(origin("chat")));
        assert_eq!(feed.origin(), Some(&origin("feed")));
        assert_eq!(origins(&feed), [channel("feed")]);
        assert_eq!(origins(&none), [None]);

        let some = Prepared::join(&[feed.clone(), none]).expect("two");
        let all = Prepared::join(&[chat, some, feed]).expect("two");
        assert_eq!(all.origin(), None, "none of its own");
        assert_eq!(origins(&all), [channel("chat"), channel("feed"), None, channel("feed")]);
    }

    #[test]
    fn an_origin_given_to_joined_messages_is_that_of_all_of_them() {
        let parts = [Arc::new(Prepared::text("1")), Arc::new(Prepared::text("2"))];
        let joined = Prepared::join(&parts).expect("two");
        let joined = Arc::into_inner(joined).expect("nobody else has it");
        assert_eq!(origins(&joined.with_origin(origin("feed"))), [Some("feed".to_owned())]);
    }
}
