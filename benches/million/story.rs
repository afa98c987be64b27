//! What is done with the crowd, and what is measured on the way.

use std::{
    num::{NonZeroU32, NonZeroUsize},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{runtime::Builder, time::interval};
use ws_close_manager::{CloseOptions, Pace, SendableCode};
use ws_connection::Prepared;

use crate::{
    arguments::Arguments,
    counting,
    crowd::Crowd,
    process::{Stopwatch, resident_bytes},
    report::{Broadcast, Close, Connect, Idle, Left, Memory, Report, sizes_since},
};

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What everybody is sent once.
const MESSAGE: &str =
    r#"{"type":"message","channel":"news","data":{"text":"to all"},"timestamp":0}"#;
/// How many are sent to before others get their turn.
const SENDS_AT_ONCE: usize = 256;
/// After 30 s, whoever is still there will stay.
const PATIENCE_STEPS: usize = 600;

/// Runs everything on a runtime of its own.
pub(crate) fn run(arguments: &Arguments) -> Result<Report, Failure> {
    let threads = arguments.threads.get();
    let runtime = Builder::new_multi_thread().worker_threads(threads).enable_time().build()?;
    let arguments = arguments.clone();
    // On a worker, as a listener would be: what it spawns is near.
    runtime.block_on(async { tokio::spawn(async move { tell(&arguments).await }).await })?
}

async fn tell(arguments: &Arguments) -> Result<Report, Failure> {
    let crowd = Crowd::new(arguments)?;
    let network = tokio::spawn(crowd.network.clone().run());
    // What the first connections make for all: scratch memory, tables, pools.
    let (before, sizes_before) = (Memory::now(), counting::live_by_size());
    let connect = connect(&crowd, arguments).await?;
    let memory = Memory::now().since(&before);
    let sizes = sizes_since(&sizes_before, arguments.connections.get());
    let idle = watch(&crowd, arguments).await;
    let broadcast = broadcast(&crowd).await?;
    let close = close(&crowd, arguments).await;
    let tasks = remaining_tasks().await;
    let stats = crowd.handler.stats();
    let left = Left {
        connections: stats.connections,
        users: stats.online_users,
        tasks,
        memory: Memory::now().since(&before),
    };
    network.abort();
    let ends = stats.ends.into_iter().filter(|(_, count)| *count > 0).collect();
    let (connections, threads) = (arguments.connections.get(), arguments.threads.get());
    let peak_bytes = resident_bytes().map(|(_, peak)| peak);
    Ok(Report {
        connections,
        threads,
        connect,
        memory,
        sizes,
        idle,
        broadcast,
        close,
        ends,
        left,
        peak_bytes,
    })
}

async fn connect(crowd: &Crowd, arguments: &Arguments) -> Result<Connect, Failure> {
    let calls = counting::calls();
    let span = crowd.connect(arguments.connections.get()).await?;
    Ok(Connect { span, allocations: counting::calls() - calls })
}

/// How many tasks of connections are left, once they had time to end.
async fn remaining_tasks() -> usize {
    let mut steps = interval(Duration::from_millis(50));
    for _ in 0..PATIENCE_STEPS {
        steps.tick().await;
        if tasks() == 0 {
            break;
        }
    }
    tasks()
}

fn tasks() -> usize {
    // Without this one and the network's.
    tokio::runtime::Handle::current().metrics().num_alive_tasks().saturating_sub(2)
}

/// Lets the crowd be idle, and counts pings second by second.
async fn watch(crowd: &Crowd, arguments: &Arguments) -> Idle {
    let pings = || crowd.network.pings.load(Ordering::Relaxed);
    let calls = counting::calls();
    let mut seconds = interval(Duration::from_secs(1));
    seconds.tick().await;
    let (stopwatch, start) = (Stopwatch::start(), pings());
    let mut by_second = Vec::with_capacity(arguments.idle.as_secs() as usize);
    let mut before = start;
    for _ in 0..arguments.idle.as_secs() {
        seconds.tick().await;
        let now = pings();
        by_second.push(now - before);
        before = now;
    }
    let span = stopwatch.read();
    let health = crowd.handler.check_connection_health();
    Idle {
        span,
        pings: before - start,
        pings_by_second: by_second,
        allocations: counting::calls() - calls,
        healthy: health.healthy_connections,
    }
}

/// One message to everybody.
async fn broadcast(crowd: &Crowd) -> Result<Broadcast, Failure> {
    let stopwatch = Stopwatch::start();
    let message = Arc::new(Prepared::text(MESSAGE));
    let clients = crowd.handler.connections();
    for (n, client) in clients.iter().enumerate() {
        client.send(message.clone())?;
        if n % SENDS_AT_ONCE == 0 {
            tokio::task::yield_now().await;
        }
    }
    crowd.network.messages.wait_for(clients.len() as u64).await;
    Ok(Broadcast { span: stopwatch.read(), deliveries: clients.len() as u64 })
}

/// Sends everybody away, at a pace.
async fn close(crowd: &Crowd, arguments: &Arguments) -> Close {
    let stopwatch = Stopwatch::start();
    let seconds = arguments.drain.as_secs().max(1);
    let per_second = arguments.connections.get() as u64 / seconds;
    let per_second = u32::try_from(per_second).ok().and_then(NonZeroU32::new);
    let options = CloseOptions::new(SendableCode::RESTART)
        .reason("Server restart")
        // Not so near that a machine with other work to do misses it.
        .timeout(6 * arguments.drain)
        .concurrency(NonZeroUsize::MAX)
        .pace(Pace::new(per_second.unwrap_or(NonZeroU32::MIN), 7));
    let report = crowd.handler.drain(&options).await;
    Close {
        span: stopwatch.read(),
        report,
        codes: crowd.network.closes(),
        hung_up: crowd.network.hung_up.load(Ordering::Relaxed),
    }
}
