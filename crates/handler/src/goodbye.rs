//! Telling a client when to come back, before it is sent away.

use std::{sync::Arc, time::Duration};

use ws_connection::Prepared;
use ws_protocol::ServerMessage;
use ws_transport::SendError;

use crate::{client::Client, clock::WallClock};

/// Says `goodbye` behind all that waits for the client; ahead of it where there is no room, for it goes
/// once to each connection and must not be what is left out.
pub(crate) fn say_goodbye(client: &Client, after: Duration, clock: &WallClock) {
    if !client.is_welcome() {
        // A tunnel carries bytes, and is told nothing. Who has not said who it is yet comes back by its own
        // delays: there are few of them, and none for long.
        return;
    }
    let now = tokio::time::Instant::now().into_std();
    let reconnect_after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
    let mut text = Vec::with_capacity(96);
    ServerMessage::Goodbye { reconnect_after_ms }.encode(None, clock.wall_ms(now), &mut text);
    let Ok(text) = str::from_utf8(&text) else { return };
    if let Err(SendError::Full(message)) = client.send(Arc::new(Prepared::text(text))) {
        // One that is closed by now needs none.
        let _ = client.outbox().send_urgent(message);
    }
}
