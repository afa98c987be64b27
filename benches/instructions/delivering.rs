//! One message for many: made, pushed to every outbox, written by every connection.

use std::{hint::black_box, sync::Arc};

use crate::material::json;
use ws_connection::Prepared;

use crate::{
    Case,
    house::{Connected, Minter, connect, handler},
};

const RECEIVERS: u32 = 64;

pub(crate) fn cases(count: &mut dyn FnMut(Case)) {
    for (name, len, pending, rounds) in [
        ("1 pending of 20 B", 20, 1, 50),
        ("16 pending of 20 B", 20, 16, 30),
        ("16 pending of 512 B", 512, 16, 30),
        ("1 pending of 16 KiB, deflated", 16_384, 1, 20),
    ] {
        let (handler, minter) = (handler(), Minter::new());
        let mut receivers: Vec<Connected> = (0..RECEIVERS)
            .map(|n| connect(&handler, &minter.upgrade(&format!("user-{n}"))))
            .collect();
        // They come in an order that no two runs share, and the allocator would notice.
        let mut clients = handler.connections();
        clients.sort_by_key(|client| client.user_id());
        let text = json(len, 1);
        count(Case::new(format!("fan-out: {name}"), rounds, RECEIVERS * pending, move || {
            for _ in 0..pending {
                let message = Arc::new(Prepared::text(black_box(&text)));
                for client in &clients {
                    assert!(client.send(message.clone()).is_ok());
                }
            }
            for receiver in &mut receivers {
                assert!(receiver.turn() > 0);
            }
        }));
    }
}
