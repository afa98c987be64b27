//! Compressed WebSocket messages on a socket whose handshake tokio-tungstenite did.
//!
//! Shows: how far this crate takes you alone. tungstenite refuses RSV1, so its stream cannot carry
//! compressed messages; its handshake and its frame headers can. The extension is negotiated in the
//! handshake's callback, then the bare socket is taken over and spoken to in some eighty lines.
//! (They hold what the example needs of RFC 6455. For all of it, take `ws-transport`.)
//!
//! Type:   cargo run -p ws-compression --example deflate_echo
//! See:    a client sends three messages to a server in the same process and prints what went over
//!         the wire: 3,973 bytes of JSON as 524, a short one plain, random text as four fifths;
//!         then the server's statistics. It ends by itself.
//!
//! Type:   cargo run -p ws-compression --example deflate_echo -- 127.0.0.1:9002
//! Then:   in a browser's console:
//!         ws = new WebSocket("ws://127.0.0.1:9002"); ws.onmessage = m => console.log(m.data.length);
//!         ws.onopen = () => { console.log(ws.extensions); ws.send("hello ".repeat(1000)) }
//! See:    "permessage-deflate; …" and 6000, and here a line of statistics for each connection.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::io::Cursor;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderValue};
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use tokio_tungstenite::{accept_hdr_async, client_async};
use ws_compression::{CompressionManager, Outcome, PerMessageDeflate, Role};

type Fallible<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

const EXTENSIONS: &str = "Sec-WebSocket-Extensions";
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Fallible {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:0")).await?;
    let at_server = CompressionManager::create_default();
    if address.is_some() {
        return serve(listener, at_server).await;
    }
    let url = format!("ws://{}/", listener.local_addr()?);
    tokio::spawn(serve(listener, at_server.clone()));
    client(&url).await?;
    println!("server: {}", at_server.summary());
    Ok(())
}

async fn serve(listener: TcpListener, manager: CompressionManager) -> Fallible {
    loop {
        let (stream, peer) = listener.accept().await?;
        let manager = manager.clone();
        tokio::spawn(async move {
            let result = echo(stream, &manager).await;
            println!("{peer}: {result:?}; {}", manager.summary());
        });
    }
}

async fn echo(stream: TcpStream, manager: &CompressionManager) -> Fallible {
    let mut codec = None;
    #[expect(clippy::result_large_err, reason = "the signature is tungstenite's")]
    let negotiate =
        |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
            if let Some(accepted) = manager.accept_offer(extensions(request.headers()))
                && let Ok(value) = HeaderValue::from_str(&accepted.response)
            {
                response.headers_mut().insert(EXTENSIONS, value);
                codec = Some(manager.codec(Role::Server, accepted.params));
            }
            Ok(response)
        };
    let stream = accept_hdr_async(stream, negotiate).await?.into_inner();
    let mut socket = Socket { stream, read: Vec::new(), codec, role: Role::Server };
    while let Some(message) = socket.receive().await? {
        socket.send(OpCode::Data(Data::Text), &message).await?;
    }
    Ok(())
}

async fn client(url: &str) -> Fallible {
    let manager = CompressionManager::create_default();
    let mut request = url.into_client_request()?;
    if let Some(offer) = manager.offer() {
        request.headers_mut().insert(EXTENSIONS, HeaderValue::from_str(&offer)?);
    }
    let host = request.uri().authority().ok_or("no host")?.to_string();
    let (stream, response) = client_async(request, TcpStream::connect(host).await?).await?;
    let params = manager.accept_response(extensions(response.headers()))?;
    let mut socket = Socket {
        // Nothing is lost here: this server speaks only when spoken to.
        stream: stream.into_inner(),
        read: Vec::new(),
        codec: params.map(|params| manager.codec(Role::Client, params)),
        role: Role::Client,
    };
    let json: String =
        (0..100).map(|i| format!(r#"{{"type":"tick","price":{i},"volume":{}}},"#, i * 7)).collect();
    let random: String = (0..2000).map(|_| fastrand::char('!'..='\u{FFFF}')).collect();
    for message in [json.as_str(), "a short one", random.as_str()] {
        let sent = socket.send(OpCode::Data(Data::Text), message.as_bytes()).await?;
        let echoed = socket.receive().await?.ok_or("the server is gone")?;
        let same = if echoed == message.as_bytes() { "the same" } else { "SOMETHING ELSE" };
        println!("client: {} bytes sent as {sent}, {same} came back", message.len());
    }
    socket.send(OpCode::Control(Control::Close), &1000_u16.to_be_bytes()).await?;
    socket.receive().await?;
    Ok(())
}

/// The header's values; a value that is not ASCII offers nothing that we know.
fn extensions(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers.get_all(EXTENSIONS).iter().filter_map(|value| value.to_str().ok())
}

struct Socket {
    stream: TcpStream,
    read: Vec<u8>,
    codec: Option<PerMessageDeflate>,
    role: Role,
}

impl Socket {
    /// Sends one message in one frame and says how long the payload was on the wire.
    async fn send(&mut self, opcode: OpCode, message: &[u8]) -> Fallible<usize> {
        let mut payload = Vec::new();
        // Control frames are never compressed (RFC 7692 §6.1).
        let rsv1 = matches!(opcode, OpCode::Data(_))
            && self
                .codec
                .as_mut()
                .is_some_and(|codec| codec.compress(message, &mut payload) == Outcome::Compressed);
        if !rsv1 {
            payload.extend_from_slice(message);
        }
        let mask = (self.role == Role::Client).then(|| fastrand::u32(..).to_ne_bytes());
        let header = FrameHeader { rsv1, opcode, mask, is_final: true, ..FrameHeader::default() };
        let mut frame = Vec::new();
        header.format(payload.len() as u64, &mut frame)?;
        apply(mask, &mut payload);
        frame.extend_from_slice(&payload);
        self.stream.write_all(&frame).await?;
        Ok(payload.len())
    }

    /// The next message, its fragments put together and inflated; `None` after a close.
    async fn receive(&mut self) -> Fallible<Option<Vec<u8>>> {
        let (mut message, mut compressed) = (Vec::new(), false);
        loop {
            let (header, payload) = self.frame().await?;
            match header.opcode {
                OpCode::Control(Control::Ping) => {
                    self.send(OpCode::Control(Control::Pong), &payload).await?;
                    continue;
                }
                OpCode::Control(Control::Close) => {
                    // A client has sent its own close before: that is how this one ends.
                    if self.role == Role::Server {
                        self.send(OpCode::Control(Control::Close), &payload).await?;
                    }
                    return Ok(None);
                }
                OpCode::Control(_) => continue,
                OpCode::Data(Data::Continue) if header.rsv1 => {
                    return Err("RSV1 on a continuation".into());
                }
                OpCode::Data(Data::Continue) => {}
                OpCode::Data(_) => compressed = header.rsv1,
            }
            message.extend_from_slice(&payload);
            if message.len() > MESSAGE_BYTES_MAX {
                return Err("message too large".into());
            }
            if header.is_final {
                break;
            }
        }
        match &mut self.codec {
            Some(codec) if compressed => {
                let mut inflated = Vec::new();
                codec.decompress(&message, MESSAGE_BYTES_MAX, &mut inflated)?;
                Ok(Some(inflated))
            }
            None if compressed => Err("RSV1 was not negotiated".into()),
            _ => Ok(Some(message)),
        }
    }

    async fn frame(&mut self) -> Fallible<(FrameHeader, Vec<u8>)> {
        loop {
            let mut cursor = Cursor::new(&self.read);
            if let Some((header, length)) = FrameHeader::parse(&mut cursor)? {
                if length > MESSAGE_BYTES_MAX as u64 {
                    return Err("frame too large".into());
                }
                let start = cursor.position() as usize;
                let end = start + length as usize;
                if self.read.len() >= end {
                    let mut payload = self.read[start..end].to_vec();
                    self.read.drain(..end);
                    apply(header.mask, &mut payload);
                    return Ok((header, payload));
                }
            }
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Err("the peer hung up".into());
            }
        }
    }
}

/// Masks and unmasks (RFC 6455 §5.3).
fn apply(mask: Option<[u8; 4]>, payload: &mut [u8]) {
    for (byte, key) in payload.iter_mut().zip(mask.into_iter().flat_map(|m| m.into_iter().cycle()))
    {
        *byte ^= key;
    }
}
