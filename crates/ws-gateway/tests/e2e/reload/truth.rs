//! What a reload says of itself is so: also the second time, and of what only a start can change.

use std::time::Duration;

use serde_json::json;
use ws_auth::TokenRequest;

use super::{Editable, SECRET, names, signed_with, status_of};
use crate::exchange::{Exchange, Response, fetch, get, upgrade};

const KEY: &str = "a-key-of-admins-that-is-long";

async fn with_key(gateway: &Editable, path: &str, key: &str) -> Response {
    let head = format!("GET {path} HTTP/1.1\r\nHost: g\r\nConnection: close\r\n");
    let request = format!("{head}Authorization: Bearer {key}\r\n\r\n");
    fetch(gateway.house.address, request).await
}

/// The number behind this name in `/metrics`.
async fn shown(gateway: &Editable, sample: &str) -> Option<f64> {
    let page = with_key(gateway, "/metrics", KEY).await.body;
    let value = page.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    value.map(|value| value.parse().expect("a number"))
}

#[tokio::test]
async fn what_a_start_has_settled_waits_for_another_however_often_it_is_read() {
    let gateway = Editable::open(&[], &format!("[admin]\nadmin_key = \"{KEY}\"\n"));
    for _ in 0..3 {
        let report = gateway.write("# no key\n");
        assert_eq!(names(&report), [vec![], vec![], vec!["ADMIN_KEY"]]);
        assert!(report.needs_restart[0].why.is_some_and(|why| why.contains("at the start")));
        assert_eq!(get(gateway.house.address, "/stats").await.status, 401, "the key still counts");
    }
    // Another key than the one of the start is no matter of a start.
    let report = gateway.write("[admin]\nadmin_key = \"another-key-of-admins\"\n");
    assert_eq!(names(&report), [vec!["ADMIN_KEY"], vec![], vec![]]);
    assert_eq!(with_key(&gateway, "/stats", "another-key-of-admins").await.status, 200);
}

#[tokio::test]
async fn no_setting_of_tls_counts_before_tls_is_spoken() {
    let authority = crate::tls::Authority::new("truth");
    authority.write("first", &["gateway.test"]);
    let (certificate, key) = (authority.path("first.pem"), authority.path("first.key"));
    let file = format!("[tls]\ncert = {certificate:?}\nkey = {key:?}\nmin_version = \"1.3\"\n");
    let gateway = Editable::open(&[], "");
    for _ in 0..2 {
        let expect = vec!["TLS_CERT", "TLS_KEY", "TLS_MIN_VERSION"];
        assert_eq!(names(&gateway.write(&file)), [vec![], vec![], expect]);
    }
}

#[tokio::test]
async fn how_long_tokens_may_live_stays_what_their_revocations_are_remembered_for() {
    let file = |lifetime: &str, leeway: u32| {
        format!("[auth]\ntoken_lifetime_max = \"{lifetime}\"\njwt_leeway = {leeway}\n")
    };
    let gateway = Editable::open(&[("AUTH_MODE", "upgrade")], &file("30m", 5000));
    let house = &gateway.house;
    let day = TokenRequest::new("ada").ttl(Duration::from_secs(24 * 3600));
    let target = format!("/ws?token={}", house.mint(&day));
    assert_eq!(status_of(house, &target, "").await, 401);
    // With what else makes another authenticator.
    let report = gateway.write(&file("2d", 6000));
    assert_eq!(names(&report), [vec!["JWT_LEEWAY"], vec![], vec!["TOKEN_LIFETIME_MAX"]]);
    assert_eq!(status_of(house, &target, "").await, 401);
}

#[tokio::test]
async fn whose_proxy_header_is_believed_is_exchanged_as_well() {
    const HEADER: &str = "PROXY TCP4 203.0.113.9 192.0.2.1 5555 443\r\n";
    let file = |proxies: &str| format!("[server]\ntrusted_proxies = [\"{proxies}\"]\n");
    let gateway = Editable::open(&[("PROXY_PROTOCOL", "true")], &file("127.0.0.1"));
    let house = &gateway.house;
    let behind_proxy = async || {
        let mut exchange = Exchange::open(house.address).await;
        let request = upgrade(&format!("/ws?token={}", house.token("ada")), "");
        exchange.send(format!("{HEADER}{request}")).await;
        exchange.response().await.status
    };
    assert_eq!(behind_proxy().await, 101);
    let report = gateway.write(&file("10.0.0.0/8"));
    assert_eq!(names(&report), [vec![], vec!["TRUSTED_PROXIES"], vec![]]);
    assert_eq!(behind_proxy().await, 400, "it is nobody's word any more");
    let target = format!("/ws?token={}", house.token("bob"));
    assert_eq!(status_of(house, &target, "").await, 101);
}

#[tokio::test]
async fn a_back_end_may_send_as_much_as_a_client() {
    const API: &str = "a-key-of-back-ends-long-enough";
    let file = |size: u32| format!("[frames]\nmax_frame_size = {size}\n");
    let gateway = Editable::open(&[("API_KEY", API)], &file(1000));
    let status = async || {
        let body = json!({ "channel": "news", "data": "x".repeat(2000) }).to_string();
        let head = "POST /api/publish HTTP/1.1\r\nHost: g\r\nConnection: close\r\n";
        let length = body.len();
        let kind = "Content-Type: application/json\r\n";
        let rest = format!("{kind}Authorization: Bearer {API}\r\nContent-Length: {length}\r\n\r\n");
        fetch(gateway.house.address, format!("{head}{rest}{body}")).await.status
    };
    assert_eq!(status().await, 413);
    gateway.write(&file(10_000));
    assert_eq!(status().await, 200);
    gateway.write(&file(1000));
    assert_eq!(status().await, 413);
}

#[tokio::test]
async fn more_connections_than_there_may_be_files_are_refused() {
    let gateway = Editable::open(&[], "");
    "[limits]\nmax_connections = 4000000000\n".clone_into(&mut gateway.file.lock());
    let refused = gateway.reloader.read_again().map(|report| report.needs_restart);
    // Where the system says no number there is nothing to compare with.
    if let Err(error) = refused {
        assert!(error.to_string().contains("RLIMIT_NOFILE"), "{error}");
    }
}

#[tokio::test]
async fn counters_do_not_fall_when_what_counts_is_exchanged() {
    const OTHER: &str = "another secret of these tests, long enough as well";
    let file = |secret: &str, pro: u32, connects: u32| {
        format!(
            "[auth]\njwt_secret_key = \"{secret}\"\nauth_mode = \"upgrade\"\n\
             [admin]\nadmin_key = \"{KEY}\"\n\
             [limits]\nmessage_rate_limit = 1\nconnection_rate_limit = {connects}\n\
             [tiers.pro]\nmessages_per_minute = {pro}\n"
        )
    };
    let gateway = Editable::open(&[("JWT_SECRET_KEY", "")], &file(SECRET, 1, 3));
    let house = &gateway.house;
    let (mut free, token) = (house.visit("ada").await, TokenRequest::new("bob").tier("pro"));
    let target = format!("/ws?token={}", house.mint(&token));
    let mut pro = crate::client::Client::connect(house.address, &target).await;
    pro.next().await;
    for client in [&mut free, &mut pro] {
        for _ in 0..3 {
            super::ask(client).await;
        }
    }
    let forged = format!("/ws?token={}", signed_with(OTHER, "eve"));
    assert_eq!(status_of(house, &forged, "").await, 401);
    assert_eq!(status_of(house, &forged, "").await, 429);

    let samples = [
        "ws_limiter_denials_total{limiter=\"messages\"}",
        "ws_limiter_denials_total{limiter=\"connects\"}",
        "ws_tokens_verified_total",
        "ws_tokens_refused_total{reason=\"bad_signature\"}",
    ];
    let mut before = Vec::new();
    for sample in samples {
        before.push(shown(&gateway, sample).await.expect(sample));
    }
    assert_eq!(before, [4.0, 1.0, 2.0, 1.0]);
    // One tier of two, the connects, and the keys; then no limit on connects at all.
    for (pro, connects) in [(2, 4), (3, 0)] {
        gateway.write(&file(OTHER, pro, connects));
        for (sample, before) in samples.iter().zip(&before) {
            assert_eq!(shown(&gateway, sample).await, Some(*before), "{sample}");
        }
    }
    assert_eq!(super::ask(&mut free).await["code"], "rate_limited");
    assert_eq!(shown(&gateway, samples[0]).await, Some(5.0));
}
