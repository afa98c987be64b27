//! The same number of messages in few channels and in many, each with one subscriber on the other gateway.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    thread,
};

use serde_json::json;

use super::{Figures, delivery, fan_out::DATA, setup::Site};

/// Each is in its share of the channels.
const SUBSCRIBERS: usize = 5;

pub(super) fn measure(site: &mut Site, channels: usize, count: u64) -> Figures {
    let over = |_| "a connection was lost".to_owned();
    // In each channel as many; at least one.
    let count = count.next_multiple_of(channels as u64);
    let mut clients = Vec::new();
    for index in 0..SUBSCRIBERS {
        let mut client = site.connect(site.last(), &format!("subscriber-{index}")).map_err(over)?;
        let own = (index..channels).step_by(SUBSCRIBERS);
        delivery::subscribe(&mut client, own).map_err(over)?;
        clients.push(client);
    }
    let mut publisher = site.connect(0, "publisher").map_err(over)?;
    let (counted, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        for mut client in clients {
            let (counted, is_over) = (&counted, &is_over);
            let wanted = count / SUBSCRIBERS as u64;
            scope.spawn(move || delivery::count(&mut client, wanted, counted, is_over));
        }
        let (gateways, server) = (site.gateways_usage(), site.server_usage());
        let published = delivery::publish(&mut publisher, channels, count, DATA);
        let is_complete = delivery::wait_for_all(&counted, count);
        let (gateways, server) = (site.gateways_usage() - gateways, site.server_usage() - server);
        is_over.store(true, Relaxed);
        published.map_err(over)?;
        if !is_complete {
            return Err(format!("{} deliveries of {count}", counted.load(Relaxed)));
        }
        Ok(json!({
            "messages": count, "gateways_ns_per_message": gateways.cpu_ns / count,
            "server_ns_per_message": server.cpu_ns / count,
        }))
    })
}
