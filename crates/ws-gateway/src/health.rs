//! `ws-gateway health`: asks the gateway on this machine how it is, for images that have no other program.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

use crate::config::Config;

mod secure;

/// How long connecting may take, and each part of the answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// More than any answer has.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// The gateway is not there, or not well.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    /// Nobody answers.
    #[error("nobody answers at {address}: {error}")]
    Away {
        /// Where.
        address: SocketAddr,
        /// Why not.
        error: io::Error,
    },
    /// Somebody answers, and says no.
    #[error("{path} is answered with: {answer}")]
    Unwell {
        /// What was asked for.
        path: &'static str,
        /// The status and the body.
        answer: String,
    },
}

/// Asks `/health`, or with `is_ready_asked` `/ready`, at the address that this configuration listens on, over TLS
/// if it speaks that; answers the body. An address that means all of them is this machine's own.
///
/// # Errors
///
/// Nobody answers within seconds, or not with 200.
pub fn health(config: &Config, is_ready_asked: bool) -> Result<String, HealthError> {
    let mut address = config.server.address;
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    let path = if is_ready_asked { "/ready" } else { "/health" };
    let speaks_tls = !config.tls.certificates.is_empty();
    let answer =
        ask(address, path, speaks_tls).map_err(|error| HealthError::Away { address, error })?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.lines().next().unwrap_or_default();
    let body = body.trim();
    if status.split(' ').nth(1) == Some("200") {
        return Ok(body.to_owned());
    }
    Err(HealthError::Unwell { path, answer: format!("{status} {body}").trim().to_owned() })
}

fn ask(address: SocketAddr, path: &str, speaks_tls: bool) -> io::Result<String> {
    let socket = TcpStream::connect_timeout(&address, PATIENCE)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let mut answer = Vec::new();
    if speaks_tls {
        exchange(secure::wrap(socket)?, &request, &mut answer)?;
    } else {
        exchange(socket, &request, &mut answer)?;
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn exchange(mut io: impl Read + Write, request: &str, answer: &mut Vec<u8>) -> io::Result<()> {
    io.write_all(request.as_bytes())?;
    io.flush()?;
    io.take(ANSWER_BYTES_MAX).read_to_end(answer)?;
    Ok(())
}
