//! As much of NATS' protocols as it takes to ask a server how it is.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

const ANSWER_MAX: Duration = Duration::from_secs(2);

/// The line that a server says to each who connects: `INFO {…}`.
pub(crate) fn greeting(port: u16) -> std::io::Result<String> {
    let mut line = String::new();
    BufReader::new(connect(port)?).read_line(&mut line)?;
    Ok(line)
}

/// What the monitoring port answers at a path, if it is no refusal.
pub(crate) fn get(port: u16, path: &str) -> std::io::Result<String> {
    let mut stream = connect(port)?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    match head.split(' ').nth(1) {
        Some("200") => Ok(body.to_owned()),
        _ => Err(std::io::Error::other(head.lines().next().unwrap_or_default().to_owned())),
    }
}

fn connect(port: u16) -> std::io::Result<TcpStream> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let stream = TcpStream::connect_timeout(&address, ANSWER_MAX)?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    stream.set_write_timeout(Some(ANSWER_MAX))?;
    Ok(stream)
}
