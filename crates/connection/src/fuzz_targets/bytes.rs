//! Any bytes from the peer: judged the same however they are cut, and within the limits.

use std::sync::Arc;

use super::{
    base,
    input::{Input, codec},
    watch::Watch,
};
use crate::{Connection, Role, Workspace};

/// Feeds the same bytes whole and in pieces, to a server or a client, compressed or not.
pub fn bytes(data: &[u8]) {
    let mut input = Input::new(data);
    let role = if input.coin() { Role::Client } else { Role::Server };
    let config = Arc::new(input.config(role).with_heartbeat(None));
    let manager = input.compression();
    let piece = 1 + input.below(300);
    let wire = input.rest();

    let now = base();
    let feed = |piece: usize| {
        let codec = manager.as_ref().map(|manager| codec(manager, role));
        let mut connection = Connection::new(config.clone(), codec, 7, now);
        let mut workspace = Workspace::with_read_bytes(piece);
        let (mut watch, mut out, mut told) = (Watch::default(), Vec::new(), Vec::new());
        for piece in wire.chunks(piece) {
            assert_eq!(workspace.load(piece), piece.len(), "the last read was worked off");
            while let Some(event) = connection.poll_event(&mut workspace, &mut out, now) {
                watch.event(&event);
                told.push(format!("{event:?}"));
            }
        }
        watch.step(&connection, &out);
        (told, out)
    };
    let (whole, cut) = (feed(wire.len().max(1)), feed(piece));
    assert!(whole == cut, "{:?} when whole, {:?} in pieces of {piece}", whole.0, cut.0);
}
