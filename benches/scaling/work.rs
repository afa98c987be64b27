//! The kinds of work, and what the threads share in each.

use std::sync::Arc;

use bytes::Bytes;
use ws_connection::Prepared;
use ws_handler::{Client, WebSocketHandler};

use crate::{
    house::{Connected, Echo, Minter, connect, handler},
    material::{client_frame, client_frames},
};

const REQUEST: &str = r#"{"type":"request","requestId":"123","payload":{"action":"test"}}"#;
const NEWS: &str = r#"{"type":"message","channel":"news","data":"twenty bytes of text"}"#;
/// Receivers of each thread.
const RECEIVERS: usize = 64;

#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Request,
    Requests,
    OwnGroups,
    SharedMessage,
    Connect,
}

/// What all threads work on: one gateway, as a process has it.
pub(crate) struct Shared {
    handler: WebSocketHandler<Echo>,
    news: Arc<Prepared>,
}

impl Shared {
    pub(crate) fn new() -> Self {
        Self { handler: handler(), news: Arc::new(Prepared::text(NEWS)) }
    }
}

/// One thread's part.
pub(crate) struct Work {
    round: Box<dyn FnMut()>,
    /// What one round is counted as.
    pub(crate) messages: u32,
}

impl Work {
    pub(crate) fn round(&mut self) {
        (self.round)();
    }
}

impl Kind {
    pub(crate) const ALL: [Self; 5] =
        [Self::Request, Self::Requests, Self::OwnGroups, Self::SharedMessage, Self::Connect];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Request => "request to response, one by one",
            Self::Requests => "request to response, 16 in a read",
            Self::OwnGroups => "delivery, a message and a group each",
            Self::SharedMessage => "delivery, one message for the groups of all",
            Self::Connect => "connect with a token never seen",
        }
    }

    pub(crate) fn start(self, shared: &Arc<Shared>, thread: usize) -> Work {
        let minter = Minter::new();
        let upgrade = |n: usize| minter.upgrade(&format!("user-{thread}-{n}"));
        match self {
            Self::Request | Self::Requests => {
                let messages = if matches!(self, Self::Request) { 1 } else { 16 };
                let mut connected = connect(&shared.handler, &upgrade(0));
                let wire = match messages {
                    1 => Bytes::from(client_frame(0x81, REQUEST.as_bytes(), 1)),
                    _ => Bytes::from(client_frames(0x81, REQUEST.as_bytes(), messages)),
                };
                let round = move || assert!(connected.exchange(&wire) > 0);
                Work { round: Box::new(round), messages: messages as u32 }
            }
            Self::OwnGroups => {
                let (clients, mut receivers) = group(shared, thread, &upgrade);
                let round = move || {
                    let message = Arc::new(Prepared::text(NEWS));
                    deliver(&message, &clients, &mut receivers);
                };
                Work { round: Box::new(round), messages: RECEIVERS as u32 }
            }
            Self::SharedMessage => {
                let (clients, mut receivers) = group(shared, thread, &upgrade);
                let message = shared.news.clone();
                let round = move || deliver(&message, &clients, &mut receivers);
                Work { round: Box::new(round), messages: RECEIVERS as u32 }
            }
            Self::Connect => {
                let (shared, mut n) = (shared.clone(), 0);
                let tokens: Vec<Bytes> = (0..4096).map(upgrade).collect();
                let round = move || {
                    drop(connect(&shared.handler, &tokens[n % tokens.len()]));
                    n += 1;
                };
                Work { round: Box::new(round), messages: 1 }
            }
        }
    }
}

/// A thread's receivers: the ways to them, and the connections.
fn group(
    shared: &Shared,
    thread: usize,
    upgrade: &dyn Fn(usize) -> Bytes,
) -> (Vec<Arc<Client>>, Vec<Connected>) {
    let receivers = (0..RECEIVERS).map(|n| connect(&shared.handler, &upgrade(n))).collect();
    let of_user = |n| shared.handler.connections_by_user_id(&format!("user-{thread}-{n}"));
    let clients = (0..RECEIVERS).flat_map(of_user).collect();
    (clients, receivers)
}

fn deliver(message: &Arc<Prepared>, clients: &[Arc<Client>], receivers: &mut [Connected]) {
    for client in clients {
        assert!(client.send(message.clone()).is_ok());
    }
    for receiver in receivers {
        assert!(receiver.turn() > 0);
    }
}
