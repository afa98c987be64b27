//! An issuer of our own on loopback HTTP that behaves as badly as it is told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::signer::{Signer, jwks};

/// What it does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Behaviour {
    /// Answers with this body and these further header lines.
    Answer(String, &'static str),
    /// Answers with this status line and no body.
    Status(&'static str),
    /// Never answers.
    Hang,
    /// Sends a header and half a body, then nothing.
    HangHalfway,
    /// Sends a byte of a large body now and then.
    Drip,
    /// Closes the connection.
    Close,
    /// Sends what is not HTTP.
    Garbage,
    /// Sends a body without end, and without saying how long it is.
    Endless,
    /// Announces more than it will ever send.
    Huge,
    /// Sends the client elsewhere.
    Redirect(String),
}

pub(crate) struct Server {
    address: SocketAddr,
    behaviour: Arc<Mutex<Behaviour>>,
    requests: Arc<AtomicUsize>,
    sent: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port on loopback");
        let address = listener.local_addr().expect("bound");
        let behaviour = Arc::new(Mutex::new(behaviour));
        let requests = Arc::new(AtomicUsize::new(0));
        let sent = Arc::new(AtomicUsize::new(0));
        let shared = (Arc::clone(&behaviour), Arc::clone(&requests), Arc::clone(&sent));
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (behaviour, requests, sent) = shared.clone();
                tokio::spawn(async move {
                    // The peer may leave whenever it likes; that is what some tests are about.
                    drop(serve(stream, &behaviour, &requests, &sent).await);
                });
            }
        });
        Self { address, behaviour, requests, sent, accepting }
    }

    /// One that publishes these keys.
    pub(crate) async fn publishing(keys: &[(&str, &Signer)]) -> Self {
        Self::start(Behaviour::Answer(jwks(keys), "")).await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/jwks.json", self.address)
    }

    pub(crate) fn behave(&self, behaviour: Behaviour) {
        *self.behaviour.lock() = behaviour;
    }

    pub(crate) fn publish(&self, keys: &[(&str, &Signer)]) {
        self.behave(Behaviour::Answer(jwks(keys), ""));
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// Bytes of bodies that were sent.
    pub(crate) fn sent(&self) -> usize {
        self.sent.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    behaviour: &Mutex<Behaviour>,
    requests: &AtomicUsize,
    sent: &AtomicUsize,
) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|window| window == b"\r\n\r\n") {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    requests.fetch_add(1, Ordering::SeqCst);
    let behaviour = behaviour.lock().clone();
    match behaviour {
        Behaviour::Answer(body, headers) => {
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(body.as_bytes()).await
        }
        Behaviour::Status(line) => {
            let head = format!("HTTP/1.1 {line}\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(head.as_bytes()).await
        }
        Behaviour::Redirect(location) => {
            let head =
                format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(head.as_bytes()).await
        }
        Behaviour::Hang => wait_for_the_end(stream).await,
        Behaviour::HangHalfway => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"keys\":[").await?;
            wait_for_the_end(stream).await
        }
        Behaviour::Drip => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n").await?;
            loop {
                stream.write_all(b" ").await?;
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        }
        Behaviour::Close => Ok(()),
        Behaviour::Garbage => stream.write_all(b"\x00\xff\x13\x37 no HTTP at all\r\n\r\n").await,
        Behaviour::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await?;
            let chunk = format!("{:x}\r\n{}\r\n", 16 * 1024, " ".repeat(16 * 1024));
            loop {
                stream.write_all(chunk.as_bytes()).await?;
                sent.fetch_add(16 * 1024, Ordering::SeqCst);
            }
        }
        Behaviour::Huge => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n{").await?;
            wait_for_the_end(stream).await
        }
    }
}

async fn wait_for_the_end(mut stream: TcpStream) -> std::io::Result<()> {
    while stream.read(&mut [0; 64]).await? > 0 {}
    Ok(())
}
