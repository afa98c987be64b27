//! A process of the gateway, with an environment of its own.

use std::{net::SocketAddr, path::PathBuf, process::Stdio, sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    net::TcpStream,
    process::{Child, Command},
    time::{sleep, timeout},
};
use tungstenite::Message;
use ws_transport::{Connector, WebSocketStream};

pub(crate) const SECRET: &str = "the secret of these tests, of more than thirty-two bytes";
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The gateway with these arguments and no variables but these.
pub(crate) fn command(arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ws-gateway"));
    command.env_clear().envs(variables.iter().copied()).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// What a process that ended has said.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs the gateway to its end.
pub(crate) async fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
    let output = timeout(PATIENCE, command(arguments, variables).output()).await;
    let output = output.expect("it ends").expect("it starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ended {
        status: output.status.code().expect("not killed"),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// A file of that name and content, for this test run.
pub(crate) fn file(name: &str, content: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, content).expect("the folder for temporary files takes one");
    path
}

/// A gateway that serves.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
    stdout: Arc<Mutex<String>>,
    stderr: Arc<Mutex<String>>,
}

impl Process {
    /// On a free port of loopback, with the secret of these tests unless the variables say otherwise.
    pub(crate) async fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let defaults = [
            ("WEBSOCKET_HOST", "127.0.0.1"),
            ("WEBSOCKET_PORT", "0"),
            ("JWT_SECRET_KEY", SECRET),
            ("UPSTREAM", "echo"),
        ];
        Self::start_with(arguments, &[&defaults, variables].concat()).await
    }

    /// With no variables but these; the port must be zero.
    pub(crate) async fn start_with(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::of(command(arguments, variables)).await
    }

    /// With that command.
    pub(crate) async fn of(mut command: Command) -> Self {
        let mut child = command.spawn().expect("it starts");
        let stdout = collect(child.stdout.take().expect("piped"));
        let stderr = collect(child.stderr.take().expect("piped"));
        let address = timeout(PATIENCE, async {
            loop {
                if let Some(address) = listening(&stderr.lock()) {
                    return address;
                }
                let ended = child.try_wait().expect("it can be waited for");
                assert!(ended.is_none(), "it ended: {}", stderr.lock());
                sleep(Duration::from_millis(5)).await;
            }
        });
        let address = address.await.expect("it listens in time");
        Self { child, address, stdout, stderr }
    }

    /// The log so far.
    pub(crate) fn log(&self) -> String {
        self.stderr.lock().clone()
    }

    pub(crate) fn printed(&self) -> String {
        self.stdout.lock().clone()
    }

    /// Waits until the log has a text.
    pub(crate) async fn logs(&self, text: &str) {
        let waiting = async {
            while !self.stderr.lock().contains(text) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, waiting)
            .await
            .unwrap_or_else(|_| panic!("{text:?} is not in the log:\n{}", self.log()));
    }

    /// Its number while it runs.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Sends a signal by its name.
    pub(crate) async fn signal(&self, name: &str) {
        let process = self.id().to_string();
        // Every shell has it built in, where `kill` need not be installed.
        let arguments = ["-c", "kill -s \"$0\" \"$1\"", name, &process];
        let status = Command::new("sh").args(arguments).status().await.expect("a shell");
        assert!(status.success(), "{name} could not be sent");
    }

    /// The exit code, once it has ended, and all that it has written.
    pub(crate) async fn ended(mut self) -> Ended {
        let status =
            timeout(PATIENCE, self.child.wait()).await.expect("it ends").expect("waited for");
        // What it wrote last is still in the pipes.
        sleep(Duration::from_millis(50)).await;
        let code = status.code().expect("not killed by a signal");
        Ended { status: code, stdout: self.printed(), stderr: self.log() }
    }

    pub(crate) fn token(&self, user: &str) -> String {
        token(user)
    }

    /// Connects as a user, and reads the greeting.
    pub(crate) async fn visit(&self, user: &str) -> Client {
        let target = format!("ws://{}/ws?token={}", self.address, self.token(user));
        let mut client = Client::connect(&target).await;
        assert_eq!(client.next().await["userId"], user);
        client
    }
}

fn collect(stream: impl AsyncRead + Unpin + Send + 'static) -> Arc<Mutex<String>> {
    let collected = Arc::<Mutex<String>>::default();
    let into = collected.clone();
    tokio::spawn(async move {
        let mut lines = BufReader::new(stream).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let mut text = into.lock();
            text.push_str(&line);
            text.push('\n');
        }
    });
    collected
}

/// The address that the log says it listens on.
fn listening(log: &str) -> Option<SocketAddr> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let line = lines.into_iter().find(|line| line["message"] == "listening")?;
    line["address"].as_str()?.parse().ok()
}

pub(crate) fn token(user: &str) -> String {
    #[expect(clippy::disallowed_methods, reason = "the gateway's clock is the system's")]
    let now = std::time::SystemTime::now();
    let minter = ws_auth::TokenMinter::new(&ws_auth::Secret::from(SECRET)).expect("long enough");
    let token = minter.mint(&ws_auth::TokenRequest::new(user), now);
    token.expect("signs").expose().to_owned()
}

/// A client of ours.
pub(crate) struct Client {
    pub(crate) stream: WebSocketStream<TcpStream>,
}

impl Client {
    pub(crate) async fn connect(target: &str) -> Self {
        let uri = target.parse().expect("an address");
        Self { stream: Connector::new().connect(uri).await.expect("upgraded") }
    }

    pub(crate) async fn next_message(&mut self) -> Option<Message> {
        loop {
            match timeout(PATIENCE, self.stream.next()).await.expect("something comes") {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(message)) => return Some(message),
                Some(Err(_)) | None => return None,
            }
        }
    }

    pub(crate) async fn next(&mut self) -> Value {
        match self.next_message().await {
            Some(Message::Text(text)) => serde_json::from_str(&text).expect("JSON"),
            other => panic!("no JSON message but {other:?}"),
        }
    }

    pub(crate) async fn send(&mut self, message: Value) {
        self.stream.send(Message::text(message.to_string())).await.expect("the gateway reads");
    }

    pub(crate) async fn ask(&mut self, payload: &str) -> Value {
        self.send(json!({ "type": "request", "requestId": 1, "payload": payload })).await;
        self.next().await
    }

    /// When it is to come back, as the `goodbye` says that must come next.
    pub(crate) async fn goodbye(&mut self) -> Duration {
        let goodbye = self.next().await;
        assert_eq!(goodbye["type"], "goodbye", "{goodbye}");
        Duration::from_millis(goodbye["reconnectAfterMs"].as_u64().expect("a number"))
    }

    /// Code and reason of the close frame that must come next.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        match self.next_message().await {
            Some(Message::Close(Some(frame))) => (frame.code.into(), frame.reason.to_string()),
            other => panic!("no close frame but {other:?}"),
        }
    }

    pub(crate) async fn leave(mut self) {
        self.stream.close(None).await.expect("the gateway reads");
        while self.next_message().await.is_some() {}
    }
}

/// An upgrade request as bytes.
pub(crate) fn upgrade(target: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: gateway.test\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// The first bytes of the answer to a request: its status line and more.
pub(crate) async fn answer_to(socket: &mut TcpStream, request: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    socket.write_all(request.as_bytes()).await.expect("the gateway reads");
    let mut answer = vec![0; 4096];
    let read = timeout(PATIENCE, socket.read(&mut answer)).await.expect("an answer in time");
    answer.truncate(read.expect("readable"));
    String::from_utf8_lossy(&answer).into_owned()
}
