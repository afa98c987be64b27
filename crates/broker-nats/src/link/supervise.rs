//! Getting up, and noticing when it is down.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use async_nats::{ServerAddr, connection::State};
use tokio::{
    task::{JoinHandle, coop::unconstrained},
    time::{Instant, MissedTickBehavior, interval, sleep},
};
use ws_broker::{EngineError, Status};

use super::{Following, Link, Linked, Wire, Workers, dispatch, fence, options};
use crate::StartError;

/// How often deadlines are looked at, and the connection in case an event was lost.
const TICK: Duration = Duration::from_millis(100);

/// What runs as long as the engine does.
#[derive(Debug)]
pub(crate) struct Tasks(Vec<JoinHandle<()>>);

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

/// Goes to work; needs a runtime.
pub(crate) fn run(link: &Arc<Link>, workers: Workers, linked: Arc<dyn Linked>) -> Tasks {
    Tasks(vec![
        // It gives way by itself; a budget would make subscriptions say that they have nothing.
        tokio::spawn(unconstrained(dispatch::dispatch(workers))),
        tokio::spawn(fence::run(Arc::clone(link))),
        tokio::spawn(watch_deadlines(Arc::clone(link))),
        tokio::spawn(supervise(Arc::clone(link), linked)),
    ])
}

async fn watch_deadlines(link: Arc<Link>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let now = Instant::now();
        link.calls.handle_time(now);
        link.writes.handle_time(now);
    }
}

async fn supervise(link: Arc<Link>, linked: Arc<dyn Linked>) {
    if let Err(error) = link.config.check() {
        tell_failure(&link, &*linked, error);
        return;
    }
    let wire = connect(&link, &*linked).await;
    let mut failures = 0;
    loop {
        link.events.broke.store(false, Ordering::Release);
        let connects = wire.statistics.connects.load(Ordering::Relaxed);
        let looked_after = tokio::select! {
            done = get_up(&link, &*linked) => done,
            () = broken(&link, wire, connects) => {
                Err(StartError::Unreachable("the connection broke".to_owned()))
            }
        };
        match looked_after {
            Ok(()) => {
                failures = 0;
                link.is_up.store(true, Ordering::Release);
                set_status(&link, &*linked, &Status::Up);
                link.outcome.send_replace(Some(Ok(())));
                stay_up(&link, &*linked, wire, connects).await;
                link.is_up.store(false, Ordering::Release);
                linked.handle_break();
                link.handle_break();
                tell_failure(&link, &*linked, why_down(&link, "the connection broke"));
            }
            Err(error) => {
                failures += 1;
                link.handle_break();
                tell_failure(&link, &*linked, error);
                sleep(options::backoff(failures + 3, link.config.backoff_max)).await;
            }
        }
        reconnected(&link, &*linked, wire).await;
    }
}

/// Reaches a server for the first time.
async fn connect<'a>(link: &'a Arc<Link>, linked: &dyn Linked) -> &'a Wire {
    let mut attempts = 0;
    loop {
        attempts += 1;
        match try_to_connect(link).await {
            Ok(wire) => {
                let wire = link.wire.get_or_init(|| wire);
                link.connected.send_replace(true);
                return wire;
            }
            Err(error) => tell_failure(link, linked, error),
        }
        sleep(options::backoff(attempts + 2, link.config.backoff_max)).await;
    }
}

async fn try_to_connect(link: &Arc<Link>) -> Result<Wire, StartError> {
    let addresses: Result<Vec<ServerAddr>, _> =
        link.config.urls.iter().map(|url| url.parse::<ServerAddr>()).collect();
    let addresses = addresses.map_err(|error| StartError::Settings(error.to_string()))?;
    let options = options::options(&link.config, &link.events)?;
    let client = options.connect(addresses).await.map_err(|error| options::failure(&error))?;
    let statistics = client.statistics();
    Ok(Wire { client, statistics })
}

/// What is to be done before anybody may be told that it is up.
async fn get_up(link: &Arc<Link>, linked: &dyn Linked) -> Result<(), StartError> {
    let silent = |error: EngineError| why_down(link, &error.to_string());
    link.check_version()?;
    if link.answers.get().is_none() {
        let answers = take_answers(link).map_err(silent)?;
        link.meet_peers().map_err(silent)?;
        let _ = link.answers.set(answers);
    }
    if link.is_clustered() {
        link.greet_peers().await.map_err(silent)?;
    }
    link.confirm().await.map_err(silent)?;
    linked.handle_up().await
}

fn take_answers(link: &Arc<Link>) -> Result<[Following; 2], EngineError> {
    let (calls, writes) = (Arc::downgrade(link), Arc::downgrade(link));
    let of_calls = link.subscribe(link.calls.subject(), move |message| {
        if let Some(link) = calls.upgrade() {
            link.calls.handle_answer(message);
        }
    })?;
    let of_writes = link.subscribe(link.writes.subject(), move |message| {
        if let Some(link) = writes.upgrade() {
            link.writes.handle_answer(message);
        }
    })?;
    Ok([of_calls, of_writes])
}

/// Returns when the connection broke.
async fn stay_up(link: &Link, linked: &dyn Linked, wire: &Wire, connects: u64) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let broken = broken(link, wire, connects);
    tokio::pin!(broken);
    loop {
        tokio::select! {
            () = &mut broken => return,
            // Not at once: while messages are being missed, one word for all of them will do.
            _ = ticks.tick() => {
                let is_missing = link.events.missed.swap(false, Ordering::AcqRel);
                if is_missing {
                    link.seams.fetch_add(1, Ordering::AcqRel);
                    tracing::warn!("messages of NATS may have been missed");
                }
                if is_missing || link.events.is_new_listener.swap(false, Ordering::AcqRel) {
                    linked.handle_status(&Status::Up);
                }
            }
        }
    }
}

async fn broken(link: &Link, wire: &Wire, connects: u64) {
    loop {
        let is_other = wire.statistics.connects.load(Ordering::Relaxed) != connects;
        let is_connected = wire.client.connection_state() == State::Connected;
        if is_other || !is_connected || link.events.broke.load(Ordering::Acquire) {
            return;
        }
        // An event may be lost in a flood of others.
        let _ = tokio::time::timeout(TICK, link.events.changed.notified()).await;
    }
}

async fn reconnected(link: &Link, linked: &dyn Linked, wire: &Wire) {
    let mut said = link.events.reason.lock().clone();
    while wire.client.connection_state() != State::Connected {
        let _ = tokio::time::timeout(TICK, link.events.changed.notified()).await;
        let reason = link.events.reason.lock().clone();
        if reason != said {
            said = reason;
            tell_failure(link, linked, why_down(link, "no server can be reached"));
        }
    }
}

fn why_down(link: &Link, otherwise: &str) -> StartError {
    let reason = link.events.reason.lock().clone();
    match reason {
        Some(reason) if reason.contains("authorization") => StartError::Denied(reason),
        Some(reason) => StartError::Unreachable(reason),
        None => StartError::Unreachable(otherwise.to_owned()),
    }
}

fn tell_failure(link: &Link, linked: &dyn Linked, error: StartError) {
    let status = Status::Down(error.to_string().into());
    // Who waits for the outcome finds the status that goes with it.
    set_status(link, linked, &status);
    link.outcome.send_replace(Some(Err(error)));
}

fn set_status(link: &Link, linked: &dyn Linked, status: &Status) {
    let is_new_listener = link.events.is_new_listener.swap(false, Ordering::AcqRel);
    let is_same = std::mem::replace(&mut *link.status.lock(), status.clone()) == *status;
    if !is_same {
        match status {
            Status::Down(reason) => tracing::warn!(%reason, "NATS is away"),
            _ => tracing::info!("NATS is there"),
        }
    }
    if !is_same || is_new_listener {
        linked.handle_status(status);
    }
}
