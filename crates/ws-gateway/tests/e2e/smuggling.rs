//! Requests that two servers would read in two ways, heads without end, and clients that dribble.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::{
    exchange::{Exchange, fetch, get, upgrade},
    house::House,
};

const SMUGGLED: &str = "GET /ready HTTP/1.1\r\nHost: smuggled\r\n\r\n";

/// Sends a request with something behind it that must not be taken for a request of its own.
async fn check(house: &House, before: &str, request: &str, expect: &[u16]) {
    let mut exchange = Exchange::open(house.address).await;
    if !before.is_empty() {
        exchange.send(before).await;
        assert_eq!(exchange.response().await.status, 200);
    }
    exchange.send(request).await;
    let response = exchange.response().await;
    assert!(expect.contains(&response.status), "{} {request:?}", response.status);
    let rest = String::from_utf8_lossy(&exchange.rest().await).into_owned();
    assert!(rest.is_empty(), "{request:?} was followed by {rest:?}");
}

const FIRST: &str = "GET /health HTTP/1.1\r\nHost: g\r\n\r\n";

#[tokio::test]
async fn a_request_whose_length_is_unclear_is_refused_and_ends_its_connection() {
    let house = House::open(&[]);
    for lengths in [
        "Content-Length: 0\r\nContent-Length: 41\r\n",
        "Content-Length: 0, 41\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Content-Length: +41\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 0x29\r\n",
        "Content-Length: 4 1\r\n",
        "Content-Length: 99999999999999999999\r\n",
    ] {
        for (method, path) in [("GET", "/health"), ("POST", "/nowhere")] {
            let head = format!("{method} {path} HTTP/1.1\r\nHost: g\r\n{lengths}\r\n");
            for before in ["", FIRST] {
                check(&house, before, &format!("{head}0\r\n\r\n{SMUGGLED}"), &[400]).await;
            }
        }
    }
}

#[tokio::test]
async fn a_request_with_both_kinds_of_length_is_refused_or_read_as_chunked_and_the_last() {
    let house = House::open(&[]);
    for lengths in [
        "Content-Length: 46\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 46\r\n",
    ] {
        let head = format!("GET /health HTTP/1.1\r\nHost: g\r\n{lengths}\r\n");
        check(&house, "", &format!("{head}0\r\n\r\n{SMUGGLED}"), &[400]).await;
        // RFC 9112 §6.3 leaves both ways open, as long as nothing behind it is taken for a request.
        check(&house, FIRST, &format!("{head}0\r\n\r\n{SMUGGLED}"), &[200, 400]).await;
    }
}

#[tokio::test]
async fn an_upgrade_with_a_body_is_refused_and_its_body_is_no_frame() {
    let house = House::open(&[]);
    for before in ["", FIRST] {
        for lengths in [
            "Content-Length: 41\r\n",
            "Transfer-Encoding: chunked\r\n",
            "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
            "Content-Length: 0\r\nContent-Length: 41\r\n",
        ] {
            check(&house, before, &(upgrade("/ws", lengths) + SMUGGLED), &[400]).await;
        }
    }
    assert_eq!(house.handler.connection_count(), 0);
}

#[tokio::test]
async fn line_ends_and_control_characters_within_a_head_are_refused() {
    let house = House::open(&[]);
    for line in [
        "X: a\rInjected: b\r\n",
        "X: a\0b\r\n",
        "X : a\r\n",
        "X\r\n",
        ": a\r\n",
        "X: a\r\n folded\r\n",
        "Sec-WebSocket-Protocol: ws-gateway.v1\r\r\n",
    ] {
        for request in
            [upgrade("/ws", line), format!("GET /health HTTP/1.1\r\nHost: g\r\n{line}\r\n")]
        {
            let mut exchange = Exchange::open(house.address).await;
            exchange.send(&request).await;
            let response = exchange.response().await;
            assert_eq!(response.status, 400, "{request:?}");
            assert!(!response.head.contains("injected"), "{response:?}");
            assert!(exchange.is_over().await);
        }
    }
    for target in ["/ws\rX", "/ws\tX", "/ws X", "/ws\u{7f}"] {
        assert_eq!(fetch(house.address, upgrade(target, "")).await.status, 400, "{target:?}");
    }
}

#[tokio::test]
async fn nothing_that_a_client_sends_comes_back_in_a_header() {
    let house = House::open(&[("ALLOWED_ORIGINS", "https://app.example")]);
    let marked = "marked\u{e9}%0d%0aset-cookie:%20x";
    for further in [
        format!("Sec-WebSocket-Protocol: {marked}\r\n"),
        format!("Sec-WebSocket-Protocol: ws-gateway.v1, {marked}\r\n"),
        format!("Sec-WebSocket-Extensions: {marked}\r\n"),
        format!("Origin: https://{marked}\r\n"),
        format!("Authorization: Bearer {marked}\r\n"),
    ] {
        let target = format!("/ws?{}", marked.replace('\u{e9}', ""));
        let response = fetch(house.address, upgrade(&target, &further)).await;
        assert!(!response.head.contains("marked"), "{response:?}");
        assert!(!response.head.contains("set-cookie"), "{response:?}");
        assert!(!response.body.contains("marked"), "{response:?}");
    }
    let missing = get(house.address, "/marked%0d%0aset-cookie:%20x").await;
    assert!(!missing.head.contains("marked") && !missing.body.contains("marked"), "{missing:?}");
}

#[tokio::test]
async fn a_head_beyond_the_limits_is_answered_431_on_a_first_and_on_a_later_request() {
    let house = House::open(&[("MAX_HEADER_BYTES", "10000")]);
    let many: String = (0..70).map(|n| format!("X-{n}: y\r\n")).collect();
    // Behind a first request the buffer of the HTTP server is the bound, which may grow a little.
    for (before, bytes) in [("", 10_000), (FIRST, 100_000)] {
        let long = format!("X: {}\r\n", "x".repeat(bytes));
        for further in [&long, &many] {
            for request in [
                upgrade("/ws", further),
                format!("GET /health HTTP/1.1\r\nHost: g\r\n{further}\r\n"),
            ] {
                check(&house, before, &request, &[431]).await;
            }
        }
        let endless = format!("GET /health HTTP/1.1\r\nHost: g\r\nX: {}", "x".repeat(bytes));
        check(&house, before, &endless, &[431]).await;
    }
    let rejected = house.rejected("head");
    assert_eq!(rejected, 5, "the first requests; later ones are HTTP's");
    let fits = format!("X: {}\r\n", "x".repeat(9000));
    assert_eq!(fetch(house.address, upgrade("/ws", &fits)).await.status, 101);
}

#[tokio::test]
async fn a_client_that_dribbles_its_request_is_answered_408() {
    let house = House::open(&[("HANDSHAKE_TIMEOUT", "300")]);
    let mut exchange = Exchange::open(house.address).await;
    let started = Instant::now();
    for byte in upgrade("/ws", "").bytes() {
        if tokio::io::AsyncWriteExt::write_all(&mut exchange.socket, &[byte]).await.is_err() {
            break;
        }
        sleep(Duration::from_millis(20)).await;
        if started.elapsed() > Duration::from_millis(600) {
            break;
        }
    }
    let response = exchange.response().await;
    assert_eq!(response.status, 408);
    assert_eq!(response.json()["code"], "timed_out");
    assert!(exchange.is_over().await);
    assert_eq!(house.rejected("timed_out"), 1);
    // And one that says nothing at all.
    let mut silent = Exchange::open(house.address).await;
    assert_eq!(silent.response().await.status, 408);
    assert!(silent.is_over().await);
}

#[tokio::test]
async fn a_client_that_dribbles_its_second_request_is_dropped_as_well() {
    let house = House::open(&[("HANDSHAKE_TIMEOUT", "300")]);
    let mut exchange = Exchange::open(house.address).await;
    exchange.send(FIRST).await;
    assert_eq!(exchange.response().await.status, 200);
    exchange.send("GET /health HTTP/1.1\r\nHost").await;
    let started = Instant::now();
    let rest = exchange.rest().await;
    assert!(!rest.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&rest));
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[tokio::test]
async fn garbage_instead_of_a_request_is_answered_400_and_counted() {
    let house = House::open(&[]);
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS client hello\r\n\r\n"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
        b"GET /ws HTTP/9.9\r\nHost: g\r\n\r\n",
        b"GET\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
    ] {
        let mut exchange = Exchange::open(house.address).await;
        exchange.send(garbage).await;
        let response = exchange.response().await;
        assert_eq!(response.status, 400, "{:?}", String::from_utf8_lossy(garbage));
        assert!(exchange.is_over().await);
    }
    assert_eq!(house.rejected("head"), 6);
}
