//! A WebSocket client that waits: one thread, one connection. What it speaks is tungstenite's, not ours.

use std::{
    borrow::Cow,
    io::ErrorKind,
    net::{Ipv4Addr, TcpStream},
    time::Duration,
};

use serde::Deserialize;
use serde_json::Value;
use tungstenite::{Error, Message, Utf8Bytes, WebSocket, client::IntoClientRequest};

/// How long `hear` waits at most.
const HEAR_MAX: Duration = Duration::from_millis(50);
/// For the answer to the upgrade.
const UPGRADE_MAX: Duration = Duration::from_secs(3);

/// A connection. It is over with the first error.
pub(crate) struct Client {
    socket: WebSocket<TcpStream>,
}

/// It is over, for whatever reason.
#[derive(Debug)]
pub(crate) struct Over;

/// What a gateway may say, as far as we listen.
#[derive(Debug, Deserialize)]
pub(crate) struct Incoming<'a> {
    #[serde(rename = "type", borrow)]
    pub(crate) kind: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) channel: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(crate) id: Option<u64>,
    #[serde(default)]
    pub(crate) epoch: Option<Value>,
    #[serde(default)]
    pub(crate) offset: Option<u64>,
    #[serde(default)]
    pub(crate) recovered: Option<bool>,
    #[serde(borrow, default)]
    pub(crate) code: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(crate) data: Option<Data>,
}

/// What we publish.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Data {
    /// Which publisher.
    pub(crate) p: usize,
    /// Its how manieth in that channel, from 1.
    pub(crate) n: u32,
}

impl Client {
    pub(crate) fn connect(port: u16, token: &str) -> Result<Self, Over> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(UPGRADE_MAX))?;
        stream.set_write_timeout(Some(UPGRADE_MAX))?;
        let mut request = format!("ws://127.0.0.1:{port}/ws").into_client_request()?;
        let bearer = format!("Bearer {token}").parse().map_err(|_| Over)?;
        request.headers_mut().insert("authorization", bearer);
        let (socket, _) = tungstenite::client(request, stream).map_err(|_| Over)?;
        socket.get_ref().set_read_timeout(Some(HEAR_MAX))?;
        Ok(Self { socket })
    }

    pub(crate) fn say(&mut self, text: String) -> Result<(), Over> {
        self.socket.send(Message::text(text))?;
        Ok(())
    }

    /// The next message; none if nothing came for a moment.
    pub(crate) fn hear(&mut self) -> Result<Option<Utf8Bytes>, Over> {
        match self.socket.read() {
            Ok(Message::Text(text)) => Ok(Some(text)),
            Ok(Message::Close(_)) => Err(Over),
            Ok(_) => Ok(None),
            Err(Error::Io(error))
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
            {
                Ok(None)
            }
            Err(_) => Err(Over),
        }
    }
}

impl<E: std::error::Error> From<E> for Over {
    fn from(_: E) -> Self {
        Self
    }
}
