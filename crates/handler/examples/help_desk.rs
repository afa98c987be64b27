//! An application of its own on a plain TCP listener: a help desk that knows who is there, answers
//! some questions at once and others after a while, and tells everybody what is new.
//!
//! Shows: `Application` with all of its hooks, `handle_upgrade` on a tokio `TcpListener`, answers from
//! another task, a message that is framed once for all connections, a drain at the end.
//!
//! Type:   cargo run -p ws-handler --example help_desk
//! Then:   open <http://127.0.0.1:9109/> in a browser, which is told that this is no page, paste the line
//!         that the example prints into its console (or into `node`, 22 or newer), and
//!         `ask('who is there')`, `ask('the weather')`, `ask('the meaning of life')`. Open a second one.
//! See:    answers in the order in which they are ready, news of who comes and goes; after Ctrl-C at
//!         the server the close code 1012.
#![expect(clippy::print_stdout, reason = "an example talks to its terminal")]

use std::{
    error::Error,
    sync::{Arc, OnceLock},
    time::Duration,
};

use serde_json::{
    json,
    value::{RawValue, to_raw_value},
};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use ws_auth::{Authenticator, Issuer, Secret, TokenMinter, TokenRequest};
use ws_close_manager::{CloseOptions, SendableCode};
use ws_connection::{End, handshake::HeadLimits};
use ws_handler::{
    Application, Client, HandlerConfig, LateResponder, Responder, WallClock, WebSocketHandler,
};
use ws_protocol::ErrorCode;
use ws_transport::read_request;

/// Throw-away: whoever reads this file can sign tokens with it.
const SECRET: &str = "a secret for an example, which must be long";

/// The application; it gets to know its handler once there is one.
#[derive(Default)]
struct HelpDesk {
    handler: OnceLock<WebSocketHandler<HelpDesk>>,
}

impl Application for HelpDesk {
    fn handle_connect(&self, client: &Arc<Client>) {
        let user = client.user_id().unwrap_or_else(|| "somebody".into());
        self.tell_all(&format!("{user} is here"));
    }

    fn handle_request(
        &self,
        client: &Arc<Client>,
        payload: &RawValue,
        responder: Responder<'_, '_>,
    ) {
        match serde_json::from_str::<&str>(payload.get()) {
            Ok("who is there") => {
                let Some(handler) = self.handler.get() else { return drop(responder) };
                let health = handler.check_connection_health();
                let there = json!({ "connections": health.active_connections,
                                    "users": health.online_users, "you": client.user_id().as_deref() });
                answer(&there, |payload| responder.respond(payload));
            }
            Ok("the weather") => drop(tokio::spawn(look_out_of_the_window(responder.later()))),
            Ok(_) => responder.fail(ErrorCode::Unsupported, Some("Nobody here knows".into())),
            Err(_) => responder.fail(ErrorCode::InvalidField, Some("Ask with a string".into())),
        }
    }

    fn handle_disconnect(&self, client: &Arc<Client>, end: &End) {
        let user = client.user_id().unwrap_or_else(|| "somebody".into());
        println!("{user} is gone: {}", end.cause.label());
        self.tell_all(&format!("{user} is gone"));
    }
}

impl HelpDesk {
    fn tell_all(&self, news: &str) {
        let Some(handler) = self.handler.get() else { return };
        // Framed once, however many there are.
        answer(&json!(news), |news| {
            handler.broadcast(Some("news"), news);
        });
    }
}

/// Takes its time, in a task of its own; whoever asked goes on talking meanwhile.
async fn look_out_of_the_window(responder: LateResponder) {
    sleep(Duration::from_secs(2)).await;
    let user = responder.client().user_id();
    let weather = json!({ "weather": "rain", "for": user.as_deref() });
    answer(&weather, |payload| responder.respond(payload));
}

fn answer(payload: &serde_json::Value, respond: impl FnOnce(&RawValue)) {
    // Serializing what is JSON already does not fail; a responder that is dropped answers by itself.
    if let Ok(payload) = to_raw_value(payload) {
        respond(&payload);
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let issuer = Issuer::new("example").secret(SECRET);
    let authenticator = Authenticator::builder().issuer(issuer).build()?;
    let clock = WallClock::new(tokio::time::Instant::now().into_std(), system_time());
    let desk = HelpDesk::default();
    let handler =
        WebSocketHandler::new(HandlerConfig::default(), authenticator, Arc::new(clock), desk);
    // Set once, here.
    let _ = handler.application().handler.set(handler.clone());

    let listener = TcpListener::bind("127.0.0.1:9109").await?;
    let token =
        TokenMinter::new(&Secret::from(SECRET))?.mint(&TokenRequest::new("ada"), system_time())?;
    println!(
        "ws = new WebSocket('ws://{}/?token={}'); ws.onmessage = m => console.log(m.data); \
         ws.onclose = e => console.log(e.code, e.reason); \
         ask = q => ws.send(JSON.stringify({{type: 'request', requestId: q, payload: q}}))",
        listener.local_addr()?,
        token.expose()
    );
    tokio::select! {
        accepting = accept(listener, &handler) => accepting?,
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    let restart = CloseOptions::new(SendableCode::RESTART).reason("Server restart");
    println!("{}", handler.drain(&restart).await);
    Ok(())
}

async fn accept(
    listener: TcpListener,
    handler: &WebSocketHandler<HelpDesk>,
) -> std::io::Result<()> {
    loop {
        let (socket, peer) = listener.accept().await?;
        let handler = handler.clone();
        tokio::spawn(async move { serve(&handler, socket, peer).await });
    }
}

async fn serve(
    handler: &WebSocketHandler<HelpDesk>,
    mut socket: TcpStream,
    peer: std::net::SocketAddr,
) {
    let head = read_request(&mut socket, HeadLimits::default(), Vec::new());
    match timeout(Duration::from_secs(10), head).await {
        Ok(Ok(head)) => {
            handler.handle_upgrade(socket, &head.request, peer, head.early()).await;
        }
        Ok(Err(error)) => println!("{peer}: {error}"),
        Err(_) => println!("{peer}: no request in time"),
    }
}

#[expect(clippy::disallowed_methods, reason = "the edge of the program, where time comes from")]
fn system_time() -> std::time::SystemTime {
    std::time::SystemTime::now()
}
