//! Clients of HTTP/2 that mean harm, or take nothing.

use super::*;

const KEY: &str = "known-to-the-back-ends-of-this-test";

/// RFC 9113 §10.5, and CVE-2023-44487: what the gateway has begun with and has nobody to answer any more. (What is taken
/// back before we have seen it, h2 counts: see `src/http/second/tests.rs`.)
#[tokio::test]
async fn a_client_that_asks_and_takes_back_is_let_go() {
    let authority = Authority::new("second-reset");
    let house = authority.house(&[("API_KEY", KEY)]);
    let mut connection = Connection::open(&house, &authority).await;
    let mut taken_back = 0;
    // Each waits for the rest of a body that does not come.
    let asking = async {
        while taken_back < 5000 {
            let request = Request::post("https://gateway.test/api/publish")
                .header("authorization", format!("Bearer {KEY}"))
                .header("content-type", "application/json")
                .body(());
            let sent = connection.requests.send_request(request.expect("sound"), false);
            let Ok((response, mut body)) = sent else { return };
            // The answer to this comes behind the request.
            if connection.pings.ping(h2::Ping::opaque()).await.is_err() {
                return;
            }
            drop(response);
            body.send_reset(h2::Reason::CANCEL);
            taken_back += 1;
            let Ok(requests) = connection.requests.clone().ready().await else { return };
            connection.requests = requests;
        }
    };
    timeout(PATIENCE, asking).await.expect("in time");
    assert!((200..5000).contains(&taken_back), "{taken_back}");
    assert_eq!(figure(&house, authority.client(&[]), "ws_http2_abuses_total").await, 1.0);
    // Others are served as before.
    let mut connection = Connection::open(&house, &authority).await;
    let mut ada = connection.websocket(&house, "ada").await;
    assert_eq!(ada.ask(json!(1)).await, 1);
}

#[tokio::test]
async fn what_a_websocket_does_not_take_is_not_kept_for_it_and_ends_it_and_the_others_stay() {
    const LARGE: usize = 400_000;
    let authority = Authority::new("second-window");
    let house = authority.house(&[("WRITE_TIMEOUT", "300ms")]);
    // Room for all on the connection, and little on each stream.
    let mut builder = Builder::new();
    builder.initial_connection_window_size(16 * 1024 * 1024).enable_push(false);
    let mut connection = Connection::open_with(&house, &authority, &builder).await;
    let mut ada = connection.websocket(&house, "ada").await;
    let mut bob = connection.websocket(&house, "bob").await;
    // Of their echoes it takes as much as its window has, which it never opens again.
    let payload = "x".repeat(LARGE);
    for _ in 0..10 {
        bob.send_long(&json!({ "type": "request", "requestId": "r", "payload": payload }));
    }
    house.until("it is ended", |house| house.ended("write_timeout") == 1).await;
    assert_eq!(ada.ask(json!(1)).await, 1);
    let received = "ws_messages_received_bytes_total";
    let received = figure(&house, authority.client(&[]), received).await;
    assert!(received < 3.0 * LARGE as f64, "{received} bytes were taken of one who takes nothing");
}

#[tokio::test]
async fn a_drain_sends_each_websocket_away_and_the_connection_with_the_next_that_asks() {
    let authority = Authority::new("second-drain");
    let mut house = authority.house(&[("CLOSE_TIMEOUT", "1500")]);
    let mut connection = Connection::open(&house, &authority).await;
    let mut ada = connection.websocket(&house, "ada").await;
    // Does not answer, so that the drain takes its time.
    let _mute = connection.websocket(&house, "bob").await;
    house.start_closing();
    assert_eq!(ada.next().await["type"], "goodbye");
    let (first, close) = ada.frame().await.expect("a close frame");
    assert_eq!((first, &close[..2]), (0x88, &1012_u16.to_be_bytes()[..]));
    let refused = connection.connect("/ws", Some("websocket")).await;
    assert_eq!(refused.head.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.head.headers["retry-after"], "1");
    // GOAWAY: whoever asks again does so on another connection.
    let ready = async {
        while let Ok(requests) = connection.requests.clone().ready().await {
            connection.requests = requests;
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, ready).await.expect("it is told to go");
    house.running().await;
}

/// RFC 9113 §8.2.2, §8.3.1: what is said of a connection, lengths that do not hold, and a path that is none.
#[tokio::test]
async fn what_would_be_understood_in_two_ways_is_not_understood() {
    let authority = Authority::new("second-smuggling");
    let house = authority.house(&[("API_KEY", KEY)]);
    for (name, value) in [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("transfer-encoding", "chunked"),
        ("keep-alive", "timeout=5"),
        ("te", "gzip"),
    ] {
        let mut connection = Connection::open(&house, &authority).await;
        let request = Request::get("https://gateway.test/health").header(name, value).body(());
        // Our client's library lets some of them through, and refuses others itself.
        let sent = connection.requests.send_request(request.expect("sound"), true);
        let Ok((response, _)) = sent else { continue };
        let answer = timeout(PATIENCE, response).await.expect("in time");
        let reason = answer.expect_err("malformed").reason();
        assert_eq!(reason, Some(h2::Reason::PROTOCOL_ERROR), "{name}: {value}");
    }
    let mut connection = Connection::open(&house, &authority).await;
    let request = Request::post("https://gateway.test/api/publish")
        .header("authorization", format!("Bearer {KEY}"))
        .header("content-type", "application/json")
        .header("content-length", "4")
        .body(());
    let sent = connection.requests.send_request(request.expect("sound"), false);
    let (response, mut body) = sent.expect("open");
    body.send_data(Bytes::from_static(b"{}GET /stats"), true).expect("open");
    let answer = timeout(PATIENCE, response).await.expect("in time");
    let is_refused = answer.as_ref().map_or(true, |answer| answer.status().is_client_error());
    assert!(is_refused, "{answer:?}");
}
