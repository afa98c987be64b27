//! A gateway, a bystander who must not notice anything, and the count of all that could leak.

use std::{
    net::SocketAddr,
    sync::{
        Once,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::Handle,
    time::{Instant, sleep, timeout},
};
use tungstenite::Message;
use ws_auth::{Secret, TokenMinter, TokenRequest};
use ws_connection::{apply_mask, encode_header};
use ws_gateway::{
    Gateway, Upstream,
    config::{Command, load},
};
use ws_handler::WebSocketHandler;
use ws_transport::{Connector, WebSocketStream};

const SECRET: &str = "the secret of these tests, of more than thirty-two bytes";
/// Nothing that is waited for takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

static PANICS: AtomicUsize = AtomicUsize::new(0);
static HOOK: Once = Once::new();

pub(crate) struct Crowd {
    pub(crate) address: SocketAddr,
    pub(crate) handler: WebSocketHandler<Upstream>,
    token: String,
    bystander: WebSocketStream<TcpStream>,
    /// Tasks that live while nobody but the bystander is connected.
    tasks: usize,
}

impl Crowd {
    /// A gateway with short deadlines, so that nobody can hold on to anything for long.
    pub(crate) async fn gather(further: &[(&str, &str)]) -> Self {
        HOOK.call_once(|| {
            let default = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                // A thread that is called like a test is one that failed: it says so itself.
                let thread = std::thread::current();
                if !thread.name().is_some_and(|name| name.contains("::")) {
                    PANICS.fetch_add(1, Ordering::SeqCst);
                }
                default(panic);
            }));
        });
        let defaults = [
            ("WEBSOCKET_HOST", "127.0.0.1"),
            ("WEBSOCKET_PORT", "0"),
            ("JWT_SECRET_KEY", SECRET),
            ("UPSTREAM", "echo"),
            ("HANDSHAKE_TIMEOUT", "1s"),
            ("AUTH_TIMEOUT", "1s"),
            ("CLOSE_TIMEOUT", "500ms"),
            ("MAX_CONNECTIONS_PER_USER", "0"),
            ("MESSAGE_RATE_LIMIT", "0"),
            ("LOG_LEVEL", "error"),
        ];
        let variables = defaults.iter().chain(further);
        let variables = variables.map(|(name, value)| ((*name).into(), (*value).into()));
        let command = load(["ws-gateway".into()], variables, |_| Ok(String::new()));
        let Ok(Command::Serve(loaded)) = command else {
            panic!("not a configuration to serve with")
        };
        let gateway = Gateway::start(loaded.config).expect("a free port");
        let (address, handler) = (gateway.address(), gateway.handler().clone());
        tokio::spawn(gateway.run_until(std::future::pending()));

        let token = token();
        let uri = format!("ws://{address}/ws?token={token}").parse().expect("an address");
        let mut bystander = Connector::new().connect(uri).await.expect("upgraded");
        assert!(matches!(bystander.next().await, Some(Ok(Message::Text(_)))));
        // The task that took the socket hands it to another and ends.
        sleep(Duration::from_millis(50)).await;
        let tasks = Handle::current().metrics().num_alive_tasks();
        Self { address, handler, token, bystander, tasks }
    }

    pub(crate) async fn dial(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("the gateway listens")
    }

    /// An upgrade request as a user.
    pub(crate) fn upgrade(&self) -> String {
        upgrade(&format!("/ws?token={}", self.token))
    }

    /// A connection whose upgrade was granted and whose greeting has come.
    pub(crate) async fn upgraded(&self) -> TcpStream {
        let mut socket = self.dial().await;
        socket.write_all(self.upgrade().as_bytes()).await.expect("the gateway reads");
        let mut answer = Vec::new();
        while !answer.windows(9).any(|window| window == b"connected") {
            assert_ne!(socket.read_buf(&mut answer).await.expect("readable"), 0, "hung up");
        }
        socket
    }

    /// Asks as the bystander, who must get an answer.
    pub(crate) async fn is_served(&mut self) {
        let request = json!({ "type": "request", "requestId": 1, "payload": "unharmed" });
        self.bystander.send(Message::text(request.to_string())).await.expect("the gateway reads");
        let text = loop {
            match timeout(PATIENCE, self.bystander.next()).await.expect("an answer in time") {
                Some(Ok(Message::Text(text))) => break text,
                Some(Ok(Message::Ping(_))) => {}
                other => panic!("no answer but {other:?}"),
            }
        };
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(answer["payload"], "unharmed");
    }

    /// Waits until the gateway has let everybody go but the bystander.
    pub(crate) async fn is_alone(&mut self) {
        let started = Instant::now();
        while self.handler.connection_count() > 1 {
            assert!(started.elapsed() < PATIENCE, "{:?}", self.handler.stats());
            self.is_served().await;
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until nothing of anybody else is left, and sees that nothing panicked.
    pub(crate) async fn has_dispersed(mut self) {
        let expect = (1, 1, 0, self.tasks);
        let started = Instant::now();
        loop {
            // It answers its pings meanwhile.
            self.is_served().await;
            let stats = self.handler.stats();
            let tasks = Handle::current().metrics().num_alive_tasks();
            let pending = stats.pending_authentications;
            let left = (stats.connections, stats.online_users, pending, tasks);
            if left == expect {
                break;
            }
            assert!(started.elapsed() < PATIENCE, "left: {left:?}, should be {expect:?}");
            sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(PANICS.load(Ordering::SeqCst), 0, "something panicked");
    }
}

fn token() -> String {
    #[expect(clippy::disallowed_methods, reason = "the gateway's clock is the system's")]
    let now = std::time::SystemTime::now();
    let minter = TokenMinter::new(&Secret::from(SECRET)).expect("long enough");
    minter.mint(&TokenRequest::new("ada"), now).expect("signs").expose().to_owned()
}

pub(crate) fn upgrade(target: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: gateway.test\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
    )
}

/// A client's masked frame with any first byte.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [0x37, 0xfa, 0x21, 0x3d];
    let mut wire = Vec::new();
    let opcode = tungstenite::protocol::frame::coding::OpCode::from(first & 0x0f);
    encode_header(&mut wire, true, false, opcode, payload.len(), Some(key));
    wire[0] = first;
    let body = wire.len();
    wire.extend_from_slice(payload);
    apply_mask(&mut wire[body..], key, 0);
    wire
}

/// Writes what is taken, and reads until the gateway hangs up; both may end in a reset.
pub(crate) async fn pester(socket: TcpStream, bytes: &[u8]) {
    let (mut from, mut into) = socket.into_split();
    let writing = async {
        let _ = into.write_all(bytes).await;
        let _ = into.shutdown().await;
    };
    let reading = async {
        let mut answers = vec![0; 4096];
        while let Ok(1..) = from.read(&mut answers).await {}
    };
    let both = async { tokio::join!(writing, reading) };
    timeout(PATIENCE, both).await.expect("the gateway hangs up in the end");
}

/// Numbers that look random and are the same in every run.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Below `sides`.
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % sides
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.roll(256) as u8).collect()
    }
}
