//! tokio-tungstenite's client against our servers.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use tungstenite::{
    Message,
    protocol::{
        CloseFrame,
        frame::{
            Frame,
            coding::{CloseCode, Data, OpCode},
        },
    },
};
use ws_compression::CompressionConfig;

use crate::{
    raw::PATIENCE,
    server::{KINDS, LIMIT, start},
};

type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Every edge of the length's encoding, of the read buffer, and of the limit.
pub(crate) const LENS: [usize; 11] =
    [0, 1, 125, 126, 127, 65_535, 65_536, 65_537, 1024 * 1024, LIMIT - 1, LIMIT];

pub(crate) fn text(len: usize) -> String {
    let alphabet = "aäあ😀 \u{0}\u{7f}\u{80}\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}";
    let mut text = String::new();
    for character in alphabet.chars().cycle() {
        if text.len() + character.len_utf8() > len {
            break;
        }
        text.push(character);
    }
    text.extend(std::iter::repeat_n('.', len - text.len()));
    text
}

async fn connect(address: SocketAddr) -> Client {
    let (client, response) = connect_async(format!("ws://{address}/")).await.expect("accepted");
    assert!(!response.headers().contains_key("sec-websocket-extensions"), "none were offered");
    client
}

async fn next(client: &mut Client) -> Message {
    let next = tokio::time::timeout(PATIENCE, client.next()).await.expect("an answer in time");
    next.expect("not over").expect("sound")
}

#[tokio::test]
async fn messages_of_every_length_come_back_as_they_went() {
    for kind in KINDS {
        let mut client = connect(start(kind, LIMIT, CompressionConfig::default()).await).await;
        for len in LENS {
            for message in [Message::text(text(len)), Message::binary(vec![len as u8; len])] {
                client.send(message.clone()).await.expect("open");
                client.send(Message::Ping("between".into())).await.expect("open");
                // A pong may overtake what waits for the application.
                let pong = Message::Pong("between".into());
                let answers = [next(&mut client).await, next(&mut client).await];
                let expected = [message.clone(), pong.clone()];
                let overtaken = [pong, message];
                assert!(answers == expected || answers == overtaken, "{len} bytes, {kind:?}");
            }
        }
    }
}

#[tokio::test]
async fn one_byte_more_than_the_limit_ends_with_1009() {
    for kind in KINDS {
        let mut client = connect(start(kind, LIMIT, CompressionConfig::default()).await).await;
        client.send(Message::binary(vec![0; LIMIT + 1])).await.expect("open");
        let Message::Close(Some(close)) = next(&mut client).await else { panic!("{kind:?}") };
        assert_eq!(close.code, CloseCode::Size);
        assert_eq!(close.reason.as_str(), "Message too large");
    }
}

#[tokio::test]
async fn fragments_with_pings_between_them_come_back_as_one_message() {
    for kind in KINDS {
        let mut client = connect(start(kind, LIMIT, CompressionConfig::default()).await).await;
        let whole = text(100_000).into_bytes();
        // Cut without regard for characters.
        let pieces: Vec<_> = whole.chunks(777).collect();
        for (n, piece) in pieces.iter().enumerate() {
            let opcode = if n == 0 { Data::Text } else { Data::Continue };
            let last = n + 1 == pieces.len();
            let frame = Frame::message(piece.to_vec(), OpCode::Data(opcode), last);
            client.send(Message::Frame(frame)).await.expect("open");
            if n == 50 {
                client.send(Message::Ping("between".into())).await.expect("open");
            }
        }
        assert_eq!(next(&mut client).await, Message::Pong("between".into()));
        let echo = next(&mut client).await;
        assert!(echo.is_text() && echo.into_data() == whole, "{kind:?}");
    }
}

#[tokio::test]
async fn a_thousand_messages_in_flight_come_back_in_order() {
    for kind in KINDS {
        let client = connect(start(kind, LIMIT, CompressionConfig::default()).await).await;
        let (mut sink, mut stream) = client.split();
        let messages: Vec<_> =
            (0..1000).map(|n| Message::text(format!("{n}") + &text(n))).collect();
        let sending = tokio::spawn({
            let messages = messages.clone();
            async move {
                for message in messages {
                    sink.feed(message).await.expect("open");
                }
                sink.flush().await.expect("open");
                sink
            }
        });
        for message in messages {
            let echo = tokio::time::timeout(PATIENCE, stream.next()).await.expect("in time");
            assert!(echo.expect("not over").expect("sound") == message, "{kind:?}");
        }
        drop(sending.await.expect("no panic"));
    }
}

#[tokio::test]
async fn the_clients_close_is_echoed_with_its_code_and_then_the_transport_ends() {
    for kind in KINDS {
        for code in [CloseCode::Normal, CloseCode::Away, CloseCode::Library(4321)] {
            let mut client = connect(start(kind, LIMIT, CompressionConfig::default()).await).await;
            let close = CloseFrame { code, reason: "goodbye".into() };
            client.close(Some(close)).await.expect("open");
            let Message::Close(Some(echo)) = next(&mut client).await else { panic!("{kind:?}") };
            assert_eq!(echo.code, code);
            assert!(client.next().await.is_none(), "a clean end");
        }
    }
}

#[tokio::test]
async fn the_servers_close_has_its_code_and_reason_and_the_client_ends_cleanly() {
    for kind in KINDS {
        let mut client = connect(start(kind, LIMIT, CompressionConfig::default()).await).await;
        client.send(Message::text("close 3999")).await.expect("open");
        let Message::Close(Some(close)) = next(&mut client).await else { panic!("{kind:?}") };
        assert_eq!((u16::from(close.code), close.reason.as_str()), (3999, "as you wish"));
        assert!(client.next().await.is_none(), "a clean end, {kind:?}");
    }
}
