//! Every transcript of `docs/protocol.md` is replayed against a gateway, line for line.

use std::time::{Duration, SystemTime};

use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Bytes, Message,
        protocol::{CloseFrame, Role},
    },
};
use ws_auth::{Secret, TokenMinter, TokenRequest};
use ws_gateway::{
    Gateway,
    config::{Command, load},
};

use crate::page::{PROTOCOL, blocks};

const SECRET: &str = "a secret for the transcripts of the docs";
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn every_transcript_is_what_the_gateway_says() {
    let transcripts = blocks(PROTOCOL, "transcript");
    assert!(transcripts.len() > 10, "docs/protocol.md has its transcripts");
    // All at once: those that wait for a deadline wait together.
    let replays = transcripts.into_iter().map(|(line, transcript)| async move {
        let replay = tokio::time::timeout(PATIENCE, replay(&transcript)).await;
        let outcome = replay.unwrap_or_else(|_| Err("the gateway said nothing more".to_owned()));
        outcome.err().map(|error| format!("docs/protocol.md:{line}: {error}"))
    });
    let faults: Vec<String> =
        futures_util::future::join_all(replays).await.into_iter().flatten().collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

async fn replay(transcript: &[&str]) -> Result<(), String> {
    let (command, lines) = transcript.split_first().ok_or("the transcript is empty")?;
    let flags = command.strip_prefix("$ ws-gateway").ok_or("a transcript begins with a command")?;
    let (gateway, stop) = start(flags)?;
    let mut stop = Some(stop);
    let mut peers: Vec<Peer> = Vec::new();
    let mut lines = lines.iter().peekable();
    while let Some(line) = lines.next() {
        let fault = |error: String| format!("at `{line}`: {error}");
        if let Some(path) = line.strip_prefix("→ GET ") {
            let mut headers = Vec::new();
            while let Some(header) = lines.next_if(|line| is_header(line)) {
                headers.push(header.trim_start_matches("→ "));
            }
            peers.push(Peer::connect(gateway, path, &headers).await.map_err(fault)?);
            continue;
        }
        let peer = peers.last_mut().ok_or_else(|| fault("nobody has connected".to_owned()))?;
        match line.split_once(' ') {
            Some(("→", said)) => peer.say(said).await.map_err(fault)?,
            Some(("←", expected)) => peer.hear(expected).await.map_err(fault)?,
            _ if line.starts_with("(SIGTERM") => drop(stop.take()),
            _ if line.starts_with('(') => {}
            _ => return Err(fault("neither said nor heard".to_owned())),
        }
    }
    Ok(())
}

/// A gateway in this process, stopped when the sender is dropped.
fn start(flags: &str) -> Result<(std::net::SocketAddr, oneshot::Sender<()>), String> {
    let fixed = "ws-gateway --websocket-host 127.0.0.1 --websocket-port 0";
    let arguments = fixed.split_whitespace().chain(flags.split_whitespace());
    let environment = [("JWT_SECRET_KEY".into(), SECRET.into())];
    let no_files = |_: &std::path::Path| Err(std::io::ErrorKind::NotFound.into());
    let command = load(arguments.map(Into::into), environment, no_files);
    let loaded = match command.map_err(|error| error.to_string())? {
        Command::Serve(loaded) => loaded,
        other => return Err(format!("no transcript can be made of {other:?}")),
    };
    let gateway = Gateway::start(loaded.config).map_err(|error| error.to_string())?;
    let (stop, stopped) = oneshot::channel::<()>();
    let address = gateway.address();
    tokio::spawn(gateway.run_until(async {
        let _ = stopped.await;
    }));
    Ok((address, stop))
}

/// The tokens that the transcripts name.
fn with_tokens(text: &str) -> String {
    #[expect(clippy::disallowed_methods, reason = "tokens are of today")]
    let now = SystemTime::now();
    let hour = Duration::from_secs(3600);
    let minter = TokenMinter::new(&Secret::from(SECRET)).unwrap();
    let mint = |user: &str, ttl: Duration, at: SystemTime| {
        minter.mint(&TokenRequest::new(user).ttl(ttl), at).unwrap().expose().to_owned()
    };
    text.replace("$TOKEN", &mint("user-123", hour, now))
        .replace("$OTHER", &mint("user-456", hour, now))
        .replace("$BRIEF", &mint("user-123", Duration::from_secs(2), now))
        .replace("$EXPIRED", &mint("user-123", hour, now - 2 * hour))
}

fn is_header(line: &str) -> bool {
    let name = line.strip_prefix("→ ").and_then(|rest| rest.split_once(": ")).map(|(name, _)| name);
    name.is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-'))
}

/// One who connects: what was answered, and the WebSocket if that is what it became.
struct Peer {
    /// Status line and header lines.
    head: Vec<String>,
    body: String,
    socket: Option<WebSocketStream<TcpStream>>,
}

impl Peer {
    async fn connect(
        gateway: std::net::SocketAddr,
        path: &str,
        headers: &[&str],
    ) -> Result<Self, String> {
        const UPGRADE: [(&str, &str); 5] = [
            ("Host", "gateway"),
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        const PLAIN: [(&str, &str); 2] = [("Host", "gateway"), ("Connection", "close")];
        let (path, always) = match path.strip_suffix(" (no upgrade)") {
            Some(path) => (path, &PLAIN[..]),
            None => (path, &UPGRADE[..]),
        };
        let mut request = format!("GET {path} HTTP/1.1\r\n");
        for (name, value) in always {
            if !headers.iter().any(|header| header.starts_with(&format!("{name}: "))) {
                request += &format!("{name}: {value}\r\n");
            }
        }
        for header in headers {
            request += &format!("{header}\r\n");
        }
        let mut stream = TcpStream::connect(gateway).await.map_err(|error| error.to_string())?;
        let request = with_tokens(&(request + "\r\n"));
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
            return Ok(Self { head, body: String::new(), socket: Some(socket) });
        }
        let mut body = rest;
        stream.read_to_end(&mut body).await.map_err(|error| error.to_string())?;
        Ok(Self { head, body: String::from_utf8_lossy(&body).trim().to_owned(), socket: None })
    }

    async fn say(&mut self, said: &str) -> Result<(), String> {
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
            _ => Message::text(with_tokens(&said.replace("…2,000 bytes…", &"x".repeat(2000)))),
        };
        for _ in 0..times {
            socket.feed(message.clone()).await.map_err(|error| error.to_string())?;
        }
        socket.flush().await.map_err(|error| error.to_string())
    }

    async fn hear(&mut self, expected: &str) -> Result<(), String> {
        let heard = match &mut self.socket {
            _ if expected.starts_with(|c: char| c.is_ascii_digit()) => {
                self.head[0].trim_start_matches("HTTP/1.1 ").to_owned()
            }
            _ if is_header(&format!("→ {expected}")) => {
                let name = expected.split(": ").next().unwrap_or_default().to_lowercase();
                let named = |line: &&String| line.to_lowercase().starts_with(&format!("{name}: "));
                let line = self.head.iter().find(named).ok_or("the header is not there")?;
                // Names of headers are written as people write them.
                return is_alike(&expected.to_lowercase(), &line.to_lowercase());
            }
            None => self.body.clone(),
            Some(socket) => loop {
                match socket.next().await {
                    // Clients do not see them, unless they are asked to show them.
                    Some(Ok(Message::Ping(_))) => {}
                    Some(Ok(Message::Text(text))) => break text.to_string(),
                    Some(Ok(Message::Close(Some(frame)))) => {
                        let closed = format!("close {} {}", u16::from(frame.code), frame.reason);
                        break closed.trim().to_owned();
                    }
                    Some(Ok(other)) => break format!("{other:?}"),
                    Some(Err(error)) => break format!("an error: {error}"),
                    None => break "the end of the stream".to_owned(),
                }
            },
        };
        is_alike(expected, &heard)
    }
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
