//! The stream that asks its socket before tokio does, on real sockets.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use ws_connection::{Connection, ConnectionConfig, End, Event};
use ws_transport::{Driver, EagerTcpStream, Meter, Replies, Session};

/// One poll, without a reactor that could help.
fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// A client, blocking, and the server's end of its connection.
fn pair() -> (TcpStream, EagerTcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let client = TcpStream::connect(listener.local_addr().expect("bound")).expect("it listens");
    let (server, _) = listener.accept().expect("there is one");
    (client, EagerTcpStream::new(server).expect("a fresh socket"))
}

#[tokio::test]
async fn what_is_there_is_read_and_answered_before_the_reactor_has_turned() {
    let (mut client, mut server) = pair();
    client.write_all(b"request").expect("open");
    let mut read = [0; 64];
    assert!(matches!(poll(pin!(server.read(&mut read))), Poll::Ready(Ok(7))));
    assert!(matches!(poll(pin!(server.write(b"response"))), Poll::Ready(Ok(8))));
    let mut answer = [0; 8];
    client.read_exact(&mut answer).expect("answered");
    assert_eq!(&answer, b"response");
}

#[tokio::test]
async fn what_is_not_there_yet_is_waited_for() {
    let (mut client, mut server) = pair();
    let mut read = [0; 64];
    for (len, message) in [(3, &b"one"[..]), (5, b"three"), (4, b"four")] {
        let mut reading = Box::pin(server.read(&mut read));
        assert!(poll(reading.as_mut()).is_pending());
        client.write_all(message).expect("open");
        assert_eq!(reading.await.expect("open"), len);
        assert_eq!(&read[..len], message);
    }
    drop(client);
    assert_eq!(server.read(&mut read).await.expect("ended well"), 0);
}

#[tokio::test]
async fn more_than_the_socket_takes_waits_until_it_is_read() {
    let (mut client, mut server) = pair();
    let much = vec![7; 16 << 20];
    let reader = std::thread::spawn(move || {
        let mut got = Vec::new();
        client.read_to_end(&mut got).map(|_| got)
    });
    server.write_all(&much).await.expect("open");
    server.shutdown().await.expect("open");
    let got = reader.join().expect("no panic").expect("open");
    assert!(got == much, "{} bytes arrived", got.len());
}

struct Silent;

impl Session for Silent {
    fn handle_event(&mut self, _event: Event<'_>, _replies: &mut Replies<'_>) {}

    fn handle_end(&mut self, _end: End) {}
}

#[tokio::test]
async fn a_drivers_first_poll_writes_the_answer_to_the_handshake() {
    let (mut client, server) = pair();
    let now = tokio::time::Instant::now().into_std();
    let connection = Connection::new(Arc::new(ConnectionConfig::server()), None, 7, now);
    let driver = Driver::new(server, connection, Arc::<Meter>::default(), 1024, |_| Silent)
        .with_first_output(&b"HTTP/1.1 101"[..]);
    let mut driver = pin!(driver);
    assert!(poll(driver.as_mut()).is_pending());
    let mut answer = [0; 12];
    client.read_exact(&mut answer).expect("answered");
    assert_eq!(&answer, b"HTTP/1.1 101");
    // It is watched from now on: the client's end wakes it.
    drop(client);
    driver.await;
}
