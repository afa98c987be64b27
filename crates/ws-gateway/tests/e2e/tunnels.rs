//! Connections that carry bytes to a TCP address: who gets one, and that nothing else is in it.

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tungstenite::Message;
use ws_broker::MemoryCluster;
use ws_gateway::{Gateway, ReloadError};
use ws_transport::{Connector, WebSocketStream};

use crate::{
    back_end,
    exchange::{fetch, upgrade},
    house::{House, load_with},
};

type Tunnel = WebSocketStream<TcpStream>;

struct Place {
    house: House,
    target: TcpListener,
}

impl Place {
    /// `/tunnel/<port>` and `/own/{user_id}` are tunnels to what the list allows: the target alone.
    async fn open(variables: &[(&str, &str)]) -> Self {
        let target = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = target.local_addr().expect("bound").to_string();
        let variables = [&[("TUNNEL_TARGETS", address.as_str())], variables].concat();
        let file = format!(
            "[[connection_types]]\npath = \"/tunnel/{{port}}\"\ntunnel = \"127.0.0.1:{{port}}\"\n\
             [[connection_types]]\npath = \"/own/{{user_id}}\"\nowner = true\ntunnel = \"{address}\"\n"
        );
        Self { house: House::open_with_file(&variables, &file), target }
    }

    fn path(&self) -> String {
        format!("/tunnel/{}", self.target.local_addr().expect("bound").port())
    }

    async fn dial(&self, path: &str, user: &str) -> Tunnel {
        let uri = format!("ws://{}{path}?token={}", self.house.address, self.house.token(user));
        let connector = Connector::new().with_protocols(["ws-tunnel.v1"]);
        connector.connect(uri.parse().expect("a URL")).await.expect("upgraded")
    }

    async fn tunnel(&self, user: &str) -> (Tunnel, TcpStream) {
        let tunnel = self.dial(&self.path(), user).await;
        (tunnel, self.target.accept().await.expect("the gateway connects").0)
    }
}

async fn next(tunnel: &mut Tunnel) -> Option<Message> {
    use futures_util::StreamExt;
    loop {
        let waiting = tokio::time::timeout(std::time::Duration::from_secs(20), tunnel.next());
        match waiting.await.expect("something comes") {
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            other => return other.and_then(Result::ok),
        }
    }
}

async fn say(tunnel: &mut Tunnel, bytes: &'static [u8]) {
    use futures_util::SinkExt;
    tunnel.send(Message::binary(bytes)).await.expect("the gateway reads");
}

async fn closed(tunnel: &mut Tunnel) -> (u16, String) {
    match next(tunnel).await {
        Some(Message::Close(Some(frame))) => (frame.code.into(), frame.reason.to_string()),
        other => panic!("no close frame but {other:?}"),
    }
}

#[tokio::test]
async fn nothing_but_the_targets_bytes_is_in_a_tunnel() {
    let place = Place::open(&[("JSON_PING", "on"), ("API_KEY", "a-key-of-sixteen-bytes")]).await;
    let (mut tunnel, mut target) = place.tunnel("ada").await;
    // What goes to a user, and to everybody, is not for its tunnels.
    for (path, body) in [
        ("/api/users/ada/send", json!({ "data": "for ada" })),
        ("/api/broadcast", json!({ "data": "for all" })),
    ] {
        let body = body.to_string();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a-key-of-sixteen-bytes\r\n\
             Content-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        assert!(fetch(place.house.address, request).await.status < 300, "{path}");
    }
    say(&mut tunnel, b"question").await;
    let mut question = [0; 8];
    target.read_exact(&mut question).await.expect("it comes");
    target.write_all(b"answer").await.expect("it is taken");
    drop(target);
    assert_eq!(next(&mut tunnel).await, Some(Message::binary(&b"answer"[..])));
    assert_eq!(next(&mut tunnel).await, Some(Message::binary(&b""[..])));
    say(&mut tunnel, b"").await;
    assert_eq!(closed(&mut tunnel).await, (1000, "Both sides have finished".to_owned()));
    place.house.emptied().await;
    assert_eq!(place.house.ended("tunnel"), 1);
}

#[tokio::test]
async fn a_tunnel_whose_token_is_taken_back_is_told_so_by_its_end_alone() {
    let place = Place::open(&[("API_KEY", back_end::KEY)]).await;
    let (mut tunnel, _target) = place.tunnel("ada").await;
    let said = place.house.order("/api/tokens/revoke", json!({ "sub": "ada" })).await;
    assert_eq!(said["disconnected"], 1, "{said}");
    assert_eq!(closed(&mut tunnel).await, (3000, "Token revoked".to_owned()));
}

#[tokio::test]
async fn a_tunnel_is_for_whoever_says_who_it_is_with_the_upgrade() {
    let place = Place::open(&[]).await;
    let refused = fetch(place.house.address, upgrade(&place.path(), "")).await;
    assert_eq!((refused.status, &refused.json()["code"]), (401, &json!("unauthorized")));
    let mut stranger = place.dial("/own/ada", "bob").await;
    assert_eq!(closed(&mut stranger).await, (1008, "This path belongs to another user".to_owned()));
    let _owner = place.dial("/own/ada", "ada").await;
    place.target.accept().await.expect("the gateway connects");
}

#[tokio::test]
async fn a_text_in_a_tunnel_is_1003() {
    use futures_util::SinkExt;
    let place = Place::open(&[]).await;
    let (mut tunnel, _target) = place.tunnel("ada").await;
    tunnel.send(Message::text("{\"type\":\"ping\"}")).await.expect("the gateway reads");
    let sentence = "A tunnel takes binary messages, and none behind an empty one";
    assert_eq!(closed(&mut tunnel).await, (1003, sentence.to_owned()));
}

#[tokio::test]
async fn a_url_cannot_name_an_address_that_is_not_on_the_list() {
    let place = Place::open(&[]).await;
    let mut tunnel = place.dial("/tunnel/22", "ada").await;
    assert_eq!(closed(&mut tunnel).await, (1008, "There is no tunnel to this address".to_owned()));
    // Nor with more in a segment than its name says.
    let other = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = other.local_addr().expect("bound").port();
    let mut tunnel = place.dial(&format!("/tunnel/1%3A{port}"), "ada").await;
    assert_eq!(closed(&mut tunnel).await.0, 1008);
    let nobody = tokio::time::timeout(std::time::Duration::from_millis(50), other.accept()).await;
    assert!(nobody.is_err(), "nobody has connected");
}

#[tokio::test]
async fn limits_and_a_target_that_is_away_are_said_in_a_sentence() {
    let place = Place::open(&[("TUNNEL_MAX_PER_USER", "1")]).await;
    let (_tunnel, _target) = place.tunnel("ada").await;
    let mut second = place.dial(&place.path(), "ada").await;
    assert_eq!(closed(&mut second).await.0, 1008);
    let path = place.path();
    let Place { house, target } = place;
    drop(target);
    let place = Place { house, target: TcpListener::bind("127.0.0.1:0").await.expect("a port") };
    let mut away = place.dial(&path, "bob").await;
    assert_eq!(closed(&mut away).await, (1014, "The target cannot be reached".to_owned()));
    drop((second, away));
    place.house.until("both are counted", |it| it.ended("tunnel") == 2).await;
    let scrape = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let page = fetch(place.house.address, scrape).await;
    for line in [
        "ws_tunnels 1\n",
        "ws_tunnels_opened_total 2\n",
        "ws_tunnel_refusals_total{cause=\"user_full\"} 1\n",
        "ws_tunnel_ends_total{cause=\"unreachable\"} 1\n",
    ] {
        assert!(page.body.contains(line), "{line} is not in\n{}", page.body);
    }
}

#[tokio::test]
async fn another_list_counts_for_tunnels_that_come_and_leaves_those_that_are_there() {
    let target = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = target.local_addr().expect("bound").to_string();
    let types = "[[connection_types]]\npath = \"/tunnel/{port}\"\ntunnel = \"127.0.0.1:{port}\"\n";
    let with = |target: &str| {
        load_with(&[], &format!("[tunnel]\ntargets = [\"{target}\"]\n{types}")).expect("sound")
    };
    let (here, elsewhere) = (with(&address), with("127.0.0.1:1"));
    let gateway = Gateway::start(here.config.clone()).expect("a free port");
    let reloader = gateway.reloader().reading(&here, || Err(ReloadError::NoSource));
    let place = Place { house: House::of(gateway), target };
    let (mut tunnel, mut target) = place.tunnel("ada").await;
    let report = reloader.reload(&elsewhere).expect("sound");
    assert_eq!(report.new_connections.len(), 1, "{report:?}");
    let mut refused = place.dial(&place.path(), "ada").await;
    assert_eq!(closed(&mut refused).await, (1008, "There is no tunnel to this address".to_owned()));
    say(&mut tunnel, b"x").await;
    assert_eq!(target.read_u8().await.expect("it is there"), b'x');
    let scrape = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let page = fetch(place.house.address, scrape).await.body;
    assert!(
        page.contains("ws_tunnels 1\n") && page.contains("cause=\"not_listed\"} 1\n"),
        "{page}"
    );
}

#[tokio::test]
async fn a_drain_ends_tunnels_as_it_ends_all_others() {
    let place = Place::open(&[]).await;
    let (mut tunnel, mut target) = place.tunnel("ada").await;
    let closing = tokio::spawn(place.house.close());
    assert_eq!(closed(&mut tunnel).await.0, 1012);
    // Half a file is not to be taken for a whole one.
    let error = target.read_u8().await.expect_err("a reset");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    drop(tunnel);
    closing.await.expect("the gateway does not panic");
}

#[tokio::test]
async fn tunnel_lifetime_max_is_how_old_a_tunnel_may_become_and_no_other_lifetime_ends_one() {
    let place = Place::open(&[("CONNECTION_LIFETIME_MAX", "300ms")]).await;
    let (mut tunnel, mut target) = place.tunnel("ada").await;
    let mut client = place.house.visit("ada").await;
    client.goodbye().await;
    assert_eq!(client.closed().await, (1012, "Connection lifetime over".to_owned()));
    // The tunnel is older than that.
    say(&mut tunnel, b"x").await;
    assert_eq!(target.read_u8().await.expect("it is there"), b'x');
    let place = Place::open(&[("TUNNEL_LIFETIME_MAX", "300ms")]).await;
    let (mut tunnel, _target) = place.tunnel("ada").await;
    let mut client = place.house.visit("ada").await;
    assert_eq!(closed(&mut tunnel).await, (1012, "Connection lifetime over".to_owned()));
    client.has_heard_all().await;
    place.house.until("its end is known", |it| it.ended("lifetime") == 1).await;
}

#[tokio::test]
async fn tunnels_are_not_rebalanced_and_do_not_count() {
    let cluster = MemoryCluster::new();
    let target = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = target.local_addr().expect("bound").to_string();
    let types = "[[connection_types]]\npath = \"/tunnel/{port}\"\ntunnel = \"127.0.0.1:{port}\"\n";
    let variables = [
        ("TUNNEL_TARGETS", &*address),
        ("TUNNEL_MAX_PER_USER", "100"),
        ("MAX_CONNECTIONS_PER_USER", "100"),
        ("REBALANCE_MARGIN", "20"),
        ("REBALANCE_INTERVAL", "100ms"),
    ];
    let open = || House::open_beside(cluster.node(), &variables, types);
    let (full, other) = (open(), open());
    let place = Place { house: full, target };
    let mut tunnels = Vec::new();
    for _ in 0..8 {
        tunnels.push(place.tunnel("ada").await);
    }
    // With the tunnels, it is the first that has too many; without them, the other.
    let mut clients = tokio::task::JoinSet::new();
    for n in 0..6 {
        let mut client = other.visit(&format!("user-{n}")).await;
        clients.spawn(async move {
            client.goodbye().await;
            client.closed().await
        });
    }
    other.until("it gave some away", |it| it.ended("rebalance") >= 1).await;
    assert_eq!(place.house.ended("rebalance"), 0);
    for (tunnel, target) in &mut tunnels {
        say(tunnel, b"x").await;
        assert_eq!(target.read_u8().await.expect("it is there"), b'x');
    }
}

#[tokio::test]
async fn a_drain_ends_tunnels_when_all_others_have_had_their_turn() {
    let place = Place::open(&[("RECONNECT_RATE", "20"), ("DRAIN_TIMEOUT", "20s")]).await;
    let (ended, mut ends) = tokio::sync::mpsc::unbounded_channel();
    let (mut tunnel, _target) = place.tunnel("ada").await;
    let told = ended.clone();
    tokio::spawn(async move {
        let _ = told.send((closed(&mut tunnel).await.0, "tunnel"));
    });
    for n in 0..4 {
        let (mut client, told) = (place.house.visit(&format!("user-{n}")).await, ended.clone());
        tokio::spawn(async move {
            client.goodbye().await;
            let _ = told.send((client.closed().await.0, "client"));
        });
    }
    drop(ended);
    let closing = tokio::spawn(place.house.close());
    let mut order = Vec::new();
    while let Some(end) = ends.recv().await {
        order.push(end);
    }
    assert_eq!(order[..4], [(1012, "client"); 4]);
    assert_eq!(order[4..], [(1012, "tunnel")]);
    closing.await.expect("the gateway does not panic");
}
