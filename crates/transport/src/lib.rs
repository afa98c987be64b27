//! WebSockets on tokio: upgrade, driver, bounded outbox, client connect
