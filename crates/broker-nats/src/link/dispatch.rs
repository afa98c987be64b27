//! All subscriptions, served by one task.
//!
//! The library gives each subscription a channel of its own. A task for each would be woken, and perhaps moved to
//! another thread, for each message; here one task takes what came in all of them since it ran last.

use futures_util::{StreamExt, stream::FuturesUnordered};

use super::Workers;

pub(super) async fn dispatch(mut workers: Workers) {
    let mut working = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            work = workers.recv() => match work {
                Some(work) => working.push(work),
                None => return,
            },
            Some(()) = working.next(), if !working.is_empty() => {}
        }
    }
}
