//! Servers that do not make a WebSocket of it.

use std::time::Duration;

use tokio::{io::AsyncWriteExt, time::Instant};
use ws_client::{DialError, Dialer, DialerConfig};

use crate::server::{answering, config, read_head};

async fn fails(config: DialerConfig) -> DialError {
    Dialer::new(config).expect("sound").dial(None).await.expect_err("no WebSocket")
}

fn with_body(head: &str, body: &str) -> String {
    format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test(start_paused = true)]
async fn a_refusal_says_why_and_when_to_come_again() {
    let page = "<html><title>Bad gateway</title></html>";
    let long = format!("{{\"error\":\"{}\"}}", "x".repeat(2000));
    let long_told = "x".repeat(300);
    let days = Duration::from_secs(24 * 60 * 60);
    let ms = |ms| Some(Duration::from_millis(ms));
    for (head, body, expected) in [
        (
            "401 Unauthorized\r\nWWW-Authenticate: Bearer",
            r#"{"error":"Token expired","code":"invalid_token"}"#,
            (401, None, Some("invalid_token"), Some("Token expired")),
        ),
        (
            "404 Not Found",
            r#"{"error":"Nothing is here","code":"not_found"}"#,
            (404, None, Some("not_found"), Some("Nothing is here")),
        ),
        ("429 Too Many Requests\r\nRetry-After: 7", "", (429, ms(7000), None, None)),
        (
            "503 Service Unavailable\r\nretry-after: 2",
            r#"{"error":"Server restart","code":"shutting_down","retryAfterMs":1500}"#,
            (503, ms(1500), Some("shutting_down"), Some("Server restart")),
        ),
        ("502 Bad Gateway", page, (502, None, None, None)),
        ("503 x\r\nRetry-After: Fri, 31 Dec 2027 23:59:59 GMT", "", (503, None, None, None)),
        ("503 x\r\nRetry-After: 99999999999", "", (503, Some(days), None, None)),
        ("500 x", r#"{"error":["no","text"],"code":5,"retryAfterMs":-1}"#, (500, None, None, None)),
        ("500 x", "{\"error\":\"two\\nlines\"}", (500, None, None, Some("twolines"))),
        ("500 x", &long, (500, None, None, Some(&long_told))),
        (
            "302 Found\r\nLocation: https://example.org/login",
            "",
            (
                302,
                None,
                None,
                Some("a redirect to https://example.org/login, which is not followed"),
            ),
        ),
        ("200 OK", "hello", (200, None, None, None)),
    ] {
        match fails(answering(with_body(head, body))).await {
            DialError::Refused { status, retry_after, code, message } => {
                let told = (status, retry_after, code.as_deref(), message.as_deref());
                assert_eq!(told, expected, "{head}");
            }
            other => panic!("{head}: {other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_a_sentence() {
    let refusal = fails(answering(with_body("401 x", r#"{"error":"Invalid token"}"#))).await;
    assert_eq!(refusal.to_string(), "the server refuses with 401: Invalid token");
    let refusal = fails(answering(with_body("502 x", ""))).await;
    assert_eq!(refusal.to_string(), "the server refuses with 502");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_whose_body_never_ends_is_told_all_the_same() {
    let began = Instant::now();
    for rest in ["Content-Length: 100\r\n\r\nbegun", "\r\nbegun"] {
        let answer = format!("HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3\r\n{rest}");
        let refusal = fails(answering(answer)).await;
        let DialError::Refused { status: 429, retry_after, .. } = refusal else {
            panic!("{refusal:?}");
        };
        assert_eq!(retry_after, Some(Duration::from_secs(3)));
    }
    assert!(began.elapsed() < Duration::from_secs(3), "the body is not worth the whole time");

    // One that streams for ever is cut, and costs no time at all.
    let began = Instant::now();
    let refusal = fails(config(async |mut io| {
        read_head(&mut io).await;
        let mut answer = io.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").await;
        while answer.is_ok() {
            answer = io.write_all(&[b'x'; 1024]).await;
        }
    }))
    .await;
    assert!(matches!(refusal, DialError::Refused { status: 403, .. }), "{refusal:?}");
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_never_ends_is_given_up() {
    let endless = fails(answering(format!("HTTP/1.1 101 x\r\nA: {}", "x".repeat(20_000)))).await;
    assert!(matches!(endless, DialError::Handshake(_)), "{endless:?}");

    let began = Instant::now();
    let dribbled = fails(config(async |mut io| {
        read_head(&mut io).await;
        while io.write_all(b"HTTP/1.1 101 x\r\nA: ").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }))
    .await;
    assert!(matches!(dribbled, DialError::TimedOut | DialError::Handshake(_)), "{dribbled:?}");
    assert!(began.elapsed() <= Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_keeps_silent_is_given_up_in_time() {
    // It takes the connection; it does not even take it.
    let silent = answering(String::new());
    let connect: std::sync::Arc<dyn ws_client::Connect> =
        std::sync::Arc::new(|_| std::future::pending::<std::io::Result<tokio::io::DuplexStream>>());
    let away = DialerConfig { connect: Some(connect), ..silent.clone() };
    for config in [silent, away] {
        for secs in [10, 3] {
            let timeout = Duration::from_secs(secs);
            let began = Instant::now();
            let error = fails(DialerConfig { timeout, ..config.clone() }).await;
            assert!(matches!(error, DialError::TimedOut), "{error:?}");
            assert_eq!(began.elapsed(), timeout);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_none_is_told_from_one_that_refuses() {
    let gone = fails(config(async |io| drop(read_head(io).await))).await;
    assert_eq!(gone.to_string(), "cannot connect: the server hung up before it answered");
    let other = fails(answering("SSH-2.0-OpenSSH_9.6\r\n")).await;
    assert!(matches!(other, DialError::Handshake(_)), "{other:?}");
    let no_key = "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n";
    let wrong = fails(answering(no_key)).await;
    assert!(matches!(wrong, DialError::Handshake(_)), "{wrong:?}");
}
