//! DESIGN §6: the HTTP beside the WebSockets.

use serde_json::{Value, json};

use crate::{
    exchange::{Exchange, fetch, get, upgrade},
    house::House,
};

const HEALTH: &str = "GET /health HTTP/1.1\r\nHost: gateway.test\r\n\r\n";

fn names(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[tokio::test]
async fn section_6_health_has_the_fields_of_the_design_and_no_other() {
    let house = House::open(&[]);
    let response = get(house.address, "/health").await;
    assert_eq!(response.status, 200);
    assert_eq!(response.header("cache-control"), Some("no-store"));
    let expect = json!({
        "status": "ok", "connections": 0, "online_users": 0, "broker": "ok",
        "healthyConnections": 0, "unhealthyConnections": 0, "averageLatency": null,
    });
    assert_eq!(response.json(), expect);

    let clients = [house.visit("ada").await, house.visit("ada").await, house.visit("bob").await];
    let health = get(house.address, "/health").await.json();
    assert_eq!(names(&health), names(&expect));
    let [connections, users] = [&health["connections"], &health["online_users"]];
    assert_eq!((connections, users), (&json!(3), &json!(2)));
    assert_eq!(health["healthyConnections"], 3);
    for client in clients {
        client.leave().await;
    }
    house.emptied().await;
    assert_eq!(get(house.address, "/health").await.json(), expect);
}

#[tokio::test]
async fn section_6_health_tells_the_average_latency_in_milliseconds_and_who_is_unhealthy() {
    let house = House::open(&[("PING_INTERVAL", "60"), ("PONG_TIMEOUT", "200")]);
    let mut client = house.visit("ada").await;
    let mut mute = Exchange::open(house.address).await;
    mute.send(upgrade(&format!("/ws?token={}", house.token("bob")), "")).await;
    assert_eq!(mute.response().await.status, 101);
    // Pings are answered while the client is read.
    let reading = tokio::spawn(async move { client.next_message().await });
    house
        .until("one has missed a pong", |house| {
            house.handler.check_connection_health().unhealthy_connections == 1
        })
        .await;
    let health = get(house.address, "/health").await.json();
    assert_eq!(
        (&health["healthyConnections"], &health["unhealthyConnections"]),
        (&json!(1), &json!(1))
    );
    let latency = health["averageLatency"].as_f64().expect("measured");
    assert!(latency > 0.0 && latency < 200.0, "{latency} ms");
    reading.abort();
}

#[tokio::test]
async fn section_6_stats_count_connections_users_rooms_and_each_component() {
    let house = House::open(&[("CONNECTION_RATE_LIMIT", "100")]);
    let mut client = house.visit("ada").await;
    assert_eq!(client.ask(json!("x".repeat(4000))).await["type"], "response");
    let stats = get(house.address, "/stats").await.json();
    let numbers = [&stats["total_connections"], &stats["online_users"], &stats["total_rooms"]];
    assert_eq!(numbers, [&json!(1), &json!(1), &json!(0)]);
    assert_eq!(stats["channels"]["subscriptions"], 0);
    client.subscribe("orders").await;
    client.send(json!({ "type": "join_room", "payload": { "room_id": "r" } })).await;
    assert_eq!(client.next().await["type"], "user_joined");
    let channels = get(house.address, "/stats").await.json();
    assert_eq!(channels["total_rooms"], 1, "a channel is no room: {channels}");
    let channels = &channels["channels"];
    let counted = [&channels["channels"], &channels["subscriptions"]];
    assert_eq!(counted, [&json!(2), &json!(2)]);
    assert_eq!(stats["messages"], json!({ "request": 1 }));
    assert_eq!(stats["compression"]["compressed_messages"], 1);
    assert_eq!(stats["frame_sizes"]["messages"], 1);
    assert_eq!(stats["rate_limits"]["messages"]["allowed"], 1);
    assert_eq!(stats["rate_limits"]["connects"]["allowed"], 1);
    assert_eq!(stats["auth"]["verified"], 1);
    for component in ["traffic", "errors", "rejections", "ends", "heartbeat"] {
        assert!(stats[component].is_object(), "{component}: {stats}");
    }
}

#[tokio::test]
async fn an_admin_key_closes_stats_and_metrics_and_nothing_else() {
    let house = House::open(&[("ADMIN_KEY", "correct horse battery staple")]);
    for path in ["/stats", "/metrics"] {
        let with = |authorization: &str| {
            fetch(
                house.address,
                format!("GET {path} HTTP/1.1\r\nHost: g\r\nAuthorization: {authorization}\r\n\r\n"),
            )
        };
        let refused = get(house.address, path).await;
        assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some("bearer")));
        assert_eq!(refused.json()["code"], "unauthorized");
        for wrong in [
            "Bearer",
            "Bearer ",
            "Bearer correct",
            "Bearer correct horse battery stapl",
            "Bearer correct horse battery staple!",
            "correct horse battery staple",
            "Basic correct horse battery staple",
        ] {
            assert_eq!(with(wrong).await.status, 401, "{wrong}");
        }
        assert_eq!(with("Bearer correct horse battery staple").await.status, 200);
        let in_query = get(house.address, &format!("{path}?key=correct")).await;
        assert_eq!(in_query.status, 401);
    }
    for path in ["/health", "/ready"] {
        assert_eq!(get(house.address, path).await.status, 200);
    }
    house.visit("ada").await;
}

#[tokio::test]
async fn a_connection_is_kept_and_pipelined_requests_are_answered_in_order() {
    let house = House::open(&[]);
    let mut exchange = Exchange::open(house.address).await;
    for _ in 0..3 {
        exchange.send(HEALTH).await;
        assert_eq!(exchange.response().await.status, 200);
    }
    let missing = "GET /nowhere HTTP/1.1\r\nHost: g\r\n\r\n";
    let ready = "GET /ready HTTP/1.1\r\nHost: g\r\n\r\n";
    exchange.send([HEALTH, missing, ready].concat()).await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(exchange.response().await.status);
    }
    assert_eq!(statuses, [200, 404, 200]);
    exchange.send("GET /ready HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n").await;
    assert_eq!(exchange.response().await.json(), json!({ "status": "ready" }));
    assert!(exchange.is_over().await);
}

#[tokio::test]
async fn an_upgrade_is_granted_on_a_connection_that_carried_http_before() {
    let house = House::open(&[]);
    let mut exchange = Exchange::open(house.address).await;
    exchange.send(HEALTH).await;
    assert_eq!(exchange.response().await.status, 200);
    let token = house.token("ada");
    // The first frame right behind the request: a masked ping without a payload.
    let mut bytes = upgrade(&format!("/ws?token={token}"), "").into_bytes();
    bytes.extend_from_slice(&[0x89, 0x80, 1, 2, 3, 4]);
    exchange.send(bytes).await;
    let response = exchange.response().await;
    assert_eq!(response.status, 101, "{response:?}");
    assert_eq!(response.header("sec-websocket-accept"), Some("s3pplmbitxaq9kygzzhzrbk+xoo="));
    let (first, greeting) = exchange.frame().await;
    assert!(first == 0x81 && greeting.starts_with(br#"{"type":"connected""#), "{greeting:?}");
    assert_eq!(exchange.frame().await, (0x8a, Vec::new()), "the pong");
    assert_eq!(house.handler.connections_by_user_id("ada").len(), 1);

    let mut refused = Exchange::open(house.address).await;
    refused.send(HEALTH).await;
    assert_eq!(refused.response().await.status, 200);
    refused.send(upgrade("/ws?token=bad", "")).await;
    let response = refused.response().await;
    assert_eq!((response.status, &response.json()["error"]), (401, &json!("Invalid token")));
    assert!(refused.is_over().await);
}

#[tokio::test]
async fn frames_that_come_in_one_segment_with_the_upgrade_are_served() {
    let house = House::open(&[]);
    let mut exchange = Exchange::open(house.address).await;
    let mut bytes = upgrade(&format!("/ws?token={}", house.token("ada")), "").into_bytes();
    bytes.extend_from_slice(&[0x89, 0x82, 0, 0, 0, 0, b'h', b'i']);
    exchange.send(bytes).await;
    assert_eq!(exchange.response().await.status, 101);
    assert_eq!(exchange.frame().await.0, 0x81);
    assert_eq!(exchange.frame().await, (0x8a, b"hi".to_vec()));
}

#[tokio::test]
async fn head_is_answered_like_get_without_the_body() {
    let house = House::open(&[]);
    for path in ["/health", "/ready", "/stats", "/metrics"] {
        let mut exchange = Exchange::open(house.address).await;
        exchange.send(format!("HEAD {path} HTTP/1.1\r\nHost: g\r\n\r\n")).await;
        let response = exchange.response_to("HEAD").await.expect("a response");
        assert_eq!(response.status, 200);
        let length = response.header("content-length").and_then(|it| it.parse::<usize>().ok());
        assert!(length > Some(10), "{response:?}");
        // Had there been a body, it would stand before the next response.
        exchange.send(HEALTH).await;
        assert_eq!(exchange.response().await.status, 200);
    }
}

#[tokio::test]
async fn what_is_not_there_is_answered_with_a_sentence_and_so_is_a_wrong_method() {
    let house = House::open(&[]);
    let missing = get(house.address, "/chat").await;
    assert_eq!((missing.status, &missing.json()["code"]), (404, &json!("not_found")));
    let sentence = missing.json()["error"].to_string();
    assert!(sentence.contains("WebSockets are at /ws"), "{sentence}");
    let plain = get(house.address, "/ws").await;
    assert_eq!((plain.status, plain.header("upgrade")), (426, Some("websocket")));
    assert_eq!(plain.json()["code"], "upgrade_required");
    for method in ["POST", "DELETE", "OPTIONS", "BREW"] {
        let request = format!("{method} /health HTTP/1.1\r\nHost: g\r\nContent-Length: 0\r\n\r\n");
        let response = fetch(house.address, request).await;
        assert_eq!(
            (response.status, response.header("allow")),
            (405, Some("get,head")),
            "{method}"
        );
    }
}
