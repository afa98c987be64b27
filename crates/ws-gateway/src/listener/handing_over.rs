//! Leaving a port to whoever listens on it beside us, so that nobody is refused meanwhile.

use std::time::Duration;

use super::{Accepted, Listener, Sharing};

/// How long handshakes of TCP that have begun may take to end: more than a round trip around the world.
const HANDSHAKES: Duration = Duration::from_millis(500);

/// A listener on its way out; the port is left with this.
#[derive(Debug)]
pub(crate) struct Leaving {
    listener: Listener,
    until: tokio::time::Instant,
}

impl Leaving {
    /// Waits for the next of those who are still to be taken in; whether there are any.
    pub(crate) async fn next(&mut self, burst: &mut Vec<Accepted>) -> bool {
        match self.listener.sharing {
            Sharing::Alone | Sharing::Socket => return false,
            Sharing::Port => {}
        }
        if tokio::time::Instant::now() > self.until + HANDSHAKES {
            // They do not end: the filter was not to be had.
            return false;
        }
        let coming = self.listener.accept(burst);
        // When the time is over, who is there at that moment is taken in all the same.
        tokio::time::timeout_at(self.until, coming).await.is_ok() || self.listener.accept_now(burst)
    }
}

impl Listener {
    /// Whether others take in those who come when we do not.
    pub(crate) fn is_shared(&self) -> bool {
        match self.sharing {
            Sharing::Alone => false,
            Sharing::Port | Sharing::Socket => true,
        }
    }

    /// Takes nobody in any more but those who cannot be taken in by anybody else.
    ///
    /// A socket that we were given has one queue, which stays with whoever gave it to us. Sockets that
    /// share a port have a queue each, and the kernel resets who is in a queue that is closed. So that
    /// queue is emptied first, and gets no more: whoever begins to connect is not heard, tries again a
    /// second later, as TCP does, and by then there is only the other socket to come to.
    pub(crate) fn leave(mut self) -> Leaving {
        if self.sharing == Sharing::Port
            && let Err(error) = self.be_deaf_to_new_connects()
        {
            tracing::warn!(%error, "who connects to this port just now may be refused");
        }
        self.lift_limit();
        Leaving { listener: self, until: tokio::time::Instant::now() + HANDSHAKES }
    }

    /// A filter before the socket that lets no segment pass that begins a connection.
    #[cfg(target_os = "linux")]
    fn be_deaf_to_new_connects(&self) -> std::io::Result<()> {
        use socket2::SockFilter;
        // Classic BPF on the TCP header: the byte of flags, of those SYN and ACK; SYN alone is dropped.
        const FILTER: [SockFilter; 5] = [
            SockFilter::new(0x30, 0, 0, 13),
            SockFilter::new(0x54, 0, 0, 0x12),
            SockFilter::new(0x15, 0, 1, 0x02),
            SockFilter::new(0x06, 0, 0, 0),
            SockFilter::new(0x06, 0, 0, u32::MAX),
        ];
        socket2::SockRef::from(self.socket.get_ref()).attach_filter(&FILTER)
    }

    #[cfg(not(target_os = "linux"))]
    fn be_deaf_to_new_connects(&self) -> std::io::Result<()> {
        Err(std::io::ErrorKind::Unsupported.into())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use tokio::{net::TcpStream, task::JoinSet};

    use super::*;
    use crate::listener::ListenOptions;

    #[tokio::test]
    async fn who_connects_to_a_port_that_is_being_left_comes_to_the_other_socket() {
        let options = ListenOptions { reuse_port: true, ..ListenOptions::default() };
        let any = "127.0.0.1:0".parse().unwrap();
        let first = Listener::bind(any, &options).unwrap();
        let address = first.local_addr().unwrap();
        let mut second = Listener::bind(address, &options).unwrap();
        let mut leaving = first.leave();
        // By the kernel's hash, half of them are the first's.
        let mut connecting = JoinSet::new();
        for _ in 0..16 {
            connecting.spawn(TcpStream::connect(address));
        }
        let mut burst = Vec::new();
        assert!(!leaving.next(&mut burst).await, "{} came to the first", burst.len());
        drop(leaving);
        let mut count = 0;
        while count < 16 {
            second.accept(&mut burst).await;
            count += burst.drain(..).count();
        }
        assert!(connecting.join_all().await.iter().all(Result::is_ok));
    }

    #[tokio::test]
    async fn who_waits_in_the_queue_of_a_socket_that_is_left_is_taken_in() {
        let options = ListenOptions { reuse_port: true, ..ListenOptions::default() };
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), &options).unwrap();
        let address = listener.local_addr().unwrap();
        let waiting = TcpStream::connect(address).await.unwrap();
        let mut leaving = listener.leave();
        let mut burst = Vec::new();
        assert!(leaving.next(&mut burst).await);
        assert_eq!(burst[0].1, waiting.local_addr().unwrap());
        burst.clear();
        assert!(!leaving.next(&mut burst).await);
    }
}
