//! A line in the log for each event in the life of a connection, with connection, user and address;
//! and never a token.

use std::{io, sync::Arc, time::Duration};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;
use ws_connection::ConnectionConfig;
use ws_frame_validator::SizeLimits;
use ws_rate_limiter::{Ladder, TieredLimiter, TokenBucket};

use crate::{
    house::{House, PATH, settle},
    raw::TEXT,
};

/// What was logged on this thread while it is held.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    /// Everything down to the finest level, as JSON.
    fn listen() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_max_level(tracing::Level::TRACE)
            .with_writer(log.clone())
            .finish();
        let guard = tracing::subscriber::set_default(subscriber);
        (log, guard)
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().clone()).expect("UTF-8")
    }

    /// The lines with this message.
    fn lines(&self, message: &str) -> Vec<Value> {
        let lines = self.text();
        let all = lines.lines().map(|line| serde_json::from_str(line).expect("a line is JSON"));
        all.filter(|line: &Value| line["message"] == message).collect()
    }

    /// The one line with this message.
    fn line(&self, message: &str) -> Value {
        let mut lines = self.lines(message);
        assert_eq!(lines.len(), 1, "{message} in\n{}", self.text());
        lines.remove(0)
    }
}

fn is_connection(line: &Value, user: Option<&str>) {
    assert!(line["connection"].as_str().is_some_and(|id| id.len() == 36), "{line}");
    assert_eq!(line["user"].as_str(), user, "{line}");
    assert_eq!(line["address"], "192.0.2.1", "{line}");
}

#[tokio::test(start_paused = true)]
async fn requirement_6_10_connect_and_disconnect_are_logged_with_connection_user_and_address() {
    let (log, _guard) = Log::listen();
    let house = House::open(|_| {});
    house.visit("ada").await.leave().await;
    is_connection(&log.line("connected"), Some("ada"));
    let end = log.line("disconnected");
    is_connection(&end, Some("ada"));
    assert_eq!((&end["reason"], &end["acknowledged"]), (&json!("peer_closed"), &json!(true)));
    assert!(end["lived_ms"].is_u64());
    assert_eq!(log.line("connected")["connection"], end["connection"]);
}

#[tokio::test(start_paused = true)]
async fn requirement_6_10_authentication_by_message_is_logged_and_so_is_its_failure() {
    let (log, _guard) = Log::listen();
    let house = House::open(|_| {});
    let mut peer = house.stand_in_line().await;
    is_connection(&log.line("connected"), None);
    peer.send(json!({ "token": house.token("ada") })).await;
    assert_eq!(peer.next().await["type"], "authenticated");
    is_connection(&log.line("authenticated"), Some("ada"));

    let mut refused = house.stand_in_line().await;
    refused.send(json!({ "token": house.forged("ada") })).await;
    assert_eq!(refused.next().await["code"], "invalid_token");
    let line = log.line("token refused");
    is_connection(&line, None);
    assert_eq!(
        (&line["code"], &line["reason"]),
        (&json!("bad_signature"), &json!("the token's signature is wrong"))
    );

    peer.send(json!({ "type": "auth", "token": house.token("eve") })).await;
    assert_eq!(peer.next().await["code"], "user_mismatch");
    is_connection(&log.line("a refreshed token belongs to another user"), Some("ada"));

    let mut late = house.stand_in_line().await;
    assert_eq!(late.next().await["code"], "auth_timeout");
    is_connection(&log.line("no authentication in time"), None);
}

#[tokio::test(start_paused = true)]
async fn requirement_6_10_a_refused_upgrade_is_logged_with_its_reason() {
    let (log, _guard) = Log::listen();
    let house = House::open(|_| {});
    let target = format!("{PATH}?token={}", house.forged("ada"));
    assert_eq!(house.refuse(&target, &[]).await.status, 401);
    let line = log.line("upgrade refused");
    assert_eq!(
        (&line["code"], &line["peer"]),
        (&json!("invalid_token"), &json!("192.0.2.1:40000"))
    );
    assert_eq!(line["reason"], "the token's signature is wrong");
}

#[tokio::test(start_paused = true)]
async fn requirement_6_10_timeouts_expiry_and_sizes_are_logged() {
    let (log, _guard) = Log::listen();
    let house = House::open(|config| {
        let sizes = SizeLimits::new(100_000, 1000).expect("sound");
        let connection = ConnectionConfig::server().with_sizes(sizes);
        config.policy.connection =
            Arc::new(connection.with_idle_timeout(Some(Duration::from_secs(70))));
    });
    house.visit_raw("ada").await.rest().await;
    let dead = log.line("heartbeat timeout");
    is_connection(&dead, Some("ada"));
    assert_eq!(dead["missed_pongs"], 3);
    assert!(dead["silent_ms"].as_u64() > Some(15_000), "{dead}");

    let mut peer =
        house.connect(&format!("{PATH}?token={}", house.token_for("ada", 40)), &[]).await;
    for _ in 0..3 {
        peer.next().await;
    }
    is_connection(&log.line("token expired"), Some("ada"));
    let mut idle = house.visit("bob").await;
    assert_eq!(idle.closed().await.1, "Idle timeout");
    is_connection(&log.line("idle timeout"), Some("bob"));

    let mut large = house.visit_raw("eve").await;
    large
        .send(TEXT, format!(r#"{{"type":"heartbeat","x":"{}"}}"#, "x".repeat(1000)).as_bytes())
        .await;
    large.send(TEXT, &[b'x'; 100_001]).await;
    settle().await;
    let line = log.line("large message");
    is_connection(&line, Some("eve"));
    assert_eq!((&line["bytes"], &line["bytes_max"]), (&json!(1027), &json!(100_000)));
    let violation = log.line("protocol violation");
    is_connection(&violation, Some("eve"));
    assert_eq!(violation["code"], "too_large");
    let reason = "message of 100001 bytes exceeds the limit of 100000 bytes";
    assert_eq!(violation["reason"], reason);
}

#[tokio::test(start_paused = true)]
async fn requirement_6_10_limits_are_logged_once_a_burst_and_not_for_each_message() {
    let (log, _guard) = Log::listen();
    let house = House::open(|config| {
        let one = 1.try_into().expect("not zero");
        let limit = TokenBucket::per_minute(one);
        let table = 10.try_into().expect("not zero");
        config.policy.limits.messages =
            Some(TieredLimiter::new("free", limit.into(), table).into());
        let ten = 10.try_into().expect("not zero");
        config.policy.limits.ladder = Ladder::new(ten, Duration::from_secs(3600)).expect("sound");
        config.policy.limits.connections_per_user_max = 1.try_into().ok();
    });
    let mut peer = house.visit("ada").await;
    let mut second = house.connect(&format!("{PATH}?token={}", house.token("ada")), &[]).await;
    assert_eq!(second.closed().await.0, 1008);
    is_connection(&log.line("the user has too many connections"), Some("ada"));
    for _ in 0..20 {
        peer.send(json!({ "type": "heartbeat" })).await;
    }
    assert_eq!(peer.next().await["code"], "rate_limited");
    assert_eq!(peer.closed().await.0, 1008);
    is_connection(&log.line("messages above the rate limit are dropped"), Some("ada"));
    is_connection(&log.line("closed for keeping on above the rate limit"), Some("ada"));
}

/// The places that an upgrade may carry a token in: the target, and a header.
fn places(token: &str) -> [(String, Option<(&'static str, String)>); 4] {
    let offer = format!("ws-gateway.v1, bearer.{token}");
    [
        (PATH.to_owned(), Some(("authorization", format!("Bearer {token}")))),
        (PATH.to_owned(), Some(("sec-websocket-protocol", offer))),
        (format!("{PATH}?token={token}"), None),
        (PATH.to_owned(), Some(("cookie", format!("session={token}")))),
    ]
}

/// Uses a token wherever one can be, and where none belongs; answers all that the server said.
async fn use_everywhere(house: &House, token: &str, is_good: bool) -> String {
    let mut heard = String::new();
    for (target, header) in places(token) {
        let headers: Vec<_> = header.iter().map(|(name, value)| (*name, value.as_str())).collect();
        if is_good {
            let mut peer = house.connect(&target, &headers).await;
            assert_eq!(peer.next().await["type"], "connected");
            peer.leave().await;
        } else {
            heard += &format!("{:?}", house.refuse(&target, &headers).await);
        }
    }
    let mut peer = house.stand_in_line().await;
    peer.send(json!({ "type": "auth", "token": token, "channels": ["c"] })).await;
    heard += &peer.next().await.to_string();
    let wrong = json!({ "type": token, "id": 1, "tokens": token }).to_string();
    let mut other = house.visit("somebody").await;
    for text in [&wrong[..], &wrong[..wrong.len() - 3], token] {
        other.send_text(text).await;
        heard += &other.next().await.to_string();
    }
    other.leave().await;
    heard
}

#[tokio::test(start_paused = true)]
async fn section_4_5_tokens_never_reach_the_log_an_error_or_a_statistic() {
    let (log, _guard) = Log::listen();
    let house = House::open(|config| config.policy.auth_cookie = Some("session".into()));
    let (good, forged) = (house.token("ada"), house.forged("ada"));
    let mut heard = use_everywhere(&house, &good, true).await;
    heard += &use_everywhere(&house, &forged, false).await;
    tokio::time::sleep(Duration::from_secs(4000)).await;
    heard += &format!("{:?}{:?}", house.handler.stats(), house.handler);
    let logged = log.text();
    assert!(logged.lines().count() > 20, "{logged}");
    for token in [good, forged] {
        // Nor the claims or the signature by themselves; the header is the same for all.
        for part in token.split('.').skip(1) {
            assert!(!part.is_empty() && !logged.contains(part), "a token in the log:\n{logged}");
            assert!(!heard.contains(part), "a token in what was said:\n{heard}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_line_of_an_end_says_what_is_known_of_it_and_leaves_out_the_rest() {
    let (log, _guard) = Log::listen();
    let house = House::open(|_| {});
    let mut raw = house.visit_raw("ada").await;
    raw.send_bytes(b"\x81\x02hi").await;
    assert_eq!(raw.next().await.expect("a close frame").close().0, 1002);
    drop(raw);
    settle().await;
    let broken = log.line("disconnected");
    let told = (&broken["reason"], &broken["rule"], &broken["code"]);
    assert_eq!(told, (&json!("protocol"), &json!("unmasked_from_client"), &json!(1002)));
    assert_eq!(broken.get("silent_ms"), None, "{broken}");

    let (log, _guard) = Log::listen();
    let mut raw = house.visit_raw("bob").await;
    raw.rest().await;
    settle().await;
    let dead = log.line("disconnected");
    assert_eq!((&dead["reason"], &dead["code"]), (&json!("pong_timeout"), &json!(1001)));
    assert!(dead["silent_ms"].as_u64().is_some_and(|silent| silent >= 15_000), "{dead}");
    assert_eq!((dead.get("rule"), dead.get("queued_bytes")), (None, None), "{dead}");
}

#[tokio::test(start_paused = true)]
async fn who_cuts_connections_again_and_again_is_named_once_in_a_while() {
    let (log, _guard) = Log::listen();
    let house = House::open(|_| {});
    for _ in 0..70 {
        let peer = house.visit("ada").await;
        // A first ping is due after 15 s at the earliest, and is answered by nobody who reads nothing.
        tokio::time::sleep(Duration::from_secs(12)).await;
        peer.vanish().await;
    }
    let stats = house.handler.stats();
    assert_eq!(stats.break_ages.count, 70);
    let suspect = stats.suspect.expect("a suspect");
    let sentence = "100 % of abnormal ends at 12 s ± 1: an idle timeout on the path is shorter than \
                    PING_INTERVAL (30 s)";
    assert_eq!(suspect.to_string(), sentence);
    let named = log.line("connections are cut on their way");
    assert_eq!((&named["suspect"], &named["culprit"]), (&json!(sentence), &json!("idle_timeout")));
    assert_eq!(named["level"], "WARN");
    // Whoever it was may be mended by then.
    tokio::time::sleep(Duration::from_secs(3601)).await;
    assert_eq!(house.handler.stats().suspect, None);
}

#[tokio::test(start_paused = true)]
async fn the_last_ends_of_a_user_are_known_when_the_user_is_gone() {
    let house = House::open(|_| {});
    house.visit("ada").await.leave().await;
    let mut raw = house.visit_raw("ada").await;
    raw.send_bytes(b"\x81\x02hi").await;
    while raw.next().await.is_some() {}
    drop(raw);
    house.emptied().await;
    let ends = house.handler.ends_by_user_id("ada");
    let told: Vec<_> =
        ends.iter().map(|end| (end.reason.label(), end.code, end.rule.as_deref())).collect();
    let broken = ("protocol", Some(1002), Some("unmasked_from_client"));
    assert_eq!(told, [broken, ("peer_closed", None, None)]);
    assert!(house.handler.ends_by_user_id("bob").is_empty());
}
