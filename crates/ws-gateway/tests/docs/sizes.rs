//! What the table of memory in `docs/architecture.md` says is kept by what the compiler lays out.

use std::mem::size_of;

use tokio::net::TcpStream;
use ws_connection::Connection;
use ws_gateway::Upstream;
use ws_handler::{Client, GatewaySession};
use ws_heartbeat::Heartbeat;
use ws_transport::Driver;

use crate::page::{ARCHITECTURE, table};

#[test]
fn no_type_of_an_idle_connection_is_larger_than_the_table_says() {
    type Session = GatewaySession<Upstream>;
    let rows = table(ARCHITECTURE, "### Memory");
    for (name, bytes) in [
        ("Driver<TcpStream, GatewaySession>", size_of::<Driver<TcpStream, Session>>()),
        ("Connection", size_of::<Connection>()),
        ("Heartbeat", size_of::<Heartbeat>()),
        ("GatewaySession", size_of::<Session>()),
        ("Client", size_of::<Client>()),
    ] {
        let row = rows.iter().find(|row| row[0].trim_start_matches("… `") == name);
        let row = row.unwrap_or_else(|| panic!("{name} has no row; it has {bytes} bytes"));
        let at_most: usize = row[1].parse().unwrap();
        assert!(bytes <= at_most, "{name} has {bytes} bytes");
        assert!(bytes * 4 >= at_most * 3, "{name} has {bytes} bytes, and the table may say so");
    }
}
