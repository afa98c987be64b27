//! Accounts that nobody settles any more: of nodes that died, of users who never returned, of tiers that are no
//! more. Whoever settles an account takes it away when there is nothing to remember; these are left.

use std::{
    sync::{Arc, Weak},
    time::{Duration, UNIX_EPOCH},
};

use tokio::time::sleep;
use ws_broker::{Engine, EngineError, Status};
use ws_rate_limiter::is_account_over;

use super::{PREFIX, now};
use crate::{application::Application, clock::WallClock, handler::Shared};

/// How often it is looked for them, by one of the nodes, give or take a quarter.
const SWEEP_EVERY: Duration = Duration::from_secs(10 * 60);
/// What has said nothing for so long is over by any bucket that fills in an hour, as the longest that can be
/// configured does; the clocks of nodes may be minutes apart.
const OVER_FOR: Duration = Duration::from_secs(75 * 60);
/// At most so many are looked at each time, from another one on …
const LOOKED_AT_MAX: usize = 100_000;
/// … so many at a time …
const AT_ONCE: usize = 32;
/// … with this between them: some 600 reads a second.
const PAUSE: Duration = Duration::from_millis(50);

/// Takes them away as long as the handler lives.
pub(super) async fn keep_sweeping<A: Application>(shared: Weak<Shared<A>>) {
    loop {
        sleep(SWEEP_EVERY.mul_f64(rand::random_range(0.75..1.25))).await;
        let (engine, clock) = match shared.upgrade() {
            Some(shared) if shared.is_to_sweep() => {
                (shared.cluster.engine.clone(), shared.clock.clone())
            }
            Some(_) => continue,
            None => return,
        };
        match sweep(&*engine, &clock, &shared).await {
            Ok(0) => {}
            Ok(swept) => {
                tracing::info!(swept, "accounts of limits that nobody used were taken away");
            }
            Err(error) => tracing::debug!(%error, "accounts of limits are swept later"),
        }
    }
}

impl<A: Application> Shared<A> {
    /// Whether it falls to this node: the first of those that are known, which is one but for moments.
    fn is_to_sweep(&self) -> bool {
        let is_first = self.peers().is_none_or(|peers| {
            let own = peers.members.id();
            peers.members.others().into_iter().all(|other| own < other)
        });
        let is_shared = self.in_force().limits.cluster.is_some();
        is_first && is_shared && self.cluster.engine.status() == Status::Up
    }
}

/// Answers how many were taken away.
async fn sweep<A>(
    engine: &dyn Engine,
    clock: &Arc<WallClock>,
    shared: &Weak<Shared<A>>,
) -> Result<usize, EngineError> {
    let names = engine.keys(PREFIX).await?;
    // Another one each time, so that all have their turn where there are more.
    let first = rand::random_range(0..names.len().max(1));
    let turns = names.iter().cycle().skip(first).take(names.len().min(LOOKED_AT_MAX));
    let mut swept = 0;
    for (index, name) in turns.enumerate() {
        if index % AT_ONCE == AT_ONCE - 1 {
            sleep(PAUSE).await;
            if shared.strong_count() == 0 {
                break;
            }
        }
        let Some(record) = engine.get(name).await? else { continue };
        let wall = clock.wall(now()).duration_since(UNIX_EPOCH).unwrap_or_default();
        if is_account_over(&record.value, wall.saturating_sub(OVER_FOR)) {
            // Whoever has settled it meanwhile keeps it.
            swept += usize::from(engine.put(name, None, Some(record.revision)).await?.is_ok());
        }
    }
    Ok(swept)
}
