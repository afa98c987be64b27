//! A connect: the request read, judged and verified, the connection registered and greeted.

use bytes::Bytes;

use crate::{
    Case,
    house::{Connected, Minter, connect, handler},
};

const CONNECTS: u32 = 300;

pub(crate) fn cases(count: &mut dyn FnMut(Case)) {
    let minter = Minter::new();
    let tokens = |of: fn(u32) -> u32| -> Vec<Bytes> {
        (0..2 * CONNECTS).map(|n| minter.upgrade(&format!("user-{}", of(n)))).collect()
    };
    for (name, requests) in [("never seen", tokens(|n| n)), ("known", tokens(|_| 0))] {
        let handler = handler();
        // The end of a connection is none of this: all are kept.
        let mut kept: Vec<Connected> = Vec::with_capacity(requests.len());
        count(Case::new(format!("connect: token {name}"), CONNECTS, 1, move || {
            let connected = connect(&handler, &requests[kept.len()]);
            kept.push(connected);
        }));
    }
}
