//! An echo server on plain tokio-tungstenite that drains when it is told to stop.
//!
//! ```text
//! cargo run -p ws-close-manager --features tokio --example graceful_shutdown -- 127.0.0.1:9003
//! ```
//!
//! Connect some clients, for instance in a browser's console
//! `let s = new WebSocket("ws://127.0.0.1:9003"); s.onclose = e => console.log(e.code, e.reason)`.
//! Then press Ctrl-C: every client gets 1012 "Server restart", a hundred a second, and the server ends
//! with a report such as
//! `3 connections in 21.4ms: 3 acknowledged, 0 dropped, 0 forced, 0 already closed; handshake …`.
//! A client that you have stopped (`kill -STOP`) is forced after 5 s.

#![expect(clippy::print_stdout, reason = "an example talks to its terminal")]

use std::{
    collections::HashMap,
    env,
    error::Error,
    hash::{BuildHasher, RandomState},
    num::NonZeroU32,
    sync::Arc,
};

use futures_util::{SinkExt, StreamExt};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{
        Notify,
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    },
};
use tokio_tungstenite::{WebSocketStream, accept_async, tungstenite::Message};
use tungstenite::protocol::CloseFrame;
use ws_close_manager::{Closable, CloseOptions, Closed, Pace, SendableCode, close_all};

/// What the server keeps of a connection.
struct Handle {
    close: UnboundedSender<CloseFrame>,
    force: Arc<Notify>,
}

impl Closable for Handle {
    fn start_close(&self, frame: CloseFrame) {
        // If the task is gone, it has reported so.
        let _ = self.close.send(frame);
    }

    fn force(&self) {
        self.force.notify_one();
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9003".to_owned());
    let listener = TcpListener::bind(&address).await?;
    println!("listening on ws://{}, Ctrl-C to stop", listener.local_addr()?);

    let (closed, mut closings) = unbounded_channel();
    let mut connections = HashMap::new();
    let mut accepted = 0u64;
    loop {
        tokio::select! {
            socket = listener.accept() => {
                accepted += 1;
                let (close, closes) = unbounded_channel();
                let force = Arc::new(Notify::new());
                tokio::spawn(serve(accepted, socket?.0, closes, force.clone(), closed.clone()));
                connections.insert(accepted, Handle { close, force });
            }
            Some(Closed { key, .. }) = closings.recv() => {
                connections.remove(&key);
            }
            signal = tokio::signal::ctrl_c() => break signal?,
        }
    }

    let pace = Pace::new(NonZeroU32::MIN.saturating_add(99), RandomState::new().hash_one(0));
    let options = CloseOptions::new(SendableCode::RESTART).reason("Server restart").pace(pace);
    let report = close_all(connections, &options, &mut closings).await;
    println!("{report}");
    Ok(())
}

/// One connection from its handshake to its end, which it reports.
async fn serve(
    key: u64,
    socket: TcpStream,
    closes: UnboundedReceiver<CloseFrame>,
    force: Arc<Notify>,
    closed: UnboundedSender<Closed<u64>>,
) {
    let work = async {
        match accept_async(socket).await {
            Ok(websocket) => echo(websocket, closes).await,
            Err(_) => false,
        }
    };
    let acknowledged = tokio::select! {
        acknowledged = work => acknowledged,
        // Dropping the work drops the transport.
        () = force.notified() => false,
    };
    // The server may be gone by now, which is as well.
    let _ = closed.send(Closed { key, acknowledged });
}

/// Echoes until either side closes; says whether the peer answered *our* close frame.
async fn echo(
    mut websocket: WebSocketStream<TcpStream>,
    mut closes: UnboundedReceiver<CloseFrame>,
) -> bool {
    let (mut we_began, mut peer_closed) = (false, false);
    loop {
        tokio::select! {
            Some(frame) = closes.recv(), if !we_began => {
                we_began = true;
                if websocket.send(Message::Close(Some(frame))).await.is_err() {
                    break;
                }
            }
            item = websocket.next() => match item {
                Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) if !we_began => {
                    if websocket.send(message).await.is_err() {
                        break;
                    }
                }
                Some(Ok(Message::Close(_))) => peer_closed = true,
                Some(Ok(_)) => {}
                Some(Err(_)) | None => break,
            },
        }
    }
    we_began && peer_closed
}
