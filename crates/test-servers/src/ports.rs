//! Ports that are free, and stay free while their server is down.

use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

use crate::ServerError;

/// Below the ports that the system gives to clients (Linux: from 32768). From there a client that connects
/// again and again to a port where nobody listens may be given this very port, and then talks to itself.
const RANGE: Range<u16> = 12_000..32_000;
const TRIES: usize = 1_000;

/// Ports of 127.0.0.1 that nobody listens on right now, all different. Whoever is slower than somebody else
/// tries again.
///
/// # Errors
///
/// There are none.
pub fn free<const N: usize>() -> Result<[u16; N], ServerError> {
    let mut ports = [0; N];
    let mut held = Vec::with_capacity(N);
    for port in &mut ports {
        let listener = listen()?;
        *port = listener.local_addr().map_err(ServerError::system("a free port"))?.port();
        held.push(listener);
    }
    Ok(ports)
}

fn listen() -> Result<TcpListener, ServerError> {
    let mut refusal = None;
    for _ in 0..TRIES {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, fastrand::u16(RANGE))) {
            Ok(listener) => return Ok(listener),
            Err(error) => refusal = Some(error),
        }
    }
    let error = refusal.unwrap_or_else(|| std::io::ErrorKind::AddrInUse.into());
    Err(ServerError::System { what: "a free port".to_owned(), error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_free_and_all_different() {
        let ports: [u16; 8] = free().unwrap();
        for (index, port) in ports.iter().enumerate() {
            assert!(RANGE.contains(port));
            assert!(!ports[..index].contains(port));
        }
    }
}
