//! What the binary logs: JSON where no terminal is, a line for each event in a connection's life, and
//! never a token.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpStream,
    time::{sleep, timeout},
};
use ws_auth::{Secret, TokenMinter, TokenRequest};

use crate::process::{Client, Ended, Process, SECRET, answer_to, command, run, upgrade};

fn lines(log: &str) -> Vec<Value> {
    let each =
        |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
    log.lines().map(each).collect()
}

fn with_message<'l>(lines: &'l [Value], message: &str) -> Vec<&'l Value> {
    lines.iter().filter(|line| line["message"] == message).collect()
}

#[tokio::test]
async fn requirement_6_10_each_event_is_a_json_line_with_connection_user_and_address() {
    let process = Process::start(&[], &[("MAX_FRAME_SIZE", "1KiB"), ("IDLE_TIMEOUT", "300")]).await;
    process.visit("ada").await.leave().await;
    let mut by_message = Client::connect(&format!("ws://{}/ws", process.address)).await;
    by_message.next().await;
    by_message.send(json!({ "token": process.token("bob") })).await;
    assert_eq!(by_message.next().await["type"], "authenticated");
    let large = "x".repeat(2000);
    by_message.send(json!({ "type": "request", "requestId": 1, "payload": large })).await;
    assert_eq!(by_message.closed().await.0, 1009);
    drop(by_message);
    process.logs("\"protocol violation\"").await;
    process.signal("TERM").await;
    let ended = process.ended().await;
    let lines = lines(&ended.stderr);
    for line in &lines {
        assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
    }
    for (message, user) in
        [("connected", Some("ada")), ("disconnected", Some("ada")), ("authenticated", Some("bob"))]
    {
        let found = with_message(&lines, message);
        let line = found.iter().find(|line| line["user"].as_str() == user);
        let line = line.unwrap_or_else(|| panic!("{message} of {user:?} in {}", ended.stderr));
        assert!(line["connection"].as_str().is_some_and(|id| id.len() == 36), "{line}");
        assert_eq!(line["address"], "127.0.0.1");
    }
}

#[tokio::test]
async fn the_log_is_for_machines_where_no_terminal_is_and_for_people_when_asked() {
    let process = Process::start(&[], &[]).await;
    process.signal("TERM").await;
    let ended = process.ended().await;
    assert!(lines(&ended.stderr).len() >= 3, "{}", ended.stderr);
    assert_eq!(ended.stdout, "");

    // It cannot listen, which takes a line: enough to see the form.
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = taken.local_addr().expect("bound").port().to_string();
    let variables = [
        ("LOG_FORMAT", "human"),
        ("WEBSOCKET_HOST", "127.0.0.1"),
        ("WEBSOCKET_PORT", &port),
        ("JWT_SECRET_KEY", SECRET),
    ];
    let human = run(&[], &variables).await.stderr;
    assert!(human.contains("ERROR") && !human.starts_with('{'), "{human}");
    assert!(!human.contains('\x1b'), "colours are for terminals: {human:?}");
}

#[tokio::test]
async fn a_reader_of_the_log_that_hangs_does_not_stop_the_gateway_and_misses_nothing() {
    // More than a pipe takes, and less than is held for a reader that is slow.
    const LINES: usize = 800;
    let variables =
        [("WEBSOCKET_HOST", "127.0.0.1"), ("WEBSOCKET_PORT", "0"), ("JWT_SECRET_KEY", SECRET)];
    let mut child = command(&[], &variables).spawn().expect("it starts");
    let mut stderr = BufReader::new(child.stderr.take().expect("piped")).lines();
    let patience = Duration::from_secs(20);
    let address = timeout(patience, async {
        loop {
            let line = stderr.next_line().await.expect("readable").expect("it listens");
            let line: Value = serde_json::from_str(&line).expect("JSON");
            if line["message"] == "listening" {
                return line["address"].as_str().expect("an address").to_owned();
            }
        }
    });
    let address = address.await.expect("it listens in time");
    for _ in 0..LINES {
        let mut socket = TcpStream::connect(&address).await.expect("it listens");
        let answer = answer_to(&mut socket, &upgrade("/ws?token=none")).await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    }
    let refused = timeout(patience, async {
        let mut refused = 0;
        while refused < LINES {
            let line = stderr.next_line().await.expect("readable").expect("more lines");
            let line: Value = serde_json::from_str(&line).expect("JSON");
            refused += usize::from(line["message"] == "upgrade refused");
        }
    });
    refused.await.expect("all lines come");
}

#[tokio::test]
async fn log_level_decides_how_much_is_said() {
    let process = Process::start(&[], &[("LOG_LEVEL", "info")]).await;
    process.visit("ada").await.leave().await;
    process.logs("\"disconnected\"").await;
    let quiet = run(&["check-config"], &[("LOG_LEVEL", "whisper")]).await;
    assert_eq!(quiet.status, 2);
    assert!(!process.log().contains("\"level\":\"DEBUG\""), "{}", process.log());
}

/// A token of somebody who does not know the secret.
fn forged() -> String {
    #[expect(clippy::disallowed_methods, reason = "the gateway's clock is the system's")]
    let now = std::time::SystemTime::now();
    let minter = TokenMinter::new(&Secret::from("quite another secret, and long enough as well"));
    let token = minter.expect("long enough").mint(&TokenRequest::new("eve"), now);
    token.expect("signs").expose().to_owned()
}

/// A request that carries a token, as bytes, for each place that it may be in.
fn requests(token: &str) -> Vec<String> {
    let with = |target: &str, line: &str| {
        upgrade(target).replace("\r\n\r\n", &format!("\r\n{line}\r\n\r\n"))
    };
    let in_query = format!("/ws?token={token}");
    vec![
        upgrade(&in_query),
        with("/ws", &format!("Authorization: Bearer {token}")),
        with("/ws", &format!("Sec-WebSocket-Protocol: ws-gateway.v1, bearer.{token}")),
        with("/ws", &format!("Sec-WebSocket-Protocol: bearer.{token}")),
        with("/ws", &format!("Cookie: session={token}")),
        // Where none belongs, and where the request is no sound one.
        upgrade(&format!("/nowhere?token={token}")),
        upgrade(&format!("/ws?access_token={token}")),
        upgrade(&in_query).replace("Version: 13", "Version: 8"),
        upgrade(&in_query).replace("Host: gateway.test", "Host gateway.test"),
        format!(
            "GET /stats?token={token} HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {token}\r\n\r\n"
        ),
        format!("GET /{token} HTTP/1.1\r\nHost: {token}\r\n\r\n"),
        format!("{token} /ws HTTP/1.1\r\n\r\n"),
        format!("GET /ws HTTP/1.1\r\nX: {token}\r\n"),
    ]
}

#[tokio::test]
async fn section_4_5_a_token_is_in_no_line_of_the_output_wherever_it_was_used() {
    let variables = [
        // The finest level of all crates, theirs and ours.
        ("RUST_LOG", "trace"),
        ("LOG_LEVEL", "trace"),
        ("AUTH_COOKIE", "session"),
        ("ALLOWED_ORIGINS", "https://app.example"),
        ("ADMIN_KEY", "the admin key of this test"),
    ];
    let process = Process::start(&[], &variables).await;
    let tokens = [process.token("ada"), forged()];
    for token in &tokens {
        for request in requests(token) {
            let mut socket = TcpStream::connect(process.address).await.expect("it listens");
            if request.ends_with("\r\n\r\n") {
                let answer = answer_to(&mut socket, &request).await;
                assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
                assert!(!answer.contains(token), "{answer}");
            } else {
                tokio::io::AsyncWriteExt::write_all(&mut socket, request.as_bytes())
                    .await
                    .expect("read");
            }
        }
        let mut client = Client::connect(&format!("ws://{}/ws", process.address)).await;
        client.next().await;
        client.send(json!({ "type": "auth", "token": token, "sessionId": "s" })).await;
        client.next().await;
        let mut other = process.visit("somebody").await;
        for wrong in
            [json!({ "type": token }), json!([token]), json!({ "type": "auth", "tokens": token })]
        {
            other.send(wrong).await;
            assert_eq!(other.next().await["type"], "error");
        }
    }
    sleep(Duration::from_millis(100)).await;
    process.signal("TERM").await;
    let Ended { stdout, stderr, .. } = process.ended().await;
    assert!(stderr.lines().count() > 25, "too little to be sure of:\n{stderr}");
    for token in &tokens {
        for part in token.split('.').skip(1) {
            assert!(!stdout.contains(part) && !stderr.contains(part), "a token in:\n{stderr}");
        }
    }
    assert!(!stderr.contains(SECRET), "the secret is in the log");
    assert!(!stderr.contains("the admin key of this test"), "the admin key is in the log");
}

#[tokio::test]
async fn line_ends_of_a_client_never_make_a_line_of_their_own() {
    let process =
        Process::start(&[], &[("LOG_LEVEL", "debug"), ("TRUSTED_PROXIES", "127.0.0.1")]).await;
    let injected = "{\"message\":\"injected\"}";
    let upgraded = |line: &str| upgrade("/ws").replace("\r\n\r\n", &format!("\r\n{line}\r\n\r\n"));
    for request in [
        upgraded(&format!("X-Forwarded-For: 1.2.3.4\n{injected}")),
        upgraded(&format!("X-Forwarded-For: 1.2.3.4%0a{injected}")),
        upgraded(&format!("Origin: x\r{injected}")),
        upgraded(&format!("Authorization: Bearer x\u{85}{injected}")),
        upgrade(&format!("/ws?token=%0a{injected}").replace('"', "%22")),
        format!("GET /ws HTTP/1.1\n{injected}\n\n"),
    ] {
        let mut socket = TcpStream::connect(process.address).await.expect("it listens");
        answer_to(&mut socket, &request).await;
    }
    let mut client = process.visit("ada").await;
    client
        .send(json!({ "type": format!("\n{injected}\r\n"), "id": format!("\n{injected}") }))
        .await;
    assert_eq!(client.next().await["code"], "unknown_type");
    let reason = format!("bye\n{injected}");
    let frame =
        tungstenite::protocol::CloseFrame { code: 1000.into(), reason: reason.as_str().into() };
    client.stream.close(Some(frame)).await.expect("the gateway reads");
    process.logs("\"disconnected\"").await;
    process.signal("TERM").await;
    let ended = process.ended().await;
    let lines = lines(&ended.stderr);
    assert!(with_message(&lines, "injected").is_empty(), "{}", ended.stderr);
}

#[tokio::test]
async fn a_back_end_that_does_not_answer_its_hooks_is_told_once_and_so_is_that_it_is_back() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/", listener.local_addr().expect("bound"));
    // Three that are not answered well, then one that is.
    tokio::spawn(async move {
        for answer in ["500 Internal Server Error", "418 Teapot", "404 Not Found", "200 OK"] {
            let (mut socket, _) = listener.accept().await.expect("a connection");
            let mut question = [0; 4096];
            let _ = tokio::io::AsyncReadExt::read(&mut socket, &mut question).await;
            let answer =
                format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            let _ = tokio::io::AsyncWriteExt::write_all(&mut socket, answer.as_bytes()).await;
        }
    });
    let variables = [("HOOK_CONNECT", url.as_str()), ("HOOK_FAILURE", "allow")];
    let process = Process::start(&[], &variables).await;
    for _ in 0..4 {
        process.visit("ada").await.leave().await;
    }
    process.logs("\"a hook is answered again\"").await;
    process.signal("TERM").await;
    let ended = process.ended().await;
    let lines = lines(&ended.stderr);
    let down = with_message(&lines, "a hook is not answered");
    assert_eq!(down.len(), 1, "{}", ended.stderr);
    let told = [&down[0]["level"], &down[0]["hook"], &down[0]["reason"]];
    assert_eq!(told, ["WARN", "connect", "the status is 500 Internal Server Error"]);
    assert_eq!(with_message(&lines, "a hook is answered again").len(), 1);
}

#[tokio::test]
async fn an_upstream_that_fails_is_in_the_log_with_the_cause_and_not_once_for_each_request() {
    // Nobody listens at the first port.
    let upstream = "http://127.0.0.1:1/requests?key=hidden";
    let process = Process::start(&[], &[("UPSTREAM", upstream)]).await;
    let mut client = process.visit("ada").await;
    for _ in 0..3 {
        assert_eq!(client.ask("x").await["code"], "upstream_unavailable");
    }
    process.logs("\"outcome\":\"unavailable\"").await;
    let log = process.log();
    assert_eq!(log.matches("the upstream fails").count(), 1, "{log}");
    assert!(log.contains("Connection refused") && !log.contains("hidden"), "{log}");
}
