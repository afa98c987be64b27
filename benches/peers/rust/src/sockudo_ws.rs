//! sockudo-ws: the echo loop of its README, after its own handshake.

use futures_util::{SinkExt, StreamExt};
use peers::{Options, Result};
use sockudo_ws::{Config, Message, Role, WebSocketStream, handshake::server_handshake};
use tokio::net::{TcpListener, TcpStream};

fn main() -> Result<()> {
    peers::run(serve)
}

async fn serve(options: Options, listener: TcpListener) -> Result<()> {
    options.only_echo()?;
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        tokio::spawn(echo(socket));
    }
}

async fn echo(mut socket: TcpStream) -> Result<()> {
    let early = server_handshake(&mut socket).await?.leftover;
    let config = Config::default();
    let mut socket = WebSocketStream::from_raw_with_leftover(socket, Role::Server, config, early);
    while let Some(message) = socket.next().await {
        match message? {
            // Written before `next` waits for more.
            message @ (Message::Text(_) | Message::Binary(_)) => socket.feed(message).await?,
            Message::Close(_) => break,
            Message::Ping(_) | Message::Pong(_) => {}
        }
    }
    Ok(())
}
