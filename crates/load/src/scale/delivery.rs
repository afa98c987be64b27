//! Publishing in a window and counting what comes.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use crate::{
    clock::{Clock, nanos},
    torture::client::{Client, Over},
};

/// So many are under way at once.
const WINDOW: u64 = 32;
/// Without anything to be heard for so long, nothing comes any more.
const SILENCE_MAX: Duration = Duration::from_secs(20);

/// Subscribes, and returns when all is confirmed; with what the last confirmation said.
pub(super) fn subscribe(
    client: &mut Client,
    channels: impl Iterator<Item = usize>,
) -> Result<String, Over> {
    let mut last = String::new();
    for channel in channels {
        client.say(format!(r#"{{"type":"subscribe","channel":"s:{channel}","id":{channel}}}"#))?;
        last = wait_for(client, "subscribed")?;
    }
    Ok(last)
}

/// Returns the next message of that type; an `error` is the end.
pub(super) fn wait_for(client: &mut Client, kind: &str) -> Result<String, Over> {
    let clock = Clock::start();
    while clock.now() < nanos(SILENCE_MAX) {
        let Some(text) = client.hear()? else { continue };
        if is_of(&text, kind) {
            return Ok(text.to_string());
        }
        if is_of(&text, "error") {
            return Err(Over);
        }
    }
    Err(Over)
}

/// Publishes in turn in the channels, and returns when all is acknowledged.
pub(super) fn publish(
    client: &mut Client,
    channels: usize,
    count: u64,
    data: &str,
) -> Result<(), Over> {
    let (mut sent, mut answered) = (0, 0);
    while answered < count {
        while sent < count && sent - answered < WINDOW {
            let channel = sent % channels.max(1) as u64;
            client.say(format!(
                r#"{{"type":"publish","channel":"s:{channel}","id":{sent},"data":{data}}}"#
            ))?;
            sent += 1;
        }
        wait_for(client, "ack")?;
        answered += 1;
    }
    Ok(())
}

/// Counts messages until there are so many, or it is over.
pub(super) fn count(
    client: &mut Client,
    wanted: u64,
    counted: &AtomicU64,
    is_over: &AtomicBool,
) -> Result<(), Over> {
    let mut own = 0;
    while own < wanted && !is_over.load(Relaxed) {
        if client.hear()?.is_some_and(|text| is_of(&text, "message")) {
            own += 1;
            counted.fetch_add(1, Relaxed);
        }
    }
    if own < wanted { Err(Over) } else { Ok(()) }
}

/// Whether everything came; returns when it did, or nothing comes any more.
pub(super) fn wait_for_all(counted: &AtomicU64, wanted: u64) -> bool {
    let clock = Clock::start();
    let (mut last, mut moved_at) = (0, 0);
    loop {
        let now = counted.load(Relaxed);
        if now >= wanted {
            return true;
        }
        if now != last {
            (last, moved_at) = (now, clock.now());
        }
        if clock.now() > moved_at + nanos(SILENCE_MAX) {
            return false;
        }
        crate::torture::pause(Duration::from_millis(1));
    }
}

/// Every message of a gateway begins with its type.
pub(super) fn is_of(text: &str, kind: &str) -> bool {
    let rest = text.strip_prefix(r#"{"type":""#).and_then(|rest| rest.strip_prefix(kind));
    rest.is_some_and(|rest| rest.starts_with('"'))
}
