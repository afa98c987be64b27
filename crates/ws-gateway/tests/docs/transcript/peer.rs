//! One who speaks in a transcript: a WebSocket, or a request that is answered.

use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Bytes, Message,
        protocol::{CloseFrame, Role},
    },
};

use super::tokens::with_tokens;

/// Small, so that who does not read is soon known to be slow.
const RECEIVE_BUFFER_BYTES: u32 = 16 * 1024;

/// Whether a line of a request is a header.
pub(super) fn is_header(text: &str) -> bool {
    let name = text.split_once(": ").map(|(name, _)| name);
    name.is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-'))
}

/// One who connects: what was answered, and the WebSocket if that is what it became.
pub(super) struct Peer {
    /// Status line and header lines.
    head: Vec<String>,
    body: String,
    socket: Option<WebSocketStream<TcpStream>>,
    /// Was heard, and is yet to be compared.
    ahead: Option<String>,
}

impl Peer {
    /// Sends a request, `more` of which are headers and a body.
    pub(super) async fn connect(
        gateway: std::net::SocketAddr,
        request: &str,
        more: &[&str],
    ) -> Result<Self, String> {
        let mut stream = open(gateway).await.map_err(|error| error.to_string())?;
        let request = with_tokens(&written(request, more));
        stream.write_all(request.as_bytes()).await.map_err(|error| error.to_string())?;

        let mut read = Vec::new();
        let end = loop {
            if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
            if stream.read_buf(&mut read).await.map_err(|error| error.to_string())? == 0 {
                return Err("the gateway hung up".to_owned());
            }
        };
        let rest = read.split_off(end + 4);
        let head = String::from_utf8_lossy(&read[..end]).into_owned();
        let head: Vec<String> = head.lines().map(str::to_owned).collect();
        if head[0] == "HTTP/1.1 101 Switching Protocols" {
            let socket =
                WebSocketStream::from_partially_read(stream, rest, Role::Client, None).await;
            return Ok(Self { head, body: String::new(), socket: Some(socket), ahead: None });
        }
        let mut body = rest;
        stream.read_to_end(&mut body).await.map_err(|error| error.to_string())?;
        let body = String::from_utf8_lossy(&body).trim().to_owned();
        Ok(Self { head, body, socket: None, ahead: None })
    }

    /// Says a line: a message, or a close.
    pub(super) async fn say(&mut self, said: &str) -> Result<(), String> {
        let socket = self.socket.as_mut().ok_or("there is no WebSocket")?;
        let (said, times) = match said.rsplit_once(" × ") {
            Some((said, times)) => (said, times.parse().map_err(|_| "how many times?")?),
            None => (said, 1),
        };
        let message = match said.split_once(' ') {
            Some(("close", code)) => {
                let code = code.parse::<u16>().map_err(|_| "not a code")?.into();
                Message::Close(Some(CloseFrame { code, reason: "".into() }))
            }
            Some(("binary", bytes)) => Message::Binary(Bytes::copy_from_slice(bytes.as_bytes())),
            _ => Message::text(with_tokens(&with_bulk(said))),
        };
        for _ in 0..times {
            socket.feed(message.clone()).await.map_err(|error| error.to_string())?;
        }
        socket.flush().await.map_err(|error| error.to_string())
    }

    /// Compares a line with what was answered, or with the next message; one that ends with `× …` with
    /// as many messages as are like it. Answers what was heard first.
    pub(super) async fn hear(&mut self, expected: &str) -> Result<String, String> {
        if expected.starts_with(|c: char| c.is_ascii_digit()) {
            let status = self.head[0].trim_start_matches("HTTP/1.1 ");
            return is_alike(expected, status).map(|()| status.to_owned());
        }
        if is_header(expected) {
            let name = expected.split(": ").next().unwrap_or_default().to_lowercase();
            let named = |line: &&String| line.to_lowercase().starts_with(&format!("{name}: "));
            let line = self.head.iter().find(named).ok_or("the header is not there")?;
            // Names of headers are written as people write them.
            let alike = is_alike(&expected.to_lowercase(), &line.to_lowercase());
            return alike.map(|()| line.clone());
        }
        let first = self.next().await;
        let Some(many) = expected.strip_suffix(" × …") else {
            return is_alike(expected, &first).map(|()| first);
        };
        is_alike(many, &first)?;
        let another = loop {
            let heard = self.next().await;
            if is_alike(many, &heard).is_err() {
                break heard;
            }
        };
        self.ahead = Some(another);
        Ok(first)
    }

    async fn next(&mut self) -> String {
        if let Some(ahead) = self.ahead.take() {
            return ahead;
        }
        let Some(socket) = &mut self.socket else { return self.body.clone() };
        loop {
            return match socket.next().await {
                // Clients do not see them, unless they are asked to show them.
                Some(Ok(Message::Ping(_))) => continue,
                Some(Ok(Message::Text(text))) => text.to_string(),
                Some(Ok(Message::Close(Some(frame)))) => {
                    let closed = format!("close {} {}", u16::from(frame.code), frame.reason);
                    closed.trim().to_owned()
                }
                Some(Ok(other)) => format!("{other:?}"),
                Some(Err(error)) => format!("an error: {error}"),
                None => "the end of the stream".to_owned(),
            };
        }
    }
}

async fn open(gateway: std::net::SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
    socket.connect(gateway).await
}

/// A request as it goes over the wire: an upgrade, unless it says otherwise.
fn written(request: &str, more: &[&str]) -> String {
    const UPGRADE: [(&str, &str); 5] = [
        ("Host", "gateway"),
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    const PLAIN: [(&str, &str); 2] = [("Host", "gateway"), ("Connection", "close")];
    let (line, always) = match request.strip_suffix(" (no upgrade)") {
        Some(line) => (line, &PLAIN[..]),
        None if request.starts_with("POST ") => (request, &PLAIN[..]),
        None => (request, &UPGRADE[..]),
    };
    let (headers, bodies): (Vec<&str>, Vec<&str>) = more.iter().partition(|line| is_header(line));
    let mut written = format!("{line} HTTP/1.1\r\n");
    for (name, value) in always {
        if !headers.iter().any(|header| header.starts_with(&format!("{name}: "))) {
            written += &format!("{name}: {value}\r\n");
        }
    }
    for header in headers {
        written += &format!("{header}\r\n");
    }
    let body = with_tokens(&bodies.concat());
    if !body.is_empty() {
        written += &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    }
    written + "\r\n" + &body
}

/// Text with `…2,000 bytes…` has so many.
fn with_bulk(text: &str) -> String {
    let bulk = |text: &str| {
        let (before, rest) = text.split_once('…')?;
        let (count, after) = rest.split_once(" bytes…")?;
        let count: usize = count.replace(',', "").parse().ok()?;
        Some(format!("{before}{}{after}", "x".repeat(count)))
    };
    bulk(text).unwrap_or_else(|| text.to_owned())
}

/// Whether `heard` is what is expected, where each `…` stands for anything.
fn is_alike(expected: &str, heard: &str) -> Result<(), String> {
    let otherwise = || format!("it was `{heard}`");
    let Some((first, expected)) = expected.split_once('…') else {
        return if expected == heard { Ok(()) } else { Err(otherwise()) };
    };
    let (between, last) = expected.rsplit_once('…').unwrap_or(("", expected));
    let rest = heard.strip_prefix(first).and_then(|rest| rest.strip_suffix(last));
    let mut rest = rest.ok_or_else(otherwise)?;
    for piece in between.split('…') {
        rest = rest.split_once(piece).ok_or_else(otherwise)?.1;
    }
    Ok(())
}
