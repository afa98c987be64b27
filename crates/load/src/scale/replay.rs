//! A client comes back after a million messages, and is given all of them.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use super::{Figures, delivery, fan_out::DATA, setup::Site};
use crate::{
    clock::Clock,
    torture::{client::Over, pause},
};

const PUBLISHERS: u64 = 4;
const LOOK_AGAIN: Duration = Duration::from_millis(5);

pub(super) fn measure(site: &mut Site, count: u64) -> Figures {
    let over = |Over| "a connection was lost".to_owned();
    let mut client = site.connect(0, "returning").map_err(over)?;
    let told = delivery::subscribe(&mut client, 0..1).map_err(over)?;
    drop(client);
    let told: Value = serde_json::from_str(&told).map_err(|error| error.to_string())?;
    let (gateway, server) = (site.gateways_usage(), site.server_usage());
    let clock = Clock::start();
    let count = count / PUBLISHERS * PUBLISHERS;
    thread::scope(|scope| {
        let site = &*site;
        let publishers = (0..PUBLISHERS).map(|index| {
            scope.spawn(move || {
                let mut publisher = site.connect(0, &format!("publisher-{index}"))?;
                delivery::publish(&mut publisher, 1, count / PUBLISHERS, DATA)
            })
        });
        let publishers: Vec<_> = publishers.collect();
        publishers.into_iter().try_for_each(|it| it.join().map_err(|_| Over)?)
    })
    .map_err(over)?;
    let appended_ns = clock.now();
    let appending = (site.gateways_usage() - gateway, site.server_usage() - server);
    let mut client = site.connect(0, "returning").map_err(over)?;
    let (epoch, offset) = (&told["epoch"], &told["offset"]);
    let since = format!(r#"{{"epoch":{epoch},"offset":{offset}}}"#);
    let (before, server_before) = (site.gateways_usage(), site.server_usage());
    let (counted, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    let clock = Clock::start();
    client
        .say(format!(r#"{{"type":"subscribe","channel":"s:0","id":1,"since":{since}}}"#))
        .map_err(over)?;
    let answer = delivery::wait_for(&mut client, "subscribed").map_err(over)?;
    if !answer.contains(r#""recovered":true"#) {
        return Err(format!("not recovered: {answer}"));
    }
    let mut peak = before.rss_bytes;
    let replayed = thread::scope(|scope| {
        let hearing = scope.spawn(|| delivery::count(&mut client, count, &counted, &is_over));
        while !hearing.is_finished() {
            peak = peak.max(site.gateways_usage().rss_bytes);
            pause(LOOK_AGAIN);
        }
        hearing.join().map_err(|_| Over)?
    });
    let replay_ns = clock.now();
    replayed.map_err(|Over| format!("{} of {count} came", counted.load(Relaxed)))?;
    let (gateway, server) = (site.gateways_usage() - before, site.server_usage() - server_before);
    let per_second = |ns: u64| count * 1_000_000 / (ns / 1_000).max(1);
    Ok(json!({
        "messages": count, "appended_per_second": per_second(appended_ns),
        "append_gateway_ns": appending.0.cpu_ns / count,
        "append_server_ns": appending.1.cpu_ns / count,
        "replayed_per_second": per_second(replay_ns), "replay_gateway_ns": gateway.cpu_ns / count,
        "replay_server_ns": server.cpu_ns / count, "rss_before": before.rss_bytes,
        "rss_peak": peak, "server_rss": site.server_usage().rss_bytes,
    }))
}
