//! The log of what was revoked: read as long as the handler lives, and told again where it was lost.

use std::{sync::Weak, time::Duration};

use tokio::time::timeout;
use ws_broker::{Engine, EngineError, Log, Position, ReadLimits, Status};

use super::{LOG, Word};
use crate::{application::Application, handler::Shared};

/// Read in parts of this size.
const PART: ReadLimits = ReadLimits { entries_max: 1024, bytes_max: 1 << 20 };
/// The log is looked at this often, whether or not anything was heard of it: an engine may lose the word
/// that there is something, and does not lose the log.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// What could not be read while it is waited for is tried again after this.
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// Follows the log, and reads whatever is behind what was read.
pub(super) async fn keep_reading<A: Application>(shared: Weak<Shared<A>>) {
    let (engine, keep, news) = match shared.upgrade() {
        Some(it) => {
            let revoking = &it.revoking;
            (it.cluster.engine.clone(), revoking.keep.clone(), revoking.news.clone())
        }
        None => return,
    };
    let log = Log { name: LOG, keep: &keep };
    let mut is_followed = false;
    let mut place = Place::default();
    loop {
        if !is_followed {
            is_followed = engine.follow(&log).await.is_ok();
        }
        let Some(asked) = shared.upgrade().map(|it| it.revoking.known.asked()) else { return };
        let read = read_on(&shared, &*engine, &log, &mut place).await;
        let Some(is_known) = shared.upgrade().map(|it| {
            match &read {
                Ok(()) => it.revoking.known.note_read(asked),
                Err(error) => {
                    tracing::debug!(%error, "what was revoked lately is not known here");
                }
            }
            it.revoking.is_known()
        }) else {
            return;
        };
        if place.is_untold && read.is_ok() {
            // Where that breaks off, it is tried again: what was said by then is kept once.
            place.is_untold = restate(&shared, &log).await.is_err();
        }
        // While tokens are refused for it, and the engine might answer, it is not waited for long.
        let is_pressing = !(is_known && is_followed) && engine.status() == Status::Up;
        let pause = if is_pressing { RETRY_AFTER } else { LOOK_EVERY };
        let _ = timeout(pause, news.notified()).await;
    }
}

/// How far the log has been read.
#[derive(Debug, Default)]
struct Place {
    at: Option<Position>,
    /// It has become another log, which has not been told all that is known here.
    is_untold: bool,
}

async fn read_on<A: Application>(
    shared: &Weak<Shared<A>>,
    engine: &dyn Engine,
    log: &Log<'_>,
    place: &mut Place,
) -> Result<(), EngineError> {
    let Place { at, is_untold } = place;
    loop {
        let after = at.map_or(0, |at| at.offset);
        let page = engine.read(log, after, PART).await?;
        let Some(shared) = shared.upgrade() else { return Ok(()) };
        if at.is_some_and(|at| at.epoch != page.head.epoch) {
            // It is another log: read from its beginning, and told what it does not know.
            (*at, *is_untold) = (None, true);
            continue;
        }
        let last = page.entries.last().map_or(after, |entry| entry.position.offset);
        *at = Some(Position { epoch: page.head.epoch, offset: last });
        let words: Vec<_> = page.entries.iter().filter_map(Word::read).collect();
        if !words.is_empty() {
            shared.take_back(words);
        }
        if page.entries.is_empty() || last >= page.head.offset {
            return Ok(());
        }
    }
}

/// The engine has lost what it kept: what is known here is said again, by each node and kept once. Of what it has
/// no room for nothing more can be said.
async fn restate<A: Application>(
    shared: &Weak<Shared<A>>,
    log: &Log<'_>,
) -> Result<(), EngineError> {
    let Some(shared) = shared.upgrade() else { return Ok(()) };
    let known = shared.revoking.table.list(usize::MAX);
    tracing::warn!(count = known.len(), "the engine has lost what was revoked; it is told again");
    for revocation in known {
        let word = Word::of(&revocation).encode();
        let event = str::from_utf8(&word).unwrap_or_default().to_owned();
        match shared.cluster.engine.append(log, word, Some(&event)).await {
            Ok(_) => {}
            Err(error @ EngineError::Full) => {
                tracing::error!(%error, "what was revoked is not known to all nodes");
                return Ok(());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
