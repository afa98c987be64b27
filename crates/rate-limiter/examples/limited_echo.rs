//! An echo server on plain tokio-tungstenite that limits connects by address and messages by connection.
//!
//! Shows: 429 with `Retry-After` and a JSON body before the upgrade, messages dropped with one `error`
//! for each retry period, close code 1008 for who keeps on.
//!
//! Type:   cargo run -p ws-rate-limiter --example limited_echo
//! Then:   connect any WebSocket client to ws://127.0.0.1:9103 and send a dozen messages in one second;
//!         or type `for i in 1 2 3 4 5 6; do curl -si -H 'Connection: Upgrade' -H 'Upgrade: websocket' \
//!         -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==' -m 1 \
//!         http://127.0.0.1:9103 | head -1; done`
//! See:    ten echoes and one `rate_limited` error; five times 101 and then 429.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use ws_rate_limiter::{
    Denied, IpKey, KeyedLimiter, Ladder, Limit, Strikes, TokenBucket, Verdict, ip_key,
};

const CONNECTS: TokenBucket = TokenBucket::per_minute(NonZeroU32::new(5).unwrap());
const MESSAGES: TokenBucket = TokenBucket::per_second(NonZeroU32::new(10).unwrap());
const ADDRESSES_MAX: NonZeroUsize = NonZeroUsize::new(100_000).unwrap();

#[tokio::main]
async fn main() -> std::io::Result<()> {
    serve(TcpListener::bind("127.0.0.1:9103").await?).await
}

/// Accepts connections for ever.
pub(crate) async fn serve(listener: TcpListener) -> std::io::Result<()> {
    let connects = Arc::new(KeyedLimiter::new(CONNECTS, ADDRESSES_MAX));
    loop {
        let (stream, peer) = listener.accept().await?;
        let connects = Arc::clone(&connects);
        tokio::spawn(async move {
            if let Err(error) = connection(stream, peer, &connects).await {
                report(&format!("{peer}: {error}"));
            }
        });
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    connects: &KeyedLimiter<IpKey, TokenBucket>,
) -> Result<(), Error> {
    let now = Instant::now().into_std();
    // The denial is known before the request is read, and answered as soon as it has been.
    let admitted = connects.check(&ip_key(peer.ip()), now);
    #[expect(clippy::result_large_err, reason = "the signature is tungstenite's")]
    let answer = |_: &Request, response: Response| match admitted {
        Ok(()) => Ok(response),
        Err(denied) => Err(too_many_requests(denied, now)),
    };
    let mut socket = accept_hdr_async(stream, answer).await?;

    let ladder = Ladder::new(NonZeroU32::MIN.saturating_add(19), Duration::from_secs(60))
        .unwrap_or_default();
    let (mut used, mut strikes) = (MESSAGES.new_state(now), Strikes::default());
    while let Some(message) = socket.next().await {
        let message = message?;
        if !message.is_text() && !message.is_binary() {
            continue;
        }
        let now = Instant::now().into_std();
        let outcome = MESSAGES.check(&mut used, 1, now);
        match ladder.judge(&mut strikes, outcome, now) {
            Verdict::Allow => socket.send(message).await?,
            Verdict::Drop { first_in_burst: false, .. } => {}
            Verdict::Drop { retry_at, first_in_burst: true } => {
                let retry_after = retry_at.saturating_duration_since(now).as_millis() + 1;
                let error = format!(
                    r#"{{"type":"error","code":"rate_limited","message":"Rate limit exceeded","retryAfterMs":{retry_after}}}"#
                );
                socket.send(Message::text(error)).await?;
            }
            Verdict::Close => {
                let reason = "Rate limit exceeded".into();
                socket.close(Some(CloseFrame { code: CloseCode::Policy, reason })).await?;
                // What is still on its way must be read, or the close frame may be lost to a reset;
                // tungstenite ends the stream when the peer has answered.
                while socket.next().await.is_some_and(|message| message.is_ok()) {}
                break;
            }
        }
    }
    Ok(())
}

fn too_many_requests(denied: Denied, now: std::time::Instant) -> ErrorResponse {
    let seconds = denied.retry_after_secs(now);
    let body = format!(r#"{{"error":"Too Many Requests","retryAfter":{seconds}}}"#);
    let mut response = ErrorResponse::new(Some(body));
    *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, seconds.into());
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[expect(clippy::print_stdout, reason = "an example talks to the person who runs it")]
fn report(line: &str) {
    println!("{line}");
}
