//! A driver that echoes: socket, connection, session, timer, without the gateway.

use std::sync::Arc;

use crate::material::{Memory, client_frames, json, now};
use bytes::Bytes;
use ws_connection::{Connection, ConnectionConfig, End, Event};
use ws_transport::{Driver, Meter, Replies, Session};

use crate::{Case, house::Connected};

struct Echo;

impl Session for Echo {
    fn handle_event(&mut self, event: Event<'_>, replies: &mut Replies<'_>) {
        let Event::Text(text) = event else { panic!("only text was sent: {event:?}") };
        replies.send_text(text).unwrap();
    }

    fn handle_end(&mut self, end: End) {
        panic!("nobody ended the connection: {end:?}");
    }
}

pub(crate) fn cases(count: &mut dyn FnMut(Case)) {
    for (name, len, messages, rounds) in [
        ("1 of 20 B", 20, 1, 1000),
        ("16 of 20 B", 20, 16, 500),
        ("16 of 1 KiB", 1024, 16, 100),
        ("1 of 64 KiB", 65_536, 1, 100),
    ] {
        let memory = Memory::default();
        let connection = Connection::new(Arc::new(ConnectionConfig::server()), None, 42, now());
        let driver =
            Driver::new(memory.clone(), connection, Arc::<Meter>::default(), 1 << 20, |_| Echo);
        let mut connected = Connected { task: Box::pin(driver), memory };
        let wire = Bytes::from(client_frames(0x81, json(len, 1).as_bytes(), messages));
        count(Case::new(format!("echo: {name}"), rounds, messages as u32, move || {
            assert!(connected.exchange(&wire) > messages * len);
        }));
    }
}
