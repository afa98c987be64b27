//! How long a message takes from one client to another, at a rate at which nothing waits.

use std::{thread, time::Duration};

use serde_json::json;

use super::{Figures, delivery, setup::Site};
use crate::{
    clock::Clock,
    torture::{client::Over, pause, tally::histogram},
};

const BETWEEN: Duration = Duration::from_millis(2);

pub(super) fn measure(site: &mut Site, count: u64) -> Figures {
    let over = |Over| "a connection was lost".to_owned();
    let mut publisher = site.connect(0, "publisher").map_err(over)?;
    let mut subscriber = site.connect(site.last(), "subscriber").map_err(over)?;
    delivery::subscribe(&mut subscriber, 0..1).map_err(over)?;
    let clock = Clock::start();
    thread::scope(|scope| {
        let hearing = scope.spawn(move || {
            let mut latency = histogram();
            while latency.len() < count {
                let text = delivery::wait_for(&mut subscriber, "message")?;
                let now = clock.now();
                let sent = text
                    .split(r#""data":"#)
                    .nth(1)
                    .and_then(|rest| rest.split([',', '}']).next()?.parse::<u64>().ok());
                latency.saturating_record(now.saturating_sub(sent.ok_or(Over)?) / 1_000);
            }
            Ok::<_, Over>(latency)
        });
        for id in 0..count {
            let now = clock.now();
            let said = publisher
                .say(format!(r#"{{"type":"publish","channel":"s:0","id":{id},"data":{now}}}"#));
            said.and_then(|()| delivery::wait_for(&mut publisher, "ack")).map_err(over)?;
            pause(BETWEEN);
        }
        let latency = hearing.join().map_err(|_| "a thread broke".to_owned())?.map_err(over)?;
        Ok(json!({
            "messages": count, "p50_us": latency.value_at_quantile(0.5),
            "p99_us": latency.value_at_quantile(0.99),
        }))
    })
}
