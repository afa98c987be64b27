//! What becomes of channels that somebody is in when other rules come into force.
//!
//! ```text
//!   nothing is kept ──► (followed at the engine) ──► something is kept: nothing is lost in between
//!   something is kept ──► nothing is kept: who is there is told of a gap
//! ```
//!
//! Who is known to be present goes on being known until it leaves. Where presence begins, who is there already
//! counts when it subscribes the next time.

use std::sync::Arc;

use futures_util::FutureExt;
use ws_channels::ChannelName;
use ws_protocol::ServerMessage;

use super::{Hub, delivery::prepare};
use crate::policy::InForce;

/// Channels in which something changes with the policy.
#[derive(Debug, Default)]
pub(crate) struct Changing {
    /// Those whose engine has not answered yet.
    opening: Vec<ChannelName>,
    /// Those of which nothing is kept any more.
    ending: Vec<ChannelName>,
}

impl Hub {
    /// Follows what will be kept, before anything is published by the rules of `next`.
    pub(crate) fn get_ready_for(self: &Arc<Self>, before: &InForce, next: &InForce) -> Changing {
        let mut changing = Changing::default();
        if !before.has_keeps && !next.has_keeps {
            return changing;
        }
        let mut beginning = Vec::new();
        self.table.for_each_channel(|channel| {
            let name = channel.name();
            match (before.keep(name), next.keep(name)) {
                (None, Some(keep)) => beginning.push((name.clone(), keep.clone())),
                (Some(_), None) => changing.ending.push(name.clone()),
                (Some(_), Some(_)) | (None, None) => {}
            }
        });
        for (name, keep) in beginning {
            let Some(feed) = self.renew_feed(&name, Some(keep)) else { continue };
            let mut opening = Box::pin(feed.open(self.clone()));
            if (&mut opening).now_or_never().is_some() {
                continue;
            }
            changing.opening.push(name);
            if let Some(runtime) = self.runtime() {
                // What cannot be opened is tried again as everything that is followed.
                runtime.spawn(async move { drop(opening.await) });
            }
        }
        changing
    }

    /// The rules are in force.
    pub(crate) fn conclude_change(self: &Arc<Self>, changing: &Changing) {
        for name in &changing.ending {
            self.renew_feed(name, None);
        }
        for name in changing.ending.iter().chain(&changing.opening) {
            self.tell_of_a_gap(name);
        }
    }

    /// What was said between the two is on its way, or was kept and not heard of.
    fn tell_of_a_gap(&self, name: &ChannelName) {
        let Some(channel) = self.table.channel(name) else { return };
        let timestamp = self.wall_ms(tokio::time::Instant::now().into_std());
        let gap = ServerMessage::Gap { channel: name, dropped: 0, range: None };
        let gap = Arc::new(prepare(&gap, timestamp));
        for member in channel.publish().members() {
            member.outbox().send_lossy(gap.clone());
        }
    }
}
