//! Asking clients to connect again, to wherever a balancer sends them then: before a connection is too old,
//! and where this node has more than its share.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::sleep;
use ws_close_manager::SendableCode;

use crate::{
    application::Application,
    client::{Client, ConnectionId},
    end_reason::EndReason,
    goodbye::say_goodbye,
    handler::{Shared, WebSocketHandler},
};

pub(crate) mod balance;
mod lifetime;

use lifetime::Lifetimes;

/// The longest pause between two looks at a part of the connections, or at whether there is anything to do.
const LOOK_PAUSE_MAX: Duration = Duration::from_secs(1);
/// Connections that are asked for at a time, of those that may have to go.
const PAGE: usize = 256;

/// How clients are asked to connect again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moving {
    /// How old a connection may become; `None`: as old as it likes. Each goes at a moment of its own in the
    /// last quarter of the time.
    pub lifetime_max: Option<Duration>,
    /// The same for tunnels, which are ended without a word: what goes through them knows of no other
    /// connection to go on with.
    pub tunnel_lifetime_max: Option<Duration>,
    /// Whether, and how, nodes with more connections than others give some of them away. Tunnels stay, and are
    /// not counted.
    pub rebalance: Option<Rebalance>,
    /// How many clients a second are asked; `None`: without a pace, and they are not told when to come back.
    pub per_second: Option<std::num::NonZeroU32>,
}

/// When a node has more than its share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rebalance {
    /// So many percent above the mean of all nodes is too much.
    pub margin_percent: u32,
    /// How often nodes say how many connections they have, and give some away.
    pub interval: Duration,
}

impl<A: Application> WebSocketHandler<A> {
    /// Asks clients to connect again, each by `goodbye` and then a close with 1012, until a drain begins. How is
    /// asked each time, so that it may change. Dropped, it asks nobody any more.
    pub async fn keep_moving(&self, how: impl Fn() -> Moving) {
        tokio::join!(self.end_the_old(&how), self.keep_balance(&how));
    }

    /// Looks at one part of the connections after the other.
    async fn end_the_old(&self, how: &impl Fn() -> Moving) {
        let shared = &self.shared;
        let parts = shared.registry.parts();
        let mut turns = Turns::default();
        let mut old = Vec::new();
        for part in (0..parts).cycle() {
            let lifetimes = Lifetimes::of(&how());
            let round = lifetimes.shortest().map(|it| it.round() / parts as u32);
            sleep(round.map_or(LOOK_PAUSE_MAX, |round| round.min(LOOK_PAUSE_MAX))).await;
            if self.is_draining() {
                return;
            }
            if lifetimes.shortest().is_none() {
                continue;
            }
            turns.set_pace(how());
            let now_ms = shared.clock.wall_ms(clock());
            shared.registry.for_each_of(part, |client| {
                if lifetimes.is_over(client, now_ms) && !client.is_closing() {
                    old.push(client.clone());
                }
            });
            for client in old.drain(..) {
                // A tunnel is told nothing, and takes nobody's turn.
                let away = if client.is_tunnel() { None } else { turns.take(clock()) };
                shared.move_away(&client, away, EndReason::Lifetime, "Connection lifetime over");
            }
        }
    }

    async fn keep_balance(&self, how: &impl Fn() -> Moving) {
        let shared = &self.shared;
        let Some(peers) = shared.peers() else { return };
        loop {
            let moving = how();
            if moving.rebalance.is_some() {
                shared.cluster.say_load(Some(shared.registry.movable()));
            }
            sleep(moving.rebalance.map_or(LOOK_PAUSE_MAX, |rebalance| rebalance.interval)).await;
            if self.is_draining() {
                return;
            }
            let Some(rebalance) = moving.rebalance else { continue };
            let Rebalance { margin_percent, interval } = rebalance;
            let own = shared.registry.movable();
            let excess = peers.balance.lock().excess(own, margin_percent, interval, clock());
            if excess > 0 {
                self.give_away(excess, rebalance, moving).await;
            }
        }
    }

    /// Sends so many elsewhere, at the pace, and no longer than a round takes. Who has come within the last two
    /// rounds stays: it may have been sent here.
    async fn give_away(&self, excess: usize, rebalance: Rebalance, moving: Moving) {
        let shared = &self.shared;
        let mut turns = Turns::default();
        turns.set_pace(moving);
        let until = clock() + rebalance.interval;
        let settled_ms =
            shared.clock.wall_ms(clock()).saturating_sub(millis(rebalance.interval * 2));
        // Anywhere among all, so that nobody is asked each time.
        let mut after = Some(ConnectionId::random());
        let (mut given, mut has_wrapped) = (0, false);
        while given < excess && clock() < until && !self.is_draining() {
            let page = shared.registry.page(after, PAGE);
            after = page.last().map(|client| client.id());
            if after.is_none() && std::mem::replace(&mut has_wrapped, true) {
                break;
            }
            let settled = page.iter().filter(|client| {
                client.is_welcome()
                    && !client.is_tunnel()
                    && !client.is_closing()
                    && client.connected_at_ms() <= settled_ms
            });
            for client in settled.take(excess - given) {
                let away = moving.per_second.map(|_| Duration::ZERO);
                shared.move_away(client, away, EndReason::Rebalance, "Connections are rebalanced");
                given += 1;
                // Served until its turn; timers tick in milliseconds, and several turns may be in one.
                let turn = turns.take(clock()).unwrap_or_default();
                if turn >= Duration::from_millis(2) {
                    sleep(turn).await;
                }
            }
            tokio::task::yield_now().await;
        }
        tracing::info!(given, excess, "clients are asked to go to other nodes, which have fewer");
    }
}

impl<A: Application> Shared<A> {
    fn move_away(
        &self,
        client: &Arc<Client>,
        away: Option<Duration>,
        why: EndReason,
        reason: &'static str,
    ) {
        if let Some(away) = away {
            say_goodbye(client, away, &self.clock);
        }
        client.close_for(why, SendableCode::RESTART, reason);
    }
}

/// When each of those who are asked, for as long as anybody is, may be back.
#[derive(Debug, Default)]
struct Turns {
    /// Between two of them; none: they come as they like.
    step: Option<Duration>,
    free_at: Option<Instant>,
}

impl Turns {
    fn set_pace(&mut self, moving: Moving) {
        self.step = moving.per_second.map(|per_second| Duration::from_secs(1) / per_second.get());
    }

    /// How long the next of them is to stay away.
    fn take(&mut self, now: Instant) -> Option<Duration> {
        let step = self.step?;
        let turn = self.free_at.map_or(now, |free_at| free_at.max(now));
        self.free_at = Some(turn + step);
        Some(turn.saturating_duration_since(now))
    }
}

fn clock() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_who_are_too_old_at_once_come_back_at_the_pace() {
        let moving = Moving { per_second: std::num::NonZeroU32::new(10), ..Moving::default() };
        let (mut turns, now) = (Turns::default(), clock());
        turns.set_pace(moving);
        let ms = Duration::from_millis;
        let away: Vec<_> = (0..3).map(|_| turns.take(now)).collect();
        assert_eq!(away, [Some(ms(0)), Some(ms(100)), Some(ms(200))]);
        assert_eq!(turns.take(now + ms(250)), Some(ms(50)));
        assert_eq!(turns.take(now + ms(1000)), Some(ms(0)), "unused turns are not kept");
        assert_eq!(Turns::default().take(now), None);
    }
}
