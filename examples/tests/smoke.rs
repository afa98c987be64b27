//! Each example is started on a free port, driven by a client, and does what its header says.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::{net::SocketAddr, time::Duration};

use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tungstenite::Message;
use ws_transport::{Connector, WebSocketStream};

#[path = "../axum_gateway.rs"]
#[expect(dead_code, reason = "the example's main is not called here")]
mod axum_gateway;
#[path = "../chat_rooms.rs"]
#[expect(dead_code, reason = "the example's main is not called here")]
mod chat_rooms;
#[path = "../trading_feed.rs"]
#[expect(dead_code, reason = "the example's main is not called here")]
mod trading_feed;

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_trade_that_comes_by_two_lines_and_through_two_channels_is_told_once() {
    let handler = trading_feed::compose().unwrap();
    let (listener, address) = listen().await;
    let serving = handler.clone();
    tokio::spawn(async move { trading_feed::serve(&serving, listener).await });

    let mut client = Client::connect(address, "/").await;
    client.hears(r#""type":"connected""#).await;
    for channel in ["trades:BTCUSDT", "trades:all"] {
        client.says(&format!(r#"{{"type":"subscribe","channel":"{channel}"}}"#)).await;
        client.hears(r#""type":"subscribed""#).await;
    }
    let trade = trading_feed::Trade { symbol: 0, number: 1, price: 6_400_000, quantity: 7 };
    let next = trading_feed::Trade { number: 2, ..trade.clone() };
    for trade in [&trade, &trade, &next] {
        trading_feed::take_in(&handler, trade).unwrap();
    }
    for event in ["BTCUSDT-1", "BTCUSDT-2"] {
        let told = client.hears(r#""channel":"trades:BTCUSDT","event":"trade""#).await;
        assert!(told.contains(&format!(r#""eventId":"{event}""#)), "{told}");
    }
    client.says(r#"{"type":"request","requestId":1,"payload":"BTCUSDT"}"#).await;
    client.hears(r#""requestId":1,"payload":6400000"#).await;
    client.says(r#"{"type":"publish","channel":"prices","data":0,"id":2}"#).await;
    let refused = client.hears(r#""code":"forbidden""#).await;
    assert!(refused.contains("publish is not allowed by the rule prices"), "{refused}");
}

#[tokio::test]
async fn two_people_meet_in_a_room_and_talk() {
    let shared = chat_rooms::compose().unwrap();
    let (listener, address) = listen().await;
    tokio::spawn(chat_rooms::serve(shared, listener));
    assert!(http(address, "GET / HTTP/1.1", "").await.1.contains("<title>Chat</title>"));
    assert_eq!(http(address, "POST /token/a%3Cb HTTP/1.1", "").await.0, 400);

    let mut people = Vec::new();
    for name in ["ada", "bob"] {
        let (status, token) = http(address, &format!("POST /token/{name} HTTP/1.1"), "").await;
        assert_eq!(status, 200);
        let mut client = Client::connect(address, &format!("/ws?token={token}")).await;
        client.hears(&format!(r#""userId":"{name}""#)).await;
        client.says(r#"{"type":"join_room","payload":{"room_id":"lobby"}}"#).await;
        client.hears(&format!(r#"{{"type":"user_joined","user_id":"{name}""#)).await;
        people.push(client);
    }
    let [ada, bob] = people.as_mut_slice() else { panic!("two people") };
    ada.hears(r#"{"type":"user_joined","user_id":"bob","room_id":"lobby""#).await;
    ada.says(r#"{"type":"typing","payload":{"room_id":"lobby"}}"#).await;
    bob.hears(r#"{"type":"typing","user_id":"ada","room_id":"lobby""#).await;
    let hello = r#"{"type":"room_message","payload":{"room_id":"lobby","message":"Hello"}}"#;
    ada.says(hello).await;
    for client in [&mut *ada, &mut *bob] {
        client
            .hears(r#"{"type":"room_message","from":"ada","room_id":"lobby","message":"Hello""#)
            .await;
    }
    bob.says(r#"{"type":"chat","payload":{"to":"ada","message":"psst"},"id":1}"#).await;
    bob.hears(r#"{"type":"ack""#).await;
    ada.hears(r#"{"type":"chat","from":"bob","message":"psst""#).await;
    bob.says(r#"{"type":"leave_room","payload":{"room_id":"lobby"}}"#).await;
    ada.hears(r#"{"type":"user_left","user_id":"bob","room_id":"lobby""#).await;
}

#[tokio::test]
async fn an_order_is_taken_on_and_an_account_is_opened_to_its_owner() {
    let handler = axum_gateway::compose().unwrap();
    let (listener, address) = listen().await;
    tokio::spawn(axum_gateway::serve(handler, listener));

    let guessed = format!("ws://{address}/ws?token=guessed").parse().unwrap();
    assert!(Connector::new().connect(guessed).await.is_err());
    let mut client = Client::connect(address, "/ws?token=session-of-ada").await;
    client.hears(r#""userId":"ada""#).await;
    client.hears(r#"{"type":"subscribed","channel":"orders""#).await;
    client.says(r#"{"type":"order","id":7,"symbol":"BTCUSDT","quantity":2}"#).await;
    client.hears(r#""type":"order_accepted""#).await;
    client.hears(r#""channel":"orders","event":"order.created""#).await;
    client.says(r#"{"type":"subscribe","channel":"account:ada","id":8}"#).await;
    client.hears(r#"{"type":"subscribed","channel":"account:ada","id":8"#).await;
    client.says(r#"{"type":"subscribe","channel":"account:bob","id":9}"#).await;
    let refused = client.hears(r#""code":"forbidden""#).await;
    assert!(refused.contains("Not your account"), "{refused}");

    let published = http(address, "POST /publish/orders HTTP/1.1", r#"{"price":64000}"#).await;
    assert_eq!(published, (200, "1 receivers\n".to_owned()));
    client.hears(r#""channel":"orders","data":{"price":64000}"#).await;
    let (_, who) = http(address, "GET /who HTTP/1.1", "").await;
    assert_eq!(who, "ada in [\"account:ada\", \"orders\"]\n");

    let mut mallory = Client::connect(address, "/ws?token=session-of-mallory").await;
    mallory.hears("Not you again").await;
    assert!(mallory.next().await.is_close());
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Status and body of an answer.
async fn http(address: SocketAddr, request: &str, body: &str) -> (u16, String) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let head = format!("Host: a\r\nConnection: close\r\nContent-Length: {length}\r\n");
    socket.write_all(format!("{request}\r\n{head}\r\n{body}").as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

struct Client(WebSocketStream<TcpStream>);

impl Client {
    async fn connect(address: SocketAddr, path: &str) -> Self {
        let uri = format!("ws://{address}{path}").parse().unwrap();
        Self(Connector::new().connect(uri).await.unwrap())
    }

    async fn says(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// The next message, which has this in it.
    async fn hears(&mut self, expected: &str) -> String {
        let heard = self.next().await.into_text().unwrap().to_string();
        assert!(heard.contains(expected), "expected {expected}, and heard {heard}");
        heard
    }

    async fn next(&mut self) -> Message {
        tokio::time::timeout(PATIENCE, self.0.next()).await.unwrap().unwrap().unwrap()
    }
}
