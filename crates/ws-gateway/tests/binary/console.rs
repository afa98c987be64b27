//! The console as whoever starts the binary meets it: the link, and the lines in the log.

use http::{HeaderValue, header};
use serde_json::{Value, json};
use ws_transport::Connector;

use crate::process::{Client, Process};

/// Opens what the console looks through.
async fn look_in(process: &Process, key: &str) -> Client {
    let value = HeaderValue::from_str(&format!("Bearer {key}")).expect("a value");
    let connector = Connector::new().with_header(header::AUTHORIZATION, value);
    let uri = format!("ws://{}/console/ws", process.address).parse().expect("an address");
    let mut viewer = Client { stream: connector.connect(uri).await.expect("let in") };
    assert_eq!(viewer.next().await["type"], "hello");
    viewer
}

async fn ask(viewer: &mut Client, question: Value) -> Value {
    viewer.send(question).await;
    loop {
        let message = viewer.next().await;
        if message["type"] != "sample" {
            return message;
        }
    }
}

#[tokio::test]
async fn dev_prints_the_consoles_address_behind_that_of_clients_and_its_key_nowhere_else() {
    let process = Process::start_with(&["--dev"], &[("WEBSOCKET_PORT", "0")]).await;
    let printed = loop {
        let printed = process.printed();
        if printed.lines().count() >= 2 {
            break printed;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    };
    let lines: Vec<_> = printed.lines().collect();
    assert!(lines[0].starts_with(&format!("ws://{}/ws?token=", process.address)), "{printed}");
    let fragment = lines[1].strip_prefix(&format!("http://{}/#key=", process.address));
    let (key, token) = fragment.and_then(|it| it.split_once("&token=")).expect("a key and a token");
    assert!(lines[0].ends_with(token), "one token: {printed}");
    let mut viewer = look_in(&process, key).await;
    let minted = ask(&mut viewer, json!({ "type": "token", "user": "eve" })).await;
    let minted = minted["token"].as_str().expect("a token").to_owned();
    process.logs("console: a token is made").await;
    viewer.leave().await;
    process.signal("TERM").await;
    let ended = process.ended().await;
    for secret in [key, token, &minted] {
        assert!(!ended.stderr.contains(secret), "{}", ended.stderr);
    }
    assert_eq!(ended.stdout.lines().count(), 2, "{}", ended.stdout);
}

#[tokio::test]
async fn who_looks_and_what_they_do_is_in_the_log_and_no_key_is() {
    const KEY: &str = "correct-horse-battery";
    let process = Process::start(&[], &[("ADMIN_KEY", KEY)]).await;
    let (mut ada, mut bob) = (process.visit("ada").await, process.visit("bob").await);
    let mut viewer = look_in(&process, KEY).await;
    let found = ask(&mut viewer, json!({ "type": "connections", "user": "ada" })).await;
    let id = found["items"][0]["id"].as_str().expect("an id").to_owned();
    let order = json!({ "type": "close", "connection": id, "code": 4001, "reason": "Enough" });
    assert_eq!(ask(&mut viewer, order).await["found"], true);
    assert_eq!(ada.closed().await, (4001, "Enough".to_owned()));
    let order = json!({ "type": "disconnect", "user": "bob" });
    assert_eq!(ask(&mut viewer, order).await["count"], 1);
    assert_eq!(bob.closed().await.0, 1008);
    let address = format!("ws://{}/console/ws", process.address);
    let knock = async |connector: Connector| {
        connector.connect(address.parse().expect("an address")).await.is_err()
    };
    assert!(knock(Connector::new()).await);
    process.logs("key is required").await;
    let value = HeaderValue::from_static("Bearer a-wrong-guess");
    assert!(knock(Connector::new().with_header(header::AUTHORIZATION, value)).await);
    process.logs("not the console's key").await;
    viewer.leave().await;
    process.logs("console closed").await;
    let log = process.log();
    let line = |message: &str| -> Value {
        let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.find(|line| line["message"] == message).unwrap_or_else(|| panic!("{message}: {log}"))
    };
    let closed = line("console: a connection is closed");
    let told = ["viewer", "connection", "user", "code", "reason", "address"];
    let told = told.map(|name| closed[name].to_string().trim_matches('"').to_owned());
    let viewer = line("console opened")["viewer"].to_string();
    assert_eq!(told, [&*viewer, &*id, "ada", "4001", "Enough", "127.0.0.1"]);
    let disconnected = line("console: a user is disconnected");
    assert_eq!((&disconnected["user"], &disconnected["count"]), (&json!("bob"), &json!(1)));
    assert_eq!(line("console refused")["address"], "127.0.0.1");
    // Anybody can knock without a key as often as they like, and warns nobody.
    let levels = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let levels = levels.filter(|line| line["message"] == "console refused");
    assert_eq!(levels.map(|line| line["level"].clone()).collect::<Vec<_>>(), ["INFO", "WARN"]);
    for secret in [KEY, "a-wrong-guess"] {
        assert!(!log.contains(secret), "{log}");
    }
}
