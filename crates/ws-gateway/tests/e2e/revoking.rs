//! Tokens that a back-end takes back, from outside.

use serde_json::{Value, json};
use ws_auth::TokenRequest;
use ws_broker::MemoryCluster;

use crate::{
    back_end::KEY,
    client::Client,
    exchange::{fetch, get, upgrade},
    house::House,
};

const REVOCABLE: (&str, &str) = ("API_KEY", KEY);

async fn refused(house: &House, token: &str) -> Value {
    let response = fetch(house.address, upgrade(&format!("/ws?token={token}"), "")).await;
    assert_eq!(response.status, 401, "{response:?}");
    response.json()["error"].clone()
}

async fn visit_with(house: &House, token: &str) -> Client {
    let mut client = Client::connect(house.address, &format!("/ws?token={token}")).await;
    assert_eq!(client.next().await["type"], "connected");
    client
}

async fn check_turned_out(mut client: Client) {
    assert_eq!(client.next().await["code"], "token_revoked");
    assert_eq!(client.closed().await, (3000, "Token revoked".to_owned()));
}

#[tokio::test]
async fn a_users_tokens_are_taken_back_on_every_gateway_and_a_fresh_one_is_good() {
    let cluster = MemoryCluster::new();
    let [a, b] = std::array::from_fn(|_| House::open_beside(cluster.node(), &[REVOCABLE], ""));
    let token = a.token("ada");
    let (ada, elsewhere) = (visit_with(&a, &token).await, visit_with(&b, &token).await);
    let mut bob = b.visit("bob").await;
    let said = a.order("/api/tokens/revoke", json!({ "sub": "ada" })).await;
    assert_eq!((&said["sub"], &said["disconnected"]), (&json!("ada"), &json!(1)), "{said}");
    check_turned_out(ada).await;
    check_turned_out(elsewhere).await;
    for house in [&a, &b] {
        assert_eq!(refused(house, &token).await, "Token revoked");
        house.visit("ada").await;
        let metrics = get(house.address, "/metrics").await.body;
        assert!(metrics.contains("ws_tokens_revoked 1\n"), "{metrics}");
    }
    bob.has_heard_all().await;
    let listed = b.look("/api/tokens/revocations").await.json();
    assert_eq!((&listed["count"], &listed["revocations"][0]["sub"]), (&json!(1), &json!("ada")));
}

#[tokio::test]
async fn one_token_is_taken_back_by_its_id_and_everybodys_by_an_instant() {
    let house = House::open(&[REVOCABLE]);
    let token = house.mint(&TokenRequest::new("ada").claim("jti", "t-1"));
    let ada = visit_with(&house, &token).await;
    let mut other = house.visit("ada").await;
    house.order("/api/tokens/revoke", json!({ "jti": "t-1" })).await;
    check_turned_out(ada).await;
    other.has_heard_all().await;
    let hour = 3_600_000;
    let now = house.handler.clock().wall_ms(tokio::time::Instant::now().into_std());
    let old = json!({ "issuedBefore": now - hour });
    assert_eq!(house.order("/api/tokens/revoke", old).await["disconnected"], 0);
    other.has_heard_all().await;
    let second = json!({ "issuedBefore": now.div_ceil(1000) * 1000 });
    house.order("/api/tokens/revoke", second).await;
    check_turned_out(other).await;
}

#[tokio::test]
async fn what_cannot_be_revoked_is_said_in_a_sentence() {
    let house = House::open(&[REVOCABLE, ("REVOCATIONS_MAX", "1")]);
    let long = "x".repeat(513);
    for (body, status, expect) in [
        (json!({}), 422, "jti is missing: the token's id; or sub, the user; or issuedBefore"),
        (json!({ "jti": "a", "sub": "b" }), 422, "it means one token"),
        (json!({ "jti": "" }), 422, "1 to 512 bytes"),
        (json!({ "sub": long }), 422, "1 to 512 bytes"),
        (json!({ "sub": 5 }), 422, "a string is expected"),
        (json!({ "sub": "a\u{9b}31m" }), 422, "has a control character in it"),
        // Everybody's would be meant otherwise.
        (
            json!({ "user": "ada", "issuedBefore": 1_700_000_000_000_u64 }),
            422,
            "user: not known here",
        ),
        (json!({ "issuedBefore": 1_700_000_000 }), 422, "this looks like seconds"),
        (json!({ "issuedBefore": 9_000_000_000_000_u64 }), 422, "what is not issued yet"),
        (json!({ "jti": "a", "expiresAt": 1_000_000_000_000_u64 }), 422, "the token is over"),
        (json!({ "jti": "a", "expiresAt": 9_000_000_000_000_u64 }), 422, "for 30 days at most"),
        (json!({ "jti": "a" }), 200, ""),
        (json!({ "jti": "b" }), 503, "it is full"),
    ] {
        let answer = house.post("/api/tokens/revoke", body.clone()).await;
        assert_eq!(answer.status, status, "{body} {answer:?}");
        assert!(answer.body.contains(expect), "{body} {answer:?}");
    }
}

#[tokio::test]
async fn a_token_that_lives_longer_than_is_remembered_is_refused() {
    let house = House::open(&[REVOCABLE, ("TOKEN_LIFETIME_MAX", "30m")]);
    // The house's tokens are good for an hour.
    assert_eq!(refused(&house, &house.token("ada")).await, "Invalid token");
    let half = TokenRequest::new("ada").ttl(std::time::Duration::from_secs(1800));
    visit_with(&house, &house.mint(&half)).await;
    let refused = house.handler.authenticator().stats().refused_with("lives_too_long");
    assert_eq!(refused, 1);
    // As long as that, and as clocks may differ at both ends.
    let long = json!({ "jti": "a", "expiresAt": 9_000_000_000_000_u64 });
    let answer = house.post("/api/tokens/revoke", long).await;
    assert!(answer.body.contains("for 50m at most"), "{answer:?}");
}

#[tokio::test]
async fn keys_can_be_guessed_ten_times_a_minute_and_no_oftener() {
    let house = House::open(&[
        REVOCABLE,
        ("ADMIN_KEY", "the-admin-key-of-this-test"),
        ("TRUSTED_PROXIES", "127.0.0.1"),
    ]);
    for path in ["/api/connections", "/metrics", "/stats"] {
        let ask = async |key: &str, from: &str| {
            let head = format!(
                "GET {path} HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\
                 X-Forwarded-For: {from}\r\nAuthorization: Bearer {key}\r\n\r\n"
            );
            fetch(house.address, head).await
        };
        let right = if path == "/api/connections" { KEY } else { "the-admin-key-of-this-test" };
        let guesser = format!("203.0.113.{}", path.len());
        for n in 0..10 {
            assert_eq!(ask(&format!("guess-{n}"), &guesser).await.status, 401, "{path} {n}");
        }
        let limited = ask("another", &guesser).await;
        assert_eq!((limited.status, &limited.json()["code"]), (429, &json!("rate_limited")));
        let wait: u64 = limited.header("retry-after").and_then(|it| it.parse().ok()).expect("said");
        assert!((1..=6).contains(&wait), "{wait}");
        // Nor is it said that this one would have been right.
        assert_eq!(ask(right, &guesser).await.status, 429, "{path}");
        // Whoever has it and comes from elsewhere is served, however often.
        for _ in 0..20 {
            assert_eq!(ask(right, "198.51.100.7").await.status, 200, "{path}");
        }
    }
    // Who sends none guesses nothing.
    for _ in 0..20 {
        assert_eq!(get(house.address, "/metrics").await.status, 401);
    }
}
