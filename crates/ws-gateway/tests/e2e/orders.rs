//! DESIGN §6: what back-ends have done over HTTP.

use serde_json::{Value, json};

use crate::{
    back_end::KEY,
    client::Client,
    exchange::{Exchange, fetch, get},
    house::House,
};

/// Every route with a body that is right.
fn routes() -> [(&'static str, Value); 4] {
    [
        ("/api/publish", json!({ "channel": "orders", "data": 1 })),
        ("/api/broadcast", json!({ "data": 1 })),
        ("/api/users/ada/send", json!({ "data": 1 })),
        ("/api/users/ada/disconnect", json!({})),
    ]
}

const LOOKS: [&str; 3] = ["/api/channels", "/api/channels/orders/presence", "/api/connections"];

#[tokio::test]
async fn section_6_a_publish_of_a_back_end_reaches_all_who_are_subscribed_and_nobody_else() {
    let house = House::with_api(&[]);
    let [mut ada, mut bob] = [house.visit("ada").await, house.visit("bob").await];
    ada.subscribe("orders").await;
    let body = json!({ "channel": "orders", "event": "filled", "data": { "n": [1, null] },
                       "eventId": "e-1", "unknown": true });
    let answer = house.order("/api/publish", body.clone()).await;
    assert_eq!(answer, json!({ "receivers": 1, "duplicate": false }));
    let expect = json!({ "type": "message", "channel": "orders", "event": "filled",
                         "data": { "n": [1, null] }, "eventId": "e-1" });
    assert_eq!(ada.next_untimed().await, expect);

    // The same event again is none.
    let again = house.order("/api/publish", body).await;
    assert_eq!(again, json!({ "receivers": 0, "duplicate": true }));
    let nobody = json!({ "channel": "empty", "data": null });
    let answer = house.order("/api/publish", nobody).await;
    assert_eq!(answer, json!({ "receivers": 0, "duplicate": false }));
    ada.has_heard_all().await;
    bob.has_heard_all().await;
}

#[tokio::test]
async fn data_is_carried_as_it_was_written() {
    let house = House::with_api(&[]);
    let mut ada = house.visit("ada").await;
    ada.subscribe("orders").await;
    let data = r#"{ "price":1.50, "price":2e400, "name":"\u00fc\ud800",  "deep":[[[]]] }"#;
    let body = format!("{{\"data\" : {data} ,\"channel\":\"orders\"}}");
    assert_eq!(house.post_text("/api/publish", &body).await.status, 200);
    let message = ada.next_message().await.expect("a message").into_text().expect("text");
    assert!(message.contains(&format!("\"data\":{data},")), "{message}");
}

#[tokio::test]
async fn rules_are_for_clients_and_a_back_end_is_not_asked_for_permission() {
    let file = "[[channels]]\npattern = \"news\"\nsubscribe = true\n";
    let house = House::with_api_and_file(&[], file);
    let mut ada = house.visit("ada").await;
    ada.subscribe("news").await;
    ada.send(json!({ "type": "publish", "channel": "news", "data": 1 })).await;
    assert_eq!(ada.next().await["code"], "forbidden");
    let news = json!({ "channel": "news", "event": "flood", "data": 2 });
    assert_eq!(house.order("/api/publish", news).await["receivers"], 1);
    assert_eq!(ada.next().await["data"], 2);
}

#[tokio::test]
async fn section_6_a_broadcast_reaches_everybody_who_was_let_in() {
    let house = House::with_api(&[]);
    let mut clients =
        [house.visit("ada").await, house.visit("ada").await, house.visit("bob").await];
    let mut stranger = Client::connect(house.address, "/ws").await;
    assert_eq!(stranger.next().await["type"], "connected");
    let body = json!({ "event": "maintenance", "data": "in 5 minutes" });
    assert_eq!(house.order("/api/broadcast", body).await, json!({ "receivers": 3 }));
    for client in &mut clients {
        let expect = json!({ "type": "message", "event": "maintenance", "data": "in 5 minutes" });
        assert_eq!(client.next_untimed().await, expect);
    }
    stranger.has_heard_all().await;
}

#[tokio::test]
async fn section_6_what_is_sent_to_a_user_reaches_all_its_connections_and_nobody_else() {
    let house = House::with_api(&[]);
    let mut ada = [house.visit("ada").await, house.visit("ada").await];
    let mut bob = house.visit("bob").await;
    let answer = house.order("/api/users/ada/send", json!({ "data": { "n": 1 } })).await;
    assert_eq!(answer, json!({ "receivers": 2 }));
    for client in &mut ada {
        let mut message = client.next_untimed().await;
        let id = message.as_object_mut().and_then(|fields| fields.remove("messageId"));
        assert!(id.is_some_and(|id| id.is_string()), "{message}");
        assert_eq!(message, json!({ "type": "message", "data": { "n": 1 } }));
    }
    bob.has_heard_all().await;
    let away = house.order("/api/users/eve/send", json!({ "data": 1 })).await;
    assert_eq!(away, json!({ "receivers": 0, "kept": true }));
    let mut eve = house.visit("eve").await;
    assert_eq!(eve.next().await["data"], json!(1));
    let house = House::with_api(&[("INBOX_ENABLED", "off")]);
    let nobody = house.order("/api/users/nobody/send", json!({ "data": 1 })).await;
    assert_eq!(nobody, json!({ "receivers": 0 }));
}

#[tokio::test]
async fn the_id_of_a_user_in_a_path_is_percent_decoded() {
    let house = House::with_api(&[]);
    for (user, spelled) in [
        ("a b", "a%20b"),
        ("a/b", "a%2Fb"),
        ("auth0|ü%", "auth0%7C%C3%BC%25"),
        ("a+b", "a+b"),
        ("a?b#c", "a%3fb%23c"),
    ] {
        let mut client = house.visit(user).await;
        let target = format!("/api/users/{spelled}/send");
        assert_eq!(house.order(&target, json!({ "data": user })).await["receivers"], 1, "{user}");
        assert_eq!(client.next().await["data"], user);
        client.leave().await;
    }
    let response = house.post("/api/users/%ff/send", json!({ "data": 1 })).await;
    assert_eq!((response.status, &response.json()["code"]), (422, &json!("invalid_field")));
}

#[tokio::test]
async fn section_6_a_user_is_disconnected_with_the_code_and_the_reason_that_are_given() {
    let house = House::with_api(&[]);
    for (body, code, reason) in [
        (json!({}), 1008, "Disconnected by the server"),
        (json!({ "code": null, "reason": null }), 1008, "Disconnected by the server"),
        (json!({ "code": 4001, "reason": "banned" }), 4001, "banned"),
        (json!({ "code": 1000, "reason": "" }), 1000, ""),
        (
            json!({ "reason": format!("x{}", "ü".repeat(100)) }),
            1008,
            &format!("x{}", "ü".repeat(61)),
        ),
    ] {
        let mut ada = [house.visit("ada").await, house.visit("ada").await];
        let mut bob = house.visit("bob").await;
        let answer = house.order("/api/users/ada/disconnect", body).await;
        assert_eq!(answer, json!({ "disconnected": 2 }));
        for client in &mut ada {
            assert_eq!(client.closed().await, (code, reason.to_owned()));
        }
        bob.has_heard_all().await;
        bob.leave().await;
        drop(ada);
        house.emptied().await;
    }
    // No body at all, as `curl -X POST` sends it.
    let head = "POST /api/users/ada/disconnect HTTP/1.1\r\nHost: g\r\n";
    let response = fetch(
        house.address,
        format!("{head}Authorization: Bearer {KEY}\r\nContent-Length: 0\r\n\r\n"),
    )
    .await;
    assert_eq!((response.status, response.json()), (200, json!({ "disconnected": 0 })));
}

#[tokio::test]
async fn section_6_without_a_key_there_is_no_api_and_it_is_said_why() {
    let house = House::open(&[]);
    for (route, body) in routes() {
        let response = house.post(route, body).await;
        assert_eq!((response.status, &response.json()["code"]), (404, &json!("not_found")));
        let sentence = "There is no API here: API_KEY is not set";
        assert_eq!(response.json()["error"], sentence);
    }
    for route in LOOKS.into_iter().chain(["/api", "/api/", "/api/nothing"]) {
        assert_eq!(house.look(route).await.status, 404, "{route}");
    }
}

#[tokio::test]
async fn section_6_a_request_without_the_key_is_refused_whatever_else_it_is() {
    let settings = [("ADMIN_KEY", "another-key-of-many-bytes"), ("TRUSTED_PROXIES", "127.0.0.1")];
    let house = House::with_api(&settings);
    let mut ada = house.visit("ada").await;
    // Guesses are limited by address: each comes from another one.
    let mut guesses = 0..;
    let mut from_elsewhere = || {
        let number: u32 = guesses.next().expect("there are enough");
        format!("X-Forwarded-For: 203.0.{}.{}\r\n", number / 250, number % 250 + 1)
    };
    let posts = routes().map(|(route, body)| format!("POST {route}|{body}"));
    let gets = LOOKS.map(|route| format!("GET {route}|"));
    let others = ["GET /api|", "PUT /api/publish|{}", "POST /api/nothing|{", "GET /api/x/y/z|"];
    for request in posts.iter().chain(&gets).map(String::as_str).chain(others) {
        let (line, body) = request.split_once('|').expect("two parts");
        for authorization in [
            String::new(),
            "Authorization: Bearer\r\n".to_owned(),
            "Authorization: Bearer \r\n".to_owned(),
            format!("Authorization: Bearer {}\r\n", &KEY[..KEY.len() - 1]),
            format!("Authorization: Bearer {KEY}!\r\n"),
            format!("Authorization: {KEY}\r\n"),
            format!("Authorization: Basic {KEY}\r\n"),
            "Authorization: Bearer another-key-of-many-bytes\r\n".to_owned(),
            format!("X-Api-Key: {KEY}\r\n"),
        ] {
            let length = body.len();
            let request = format!(
                "{line} HTTP/1.1\r\nHost: g\r\n{authorization}{}Content-Type: application/json\r\n\
                 Content-Length: {length}\r\n\r\n{body}",
                from_elsewhere()
            );
            let response = fetch(house.address, request).await;
            assert_eq!(response.status, 401, "{line} {authorization}");
            assert_eq!(response.header("www-authenticate"), Some("bearer"));
            let expect = json!({ "code": "unauthorized", "error": "The API key is required" });
            assert_eq!(response.json(), expect);
        }
    }
    let in_query = get(house.address, &format!("/api/channels?key={KEY}")).await;
    assert_eq!(in_query.status, 401);
    ada.has_heard_all().await;
}

/// A route, a body, the status and the code of the answer, and a part of its sentence.
const FAULTS: &str = r#"
publish | [] | 400 bad_json | not one JSON object
publish | {"channel":"orders","data":1 | 400 bad_json | line 1 column 28
publish | {"channel":"orders","data":1}} | 400 bad_json | trailing characters
publish | {"data":1} | 422 missing_field | channel is missing: a string
publish | {"channel":null,"data":1} | 422 missing_field | channel is missing: a string
publish | {"channel":"orders"} | 422 missing_field | data is missing: any JSON
publish | {"channel":7,"data":1} | 422 invalid_field | channel: a string is expected
publish | {"channel":"","data":1} | 422 invalid_field | channel: a channel's name must not be empty
publish | {"channel":"a b","data":1} | 422 invalid_field | ' ' (at byte 1)
publish | {"channel":"chat:*","data":1} | 422 invalid_field | '*' (at byte 5)
publish | {"channel":"$presence:a","data":1} | 422 invalid_field | channel: what begins with $
publish | {"channel":"orders","data":1,"event":7} | 422 invalid_field | event: a string
publish | {"channel":"orders","data":1,"event":"\ud800"} | 422 invalid_field | event: a string
publish | {"channel":"orders","data":1,"eventId":7} | 422 invalid_field | eventId: a string
publish | {"channel":"orders","data":1,"data":2} | 422 invalid_field | data: given twice
broadcast | {} | 422 missing_field | data is missing
broadcast | {"data":1,"event":[]} | 422 invalid_field | event: a string
users/ada/send | {} | 422 missing_field | data is missing
users/ada/send | x | 400 bad_json | not one JSON object
users/ada/disconnect | {"code":"1008"} | 422 invalid_field | code: a close code is expected
users/ada/disconnect | {"code":70000} | 422 invalid_field | code: a close code is expected
users/ada/disconnect | {"code":-1} | 422 invalid_field | code: a close code is expected
users/ada/disconnect | {"code":999} | 422 invalid_field | code: close code 999 must not be sent
users/ada/disconnect | {"code":1005} | 422 invalid_field | code: close code 1005 must not be sent
users/ada/disconnect | {"code":1006} | 422 invalid_field | code: close code 1006 must not be sent
users/ada/disconnect | {"code":1010} | 422 invalid_field | only a client may
users/ada/disconnect | {"code":1015} | 422 invalid_field | code: close code 1015 must not be sent
users/ada/disconnect | {"code":2999} | 422 invalid_field | it means nothing
users/ada/disconnect | {"reason":1} | 422 invalid_field | reason: a string is expected
nothing | {} | 404 not_found | no such route
"#;

#[tokio::test]
async fn section_6_each_fault_of_a_body_is_told_with_its_field() {
    let house = House::with_api(&[("MAX_FRAME_SIZE", "2KiB")]);
    let mut ada = house.visit("ada").await;
    ada.subscribe("orders").await;
    let refused = async |route: &str, body: &[u8], expect: &str, sentence: &str| {
        let response = house.post_text(&format!("/api/{route}"), body).await;
        let told = response.json();
        let (code, error) = (told["code"].as_str(), told["error"].as_str().expect("a sentence"));
        let body = String::from_utf8_lossy(body);
        let answer = format!("{} {}", response.status, code.expect("a code"));
        assert_eq!(answer, expect, "{route} {body}");
        assert!(error.contains(sentence), "{route} {body}: {error}");
        assert_eq!(told.as_object().map(serde_json::Map::len), Some(2));
    };
    for line in FAULTS.trim().lines() {
        let parts: Vec<_> = line.split(" | ").collect();
        let [route, body, expect, sentence] = parts[..] else { panic!("{line}") };
        refused(route, body.as_bytes(), expect, sentence).await;
    }
    let deep = format!(r#"{{"channel":"orders","data":{}{}}}"#, "[".repeat(127), "]".repeat(127));
    refused("publish", deep.as_bytes(), "400 bad_json", "deeper than 127 levels").await;
    let large = format!(r#"{{"channel":"orders","data":"{}"}}"#, "x".repeat(2048));
    refused("publish", large.as_bytes(), "413 too_large", "larger than MAX_FRAME_SIZE").await;
    let long = format!(r#"{{"channel":"{}","data":1}}"#, "x".repeat(201));
    refused("publish", long.as_bytes(), "422 invalid_field", "200 bytes, not 201").await;
    let latin = b"{\"channel\":\"orders\",\"data\":\"\xfc\"}";
    refused("publish", latin, "400 bad_json", "not UTF-8").await;
    refused("publish", b"", "400 bad_json", "not one JSON object").await;
    // Nothing of all that has reached anybody.
    ada.has_heard_all().await;
}

#[tokio::test]
async fn a_body_must_say_that_it_is_json_and_may_come_in_chunks() {
    let house = House::with_api(&[]);
    let mut ada = house.visit("ada").await;
    ada.subscribe("orders").await;
    let body = r#"{"channel":"orders","data":"chunked"}"#;
    for (media_type, expect) in [
        ("application/json", 200),
        ("Application/JSON; charset=utf-8", 200),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/jsonp", 415),
        ("", 415),
    ] {
        let typed = match media_type {
            "" => String::new(),
            named => format!("Content-Type: {named}\r\n"),
        };
        let half = body.len() / 2;
        let (first, second) = body.split_at(half);
        let request = format!(
            "POST /api/publish HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {KEY}\r\n{typed}\
             Transfer-Encoding: chunked\r\n\r\n{half:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
            second.len()
        );
        let response = fetch(house.address, request).await;
        assert_eq!(response.status, expect, "{media_type}");
        match expect {
            200 => assert_eq!(ada.next().await["data"], "chunked"),
            _ => assert_eq!(response.json()["code"], "unsupported_media_type"),
        }
    }
    ada.has_heard_all().await;
}

#[tokio::test]
async fn a_wrong_method_is_told_which_one_is_right() {
    let house = House::with_api(&[]);
    for (line, allowed) in [
        ("GET /api/publish", "post"),
        ("PUT /api/users/ada/send", "post"),
        ("OPTIONS /api/broadcast", "post"),
        ("POST /api/channels", "get,head"),
        ("DELETE /api/connections", "get,head"),
    ] {
        let request = format!(
            "{line} HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {KEY}\r\nContent-Length: 0\r\n\r\n"
        );
        let response = fetch(house.address, request).await;
        assert_eq!((response.status, response.header("allow")), (405, Some(allowed)), "{line}");
        assert_eq!(response.json()["code"], "method_not_allowed");
    }
    // Pages of other origins have no business here.
    let from_page = house.look("/api/channels").await;
    assert_eq!(from_page.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn requests_on_one_connection_are_answered_one_after_the_other() {
    let house = House::with_api(&[]);
    let mut ada = house.visit("ada").await;
    ada.subscribe("orders").await;
    let mut exchange = Exchange::open(house.address).await;
    let request = |n: usize| {
        let body = json!({ "channel": "orders", "data": n }).to_string();
        let length = body.len();
        format!(
            "POST /api/publish HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {KEY}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    };
    exchange.send((0..50).map(request).collect::<String>()).await;
    for n in 0..50 {
        assert_eq!(exchange.response().await.json()["receivers"], 1);
        assert_eq!(ada.next().await["data"], n);
    }
}

#[tokio::test]
async fn while_it_drains_orders_are_told_to_come_back_and_looks_are_answered() {
    let house = House::with_api(&[]);
    house.handler.start_drain();
    for (route, body) in routes() {
        let response = house.post(route, body).await;
        assert_eq!((response.status, &response.json()["code"]), (503, &json!("shutting_down")));
        assert_eq!(response.header("retry-after"), Some("1"));
    }
    assert_eq!(house.look("/api/connections").await.status, 200);
    assert_eq!(get(house.address, "/api/channels").await.status, 401);
    assert_eq!(house.look("/api/nothing").await.status, 404);
    let metrics = get(house.address, "/metrics").await.body;
    for (outcome, times) in [("draining", 4), ("answered", 1), ("unauthorized", 1), ("faulty", 1)] {
        let sample = format!("ws_api_requests_total{{outcome=\"{outcome}\"}} {times}\n");
        assert!(metrics.contains(&sample), "no {sample} in {metrics}");
    }
}

#[tokio::test]
async fn whatever_a_body_holds_is_an_order_or_a_fault_of_its_sender() {
    let house = House::with_api(&[]);
    let good =
        r#"{"channel":"orders","event":"e","data":{"a":[1,"b\\u00fc"]},"eventId":"x","code":1008}"#;
    let routes = ["publish", "broadcast", "users/ada/send", "users/ada/disconnect"];
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % below as u64) as usize
    };
    let mut exchange = Exchange::open(house.address).await;
    let mut seen = std::collections::BTreeMap::new();
    for n in 0..800 {
        let mut body = good.as_bytes().to_vec();
        for _ in 0..=next(3) {
            let at = next(body.len().max(1));
            match next(3) {
                0 => body.insert(at, b"{}[]\",:\\01\xff\n "[next(13)]),
                1 => drop(body.drain(at..(at + 1 + next(8)).min(body.len()))),
                _ => body.truncate(at.max(1)),
            }
        }
        let (route, length) = (routes[n % 4], body.len());
        let head = format!(
            "POST /api/{route} HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {KEY}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        exchange.send([head.as_bytes(), &body].concat()).await;
        let response = exchange.response().await;
        let text = String::from_utf8_lossy(&body).into_owned();
        assert!([200, 400, 422].contains(&response.status), "{text}: {response:?}");
        assert_eq!(response.json().get("code").is_none(), response.status == 200, "{text}");
        *seen.entry(response.status).or_insert(0) += 1;
    }
    assert_eq!(seen.len(), 3, "{seen:?}");
}
