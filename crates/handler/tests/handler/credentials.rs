//! DESIGN §4.5: tokens that come with the upgrade.

use std::time::Duration;

use serde_json::json;
use ws_auth::{Authenticator, Issuer, Origins, TokenRequest};
use ws_handler::AuthMode;

use crate::house::{House, PATH};

const COOKIE: &str = "session";
const PAGE: &str = "https://app.example";

fn house_with_cookies() -> House {
    House::open(|config| {
        config.policy.auth_cookie = Some(COOKIE.into());
        config.policy.origins = Origins::new([PAGE]).expect("an origin");
    })
}

#[tokio::test(start_paused = true)]
async fn section_4_5_a_token_is_looked_for_in_header_subprotocol_query_and_cookie_in_this_order() {
    let house = house_with_cookies();
    let authorization = format!("Bearer {}", house.token("header"));
    let subprotocols = format!("ws-gateway.v1, bearer.{}", house.token("subprotocol"));
    let target = format!("{PATH}?token={}", house.token("query"));
    let cookie = format!("theme=dark; {COOKIE}={}", house.token("cookie"));
    let header = ("authorization", authorization.as_str());
    let subprotocol = ("sec-websocket-protocol", subprotocols.as_str());
    let cookie = ("cookie", cookie.as_str());
    let page = ("origin", PAGE);
    let all = [header, subprotocol, cookie, page];
    for (target, headers, expect) in [
        (target.as_str(), &all[..], "header"),
        (target.as_str(), &all[1..], "subprotocol"),
        (target.as_str(), &all[2..], "query"),
        (PATH, &all[2..], "cookie"),
    ] {
        let mut peer = house.connect(target, headers).await;
        let connected = peer.next().await;
        assert_eq!(connected["type"], "connected");
        assert_eq!(connected["userId"], expect);
    }
}

#[tokio::test(start_paused = true)]
async fn section_4_5_a_bad_token_is_not_made_good_by_a_good_one_in_a_later_place() {
    let house = house_with_cookies();
    let (bad, good) = (house.forged("ada"), house.token("ada"));
    let target = format!("{PATH}?token={good}");
    let in_header = format!("Bearer {bad}");
    let in_subprotocol = format!("ws-gateway.v1, bearer.{bad}");
    for header in
        [("authorization", in_header.as_str()), ("sec-websocket-protocol", &in_subprotocol)]
    {
        let refusal = house.refuse(&target, &[header]).await;
        assert_eq!(refusal.status, 401, "{}", header.0);
    }
}

#[tokio::test(start_paused = true)]
async fn section_4_5_of_the_subprotocols_only_ours_is_echoed_and_never_the_token() {
    let house = House::open(|_| {});
    for offered in [
        format!("ws-gateway.v1, bearer.{}", house.token("ada")),
        format!("bearer.{}, ws-gateway.v1", house.token("ada")),
        format!("graphql-ws, bearer.{},ws-gateway.v1", house.token("ada")),
    ] {
        let mut peer = house.connect(PATH, &[("sec-websocket-protocol", &offered)]).await;
        let echoed: Vec<_> =
            peer.response.headers().get_all("sec-websocket-protocol").iter().collect();
        assert_eq!(echoed, ["ws-gateway.v1"]);
        assert_eq!(peer.next().await["userId"], "ada");
    }
    let alone = format!("bearer.{}", house.token("ada"));
    let refusal = house.refuse(PATH, &[("sec-websocket-protocol", &alone)]).await;
    assert_eq!((refusal.status, &refusal.body["error"]), (401, &json!("Invalid token")));
}

#[tokio::test(start_paused = true)]
async fn section_4_5_cookies_are_not_looked_at_unless_one_is_named() {
    let house = House::open(|_| {});
    for token in [house.token("ada"), house.forged("ada")] {
        let mut peer = house.connect(PATH, &[("cookie", &format!("{COOKIE}={token}"))]).await;
        let connected = peer.next().await;
        assert_eq!((&connected["type"], &connected["userId"]), (&json!("connected"), &json!(null)));
    }
}

#[tokio::test(start_paused = true)]
async fn section_4_5_a_cookie_is_no_use_to_a_page_that_is_not_on_the_list() {
    let house = house_with_cookies();
    let cookie = format!("{COOKIE}={}", house.token("ada"));
    for origin in ["https://evil.example", "http://app.example", "https://app.example.evil", "null"]
    {
        let refusal = house.refuse(PATH, &[("cookie", &cookie), ("origin", origin)]).await;
        assert_eq!(refusal.status, 403, "{origin}");
        let expect = json!({ "error": "Origin not allowed", "code": "origin_not_allowed" });
        assert_eq!(refusal.body, expect);
    }
    let two = [("cookie", cookie.as_str()), ("origin", PAGE), ("origin", "https://evil.example")];
    assert_eq!(house.refuse(PATH, &two).await.status, 403);
    assert_eq!(house.connect(PATH, &two[..2]).await.next().await["userId"], "ada");
}

#[tokio::test(start_paused = true)]
async fn section_4_5_a_bad_token_is_answered_401_with_its_reason_in_whatever_place_and_mode() {
    for auth_mode in [AuthMode::default(), AuthMode::Upgrade] {
        let house = House::open(|config| config.policy.auth_mode = auth_mode);
        let expired = house.token_for("ada", 10);
        tokio::time::sleep(Duration::from_secs(15)).await;
        for (token, reason) in [
            (house.forged("ada"), "Invalid token"),
            ("not.a.token".to_owned(), "Invalid token"),
            ("%20".to_owned(), "Invalid token"),
            (String::new(), "Invalid token"),
            (expired, "Token expired"),
        ] {
            let header = format!("Bearer {token}");
            let subprotocol = format!("ws-gateway.v1, bearer.{token}");
            let in_query = format!("{PATH}?token={token}");
            for refusal in [
                house.refuse(PATH, &[("authorization", &header)]).await,
                house.refuse(PATH, &[("sec-websocket-protocol", &subprotocol)]).await,
                house.refuse(&in_query, &[]).await,
            ] {
                assert_eq!(refusal.status, 401);
                assert_eq!(refusal.body, json!({ "error": reason, "code": "invalid_token" }));
                let challenge = format!(
                    "www-authenticate: bearer error=\"invalid_token\", error_description=\"{reason}\""
                );
                assert!(refusal.head.contains(&challenge.to_lowercase()), "{}", refusal.head);
                assert!(refusal.head.contains("content-type: application/json"));
            }
        }
        house.emptied().await;
        assert!(house.handler.application().notes.lock().connected.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn section_4_5_upgrade_mode_answers_401_to_whoever_has_no_token() {
    let house = House::open(|config| config.policy.auth_mode = AuthMode::Upgrade);
    for headers in [&[][..], &[("authorization", "Basic YWRhOnNlY3JldA==")]] {
        let refusal = house.refuse(PATH, headers).await;
        assert_eq!(refusal.status, 401);
        let expect = json!({ "error": "Authentication required", "code": "unauthorized" });
        assert_eq!(refusal.body, expect);
        assert!(refusal.head.contains("www-authenticate: bearer\r\n"), "{}", refusal.head);
    }
    assert_eq!(house.visit("ada").await.ask("hello").await["payload"], "hello");
}

#[tokio::test(start_paused = true)]
async fn section_4_5_mode_none_serves_whoever_comes_and_asks_for_nothing() {
    let house = House::open(|config| config.policy.auth_mode = AuthMode::None);
    let mut peer = house.connect(PATH, &[]).await;
    assert_eq!(peer.next().await["userId"], json!(null));
    assert_eq!(peer.ask("hello").await["payload"], "hello");
    peer.send(json!({ "type": "auth", "token": house.token("ada"), "id": 1 })).await;
    let answer = peer.next().await;
    assert_eq!((&answer["code"], &answer["id"]), (&json!("unsupported"), &json!(1)));
    assert_eq!(peer.ask("still here").await["payload"], "still here");
}

#[tokio::test(start_paused = true)]
async fn section_4_5_the_upgrade_is_not_refused_for_a_query_that_only_looks_like_a_token() {
    let house = House::open(|_| {});
    for query in ["?tokens=x", "?Token=x", "?access_token=x", "?a=token", "?"] {
        let mut peer = house.connect(&format!("{PATH}{query}"), &[]).await;
        assert_eq!(peer.next().await["type"], "connected", "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn section_4_5_a_token_for_another_audience_or_not_yet_valid_is_an_invalid_token() {
    let house = House::open(|_| {});
    let later = TokenRequest::new("ada").claim("nbf", crate::house::OPENING + 60);
    let elsewhere = TokenRequest::new("ada").claim("aud", "another service");
    for request in [later, elsewhere] {
        let refusal = house.refuse(&format!("{PATH}?token={}", house.mint(&request)), &[]).await;
        assert_eq!((refusal.status, &refusal.body["error"]), (401, &json!("Invalid token")));
    }
}

#[tokio::test]
async fn section_4_5_keys_that_cannot_be_fetched_are_our_fault_and_answered_503() {
    // A port that nobody listens on any more.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/jwks.json", listener.local_addr().expect("bound"));
    drop(listener);
    let issuer = Issuer::new("remote").jwks_url(url);
    let authenticator = Authenticator::builder().issuer(issuer).build().expect("sound");
    let house = House::with_authenticator(authenticator, |_| {});
    let token = crate::keys::Signer::new("key-1").token("ada");
    let refusal = house.refuse(&format!("{PATH}?token={token}"), &[]).await;
    assert_eq!(refusal.status, 503);
    assert_eq!(refusal.body["code"], "keys_unavailable");
    assert_eq!(refusal.body["error"], "The token cannot be verified now");
    assert!(refusal.head.contains("retry-after: 1\r\n"), "{}", refusal.head);
}
