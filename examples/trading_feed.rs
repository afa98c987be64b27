//! A feed of prices, built on `ws-handler` as a library.
//!
//! Shows: channels with rules (clients listen, only the server publishes), what becomes of clients that
//! are too slow (trades make way and are counted in a `gap`; of prices the newest counts), events that
//! come by two lines and through two channels and reach each client once, visitors without a token, a
//! limit on connects, a `request` answered beside all that.
//!
//! Type:   cargo run --release --example trading_feed -- 127.0.0.1:9301
//! Then:   open <http://127.0.0.1:9301/> in a browser, which is told that this is no page, and paste the line
//!         that the example prints into its console (or into `node`, 22 or newer).
//! See:    trades of BTCUSDT, numbered without a hole or a repetition, though one line loses every tenth
//!         and both bring the rest, and though you listen to all trades as well; prices, each once; the
//!         price you asked for; and that you may not publish.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its terminal")]

use std::{
    error::Error,
    num::{NonZeroU32, NonZeroUsize},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use serde_json::{
    json,
    value::{RawValue, to_raw_value},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::broadcast,
    time::{Instant, sleep, timeout},
};
use ws_channels::{ChannelName, ChannelRules, RuleSpec, SlowConsumer};
use ws_close_manager::{CloseOptions, SendableCode};
use ws_connection::handshake::HeadLimits;
use ws_handler::{
    Application, AuthMode, Client, HandlerConfig, Limits, Policy, Publish, Responder, WallClock,
    WebSocketHandler,
};
use ws_protocol::ErrorCode;
use ws_rate_limiter::{KeyedLimiter, TokenBucket};
use ws_transport::read_request;

const SYMBOLS: [&str; 2] = ["BTCUSDT", "ETHUSDT"];
const ADDRESSES_MAX: NonZeroUsize = NonZeroUsize::new(100_000).unwrap();
const CONNECTS: TokenBucket = TokenBucket::per_hour(NonZeroU32::new(1_000).unwrap());

/// What the exchange says of one trade, by each of its lines.
#[derive(Clone, Debug)]
pub(crate) struct Trade {
    /// Its place in [`SYMBOLS`].
    pub(crate) symbol: usize,
    pub(crate) number: u64,
    pub(crate) price: u64,
    pub(crate) quantity: u32,
}

/// The application: it knows the last price of each symbol, and tells whoever asks.
#[derive(Debug, Default)]
pub(crate) struct Prices([AtomicU64; SYMBOLS.len()]);

impl Application for Prices {
    fn handle_request(&self, _: &Arc<Client>, payload: &RawValue, responder: Responder<'_, '_>) {
        let asked = serde_json::from_str::<&str>(payload.get()).ok();
        let symbol = SYMBOLS.iter().position(|symbol| Some(*symbol) == asked);
        let price = symbol.map(|symbol| to_raw_value(&self.0[symbol].load(Ordering::Relaxed)));
        match price {
            Some(Ok(price)) => responder.respond(&price),
            _ => responder.fail(ErrorCode::InvalidField, Some("Ask for a symbol".into())),
        }
    }
}

/// The handler, with its rules.
pub(crate) fn compose() -> Result<WebSocketHandler<Prices>, Box<dyn Error>> {
    let rules = ChannelRules::compile(&[
        // What is not said is not allowed: clients listen, and that is all.
        RuleSpec {
            pattern: "trades:*".into(),
            subscribe: true,
            slow_consumer: SlowConsumer::DropOldest,
            ..RuleSpec::default()
        },
        // The key is the event, here the symbol: who is slow has the newest price of each.
        RuleSpec {
            pattern: "prices".into(),
            subscribe: true,
            slow_consumer: SlowConsumer::Conflate,
            ..RuleSpec::default()
        },
    ]);
    let rules = rules.map_err(|faults| format!("the rules: {faults:?}"))?;
    let policy = Policy {
        // Nobody has to say who they are; an address may not connect as often as it likes.
        auth_mode: AuthMode::None,
        limits: Limits {
            connects: Some(KeyedLimiter::new(CONNECTS, ADDRESSES_MAX).into()),
            ..Limits::default()
        },
        rules: Arc::new(rules),
        ..Policy::default()
    };
    // The rest as it comes: an event is known for two minutes, and a client knows its last thousand.
    let config = HandlerConfig { policy, ..HandlerConfig::default() };
    Ok(WebSocketHandler::new(config, (), wall_clock(), Prices::default()))
}

/// Tells what a line has brought. What the other line brought before is not told again.
pub(crate) fn take_in(
    handler: &WebSocketHandler<Prices>,
    trade: &Trade,
) -> Result<(), Box<dyn Error>> {
    let symbol = SYMBOLS[trade.symbol];
    let data = to_raw_value(&json!({
        "symbol": symbol, "number": trade.number, "price": trade.price, "quantity": trade.quantity,
    }))?;
    // The name by which it is known again, by whatever way it comes.
    let event_id = format!("{symbol}-{}", trade.number);
    let all = ChannelName::new("trades:all")?;
    let one = ChannelName::new(&format!("trades:{symbol}"))?;
    let publish = |channel: &ChannelName| {
        let (event, event_id) = (Some("trade"), Some(&*event_id));
        handler.publish(&Publish { channel, event, data: &data, event_id, from: None })
    };
    if publish(&one).duplicate {
        return Ok(());
    }
    // Whoever listens to both has been sent it already, and is not sent it again.
    publish(&all);

    handler.application().0[trade.symbol].store(trade.price, Ordering::Relaxed);
    let price = to_raw_value(&trade.price)?;
    let channel = &ChannelName::new("prices")?;
    let (event, data) = (Some(symbol), &*price);
    handler.publish(&Publish { channel, event, data, event_id: None, from: None });
    Ok(())
}

/// Serves whoever connects, for as long as there is a listener.
pub(crate) async fn serve(
    handler: &WebSocketHandler<Prices>,
    listener: TcpListener,
) -> std::io::Result<()> {
    loop {
        let (socket, peer) = listener.accept().await?;
        let handler = handler.clone();
        tokio::spawn(async move { answer(&handler, socket, peer).await });
    }
}

async fn answer(
    handler: &WebSocketHandler<Prices>,
    mut socket: TcpStream,
    peer: std::net::SocketAddr,
) {
    let head = read_request(&mut socket, HeadLimits::default(), Vec::new());
    match timeout(Duration::from_secs(10), head).await {
        Ok(Ok(head)) => {
            handler.handle_upgrade(socket, &head.request, peer, head.early()).await;
        }
        Ok(Err(error)) => eprintln!("{peer}: {error}"),
        Err(_) => eprintln!("{peer}: no request in time"),
    }
}

/// The exchange: prices that wander, and a trade five times a second.
async fn trade(lines: broadcast::Sender<Trade>) {
    let mut prices = [6_400_000, 310_000];
    for number in 1.. {
        for (symbol, price) in prices.iter_mut().enumerate() {
            *price = *price + rand::random_range(0..200) - 100;
            let quantity = rand::random_range(1..100);
            // Nobody listens when the program ends.
            let _ = lines.send(Trade { symbol, number, price: *price, quantity });
        }
        sleep(Duration::from_millis(200)).await;
    }
}

/// One of the two lines to the exchange: the second is slower, the first loses some.
async fn listen(
    handler: WebSocketHandler<Prices>,
    mut line: broadcast::Receiver<Trade>,
    delay: Duration,
    loses_every: u64,
) {
    while let Ok(trade) = line.recv().await {
        sleep(delay).await;
        if trade.number % loses_every == 0 {
            continue;
        }
        if let Err(error) = take_in(&handler, &trade) {
            eprintln!("{trade:?}: {error}");
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9301".to_owned());
    let handler = compose()?;
    let listener = TcpListener::bind(address).await?;
    println!(
        "ws = new WebSocket('ws://{}/'); say = m => ws.send(JSON.stringify(m)); \
         ws.onmessage = m => console.log(m.data); \
         ws.onopen = () => {{ say({{type: 'subscribe', channel: 'trades:BTCUSDT'}}); \
         say({{type: 'subscribe', channel: 'trades:all'}}); \
         say({{type: 'subscribe', channel: 'prices'}}); \
         say({{type: 'request', requestId: 1, payload: 'ETHUSDT'}}); \
         say({{type: 'publish', channel: 'prices', data: 0}}) }}",
        listener.local_addr()?
    );
    let (lines, first) = broadcast::channel(64);
    let second = lines.subscribe();
    tokio::spawn(listen(handler.clone(), first, Duration::ZERO, 10));
    tokio::spawn(listen(handler.clone(), second, Duration::from_millis(30), u64::MAX));
    tokio::spawn(trade(lines));
    tokio::select! {
        served = serve(&handler, listener) => served?,
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    for (what, count) in handler.channel_stats().counts {
        println!("{what}: {count}");
    }
    let restart = CloseOptions::new(SendableCode::RESTART).reason("Server restart");
    println!("{}", handler.drain(&restart).await);
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the edge of the program, where time comes from")]
fn wall_clock() -> Arc<WallClock> {
    Arc::new(WallClock::new(Instant::now().into_std(), SystemTime::now()))
}
