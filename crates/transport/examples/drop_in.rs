//! One echo server and one client, written once and run on both: tokio-tungstenite's stream and ours.
//!
//! ```text
//! cargo run -p ws-transport --example drop_in
//! ```
//!
//! You see that the same code works on both, and what compression saves on ours:
//!
//! ```text
//! tokio-tungstenite: 20 messages echoed
//! ws-transport: 20 messages echoed
//! compressed 40 messages to 2.2 % (2760 of 126000 bytes, 3081 saved each); …
//! ```
#![expect(clippy::print_stdout, reason = "an example talks to its terminal")]

use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tungstenite::{Error, Message};
use ws_compression::CompressionManager;
use ws_transport::{Acceptor, Connector};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let url = format!("ws://{address}/");

    // As it was.
    let server = async {
        let (socket, _) = listener.accept().await?;
        echo(tokio_tungstenite::accept_async(socket).await?).await
    };
    let client = async {
        let (stream, _response) = tokio_tungstenite::connect_async(&url).await?;
        talk(stream).await
    };
    let (served, echoed) = tokio::join!(server, client);
    served?;
    println!("tokio-tungstenite: {} messages echoed", echoed?);

    // As it becomes: the two lines that make the streams are others.
    let compression = CompressionManager::create_default();
    let server = async {
        let (socket, _) = listener.accept().await?;
        let acceptor = Acceptor::new().with_compression(compression.clone());
        let stream = acceptor.accept(socket).await.map_err(std::io::Error::other)?;
        echo(stream).await
    };
    let client = async {
        let connector = Connector::new().with_compression(compression.clone());
        let socket = TcpStream::connect(address).await?;
        let uri = url.parse().map_err(std::io::Error::other)?;
        let stream = connector.handshake(uri, socket).await.map_err(std::io::Error::other)?.0;
        talk(stream).await
    };
    let (served, echoed) = tokio::join!(server, client);
    served?;
    println!("ws-transport: {} messages echoed", echoed?);
    println!("{}", compression.summary());
    Ok(())
}

/// A server's side.
async fn echo<S>(mut stream: S) -> Result<(), Error>
where
    S: Stream<Item = Result<Message, Error>> + Sink<Message, Error = Error> + Unpin,
{
    while let Some(message) = stream.next().await {
        let message = message?;
        if message.is_text() || message.is_binary() {
            stream.send(message).await?;
        }
    }
    Ok(())
}

/// A client's side: how many messages came back as they went.
async fn talk<S>(mut stream: S) -> Result<usize, Error>
where
    S: Stream<Item = Result<Message, Error>> + Sink<Message, Error = Error> + Unpin,
{
    let mut echoed = 0;
    for n in 0..20 {
        let message = Message::text(format!(r#"{{"reading":{n},"unit":"celsius"}},"#).repeat(100));
        stream.send(message.clone()).await?;
        if stream.next().await.transpose()? == Some(message) {
            echoed += 1;
        }
    }
    stream.close().await?;
    while stream.next().await.transpose()?.is_some() {}
    Ok(echoed)
}
