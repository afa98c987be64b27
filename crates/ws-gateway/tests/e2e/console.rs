//! The console from outside: who gets the page, who may look, and what is seen.

use std::time::Duration;

use http::{HeaderValue, header};
use serde_json::{Value, json};
use tokio::time::timeout;
use tungstenite::Message;
use ws_gateway::{Gateway, config};
use ws_transport::Connector;

use crate::{
    client::{Client, PATIENCE},
    exchange::{Exchange, Response, fetch, get, upgrade},
    house::{House, configured},
};

mod orders;
mod tables;

/// With characters that no subprotocol may have.
const KEY: &str = "an operator's key/ü=(1)";
const KEY_ENCODED: &str = "an%20operator's%20key%2F%c3%bc%3d%281%29";
const PROTOCOLS: &str = "Sec-WebSocket-Protocol: ws-gateway.console.v1, bearer.";

impl House {
    fn with_console(further: &[(&str, &str)]) -> Self {
        Self::open(&[&[("ADMIN_KEY", KEY)], further].concat())
    }

    /// Opens the console's WebSocket; what it is told first has been read.
    async fn look_in(&self) -> (Client, Value) {
        let protocols = ["ws-gateway.console.v1".to_owned(), format!("bearer.{KEY_ENCODED}")];
        let connector = Connector::new().with_protocols(protocols);
        let mut viewer = Client::connect_with(&connector, self.address, "/console/ws").await;
        let hello = viewer.next().await;
        assert_eq!(hello["type"], "hello", "{hello}");
        (viewer, hello)
    }

    /// An upgrade of the console with these header lines.
    async fn knock(&self, further: &str) -> (Exchange, Response) {
        let mut exchange = Exchange::open(self.address).await;
        exchange.send(upgrade("/console/ws", further)).await;
        let response = exchange.response().await;
        (exchange, response)
    }

    /// The same, refused: status and code.
    async fn refused(&self, further: &str) -> (u16, String) {
        let (_, response) = self.knock(further).await;
        let code = response.json()["code"].as_str().expect("a code").to_owned();
        (response.status, code)
    }

    fn visits(&self, outcome: &str) -> u64 {
        let outcomes = self.handler.application().outcomes();
        outcomes.visit_totals().find(|(label, _)| *label == outcome).expect("a known outcome").1
    }
}

impl Client {
    /// The next sample.
    async fn sample(&mut self) -> Value {
        loop {
            let message = self.next().await;
            if message["type"] == "sample" {
                return message;
            }
        }
    }

    /// A sample of which something is so, which must come soon.
    async fn sample_where(&mut self, is_so: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        for _ in 0..5 {
            last = self.sample().await;
            if is_so(&last) {
                return last;
            }
        }
        panic!("not so in five samples: {last}");
    }

    /// Asks the console, and reads the answer.
    async fn ask_console(&mut self, mut question: Value) -> Value {
        question["id"] = json!(["any", 1]);
        self.send(question).await;
        loop {
            let mut message = self.next().await;
            if message["type"] != "sample" {
                let fields = message.as_object_mut().expect("an object");
                assert_eq!(fields.remove("id"), Some(json!(["any", 1])));
                return message;
            }
        }
    }
}

#[tokio::test]
async fn the_page_is_there_with_a_key_or_dev_alone() {
    let closed = House::open(&[]);
    for path in ["/", "/console", "/console/main.js", "/console/ws"] {
        let response = get(closed.address, path).await;
        assert_eq!(
            (response.status, &response.json()["code"]),
            (404, &json!("not_found")),
            "{path}"
        );
    }
    let (status, code) = closed.refused(&format!("{PROTOCOLS}{KEY_ENCODED}\r\n")).await;
    assert_eq!((status, &*code), (404, "not_found"));

    let open = House::with_console(&[]);
    let page = get(open.address, "/").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.body.contains("<title>"), "{page:?}");
    let folder = get(open.address, "/console").await;
    assert_eq!((folder.status, folder.header("location")), (307, Some("/")));
    let missing = get(open.address, "/console/none.js").await;
    assert_eq!((missing.status, &missing.json()["code"]), (404, &json!("not_found")));
    // Clients connect at the same address as before.
    let mut client = Client::connect(open.address, &format!("/?token={}", open.token("ada"))).await;
    assert_eq!(client.next().await["userId"], "ada");

    let config = config::Config { dev: true, ..configured(&[], "") };
    let dev = House::of(Gateway::start(config).expect("a free port"));
    assert_eq!(get(dev.address, "/").await.status, 200);
}

#[tokio::test]
async fn the_page_and_its_files_say_what_they_are_and_run_nothing_of_others() {
    let house = House::with_console(&[]);
    for (path, content_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/console/style.css", "text/css; charset=utf-8"),
        ("/console/main.js", "text/javascript; charset=utf-8"),
    ] {
        let response = get(house.address, path).await;
        let policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";
        for (name, value) in [
            ("content-type", content_type),
            ("content-security-policy", policy),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(response.header(name), Some(value), "{path}");
        }
    }
    // The policy would stop what stands in the page itself.
    let page = get(house.address, "/").await.body;
    for inline in ["<script>", "<style", " style=", " onclick="] {
        assert!(!page.contains(inline), "{inline}");
    }
}

#[tokio::test]
async fn the_client_library_is_served_to_everybody_and_known_again() {
    let house = House::open(&[]);
    let path = "/client.js";
    let file = get(house.address, path).await;
    assert_eq!(file.body, include_str!("../../../client/js/client.js"));
    assert_eq!(file.header("content-type"), Some("text/javascript; charset=utf-8"));
    assert_eq!(file.header("access-control-allow-origin"), Some("*"));
    assert_eq!(file.header("cache-control"), Some("no-cache"));
    // The head comes in lower case, and this tag has no other.
    let tag = file.header("etag").expect("a tag").to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 10, "{tag}");
    for (known, status) in [
        (tag.as_str(), 304),
        (&format!("W/{tag}"), 304),
        (&format!("\"other\", {tag}"), 304),
        ("*", 304),
        ("\"other\"", 200),
    ] {
        let head = format!("GET {path} HTTP/1.1\r\nHost: g\r\nIf-None-Match: {known}\r\n\r\n");
        let response = fetch(house.address, head).await;
        assert_eq!(response.status, status, "{known}");
        assert_eq!(response.header("etag"), Some(&*tag));
        assert_eq!(response.body.is_empty(), status == 304);
    }
}

#[tokio::test]
async fn whoever_has_the_key_is_told_what_this_is_and_how_it_goes_each_second() {
    let house = House::with_console(&[("COMPRESSION_THRESHOLD", "2048")]);
    let (mut viewer, hello) = house.look_in().await;
    assert_eq!(hello["version"], env!("CARGO_PKG_VERSION"));
    let told = ["dev", "canMint", "engine", "websocketPath"].map(|name| hello[name].clone());
    assert_eq!(told, [json!(false), json!(false), json!("memory"), json!("/ws")]);
    assert_eq!(hello["node"], format!("{:016x}", house.handler.node()));
    let settings = json!({
        "authMode": "message", "compressionEnabled": true, "compressionThreshold": 2048,
        "heartbeatMs": 30000, "maxFrameSize": 1 << 20, "messageRateLimit": 6000,
    });
    assert_eq!(hello["settings"], settings);
    let (now, started) = (hello["now"].as_u64(), hello["startedAt"].as_u64());
    assert!(started > Some(1_600_000_000_000) && now >= started, "{hello}");

    let first = viewer.sample().await;
    assert_eq!(
        (&first["gauges"]["viewers"], &first["gauges"]["connections"]),
        (&json!(1), &json!(0))
    );
    let second = viewer.sample().await;
    let passed = second["at"].as_u64().expect("a time") - first["at"].as_u64().expect("a time");
    assert!((700..2500).contains(&passed), "{passed} ms between two samples");
    assert_eq!(second["broker"]["up"], true);
    #[cfg(target_os = "linux")]
    assert!(second["gauges"]["memory_rss"].as_u64() > Some(1 << 20), "{second}");
}

#[tokio::test]
async fn a_sample_has_the_numbers_of_what_was_done() {
    let house = House::with_console(&[("CONNECTION_RATE_LIMIT", "100")]);
    let (mut viewer, _) = house.look_in().await;
    let before = viewer.sample().await;
    let [mut ada, mut bob] = [house.visit("ada").await, house.visit("bob").await];
    for client in [&mut ada, &mut bob] {
        client.subscribe("news").await;
    }
    for n in 0..20 {
        ada.send(json!({ "type": "publish", "channel": "news", "data": n })).await;
        assert_eq!(bob.next().await["data"], n);
    }
    assert_eq!(ada.ask(json!("x".repeat(4000))).await["data"], json!(0));
    ada.send(json!({ "type": "nonsense" })).await;
    let counted = |sample: &Value| sample["errors"]["unknown_type"] == 1;
    let sample = viewer.sample_where(counted).await;
    let gauges = &sample["gauges"];
    let here = ["connections", "online_users", "channels", "subscriptions", "rooms", "viewers"];
    let here = here.map(|name| gauges[name].as_u64().expect("a number"));
    assert_eq!(here, [2, 2, 1, 2, 0, 1]);
    let grown = |name: &str| {
        let of = |sample: &Value| sample["counters"][name].as_u64().expect("a number");
        of(&sample) - of(&before)
    };
    // Two subscribes, twenty publishes, a request, and one that nobody understands.
    assert_eq!(grown("messages_received"), 24);
    assert_eq!((grown("published"), grown("messages_delivered")), (20, 40));
    assert_eq!(
        sample["messages"],
        json!({ "subscribe": 2, "publish": 20, "request": 1, "custom": 1 })
    );
    assert_eq!(grown("compressed_messages"), 1, "the answer of 4,000 characters");
    assert!(grown("compression_before") > 4000 && grown("compression_after") < 200);
    assert!(grown("received_bytes") > 500 && grown("sent_bytes") > 2000);
    assert!(grown("writes") >= 40 && grown("frames_received") >= 24);
    #[cfg(target_os = "linux")]
    assert!(grown("cpu_us") > 0);
    bob.leave().await;
    viewer.sample_where(|sample| sample["ends"] == json!({ "closed_by_peer": 1 })).await;
}

#[tokio::test]
async fn nothing_is_sampled_while_nobody_looks_and_one_sample_is_for_all() {
    let house = House::with_console(&[]);
    let (mut viewer, _) = house.look_in().await;
    let (mut other, _) = house.look_in().await;
    let seen = viewer.sample_where(|sample| sample["gauges"]["viewers"] == 2).await;
    let number = |sample: &Value| sample["counters"]["samples"].as_u64().expect("a number");
    let same = other.sample_where(|sample| number(sample) >= number(&seen)).await;
    if number(&same) == number(&seen) {
        assert_eq!(same, seen, "two viewers are told the same");
    }
    let last = number(&other.sample().await);
    viewer.leave().await;
    other.leave().await;
    tokio::time::sleep(Duration::from_millis(3500)).await;
    let (mut late, _) = house.look_in().await;
    let fresh = late.sample().await;
    // One may have been due when they left.
    assert!((last + 1..=last + 2).contains(&number(&fresh)), "{last}, then {fresh}");
    let age = fresh["at"].as_u64().expect("a time");
    let again = late.sample().await["at"].as_u64().expect("a time");
    assert!(again - age < 2500, "what was told first was of long ago");
}

#[tokio::test]
async fn nobody_looks_without_the_key_or_from_a_page_of_another_host() {
    let house = House::with_console(&[]);
    let with_key = format!("{PROTOCOLS}{KEY_ENCODED}\r\n");
    let refused = async |further: &str| house.refused(further).await;
    for none in ["", "Sec-WebSocket-Protocol: ws-gateway.console.v1\r\n"] {
        assert_eq!(refused(none).await, (401, "unauthorized".into()));
    }
    for wrong in [
        "Sec-WebSocket-Protocol: ws-gateway.console.v1, bearer.wrong\r\n",
        "Sec-WebSocket-Protocol: bearer.\r\n",
        "Authorization: Bearer \r\n",
    ] {
        assert_eq!(refused(wrong).await, (401, "unauthorized".into()), "{wrong}");
    }
    for origin in [
        "https://evil.test",
        "http://gateway.test:8080",
        "null",
        "http://gateway.test.evil.test",
        "x",
    ] {
        let further = format!("{with_key}Origin: {origin}\r\n");
        assert_eq!(refused(&further).await, (403, "origin".into()), "{origin}");
    }
    assert_eq!((house.visits("unauthorized"), house.visits("origin")), (5, 5));
    let rejected: u64 = house.handler.stats().rejections.iter().map(|(_, count)| count).sum();
    assert_eq!(rejected, 0, "they were no clients");

    for origin in ["http://gateway.test", "https://GATEWAY.test", "https://gateway.test:443"] {
        let (_kept, response) = house.knock(&format!("{with_key}Origin: {origin}\r\n")).await;
        assert_eq!(response.status, 101, "{origin}: {response:?}");
        assert_eq!(response.header("sec-websocket-protocol"), Some("ws-gateway.console.v1"));
        assert_eq!(response.header("sec-websocket-extensions"), None);
    }
    // Programs send a header, and speak no subprotocol.
    let value = HeaderValue::from_bytes(format!("Bearer {KEY}").as_bytes()).expect("a value");
    let connector = Connector::new().with_header(header::AUTHORIZATION, value);
    let mut viewer = Client::connect_with(&connector, house.address, "/console/ws").await;
    assert_eq!(viewer.next().await["type"], "hello");
    assert_eq!(house.visits("opened"), 4);
}

#[tokio::test]
async fn without_an_upgrade_the_answer_says_whether_the_key_is_right() {
    let house = House::with_console(&[]);
    let ask = async |key: &str| {
        let head =
            format!("GET /console/ws HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {key}\r\n\r\n");
        fetch(house.address, head).await.status
    };
    assert_eq!((ask(KEY).await, ask("wrong").await), (426, 401));
}

#[tokio::test]
async fn whoever_guesses_too_often_is_not_listened_to_for_a_while() {
    let house = House::with_console(&[("TRUSTED_PROXIES", "127.0.0.1")]);
    let guess = |key: &str| format!("{PROTOCOLS}{key}\r\nX-Forwarded-For: 203.0.113.9\r\n");
    for n in 0..10 {
        assert_eq!(house.refused(&guess(&format!("guess-{n}"))).await.0, 401);
    }
    // Not even with the right one: what was said of it would be an answer to a guess.
    let (_, limited) = house.knock(&guess(KEY_ENCODED)).await;
    assert_eq!((limited.status, &limited.json()["code"]), (429, &json!("rate_limited")));
    let wait: u64 = limited.header("retry-after").and_then(|it| it.parse().ok()).expect("a number");
    assert!((1..=6).contains(&wait), "{wait}");
    assert_eq!(house.visits("limited"), 1);
    // Others are not concerned, and who has the key does not use it up.
    for _ in 0..12 {
        let elsewhere = format!("{PROTOCOLS}{KEY_ENCODED}\r\nX-Forwarded-For: 203.0.113.10\r\n");
        let (mut viewer, response) = house.knock(&elsewhere).await;
        assert_eq!(response.status, 101, "{response:?}");
        assert_eq!(viewer.frame().await.0, 0x81);
    }
}

#[tokio::test]
async fn the_console_is_behind_proxies_as_all_the_rest_is() {
    let house =
        House::with_console(&[("PROXY_PROTOCOL", "true"), ("TRUSTED_PROXIES", "127.0.0.1")]);
    let mut exchange = Exchange::open(house.address).await;
    let request = upgrade("/console/ws", &format!("{PROTOCOLS}{KEY_ENCODED}\r\n"));
    exchange.send(format!("PROXY TCP4 203.0.113.9 192.0.2.1 5555 443\r\n{request}")).await;
    assert_eq!(exchange.response().await.status, 101);
    let (first, hello) = exchange.frame().await;
    assert_eq!(first, 0x81);
    assert!(String::from_utf8_lossy(&hello).contains("\"hello\""));
}

#[tokio::test]
async fn sixteen_may_look_and_a_place_is_free_again_when_one_goes() {
    let house = House::with_console(&[]);
    let mut viewers = Vec::new();
    for _ in 0..16 {
        viewers.push(house.look_in().await.0);
    }
    let with_key = format!("{PROTOCOLS}{KEY_ENCODED}\r\n");
    assert_eq!(house.refused(&with_key).await, (503, "full".into()));
    assert_eq!(house.handler.connection_count(), 0, "viewers are no clients");
    viewers.pop().expect("one").leave().await;
    for _ in 0..100 {
        let (mut exchange, response) = house.knock(&with_key).await;
        if response.status == 101 {
            assert_eq!(exchange.frame().await.0, 0x81);
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the place of one who went is not free");
}

#[tokio::test]
async fn what_is_no_question_is_answered_with_what_is_wrong_with_it() {
    let house = House::with_console(&[]);
    let (mut viewer, _) = house.look_in().await;
    for (text, code, sentence) in [
        ("nonsense", "bad_json", "expected"),
        ("[1]", "bad_json", "An object is expected"),
        ("{}", "missing_field", "type is missing"),
        (r#"{"type":7}"#, "invalid_field", "type: a text"),
        (r#"{"type":"nope"}"#, "unknown_type", "\"nope\" is not known here"),
        (r#"{"type":"connections","limit":201}"#, "invalid_field", "limit: a number from 1 to 200"),
        (r#"{"type":"connections","limit":0}"#, "invalid_field", "limit: a number"),
        (r#"{"type":"connections","after":"x"}"#, "invalid_field", "after: a connection's id"),
        (r#"{"type":"connection"}"#, "missing_field", "connection is missing"),
        (r#"{"type":"close","connection":"x"}"#, "invalid_field", "connection: a connection's id"),
        (r#"{"type":"disconnect"}"#, "missing_field", "user is missing"),
        (r#"{"type":"disconnect","user":"a","code":1005}"#, "invalid_field", "code: "),
        (r#"{"type":"token","user":"a"}"#, "forbidden", "with --dev"),
    ] {
        viewer.send_message(Message::text(text)).await;
        let answer = loop {
            let message = viewer.next().await;
            if message["type"] != "sample" {
                break message;
            }
        };
        assert_eq!((&answer["type"], &answer["code"]), (&json!("error"), &json!(code)), "{text}");
        let said = answer["message"].as_str().expect("a sentence");
        assert!(said.contains(sentence), "{text}: {said}");
    }
}

#[tokio::test]
async fn what_is_too_long_is_answered_and_what_is_far_too_long_ends_the_connection() {
    let house = House::with_console(&[]);
    let (mut viewer, _) = house.look_in().await;
    viewer.sample().await;
    viewer.send_message(Message::text("x".repeat(9000))).await;
    let next = async |viewer: &mut Client| loop {
        match viewer.next_message().await {
            Some(Message::Text(text)) if text.contains("\"sample\"") => {}
            other => break other,
        }
    };
    let Some(Message::Text(text)) = next(&mut viewer).await else { panic!("an answer") };
    assert!(text.contains("too_large") && text.contains("8192 bytes"), "{text}");
    viewer.send_message(Message::binary(vec![1, 2])).await;
    let Some(Message::Text(text)) = next(&mut viewer).await else { panic!("an answer") };
    assert!(text.contains("A text message of JSON is expected"), "{text}");
    viewer.send_message(Message::text("x".repeat(70_000))).await;
    let Some(Message::Close(Some(frame))) = next(&mut viewer).await else { panic!("the end") };
    assert_eq!(u16::from(frame.code), 1009);
}

#[tokio::test]
async fn a_drain_tells_viewers_1012_and_waits_for_none_of_them() {
    let mut house = House::with_console(&[("CLOSE_TIMEOUT", "10s")]);
    let (mut polite, _) = house.look_in().await;
    // One that never answers.
    let (mut mute, response) = house.knock(&format!("{PROTOCOLS}{KEY_ENCODED}\r\n")).await;
    assert_eq!(response.status, 101);
    assert_eq!(mute.frame().await.0, 0x81);
    let began = tokio::time::Instant::now();
    house.start_closing();
    let close = loop {
        match polite.next_message().await {
            Some(Message::Text(_)) => {}
            other => break other,
        }
    };
    let Some(Message::Close(Some(frame))) = close else { panic!("a close frame but {close:?}") };
    assert_eq!((u16::from(frame.code), &*frame.reason), (1012, "Server restart"));
    let report = timeout(PATIENCE, house.running()).await.expect("it ends");
    assert_eq!(report.total, 0, "viewers are in no report");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[tokio::test]
async fn nobody_is_let_in_to_look_while_the_gateway_goes() {
    let mut house = House::with_console(&[("CLOSE_TIMEOUT", "2s")]);
    let mut slow = Exchange::open(house.address).await;
    slow.send(upgrade(&format!("/ws?token={}", house.token("ada")), "")).await;
    assert_eq!(slow.response().await.status, 101);
    house.start_closing();
    house.until("it drains", |house| house.handler.is_draining()).await;
    let (_, refused) = house.knock(&format!("{PROTOCOLS}{KEY_ENCODED}\r\n")).await;
    let told = (refused.status, refused.header("retry-after"));
    assert_eq!(told, (503, Some("1")));
    assert_eq!(refused.json()["code"], "shutting_down");
    drop(slow);
    house.running().await;
}

#[tokio::test]
async fn dev_prints_a_link_to_the_console_with_what_it_needs() {
    let config = config::Config { dev: true, ..configured(&[], "") };
    let gateway = Gateway::start(config).expect("a free port");
    let link = gateway.console_address().expect("an address");
    let printed = gateway.dev_address().expect("an address");
    let house = House::of(gateway);
    let (page, fragment) = link.split_once("/#").expect("a fragment");
    assert_eq!(page, format!("http://{}", house.address));
    let (key, token) = fragment.split_once('&').expect("two parts");
    let key = key.strip_prefix("key=").expect("a key");
    let token = token.strip_prefix("token=").expect("a token");
    assert!(
        printed.ends_with(&format!("?token={token}")),
        "the token is the one of the first line"
    );
    let connector = Connector::new().with_protocols([format!("bearer.{key}")]);
    let mut viewer = Client::connect_with(&connector, house.address, "/console/ws").await;
    let hello = viewer.next().await;
    assert_eq!((&hello["dev"], &hello["canMint"]), (&json!(true), &json!(true)));
    let answer = viewer.ask_console(json!({ "type": "token", "user": "eve" })).await;
    assert_eq!((&answer["type"], &answer["user"]), (&json!("token"), &json!("eve")));
    let target = format!("/ws?token={}", answer["token"].as_str().expect("a text"));
    assert_eq!(Client::connect(house.address, &target).await.next().await["userId"], "eve");
    // Another run has another key.
    let config = config::Config { dev: true, ..configured(&[], "") };
    let other = Gateway::start(config).expect("a free port").console_address();
    assert!(!other.expect("an address").contains(key));
}

#[tokio::test]
async fn the_link_has_no_key_where_the_operator_has_one_and_there_is_none_without_dev() {
    let config = config::Config { dev: true, ..configured(&[("ADMIN_KEY", KEY)], "") };
    let gateway = Gateway::start(config).expect("a free port");
    let link = gateway.console_address().expect("an address");
    assert!(link.contains("/#token=") && !link.contains("key"), "{link}");
    let plain = Gateway::start(configured(&[("ADMIN_KEY", KEY)], "")).expect("a free port");
    assert_eq!((plain.console_address(), plain.dev_address()), (None, None));
}
