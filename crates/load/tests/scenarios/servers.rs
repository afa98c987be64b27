//! Servers whose behaviour is known, so that what is measured of them can be judged.
#![expect(clippy::unwrap_used, reason = "a server that does not start fails its test")]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    runtime::Runtime,
    sync::broadcast,
    time::{Instant, sleep, sleep_until},
};
use tokio_tungstenite::{
    accept_hdr_async,
    tungstenite::{
        Message,
        handshake::server::{ErrorResponse, Request, Response},
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};
use ws_transport::Acceptor;

type Socket = tokio_tungstenite::WebSocketStream<TcpStream>;

/// What a server does with its connections.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Behaviour {
    Echo,
    /// Says hello first.
    Greet,
    /// Answers so much later.
    Delay(Duration),
    /// Reads nothing for so long, once, from so long after a connection's first message.
    Stall {
        after: Duration,
        length: Duration,
    },
    /// Answers so many messages, then closes with 1013.
    CloseAfter(u64),
    /// Answers with 401.
    Refuse,
    /// Takes the connection and never answers.
    Silent,
    /// What comes on `/pub` goes to all on `/sub`.
    Topic(Fault),
    /// Our transport, with compression.
    Ours,
}

/// What a topic does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Each tenth message comes to nobody.
    LosesTenth,
    /// Each tenth message comes twice.
    DoublesTenth,
    /// A receiver that does not take its messages is closed with 1013.
    ClosesSlow,
}

/// A server that runs until it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// Connections that were accepted.
    pub(crate) accepted: Arc<AtomicU64>,
    _runtime: Runtime,
}

impl Server {
    pub(crate) fn start(behaviour: Behaviour) -> Self {
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(async {
            let socket = TcpSocket::new_v4().unwrap();
            // A small buffer: what a server does not read is felt by the sender at once.
            socket.set_recv_buffer_size(64 * 1024).unwrap();
            socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
            socket.listen(1024).unwrap()
        });
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicU64::new(0));
        runtime.spawn(accept(listener, behaviour, accepted.clone()));
        Self { address, accepted, _runtime: runtime }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/", self.address)
    }
}

async fn accept(listener: TcpListener, behaviour: Behaviour, accepted: Arc<AtomicU64>) {
    let (topic, _) = broadcast::channel(4096);
    loop {
        let Ok((socket, _)) = listener.accept().await else { return };
        socket.set_nodelay(true).unwrap();
        accepted.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(serve(socket, behaviour, topic.clone()));
    }
}

async fn serve(socket: TcpStream, behaviour: Behaviour, topic: broadcast::Sender<Message>) {
    if let Behaviour::Silent = behaviour {
        return std::future::pending().await;
    }
    if let Behaviour::Ours = behaviour {
        let Ok(stream) = Acceptor::new().accept(socket).await else { return };
        let (sink, stream) = stream.split();
        let _ = stream.filter(|it| std::future::ready(is_data(it))).forward(sink).await;
        return;
    }
    let mut path = String::new();
    #[expect(clippy::result_large_err, reason = "the type is tungstenite's")]
    let judge = |request: &Request, response: Response| match behaviour {
        Behaviour::Refuse => {
            let mut refusal = ErrorResponse::new(None);
            *refusal.status_mut() = http::StatusCode::UNAUTHORIZED;
            Err(refusal)
        }
        _ => {
            path = request.uri().path().to_owned();
            Ok(response)
        }
    };
    let Ok(socket) = accept_hdr_async(socket, judge).await else { return };
    match behaviour {
        Behaviour::Topic(fault) if path == "/sub" => receive(socket, topic, fault).await,
        Behaviour::Topic(fault) => publish(socket, topic, fault).await,
        _ => echo(socket, behaviour).await,
    }
}

fn is_data<E>(message: &Result<Message, E>) -> bool {
    message.as_ref().is_ok_and(|message| message.is_text() || message.is_binary())
}

async fn echo(mut socket: Socket, behaviour: Behaviour) {
    if let Behaviour::Greet = behaviour {
        let _ = socket.send("hello, here is {\"type\":\"connected\"}".into()).await;
    }
    let mut answered = 0;
    let mut stall = None;
    while let Some(Ok(message)) = socket.next().await {
        if !(message.is_text() || message.is_binary()) {
            continue;
        }
        if let Behaviour::Stall { after, length } = behaviour {
            let (from, over) = *stall.get_or_insert((Instant::now() + after, false));
            if !over && Instant::now() >= from {
                stall = Some((from, true));
                sleep_until(from + length).await;
            }
        }
        if let Behaviour::Delay(delay) = behaviour {
            sleep(delay).await;
        }
        if let Behaviour::CloseAfter(most) = behaviour
            && answered == most
        {
            let frame = CloseFrame { code: CloseCode::Again, reason: "later".into() };
            let _ = socket.close(Some(frame)).await;
            continue;
        }
        answered += 1;
        if socket.send(message).await.is_err() {
            return;
        }
    }
}

async fn publish(mut socket: Socket, topic: broadcast::Sender<Message>, fault: Fault) {
    let mut count = 0_u64;
    while let Some(Ok(message)) = socket.next().await {
        if !(message.is_text() || message.is_binary()) {
            continue;
        }
        count += 1;
        let tenth = count.is_multiple_of(10);
        if fault == Fault::LosesTenth && tenth {
            continue;
        }
        if fault == Fault::DoublesTenth && tenth {
            let _ = topic.send(message.clone());
        }
        let _ = topic.send(message);
    }
}

async fn receive(socket: Socket, topic: broadcast::Sender<Message>, fault: Fault) {
    let mut messages = topic.subscribe();
    let (mut sink, mut stream) = socket.split();
    // Pings and the close frame are answered while it is read.
    let mut reading = tokio::spawn(async move { while let Some(Ok(_)) = stream.next().await {} });
    loop {
        let message = tokio::select! {
            _ = &mut reading => return,
            message = messages.recv() => message,
        };
        let Ok(message) = message else { return };
        let sent = tokio::time::timeout(Duration::from_millis(200), sink.send(message)).await;
        if sent.is_err() && fault == Fault::ClosesSlow {
            // Whoever takes nothing would not take a close frame either.
            reading.abort();
            let _ = reading.await;
            return;
        }
    }
}
