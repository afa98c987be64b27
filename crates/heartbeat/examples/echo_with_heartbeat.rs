//! An echo server on plain tokio-tungstenite that finds out when a client has vanished.
//!
//! ```text
//! cargo run -p ws-heartbeat --features tokio --example echo_with_heartbeat -- 127.0.0.1:9002
//! ```
//!
//! Connect with any WebSocket client that answers pings, for instance a browser's console:
//! `new WebSocket("ws://127.0.0.1:9002")`. Each 2 s of silence you see a pong and the round trip it
//! took. Then stop the client without letting it close (`kill -STOP` its process, or pull the cable):
//! after 2 + 3 × 1 s the server says that it is dead and closes with 1001 "Connection timeout".

#![expect(clippy::print_stdout, reason = "an example talks to its terminal")]

use std::{env, error::Error, time::Duration};

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{
    accept_async,
    tungstenite::{Error as WebSocketError, Message},
};
use ws_heartbeat::{HeartbeatConfig, HeartbeatStream};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9002".to_owned());
    // Faster than the default of 30 s, 5 s and 3, so that there is something to see.
    let config = HeartbeatConfig::new(Duration::from_secs(2), Duration::from_secs(1), 3)?;

    let listener = TcpListener::bind(&address).await?;
    println!("listening on ws://{}", listener.local_addr()?);
    loop {
        let (socket, peer) = listener.accept().await?;
        tokio::spawn(async move {
            match echo(socket, config).await {
                Ok(end) => println!("{peer}: {end}"),
                Err(error) => println!("{peer}: {error}"),
            }
        });
    }
}

async fn echo(socket: TcpStream, config: HeartbeatConfig) -> Result<&'static str, WebSocketError> {
    // This one line is all that the heartbeat needs.
    let mut websocket = HeartbeatStream::new(accept_async(socket).await?, config);

    while let Some(message) = websocket.next().await {
        match message? {
            message @ (Message::Text(_) | Message::Binary(_)) => websocket.send(message).await?,
            Message::Pong(_) => println!("{:?}", websocket.stats()),
            Message::Ping(_) | Message::Close(_) | Message::Frame(_) => {}
        }
    }
    Ok(if websocket.is_dead() { "connection timeout" } else { "closed" })
}
