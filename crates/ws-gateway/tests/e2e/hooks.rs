//! A back-end has the last word by its hooks; and what happens when it has none to say.

use serde_json::json;
use tokio::{net::TcpListener, time::Instant};

use crate::{
    client::Client,
    exchange::get,
    house::House,
    oracle::{Oracle, WAIT},
};

const ALL: [&str; 4] = ["connect", "subscribe", "publish", "disconnected"];

/// Connects as a user, whatever then comes.
async fn knock(house: &House, user: &str) -> Client {
    Client::connect(house.address, &format!("/ws?token={}", house.token(user))).await
}

async fn publish(client: &mut Client, channel: &str, data: &str) {
    let message = json!({ "type": "publish", "channel": channel, "data": data, "id": data });
    client.send(message).await;
}

#[tokio::test]
async fn section_6_hooks_are_asked_in_the_words_of_the_docs_and_told_who_is_gone() {
    let oracle = Oracle::open().await;
    let house = oracle.house(&ALL, &[]);
    let mut ada = house.visit("ada").await;
    let id = house.handler.connections_by_user_id("ada")[0].id().to_string();
    ada.subscribe("orders").await;
    let message = json!({ "type": "publish", "channel": "orders", "event": "filled",
                          "data": { "n": 1.5 }, "eventId": "e-1", "id": 1 });
    ada.send(message).await;
    let mut heard = [ada.next().await["type"].clone(), ada.next().await["type"].clone()];
    heard.sort_by_key(ToString::to_string);
    assert_eq!(heard, ["ack", "message"]);
    ada.leave().await;
    let farewells = oracle.has_heard("disconnected", 1).await;
    let lived = farewells[0]["livedMs"].as_u64().expect("a time");
    assert!(lived < 10_000, "{lived}");
    let expect = [
        json!({ "hook": "connect", "connectionId": id, "userId": "ada", "address": "127.0.0.1" }),
        json!({ "hook": "subscribe", "connectionId": id, "userId": "ada", "channel": "orders" }),
        json!({ "hook": "publish", "connectionId": id, "userId": "ada", "channel": "orders",
                "event": "filled", "data": { "n": 1.5 }, "eventId": "e-1" }),
        json!({ "hook": "disconnected", "connectionId": id, "userId": "ada", "code": 1000,
                "reason": "peer_closed", "livedMs": lived, "online": false }),
    ];
    assert_eq!(oracle.heard(), expect);

    let text = get(house.address, "/metrics").await.body;
    for sample in [
        "ws_hook_calls_total{hook=\"connect\",outcome=\"allowed\"} 1\n",
        "ws_hook_calls_total{hook=\"subscribe\",outcome=\"allowed\"} 1\n",
        "ws_hook_calls_total{hook=\"publish\",outcome=\"allowed\"} 1\n",
        "ws_hook_calls_total{hook=\"publish\",outcome=\"refused\"} 0\n",
    ] {
        assert!(text.contains(sample), "{text}");
    }
    let told = "ws_hook_calls_total{hook=\"disconnected\",outcome=\"told\"} 1\n";
    for _ in 0..1000 {
        if get(house.address, "/metrics").await.body.contains(told) {
            return;
        }
    }
    panic!("no {told}");
}

#[tokio::test]
async fn who_is_refused_at_the_door_is_told_why_and_is_never_said_to_be_gone() {
    let oracle = Oracle::open().await;
    let house = oracle.house(&["connect", "disconnected"], &[]);
    for (saying, reason) in [
        ((403, r#"{"reason":"Pay first"}"#), "Pay first"),
        ((200, r#"{"allow":false,"reason":"Pay first"}"#), "Pay first"),
        ((200, r#"{"allow":false}"#), "Not allowed"),
        ((403, "<html>"), "Not allowed"),
    ] {
        oracle.say("connect", saying);
        let mut client = knock(&house, "ada").await;
        let error = client.next().await;
        let told = (&error["type"], &error["code"], &error["message"]);
        assert_eq!(told, (&json!("error"), &json!("forbidden"), &json!(reason)));
        assert_eq!(client.closed().await, (1008, reason.to_owned()));
        // By its first message, too, and before it has heard that it is somebody.
        let mut client = Client::connect(house.address, "/ws").await;
        assert_eq!(client.next().await["type"], "connected");
        client.send(json!({ "type": "auth", "token": house.token("bob"), "id": 7 })).await;
        let error = client.next().await;
        let told = (&error["code"], &error["message"], &error["id"]);
        assert_eq!(told, (&json!("forbidden"), &json!(reason), &json!(7)));
        assert_eq!(client.closed().await.0, 1008);
    }
    house.emptied().await;
    oracle.say("connect", (200, r#"{"allow":true}"#));
    house.visit("eve").await.leave().await;
    let told = oracle.has_heard("disconnected", 1).await;
    assert_eq!((told.len(), &told[0]["userId"]), (1, &json!("eve")));
}

#[tokio::test]
async fn who_is_not_let_into_a_channel_hears_nothing_of_it() {
    let oracle = Oracle::open().await;
    let house = oracle.house(&["subscribe"], &[]);
    let mut ada = house.visit("ada").await;
    ada.subscribe("open").await;
    oracle.say("subscribe", (403, r#"{"reason":"Members only"}"#));
    ada.send(json!({ "type": "subscribe", "channel": "closed", "id": 1 })).await;
    let error = ada.next().await;
    let told = (&error["code"], &error["message"], &error["id"]);
    assert_eq!(told, (&json!("forbidden"), &json!("closed: Members only"), &json!(1)));
    ada.send(json!({ "type": "join_room", "payload": { "room_id": "closed" } })).await;
    assert_eq!(ada.next().await["message"], "room:closed: Members only");
    for channel in ["closed", "room:closed"] {
        let body = json!({ "channel": channel, "data": 1 });
        assert_eq!(house.order("/api/publish", body).await["receivers"], 0);
    }
    let asked = oracle.heard();
    let channels: Vec<_> = asked.iter().map(|it| it["channel"].as_str().expect("one")).collect();
    assert_eq!(channels, ["open", "closed", "room:closed"]);
    let body = json!({ "channel": "open", "data": 1 });
    assert_eq!(house.order("/api/publish", body).await["receivers"], 1);
}

#[tokio::test]
async fn channels_of_a_path_and_of_a_first_message_are_asked_about_as_well() {
    let oracle = Oracle::open().await;
    let house = oracle.house(&["subscribe"], &[]);
    let target = |path: &str| format!("{path}?token={}", house.token("ada"));
    let mut there = Client::connect(house.address, &target("/ws/chat/1")).await;
    assert_eq!(there.next().await["type"], "connected");
    assert_eq!(there.next().await["channel"], "chat:1");
    let mut first = Client::connect(house.address, "/ws").await;
    assert_eq!(first.next().await["type"], "connected");
    first.send(json!({ "token": house.token("bob"), "channels": ["a", "b"] })).await;
    assert_eq!(first.next().await["availableChannels"], json!(["a", "b"]));
    assert_eq!(
        [first.next().await["channel"].clone(), first.next().await["channel"].clone()],
        ["a", "b"]
    );

    oracle.say("subscribe", (403, ""));
    let mut refused = Client::connect(house.address, &target("/ws/chat/2")).await;
    assert_eq!(refused.next().await["type"], "connected");
    assert_eq!(refused.next().await["code"], "forbidden");
    assert_eq!(refused.closed().await.0, 1008, "without its channel the path is of no use");
    let asked = oracle.heard();
    let channels: Vec<_> = asked.iter().map(|it| it["channel"].as_str().expect("one")).collect();
    assert_eq!(channels, ["chat:1", "a", "b", "chat:2"]);
}

#[tokio::test]
async fn what_may_not_be_published_reaches_nobody_and_what_comes_behind_keeps_its_order() {
    let oracle = Oracle::open().await;
    let house = oracle.house(&["publish"], &[]);
    let [mut ada, mut bob] = [house.visit("ada").await, house.visit("bob").await];
    bob.subscribe("orders").await;
    oracle.say("publish", (200, r#"{"allow":false,"reason":"Not in that tone"}"#));
    publish(&mut ada, "orders", "refused").await;
    let error = ada.next().await;
    let told = (&error["code"], &error["message"], &error["id"]);
    assert_eq!(told, (&json!("forbidden"), &json!("orders: Not in that tone"), &json!("refused")));

    oracle.say("publish", WAIT);
    for data in ["a", "b", "c"] {
        publish(&mut ada, "orders", data).await;
    }
    ada.send(json!({ "type": "ping", "id": "behind" })).await;
    oracle.has_heard("publish", 2).await;
    bob.has_heard_all().await;
    oracle.let_go(3);
    for data in ["a", "b", "c"] {
        assert_eq!(bob.next().await["data"], data);
        assert_eq!(ada.next().await["id"], data);
    }
    assert_eq!(ada.next().await["id"], "behind");
    // What a back-end publishes is not asked about.
    let body = json!({ "channel": "orders", "data": "own" });
    assert_eq!(house.order("/api/publish", body).await["receivers"], 1);
    assert_eq!(oracle.heard().len(), 4);

    oracle.say("publish", (204, ""));
    ada.send(json!({ "type": "join_room", "payload": { "room_id": "r" } })).await;
    assert_eq!(ada.next().await["type"], "user_joined");
    let said = json!({ "room_id": "r", "message": "hello" });
    ada.send(json!({ "type": "room_message", "payload": said })).await;
    assert_eq!(ada.next().await["type"], "room_message");
    let asked = oracle.heard().pop().expect("asked");
    let about = (&asked["channel"], &asked["event"], &asked["data"]);
    assert_eq!(about, (&json!("room:r"), &json!("room_message"), &json!("hello")));
}

/// What becomes of a publish and of a connect by a back-end that does not answer as it should.
async fn without_an_answer(house: &House, outcome: &str, is_allowed: bool) {
    let mut ada = knock(house, "ada").await;
    let first = ada.next().await;
    if is_allowed {
        assert_eq!(first["type"], "connected", "{outcome}");
        ada.subscribe("orders").await;
        publish(&mut ada, "orders", "x").await;
        let heard = [ada.next().await["type"].clone(), ada.next().await["type"].clone()];
        assert!(heard.contains(&json!("message")) && heard.contains(&json!("ack")), "{heard:?}");
    } else {
        let told = (&first["code"], &first["message"]);
        let sentence = "The decision cannot be had now";
        assert_eq!(told, (&json!("hook_unavailable"), &json!(sentence)), "{outcome}");
        assert_eq!(ada.closed().await, (1013, sentence.to_owned()), "come back later");
    }
    let text = get(house.address, "/metrics").await.body;
    let sample = format!("ws_hook_calls_total{{hook=\"connect\",outcome=\"{outcome}\"}} 1\n");
    assert!(text.contains(&sample), "no {sample} in {text}");
    let leaked = text.contains("http://127");
    assert!(!leaked, "the address of the back-end is ours to know");
}

#[tokio::test]
async fn section_6_hook_failure_says_what_counts_when_the_back_end_gives_no_answer() {
    let hooks = ["connect", "subscribe", "publish"];
    let large: &'static str = Box::leak("x".repeat(20_000).into_boxed_str());
    for (saying, outcome) in [
        ((500, ""), "failed"),
        ((404, r#"{"allow":true}"#), "failed"),
        ((307, ""), "failed"),
        ((200, r#"{"allow":"no"}"#), "failed"),
        ((200, r#"{"allow":false"#), "failed"),
        ((200, large), "failed"),
        (WAIT, "timeout"),
    ] {
        for (failure, is_allowed) in [("refuse", false), ("allow", true)] {
            let oracle = Oracle::open().await;
            hooks.iter().for_each(|hook| oracle.say(hook, saying));
            let timeout = if saying == WAIT { "200ms" } else { "10s" };
            let further = [("HOOK_FAILURE", failure), ("HOOK_TIMEOUT", timeout)];
            let house = oracle.house(&hooks, &further);
            without_an_answer(&house, outcome, is_allowed).await;
        }
    }
}

#[tokio::test]
async fn section_6_a_back_end_that_is_not_there_is_down() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/", listener.local_addr().expect("bound"));
    drop(listener);
    for (failure, is_allowed) in [("refuse", false), ("allow", true)] {
        let hooks = [("HOOK_CONNECT", &*url), ("HOOK_SUBSCRIBE", &url), ("HOOK_PUBLISH", &url)];
        let house = House::open(&[&hooks[..], &[("HOOK_FAILURE", failure)]].concat());
        without_an_answer(&house, "unavailable", is_allowed).await;
    }
}

#[tokio::test]
async fn section_6_hook_concurrency_bounds_what_is_asked_at_once_and_what_waits_for_that() {
    let oracle = Oracle::open().await;
    let further =
        [("HOOK_CONCURRENCY", "2"), ("HOOK_TIMEOUT", "30s"), ("MAX_CONNECTIONS_PER_USER", "0")];
    let house = oracle.house(&["publish"], &further);
    oracle.say("publish", WAIT);
    // Two are asked about and thirty wait; sixteen for each that may be asked about.
    let mut clients = Vec::new();
    for n in 0..32 {
        let mut client = house.visit("ada").await;
        publish(&mut client, "orders", &n.to_string()).await;
        clients.push(client);
    }
    oracle.has_heard("publish", 2).await;
    let mut one_more = house.visit("bob").await;
    let asked = Instant::now();
    loop {
        // The others' questions may be on their way still.
        publish(&mut one_more, "orders", "more").await;
        let waiting = tokio::time::timeout(std::time::Duration::from_millis(300), one_more.next());
        if let Ok(error) = waiting.await {
            assert_eq!(
                (&error["code"], &error["id"]),
                (&json!("hook_unavailable"), &json!("more"))
            );
            break;
        }
        assert!(asked.elapsed().as_secs() < 10, "more wait than may");
        one_more = house.visit("bob").await;
    }
    assert_eq!(oracle.heard().len(), 2);
    oracle.let_go(64);
    for (n, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.next().await["id"], n.to_string());
    }
    assert_eq!(oracle.at_once_most(), 2);
}

#[tokio::test]
async fn a_client_that_leaves_before_the_answer_leaves_nothing_behind() {
    let oracle = Oracle::open().await;
    let house = oracle.house(&["connect", "disconnected"], &[]);
    oracle.say("connect", WAIT);
    let gone = knock(&house, "ada").await;
    oracle.has_heard("connect", 1).await;
    drop(gone);
    house.emptied().await;
    oracle.let_go(1);
    oracle.say("connect", (204, ""));
    house.visit("bob").await.leave().await;
    let told = oracle.has_heard("disconnected", 1).await;
    assert_eq!((told.len(), &told[0]["userId"]), (1, &json!("bob")));
}

#[tokio::test]
async fn whoever_a_drain_ends_is_told_of_before_the_gateway_is_gone() {
    let oracle = Oracle::open().await;
    let further = [("MAX_CONNECTIONS_PER_USER", "0"), ("HOOK_CONCURRENCY", "1")];
    let house = oracle.house(&["disconnected"], &further);
    let mut reading = Vec::new();
    for _ in 0..20 {
        let mut client = house.visit("ada").await;
        reading.push(tokio::spawn(async move { while client.next_message().await.is_some() {} }));
    }
    house.close().await;
    let told = oracle.heard_of("disconnected");
    assert_eq!(told.len(), 20);
    assert!(told.iter().all(|it| it["code"] == 1012 && it["reason"] == "drain"), "{told:?}");
    assert_eq!(told.iter().filter(|it| it["online"] == false).count(), 1, "{told:?}");
    assert_eq!(oracle.at_once_most(), 1);
}

#[tokio::test]
async fn a_back_end_that_hangs_on_farewells_holds_up_nobody_who_comes() {
    let oracle = Oracle::open().await;
    let further = [("HOOK_CONCURRENCY", "1"), ("HOOK_TIMEOUT", "30s")];
    let house = oracle.house(&["connect", "disconnected"], &further);
    oracle.say("disconnected", WAIT);
    for _ in 0..3 {
        house.visit("ada").await.leave().await;
    }
    oracle.has_heard("disconnected", 1).await;
    house.visit("ada").await.leave().await;
    assert_eq!(oracle.heard_of("disconnected").len(), 1);
    oracle.let_go(4);
    oracle.has_heard("disconnected", 4).await;
}

#[tokio::test]
async fn where_nobody_says_who_it_is_a_hook_is_told_of_nobody() {
    let oracle = Oracle::open().await;
    let house = oracle.house(&ALL, &[("AUTH_MODE", "none")]);
    let mut client = Client::connect(house.address, "/ws").await;
    assert_eq!(client.next().await["type"], "connected");
    client.leave().await;
    oracle.has_heard("disconnected", 1).await;
    assert!(oracle.heard().iter().all(|question| question["userId"].is_null()));
}
