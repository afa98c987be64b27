//! A gateway with others on it: connections that do nothing, channels in which nothing happens.

use std::ops::Range;

use bytes::Bytes;
use ws_handler::WebSocketHandler;

use crate::{
    house::{Connected, Echo, Minter, connect, handler},
    material::client_frame,
};

/// As many as a connection may have.
pub(crate) const CHANNELS_EACH: usize = 100;

pub(crate) struct Crowd {
    handler: WebSocketHandler<Echo>,
    minter: Minter,
    /// They stay, and nobody looks at them.
    others: Vec<Connected>,
    /// Channels with one subscriber each.
    channels: usize,
}

impl Crowd {
    pub(crate) fn new() -> Self {
        Self { handler: handler(), minter: Minter::new(), others: Vec::new(), channels: 0 }
    }

    /// Until there are so many channels with one subscriber each.
    pub(crate) fn grow_channels(&mut self, channels: usize) {
        while self.channels < channels {
            let count = CHANNELS_EACH.min(channels - self.channels);
            let other = self.owner(self.channels..self.channels + count);
            self.others.push(other);
            self.channels += count;
        }
    }

    /// The only subscriber of each of these channels.
    pub(crate) fn owner(&self, channels: Range<usize>) -> Connected {
        let mut owner = self.connect(&format!("owner-{}", channels.start));
        let wire = frames(channels.map(|n| subscribe(&elsewhere(n))));
        assert!(owner.exchange(&wire) > 0);
        owner
    }

    /// Until there are so many connections, each subscribed to this channel, if to any.
    pub(crate) fn grow_connections(&mut self, connections: usize, channel: Option<&str>) {
        while self.others.len() < connections {
            let user = format!("other-{}", self.others.len());
            let other = match channel {
                Some(channel) => self.subscriber(&user, channel),
                None => self.connect(&user),
            };
            self.others.push(other);
        }
    }

    pub(crate) fn subscriber(&self, user: &str, channel: &str) -> Connected {
        let mut connected = self.connect(user);
        assert!(connected.exchange(&frames([subscribe(channel)])) > 0);
        connected
    }

    pub(crate) fn connect(&self, user: &str) -> Connected {
        connect(&self.handler, &self.minter.upgrade(user))
    }
}

/// The name of one of the channels in which nothing happens.
pub(crate) fn elsewhere(n: usize) -> String {
    format!("elsewhere:{n}")
}

pub(crate) fn subscribe(channel: &str) -> String {
    format!(r#"{{"type":"subscribe","channel":"{channel}"}}"#)
}

pub(crate) fn unsubscribe(channel: &str) -> String {
    format!(r#"{{"type":"unsubscribe","channel":"{channel}"}}"#)
}

pub(crate) fn publish(channel: &str) -> String {
    format!(r#"{{"type":"publish","channel":"{channel}","data":"twenty bytes of text"}}"#)
}

/// The frames of these texts, as they come in one read.
pub(crate) fn frames(texts: impl IntoIterator<Item = String>) -> Bytes {
    let frame = |(seed, text): (usize, String)| client_frame(0x81, text.as_bytes(), seed as u64);
    texts.into_iter().enumerate().flat_map(frame).collect::<Vec<u8>>().into()
}
