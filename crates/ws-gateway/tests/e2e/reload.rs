//! The configuration is read again while clients talk: each group of it, and all or nothing.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use serde_json::{Value, json};
use ws_auth::{Secret, TokenMinter, TokenRequest};
use ws_gateway::{Gateway, ReloadReport, Reloader};

use crate::{
    client::Client,
    exchange::{Response, fetch, get, upgrade},
    house::{House, SECRET, load_with},
    oracle::Oracle,
    tls::{Authority, Secure, dial, shown},
};

mod truth;

/// A gateway whose file can be written anew.
struct Editable {
    house: House,
    reloader: Reloader,
    file: Arc<Mutex<String>>,
}

impl Editable {
    fn open(variables: &[(&'static str, &'static str)], file: &str) -> Self {
        let loaded = load_with(variables, file).expect("sound");
        let file = Arc::new(Mutex::new(file.to_owned()));
        let (read, variables) = (file.clone(), variables.to_vec());
        let gateway = Gateway::start(loaded.config.clone()).expect("a free port");
        let reloader =
            gateway.reloader().reading(&loaded, move || Ok(load_with(&variables, &read.lock())?));
        Self { house: House::of(gateway), reloader, file }
    }

    /// Writes the file and has it read.
    fn write(&self, file: &str) -> ReloadReport {
        file.clone_into(&mut self.file.lock());
        self.reloader.read_again().expect("sound")
    }

    async fn order(&self, key: &str) -> Response {
        let head = "POST /api/reload HTTP/1.1\r\nHost: g\r\nConnection: close\r\n";
        let rest = format!("Content-Length: 0\r\nAuthorization: Bearer {key}\r\n\r\n");
        fetch(self.house.address, format!("{head}{rest}")).await
    }
}

fn names(report: &ReloadReport) -> [Vec<&str>; 3] {
    [&report.applied, &report.new_connections, &report.needs_restart]
        .map(|changes| changes.iter().map(|change| &*change.name).collect())
}

/// A token that another secret signs.
fn signed_with(secret: &str, user: &str) -> String {
    #[expect(clippy::disallowed_methods, reason = "the gateway's clock is the system's")]
    let now = std::time::SystemTime::now();
    let minter = TokenMinter::new(&Secret::from(secret)).expect("long enough");
    minter.mint(&TokenRequest::new(user), now).expect("signs").expose().to_owned()
}

async fn ask(client: &mut Client) -> Value {
    client.send(json!({ "type": "request", "requestId": "1", "payload": 1 })).await;
    client.next().await
}

async fn status_of(house: &House, target: &str, headers: &str) -> u16 {
    fetch(house.address, upgrade(target, headers)).await.status
}

#[tokio::test]
async fn limits_and_tiers_count_for_who_is_there_and_what_did_not_change_goes_on_counting() {
    let file = |pro: u32, max: u32| {
        format!(
            "[limits]\nmessage_rate_limit = 1\nmax_connections_per_user = {max}\n\
             [tiers.pro]\nmessages_per_minute = {pro}\n"
        )
    };
    let gateway = Editable::open(&[], &file(2, 1));
    let house = &gateway.house;
    let mut free = house.visit("ada").await;
    let token = house.mint(&TokenRequest::new("grace").tier("pro"));
    let mut pro = Client::connect(house.address, &format!("/ws?token={token}")).await;
    pro.next().await;
    assert_eq!(ask(&mut free).await["type"], "response");
    assert_eq!(ask(&mut free).await["code"], "rate_limited");
    for expect in ["response", "response", "error"] {
        assert_eq!(ask(&mut pro).await["type"], expect);
    }
    let report = gateway.write(&file(3, 2));
    assert_eq!(names(&report), [vec!["[tiers]"], vec!["MAX_CONNECTIONS_PER_USER"], vec![]]);
    assert_eq!(ask(&mut free).await["code"], "rate_limited");
    for expect in ["response", "response", "response", "error"] {
        assert_eq!(ask(&mut pro).await["type"], expect);
    }
    let _second = house.visit("ada").await;
}

#[tokio::test]
async fn keys_origins_and_the_keys_of_operators_are_exchanged() {
    const OTHER: &str = "another secret of these tests, long enough as well";
    let file = |secret: &str, origin: &str, admin: &str, api: &str| {
        format!(
            "[server]\nallowed_origins = [\"{origin}\"]\n[auth]\njwt_secret_key = \"{secret}\"\n\
             auth_mode = \"upgrade\"\n[admin]\nadmin_key = \"{admin}\"\n[api]\napi_key = \"{api}\"\n"
        )
    };
    let gateway = Editable::open(
        &[("JWT_SECRET_KEY", "")],
        &file(SECRET, "https://a.test", "the-first-key-of-admins", "the-first-key-of-back-ends"),
    );
    let house = &gateway.house;
    let target = |secret: &str| format!("/ws?token={}", signed_with(secret, "ada"));
    let mut early = house.visit("ada").await;
    assert_eq!(status_of(house, &target(OTHER), "").await, 401);
    assert_eq!(status_of(house, &target(SECRET), "Origin: https://b.test\r\n").await, 403);

    let other =
        file(OTHER, "https://b.test", "the-second-key-of-admins", "the-second-key-of-back-ends");
    let report = gateway.write(&other);
    let expect = [vec!["JWT_SECRET_KEY", "API_KEY", "ADMIN_KEY"], vec!["ALLOWED_ORIGINS"], vec![]];
    assert_eq!(names(&report), expect);
    let shown = report.json().to_string();
    assert!(shown.contains("\"***\"") && !shown.contains("secret of these"), "{shown}");
    assert_eq!(status_of(house, &target(SECRET), "").await, 401);
    assert_eq!(status_of(house, &target(OTHER), "Origin: https://a.test\r\n").await, 403);
    assert_eq!(status_of(house, &target(OTHER), "Origin: https://b.test\r\n").await, 101);
    // Whoever is there stays.
    assert_eq!(ask(&mut early).await["type"], "response");
    for (path, old, new) in [
        ("/stats", "the-first-key-of-admins", "the-second-key-of-admins"),
        ("/api/channels", "the-first-key-of-back-ends", "the-second-key-of-back-ends"),
    ] {
        for (key, status) in [(old, 401), (new, 200)] {
            let head = format!("GET {path} HTTP/1.1\r\nHost: g\r\nConnection: close\r\n");
            let request = format!("{head}Authorization: Bearer {key}\r\n\r\n");
            assert_eq!(fetch(house.address, request).await.status, status, "{path} {key}");
        }
    }
}

#[tokio::test]
async fn channel_rules_and_connection_types_are_exchanged() {
    let rule = |pattern: &str| {
        format!("[[channels]]\npattern = \"{pattern}\"\nsubscribe = true\npublish = true\n")
    };
    let path = |path: &str| format!("[[connection_types]]\npath = \"{path}\"\n");
    let gateway = Editable::open(&[], &(rule("news") + &path("/live/{id}")));
    let house = &gateway.house;
    let mut ada = house.visit("ada").await;
    ada.subscribe("news").await;
    ada.send(json!({ "type": "subscribe", "channel": "orders" })).await;
    assert_eq!(ada.next().await["code"], "forbidden");
    assert_eq!(status_of(house, &format!("/tv/1?token={}", house.token("b")), "").await, 404);

    let report = gateway.write(&(rule("orders") + &path("/tv/{id}")));
    assert_eq!(names(&report), [vec!["[[channels]]"], vec!["[[connection_types]]"], vec![]]);
    ada.subscribe("orders").await;
    ada.send(json!({ "type": "publish", "channel": "news", "data": 1 })).await;
    assert_eq!(ada.next().await["code"], "forbidden");
    assert_eq!(status_of(house, &format!("/tv/1?token={}", house.token("b")), "").await, 101);
    assert_eq!(status_of(house, &format!("/live/1?token={}", house.token("b")), "").await, 404);
}

#[tokio::test]
async fn hooks_and_the_upstream_are_exchanged() {
    let oracle = Oracle::open().await;
    let gateway = Editable::open(&[("UPSTREAM", "")], "[upstream]\nupstream = \"echo\"\n");
    let mut ada = gateway.house.visit("ada").await;
    assert_eq!(ask(&mut ada).await["payload"], 1);

    let hooks = format!("[hooks]\nsubscribe = \"{}\"\n", oracle.url("subscribe"));
    let report = gateway.write(&hooks);
    assert_eq!(names(&report), [vec!["UPSTREAM", "HOOK_SUBSCRIBE"], vec![], vec![]]);
    assert_eq!(ask(&mut ada).await["code"], "upstream_unavailable");
    oracle.say("subscribe", (403, r#"{"reason":"Members only"}"#));
    ada.send(json!({ "type": "subscribe", "channel": "closed" })).await;
    assert_eq!(ada.next().await["message"], "closed: Members only");

    let report = gateway.write("[upstream]\nupstream = \"echo\"\n");
    assert_eq!(names(&report), [vec!["UPSTREAM", "HOOK_SUBSCRIBE"], vec![], vec![]]);
    ada.subscribe("closed").await;
    assert_eq!(ask(&mut ada).await["payload"], 1);
}

#[tokio::test]
async fn what_begins_with_a_connection_counts_for_those_that_come() {
    let gateway = Editable::open(&[], "");
    let mut early = gateway.house.visit("ada").await;
    let report =
        gateway.write("[heartbeat]\nping_interval = \"7s\"\n[frames]\nmax_frame_size = 600\n");
    let expect = vec!["PING_INTERVAL", "MAX_FRAME_SIZE", "FRAME_WARN_THRESHOLD"];
    assert_eq!(names(&report), [vec![], expect, vec![]]);
    let mut late =
        Client::connect(gateway.house.address, &format!("/ws?token={}", gateway.house.token("b")))
            .await;
    assert_eq!(late.next().await["heartbeatMs"], 7000);
    let long = json!({ "type": "request", "requestId": "1", "payload": "x".repeat(1000) });
    early.send(long.clone()).await;
    assert_eq!(early.next().await["type"], "response");
    late.send(long).await;
    assert_eq!(late.closed().await.0, 1009);
}

#[tokio::test]
async fn certificates_are_exchanged_for_those_that_come() {
    let authority = Authority::new("reload");
    let tls = |name: &str| {
        let (certificate, key) =
            (authority.path(&format!("{name}.pem")), authority.path(&format!("{name}.key")));
        format!("[tls]\ncert = {certificate:?}\nkey = {key:?}\npoll_interval = 0\n")
    };
    authority.write("first", &["gateway.test"]);
    authority.write("second", &["gateway.test"]);
    let editable = Editable::open(&[], &tls("first"));
    let dialled =
        async || dial(editable.house.address, authority.client(&[]), "gateway.test").await;
    let first = dialled().await.expect("TLS");
    let (before, mut ada) = (shown(&first), Secure::upgrade(&editable.house, first, "ada").await);
    let report = editable.write(&tls("second"));
    assert_eq!(names(&report), [vec![], vec!["TLS_CERT", "TLS_KEY"], vec![]]);
    let after = shown(&dialled().await.expect("TLS"));
    assert_ne!(after, before);
    // Under the same names there may be something else, which is in use at once as well.
    authority.write("second", &["gateway.test"]);
    editable.write(&tls("second"));
    assert_ne!(shown(&dialled().await.expect("TLS")), after);
    // With a pair that is not there, nothing of the rest changes either.
    let broken = format!("{}[limits]\nmessage_rate_limit = 1\n", tls("third"));
    broken.clone_into(&mut editable.file.lock());
    assert!(editable.reloader.read_again().is_err());
    for number in 0..3 {
        assert_eq!(ada.ask(json!(number)).await["payload"], number);
    }
    // Another interval would say nothing of what is looked at.
    assert_eq!(names(&editable.write(""))[2], ["TLS_CERT", "TLS_KEY", "TLS_POLL_INTERVAL"]);
    dialled().await.expect("TLS until it is started anew");
}

#[tokio::test]
async fn all_of_it_or_nothing() {
    let gateway = Editable::open(&[], "[limits]\nmessage_rate_limit = 1\n");
    let mut ada = gateway.house.visit("ada").await;
    ask(&mut ada).await;
    for (file, fault) in [
        ("[limits]\nmessage_rate_limit = 100\nmessage_burst = \"many\"\n", "MESSAGE_BURST"),
        ("[limits]\nmessage_rate_limit = 100\n[[channels]]\npattern = \"$x\"\n", "channels"),
        ("[limits\n", "gateway.toml"),
    ] {
        file.clone_into(&mut gateway.file.lock());
        let refused = gateway.reloader.read_again().expect_err(file).to_string();
        assert!(refused.contains(fault), "{refused}");
        assert_eq!(ask(&mut ada).await["code"], "rate_limited", "{file}");
    }
    let report = gateway.write("[limits]\nmessage_rate_limit = 100\n");
    assert_eq!(names(&report), [vec!["MESSAGE_RATE_LIMIT"], vec![], vec![]]);
    assert_eq!(ask(&mut ada).await["type"], "response");
}

#[tokio::test]
async fn metrics_say_what_came_of_reloads_and_since_when_what_is_in_force_is() {
    let gateway = Editable::open(&[], "");
    let figures = async || {
        let page = get(gateway.house.address, "/metrics").await.body;
        [
            "reloads_total{outcome=\"applied\"}",
            "reloads_total{outcome=\"refused\"}",
            "last_reload_successful",
            "changes_waiting",
            "last_reload_success_timestamp_seconds",
        ]
        .map(|name| {
            let name = format!("ws_config_{name} ");
            let figure = page.lines().find_map(|line| line.strip_prefix(&*name));
            figure.and_then(|figure| figure.parse::<f64>().ok()).expect("a figure")
        })
    };
    let [applied, refused, is_good, waiting, started] = figures().await;
    assert_eq!([applied, refused, is_good, waiting], [0.0, 0.0, 1.0, 0.0]);
    assert!(started > 1.7e9, "{started}");

    "[limits]\nmessage_burst = \"many\"\n".clone_into(&mut gateway.file.lock());
    gateway.reloader.read_again().expect_err("no number");
    assert_eq!(figures().await, [0.0, 1.0, 0.0, 0.0, started]);
    gateway.write("[limits]\nmessage_burst = 7\n[server]\nwebsocket_path = \"/other\"\n");
    let [applied, refused, is_good, waiting, applied_at] = figures().await;
    assert_eq!([applied, refused, is_good, waiting], [1.0, 1.0, 1.0, 1.0]);
    assert!(applied_at > started, "{applied_at}");
}

#[tokio::test]
async fn what_needs_a_restart_is_said_until_there_is_one_and_another_word_for_the_same_is_no_change()
 {
    let gateway = Editable::open(&[], "[heartbeat]\nping_interval = \"30s\"\n");
    let file = "[heartbeat]\nping_interval = 30000\n[server]\nwebsocket_path = \"/other\"\n";
    for _ in 0..2 {
        let report = gateway.write(file);
        assert_eq!(names(&report), [vec![], vec![], vec!["WEBSOCKET_PATH"]]);
        let values = Some(["/ws".to_owned(), "/other".to_owned()]);
        assert_eq!(report.needs_restart[0].values, values);
    }
    assert_eq!(names(&gateway.write("")), [vec![], vec![], Vec::<&str>::new()]);
    let _still_there = gateway.house.visit("ada").await;
    // Whether there is a key at all decides what there is.
    let report = gateway.write("[api]\napi_key = \"a-key-of-back-ends-long-enough\"\n");
    assert_eq!(names(&report), [vec![], vec![], vec!["API_KEY"]]);
    assert!(report.needs_restart[0].why.is_some_and(|why| why.contains("/api")));
    assert_eq!(get(gateway.house.address, "/api/channels").await.status, 404);
}

#[tokio::test]
async fn the_admin_reloads_over_http_and_is_told_what_came_of_it() {
    const KEY: &str = "a-key-of-admins-that-is-long";
    let gateway = Editable::open(&[("ADMIN_KEY", KEY)], "");
    assert_eq!(gateway.order("another-key-of-admins").await.status, 401);
    "[heartbeat]\njson_ping = true\n".clone_into(&mut gateway.file.lock());
    let answer = gateway.order(KEY).await;
    let told = answer.json();
    assert_eq!(answer.status, 200);
    let expect = json!([{ "name": "JSON_PING", "from": "false", "to": "true" }]);
    assert_eq!((&told["applied"], &told["needsRestart"]), (&expect, &json!([])));

    "[heartbeat]\njson_ping = 7\n".clone_into(&mut gateway.file.lock());
    let answer = gateway.order(KEY).await;
    assert_eq!((answer.status, &answer.json()["code"]), (422, &json!("invalid_configuration")));
    let fault = answer.json()["faults"][0].as_str().expect("a sentence").to_owned();
    assert!(fault.starts_with("JSON_PING = \"7\" (gateway.toml:2): "), "{fault}");

    // Who has no key for it finds nothing there.
    let closed = Editable::open(&[], "");
    assert_eq!(closed.order(KEY).await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_reloads_is_no_concern_of_those_who_talk() {
    let file = |limit: u32, pattern: &str| {
        format!(
            "[limits]\nmessage_rate_limit = {limit}\n[[channels]]\npattern = \"{pattern}\"\n\
             subscribe = true\npublish = true\n[[channels]]\npattern = \"chat\"\nsubscribe = true\n\
             publish = true\nrate_limit = 1000000\n"
        )
    };
    let gateway = Editable::open(&[], &file(1_000_000, "a"));
    let house = &gateway.house;
    let mut clients = Vec::new();
    for user in ["ada", "bob", "eve"] {
        let mut client = house.visit(user).await;
        client.subscribe("chat").await;
        clients.push(client);
    }
    let talking = clients.into_iter().map(|mut client| {
        tokio::spawn(async move {
            for n in 0..200 {
                client.send(json!({ "type": "ping", "id": n })).await;
                while client.next().await["id"] != n {}
            }
        })
    });
    let talking: Vec<_> = talking.collect();
    let mut reloads = 0;
    while talking.iter().any(|task| !task.is_finished()) || reloads < 50 {
        reloads += 1;
        let report = gateway.write(&file(1_000_000 + reloads, &format!("a{reloads}")));
        assert_eq!(names(&report), [vec!["MESSAGE_RATE_LIMIT", "[[channels]]"], vec![], vec![]]);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for task in talking {
        task.await.expect("each is answered");
    }
    house.emptied().await;
}
