//! TCP to a name that may have several addresses.

use std::{collections::VecDeque, fmt, future::Future, io, net::SocketAddr, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep_until},
};

/// RFC 8305 §5: how long the next address waits for the one before it.
const STAGGER: Duration = Duration::from_millis(250);

/// Connects to the first address of the name that answers. They are tried one after the other, both families
/// in turn; the next one begins when the one before has failed, or has not answered for a quarter
/// of a second.
pub(super) async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let found = tokio::net::lookup_host((host, port)).await;
    let found = found.map_err(|error| told(&error, format!("{host} cannot be resolved")))?;
    first_of(in_turn(found.collect()), connect_to).await
}

async fn first_of<F, Fut, T>(mut waiting: VecDeque<SocketAddr>, connect_to: F) -> io::Result<T>
where
    F: Fn(SocketAddr) -> Fut,
    Fut: Future<Output = io::Result<T>>,
{
    let mut attempts = FuturesUnordered::new();
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let mut due = Instant::now();
    loop {
        tokio::select! {
            biased;
            Some(attempt) = attempts.next() => match attempt {
                Ok(socket) => return Ok(socket),
                // What the last one says is as good as any: they stand for the same server.
                Err(error) => {
                    failure = error;
                    due = Instant::now();
                }
            },
            () = sleep_until(due), if !waiting.is_empty() => {
                attempts.extend(waiting.pop_front().map(&connect_to));
                due = Instant::now() + STAGGER;
            }
            else => return Err(failure),
        }
    }
}

async fn connect_to(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpStream::connect(address).await;
    let socket = socket.map_err(|error| told(&error, address))?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

/// The families in turn, in the resolver's order (RFC 8305 §4).
fn in_turn(addresses: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|it| it.is_ipv6() == first_is_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut turns = VecDeque::new();
    loop {
        let before = turns.len();
        turns.extend(first.next());
        turns.extend(second.next());
        if turns.len() == before {
            return turns;
        }
    }
}

fn told(error: &io::Error, what: impl fmt::Display) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

#[cfg(test)]
mod tests;
