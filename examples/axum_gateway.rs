//! A desk that takes orders: a handler of your own in axum, beside your other routes.
//!
//! Shows: sessions of your own in place of tokens (`Authenticate`); an `Application` with all its hooks and
//! a message type of its own (`order`); a `Gatekeeper` that asks something else before it lets anybody
//! listen to an account (`Judgement::Later`); channels into which the application puts its clients; routes
//! of axum that publish, and that tell who is there.
//!
//! Type:   cargo run --release --example axum_gateway -- 127.0.0.1:9303
//! Then:   open <http://127.0.0.1:9303/> in a browser, paste the line that the example prints into its
//!         console (or into `node`, 22 or newer), and say
//!         `say({type: 'order', id: 1, symbol: 'BTCUSDT', quantity: 2})`,
//!         `say({type: 'subscribe', channel: 'account:ada'})`, and the same of `account:bob`. From a
//!         shell: `curl -d '{"price":64000}' 127.0.0.1:9303/publish/orders`, `curl 127.0.0.1:9303/who`.
//! See:    the order accepted, and told to all in `orders`; ada's account opened after a moment and bob's
//!         refused; what curl publishes; who is there.
#![expect(clippy::print_stdout, reason = "an example talks to its terminal")]

use std::{
    error::Error,
    net::SocketAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Path, Request, State},
    http::{self, StatusCode},
    response::Response,
    routing::{any, get, post},
};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{
    json,
    value::{RawValue, to_raw_value},
};
use tokio::{net::TcpListener, time::timeout};
use ws_auth::{AuthError, Identity};
use ws_channels::{ChannelName, ChannelRules, RuleSpec};
use ws_close_manager::{CloseOptions, SendableCode};
use ws_connection::End;
use ws_handler::{
    Application, Authenticate, Client, Gatekeeper, HandlerConfig, Identification, Judgement,
    Policy, Publish, Refusal, Responder, WallClock, WebSocketHandler,
};
use ws_protocol::{Custom, ErrorCode};
use ws_transport::Replies;

/// Whose session is which. Throw-away: yours are in your database, and nobody can guess them.
const SESSIONS: [(&str, &str); 2] = [("session-of-ada", "ada"), ("session-of-mallory", "mallory")];

pub(crate) type Handler = WebSocketHandler<Desk>;

/// Says who somebody is, by what came in the place of a token.
struct Sessions;

impl Authenticate for Sessions {
    fn identify(&self, credential: &str, _: SystemTime) -> Identification {
        match SESSIONS.iter().find(|(session, _)| *session == credential) {
            // What has to be looked up elsewhere is `Identification::Later`.
            Some((_, user)) => Identification::Known(Arc::new(Identity::of_user(user, "sessions"))),
            None => Identification::Refused(AuthError::Unknown),
        }
    }
}

/// The application. It gets to know its handler once there is one.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    handler: OnceLock<Handler>,
    orders: AtomicU64,
}

/// A message type of our own. What it has more is ignored, as everywhere.
#[derive(Debug, Deserialize)]
struct Order<'o> {
    #[serde(borrow)]
    id: Option<&'o RawValue>,
    symbol: &'o str,
    quantity: u32,
}

impl Application for Desk {
    fn handle_connect(&self, client: &Arc<Client>) {
        // An order of the server: no rule is asked. The client is told `subscribed`.
        if let Ok(orders) = ChannelName::new("orders") {
            client.subscribe(&orders);
        }
    }

    fn handle_request(&self, _: &Arc<Client>, _: &RawValue, responder: Responder<'_, '_>) {
        match to_raw_value(&json!({ "orders": self.orders.load(Ordering::Relaxed) })) {
            Ok(answer) => responder.respond(&answer),
            Err(_) => responder.fail(ErrorCode::Internal, None),
        }
    }

    fn handle_message(
        &self,
        client: &Arc<Client>,
        message: &Custom<'_>,
        replies: &mut Replies<'_>,
    ) -> bool {
        if message.type_name != "order" {
            // The handler answers with the types that there are.
            return false;
        }
        let answer = match serde_json::from_str::<Order<'_>>(message.text) {
            Ok(order) => self.take_on(client, &order),
            Err(_) => json!({ "type": "order_refused", "why": "A symbol and a quantity, please" }),
        };
        // Who is on its way out needs no answer.
        let _ = replies.send_text(&answer.to_string());
        true
    }

    fn handle_disconnect(&self, client: &Arc<Client>, end: &End) {
        let user = client.user_id().unwrap_or_default();
        println!("{user} is gone: {}", end.cause.label());
    }
}

impl Desk {
    fn take_on(&self, client: &Arc<Client>, order: &Order<'_>) -> serde_json::Value {
        let number = self.orders.fetch_add(1, Ordering::Relaxed) + 1;
        let news = json!({ "number": number, "symbol": order.symbol, "quantity": order.quantity });
        if let (Some(handler), Ok(channel), Ok(data)) =
            (self.handler.get(), ChannelName::new("orders"), to_raw_value(&news))
        {
            let user = client.user_id();
            let (event, from) = (Some("order.created"), user.as_deref());
            let (channel, data) = (&channel, &*data);
            handler.publish(&Publish { channel, event, data, event_id: None, from });
        }
        json!({ "type": "order_accepted", "number": number, "id": order.id })
    }
}

/// Has the last word, behind rules and tokens.
struct Doorkeeper;

impl Gatekeeper for Doorkeeper {
    fn judge_connect(&self, client: &Arc<Client>) -> Judgement {
        match client.user_id().as_deref() {
            Some("mallory") => Judgement::Refuse(Refusal::forbidden("Not you again")),
            _ => Judgement::Allow,
        }
    }

    fn judge_subscribe(&self, client: &Arc<Client>, channel: &ChannelName) -> Judgement {
        let Some(account) = channel.strip_prefix("account:").map(str::to_owned) else {
            return Judgement::Allow;
        };
        let user = client.user_id().unwrap_or_default();
        // Nothing more is read from this client meanwhile; everybody else is served.
        Judgement::Later(Box::pin(async move {
            match timeout(Duration::from_secs(2), owner_of(&account)).await {
                Ok(owner) if *owner == *user => Ok(()),
                Ok(_) => Err(Refusal::forbidden("Not your account")),
                Err(_) => Err(Refusal {
                    code: ErrorCode::HookUnavailable,
                    message: ErrorCode::HookUnavailable.sentence().into(),
                }),
            }
        }))
    }
}

/// Stands for a question to a database.
async fn owner_of(account: &str) -> String {
    tokio::time::sleep(Duration::from_millis(50)).await;
    account.to_owned()
}

/// The handler, with rules, application and gatekeeper.
pub(crate) fn compose() -> Result<Handler, Box<dyn Error>> {
    let listen = |pattern: &str| RuleSpec {
        pattern: pattern.into(),
        subscribe: true,
        ..RuleSpec::default()
    };
    let rules = ChannelRules::compile(&[listen("orders"), listen("account:*")]);
    let rules = rules.map_err(|faults| format!("the rules: {faults:?}"))?;
    let policy = Policy { rules: Arc::new(rules), ..Policy::default() };
    let config = HandlerConfig { policy, ..HandlerConfig::default() };
    let clock = wall_clock();
    let handler = Handler::with_gatekeeper(config, Sessions, clock, Desk::default(), Doorkeeper);
    // Set once, here.
    let _ = handler.application().handler.set(handler.clone());
    Ok(handler)
}

/// Your routes, and one more for WebSockets.
pub(crate) async fn serve(handler: Handler, listener: TcpListener) -> std::io::Result<()> {
    let routes = Router::new()
        .route("/", get(async || "An order desk: WebSockets are at /ws\n"))
        .route("/who", get(who))
        // Whoever reaches this port may publish: put it behind your own authentication.
        .route("/publish/{channel}", post(publish))
        .route("/ws", any(websocket))
        .with_state(handler);
    axum::serve(listener, routes.into_make_service_with_connect_info::<SocketAddr>()).await
}

async fn who(State(handler): State<Handler>) -> String {
    let line = |client: Arc<Client>| {
        let channels = handler.subscriptions_of(&client);
        format!("{} in {channels:?}\n", client.name())
    };
    handler.connections().into_iter().map(line).collect()
}

async fn publish(
    State(handler): State<Handler>,
    Path(channel): Path<String>,
    body: String,
) -> Result<String, (StatusCode, String)> {
    let bad = |why: String| (StatusCode::BAD_REQUEST, format!("{why}\n"));
    let channel = ChannelName::new(&channel).map_err(|error| bad(error.to_string()))?;
    let data = RawValue::from_string(body).map_err(|error| bad(error.to_string()))?;
    let (channel, data) = (&channel, &*data);
    let publish = Publish { channel, event: None, data, event_id: None, from: None };
    let published = handler.publish(&publish);
    Ok(format!("{} receivers\n", published.receivers))
}

/// The handler judges the request, axum writes the answer, and the handler takes the socket.
async fn websocket(
    State(handler): State<Handler>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
) -> Response {
    let mut head = http::Request::new(());
    *head.method_mut() = request.method().clone();
    *head.uri_mut() = request.uri().clone();
    *head.version_mut() = request.version();
    *head.headers_mut() = request.headers().clone();
    match handler.admit(&head, peer).await {
        Ok(admission) => {
            let response = admission.response().clone().map(|()| Body::empty());
            let upgrading = hyper::upgrade::on(&mut request);
            // The socket is free once axum has written the response.
            tokio::spawn(async move {
                if let Ok(socket) = upgrading.await {
                    handler.serve_upgraded(TokioIo::new(socket), admission).await;
                }
            });
            response
        }
        Err(rejection) => rejection.response().map(Body::from),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9303".to_owned());
    let handler = compose()?;
    let listener = TcpListener::bind(address).await?;
    println!(
        "ws = new WebSocket('ws://{}/ws?token=session-of-ada'); say = m => ws.send(JSON.stringify(m)); \
         ws.onmessage = m => console.log(m.data); ws.onclose = e => console.log(e.code, e.reason)",
        listener.local_addr()?
    );
    tokio::select! {
        served = serve(handler.clone(), listener) => served?,
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    let restart = CloseOptions::new(SendableCode::RESTART).reason("Server restart");
    println!("{}", handler.drain(&restart).await);
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the edge of the program, where time comes from")]
fn wall_clock() -> Arc<WallClock> {
    Arc::new(WallClock::new(tokio::time::Instant::now().into_std(), SystemTime::now()))
}
