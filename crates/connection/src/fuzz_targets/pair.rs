//! Two of our own sides: whatever is sent arrives as it was, in order, however the wire cuts it.

use std::{collections::VecDeque, sync::Arc};

use super::{
    base,
    input::{Input, LIMIT, codec},
    watch::Watch,
};
use crate::{Connection, Event, Prepared, Role, Wire, Workspace};

/// Sends the messages that the bytes spell, both ways.
pub fn pair(data: &[u8]) {
    let mut input = Input::new(data);
    let manager = input.compression();
    let piece = 1 + input.below(2000);
    let mut ends = [Role::Server, Role::Client].map(|role| {
        let codec = manager.as_ref().map(|manager| codec(manager, role));
        End {
            connection: Connection::new(Arc::new(input.config(role)), codec, 7, base()),
            workspace: Workspace::with_read_bytes(piece),
            watch: Watch::default(),
            out: Vec::new(),
            delivered: 0,
            expected: VecDeque::new(),
        }
    });
    for _ in 0..50 {
        if input.is_empty() {
            break;
        }
        let from = usize::from(input.coin());
        let message = ends[from].send(&mut input);
        ends[1 - from].expected.push_back(message);
        if input.coin() {
            deliver(&mut ends);
        }
    }
    deliver(&mut ends);
    for end in &ends {
        assert!(end.expected.is_empty(), "{} messages are lost", end.expected.len());
        assert!(!end.connection.is_closing(), "{:?}", end.connection.ended());
    }
}

struct End {
    connection: Connection,
    workspace: Workspace,
    watch: Watch,
    /// Everything that was ever written, and how much of it the other end has.
    out: Vec<u8>,
    delivered: usize,
    /// What the other end has sent and this one was not told of yet.
    expected: VecDeque<Message>,
}

#[derive(Debug, PartialEq)]
enum Message {
    Text(String),
    Binary(Vec<u8>),
}

impl End {
    fn send(&mut self, input: &mut Input<'_>) -> Message {
        let (connection, out, now) = (&mut self.connection, &mut self.out, base());
        let mut bytes = input.payload();
        bytes.truncate(LIMIT);
        // Replacing what is no UTF-8 makes it longer.
        let text = String::from_utf8(bytes);
        let choice = input.byte();
        let (sent, message) = match (text, choice % 3) {
            (Ok(text), 0) => (connection.send_text(&text, out, now), Message::Text(text)),
            (Ok(text), 1) => {
                let write = |out: &mut Vec<u8>| out.extend_from_slice(text.as_bytes());
                let sent = connection.send_text_with(write, &mut Vec::new(), out, now);
                (sent, Message::Text(text))
            }
            (Ok(text), _) => {
                let prepared = Prepared::text(&text);
                let sent = connection.send_prepared(&prepared, out, now).map(|wire| match wire {
                    Wire::Shared(frame) => out.extend_from_slice(frame),
                    Wire::Written => {}
                });
                (sent, Message::Text(text))
            }
            (Err(error), _) => {
                let bytes = error.into_bytes();
                (connection.send_binary(&bytes, out, now), Message::Binary(bytes))
            }
        };
        assert_eq!(sent, Ok(()));
        self.watch.step(&self.connection, &self.out);
        message
    }

    fn receive(&mut self, wire: &[u8]) {
        assert_eq!(self.workspace.load(wire), wire.len(), "the last read was worked off");
        while let Some(event) =
            self.connection.poll_event(&mut self.workspace, &mut self.out, base())
        {
            self.watch.event(&event);
            let message = match event {
                Event::Text(text) => Message::Text(text.to_owned()),
                Event::Binary(bytes) => Message::Binary(bytes.to_vec()),
                other => panic!("{other:?} was not sent"),
            };
            assert!(self.expected.pop_front() == Some(message), "another message was sent");
        }
    }
}

fn deliver([server, client]: &mut [End; 2]) {
    pass(server, client);
    pass(client, server);
}

fn pass(from: &mut End, to: &mut End) {
    let piece = to.workspace.read.len();
    for piece in from.out[from.delivered..].chunks(piece) {
        to.receive(piece);
    }
    from.delivered = from.out.len();
}
