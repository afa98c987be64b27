//! One publishes, many hear it, on both gateways.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    thread,
};

use serde_json::json;

use super::{Figures, delivery, setup::Site};

const SUBSCRIBERS: u64 = 32;
/// As much as a chat message or a price.
pub(super) const DATA: &str = r#"{"symbol":"BTCUSDT","price":"64012.50","size":"0.015","at":1712345678901,"side":"buy","id":"0123456789"}"#;

pub(super) fn measure(site: &mut Site, count: u64) -> Figures {
    let over = |_| "a connection was lost".to_owned();
    let mut clients = Vec::new();
    for index in 0..SUBSCRIBERS {
        let gateway = usize::try_from(index).unwrap_or_default();
        let mut client = site.connect(gateway, &format!("subscriber-{index}")).map_err(over)?;
        delivery::subscribe(&mut client, 0..1).map_err(over)?;
        clients.push(client);
    }
    let mut publisher = site.connect(0, "publisher").map_err(over)?;
    // What is built at the first message is not what a message costs.
    delivery::publish(&mut publisher, 1, 100, DATA).map_err(over)?;
    let (counted, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    let wanted = count + 100;
    thread::scope(|scope| {
        for mut client in clients {
            let (counted, is_over) = (&counted, &is_over);
            scope.spawn(move || delivery::count(&mut client, wanted, counted, is_over));
        }
        let is_warm = delivery::wait_for_all(&counted, 100 * SUBSCRIBERS);
        let (gateways, server) = (site.gateways_usage(), site.server_usage());
        let published = delivery::publish(&mut publisher, 1, count, DATA);
        let is_complete = is_warm && delivery::wait_for_all(&counted, wanted * SUBSCRIBERS);
        let (gateways, server) = (site.gateways_usage() - gateways, site.server_usage() - server);
        is_over.store(true, Relaxed);
        published.map_err(over)?;
        if !is_complete {
            return Err(format!(
                "{} deliveries of {}",
                counted.load(Relaxed),
                wanted * SUBSCRIBERS
            ));
        }
        let deliveries = count * SUBSCRIBERS;
        Ok(json!({
            "subscribers": SUBSCRIBERS, "messages": count,
            "gateways_ns_per_message": gateways.cpu_ns / count,
            "server_ns_per_message": server.cpu_ns / count,
            "deliveries_per_gateway_second": deliveries * 1_000_000_000 / gateways.cpu_ns.max(1),
        }))
    })
}
