//! Our client against tokio-tungstenite's server.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::accept_async;
use tungstenite::{
    Error, Message,
    error::CapacityError,
    protocol::{
        CloseFrame,
        frame::{
            Frame,
            coding::{CloseCode, Data, OpCode},
        },
    },
};
use ws_frame_validator::SizeLimits;
use ws_transport::{Connector, WebSocketStream};

use crate::{
    raw::PATIENCE,
    server::LIMIT,
    tungstenite_client::{LENS, text},
};

/// What a server of tokio-tungstenite does with each connection.
async fn serve<F, R>(work: F) -> SocketAddr
where
    F: Fn(tokio_tungstenite::WebSocketStream<TcpStream>) -> R + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let server = accept_async(socket).await.expect("our request is sound");
            tokio::spawn(work(server));
        }
    });
    address
}

async fn echo(mut server: tokio_tungstenite::WebSocketStream<TcpStream>) {
    while let Some(Ok(message)) = server.next().await {
        if message.is_text() || message.is_binary() {
            server.send(message).await.expect("open");
        }
    }
}

async fn connect(address: SocketAddr) -> WebSocketStream<TcpStream> {
    let limits = SizeLimits::with_max(LIMIT as u64).expect("not zero");
    let connector = Connector::new().with_connection(Connector::client_config().with_sizes(limits));
    let address = format!("ws://{address}/").parse().expect("sound");
    connector.connect(address).await.expect("accepted, without the extensions offered")
}

async fn next(client: &mut WebSocketStream<TcpStream>) -> Message {
    let next = tokio::time::timeout(PATIENCE, client.next()).await.expect("an answer in time");
    next.expect("not over").expect("sound")
}

#[tokio::test]
async fn messages_of_every_length_come_back_as_they_went() {
    let mut client = connect(serve(echo).await).await;
    for len in LENS {
        for message in [Message::text(text(len)), Message::binary(vec![len as u8; len])] {
            client.send(message.clone()).await.expect("open");
            client.send(Message::Ping("between".into())).await.expect("open");
            assert!(next(&mut client).await == message, "{len} bytes");
            assert_eq!(next(&mut client).await, Message::Pong("between".into()));
        }
    }
}

#[tokio::test]
async fn fragments_with_pings_between_them_are_one_message_and_the_pings_are_answered() {
    let address = serve(|mut server| async move {
        for (payload, opcode, last) in [
            ("a ", Data::Text, false),
            ("message in ", Data::Continue, false),
            ("pieces", Data::Continue, true),
        ] {
            let frame = Frame::message(payload, OpCode::Data(opcode), last);
            server.send(Message::Frame(frame)).await.expect("open");
            server.send(Message::Ping(payload.into())).await.expect("open");
        }
        for payload in ["a ", "message in ", "pieces"] {
            let pong = server.next().await.expect("open").expect("sound");
            assert_eq!(pong, Message::Pong(payload.into()));
        }
        server.send(Message::text("all pongs came")).await.expect("open");
    })
    .await;
    let mut client = connect(address).await;
    let mut messages = Vec::new();
    while messages.len() < 2 {
        let message = next(&mut client).await;
        if message.is_text() {
            messages.push(message);
        }
    }
    assert_eq!(messages, [Message::text("a message in pieces"), Message::text("all pongs came")]);
}

#[tokio::test]
async fn a_message_over_our_limit_is_refused_with_1009() {
    let (told, mut codes) = tokio::sync::mpsc::unbounded_channel();
    let address = serve(move |mut server| {
        let told = told.clone();
        async move {
            server.send(Message::binary(vec![0; LIMIT + 1])).await.expect("open");
            let Some(Ok(Message::Close(Some(close)))) = server.next().await else {
                panic!("no close frame");
            };
            told.send(close.code).expect("the test waits");
        }
    })
    .await;
    let mut client = connect(address).await;
    let error = client.next().await.expect("not over").expect_err("too large");
    assert!(matches!(error, Error::Capacity(CapacityError::MessageTooLong { .. })), "{error}");
    let code = tokio::time::timeout(PATIENCE, codes.recv()).await.expect("in time");
    assert_eq!(code, Some(CloseCode::Size));
}

#[tokio::test]
async fn either_sides_close_is_clean() {
    let address = serve(|mut server| async move {
        let close = CloseFrame { code: CloseCode::Restart, reason: "Server restart".into() };
        server.close(Some(close)).await.expect("open");
        while server.next().await.is_some() {}
    })
    .await;
    let mut client = connect(address).await;
    let Message::Close(Some(close)) = next(&mut client).await else { panic!("no close frame") };
    assert_eq!((close.code, close.reason.as_str()), (CloseCode::Restart, "Server restart"));
    assert!(client.next().await.is_none(), "a clean end");
    assert!(client.connection().ended().expect("over").acknowledged);

    let mut client = connect(serve(echo).await).await;
    client.close(None).await.expect("open");
    assert!(matches!(next(&mut client).await, Message::Close(_)));
    assert!(client.next().await.is_none(), "a clean end");
    assert!(client.connection().ended().expect("over").acknowledged);
}
