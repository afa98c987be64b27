//! Authentication at the upgrade of a plain tokio-tungstenite server: a bad token is answered with
//! 401 and the reason before there is a WebSocket, a good one opens it.
//!
//! ```text
//! cargo run -p ws-auth --example upgrade
//! ```
//!
//! It prints a token and three lines to try, for instance with curl:
//!
//! ```text
//! the right token           HTTP/1.1 101 Switching Protocols, then "Hello, user-123 (pro)"
//! a wrong one               HTTP/1.1 401 Unauthorized, Invalid token
//! the second token, at once HTTP/1.1 401 Unauthorized, Token expired
//! ```

#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::error::Error;
use std::time::{Duration, SystemTime};

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, header};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use ws_auth::{
    AuthError, Authenticator, Identity, Issuer, Secret, TokenMinter, TokenRequest,
    find_credential_in, select_subprotocol,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let secret = Secret::from("an example's secret of more than thirty-two bytes");
    let minter = TokenMinter::new(&secret)?;
    let authenticator =
        Authenticator::builder().issuer(Issuer::new("dev").secret(secret)).build()?;

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let good = minter.mint(&TokenRequest::new("user-123").tier("pro"), clock())?;
    let long_ago = clock() - Duration::from_secs(3600);
    let old = minter.mint(&TokenRequest::new("user-123").ttl(Duration::from_secs(60)), long_ago)?;
    for token in [good.expose(), "wrong", old.expose()] {
        println!(
            "curl -si --http1.1 --max-time 1 -H 'Connection: Upgrade' -H 'Upgrade: websocket' \
             -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' \
             'http://{address}/?token={token}'\n"
        );
    }
    loop {
        let (stream, peer) = listener.accept().await?;
        let authenticator = authenticator.clone();
        tokio::spawn(async move {
            match serve(stream, &authenticator).await {
                Ok(()) => println!("{peer} left"),
                Err(error) => println!("{peer}: {error}"),
            }
        });
    }
}

async fn serve(stream: TcpStream, authenticator: &Authenticator) -> Result<(), WsError> {
    let mut user = None;
    #[expect(clippy::result_large_err, reason = "the signature is tungstenite's")]
    let admit =
        |request: &Request, mut response: Response| match authenticate(request, authenticator) {
            Ok(identity) => {
                user = Some(identity);
                let offers = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL);
                let offers = offers.iter().filter_map(|offer| offer.to_str().ok());
                if let Some(ours) = select_subprotocol(offers) {
                    let ours = HeaderValue::from_static(ours);
                    response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, ours);
                }
                Ok(response)
            }
            Err(reason) => Err(unauthorized(reason)),
        };
    let mut socket = accept_hdr_async(stream, admit).await?;
    if let Some(user) = user {
        let tier = user.tier.as_deref().unwrap_or("no tier");
        let hello = format!("Hello, {} ({tier})", user.user_id);
        socket.send(Message::text(hello)).await?;
    }
    while let Some(message) = socket.next().await.transpose()? {
        println!("{} bytes", message.len());
    }
    Ok(())
}

/// The user of a request, or the reason that may be told to whoever sent it.
fn authenticate(
    request: &Request,
    authenticator: &Authenticator,
) -> Result<std::sync::Arc<Identity>, &'static str> {
    let credential = find_credential_in(request.headers(), request.uri().query(), None)
        .map_err(|error| error.public_reason())?
        .ok_or("Token required")?;
    authenticator
        .verify(credential.token(), clock())
        .map_err(|error| AuthError::from(error).public_reason())
}

fn unauthorized(reason: &str) -> ErrorResponse {
    let mut response = ErrorResponse::new(Some(reason.to_owned()));
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

#[expect(clippy::disallowed_methods, reason = "the edge of the program reads the clock")]
fn clock() -> SystemTime {
    SystemTime::now()
}
