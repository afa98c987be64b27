//! Requests, and bridges to subjects of others.

#![expect(clippy::unwrap_used, reason = "a server that cannot be started fails the test")]

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use ws_broker_nats::{Arrival, Bridge, Client, NatsConfig, RequestError};
use ws_test_servers::{Nats as TestServer, NatsOptions};

const PATIENCE: Duration = Duration::from_secs(10);

async fn client(server: &TestServer, prefix: &str) -> Client {
    let config =
        NatsConfig { urls: vec![server.url()], prefix: prefix.to_owned(), ..NatsConfig::default() };
    let client = Client::connect(config);
    client.ready().await.unwrap();
    client
}

/// Somebody who has nothing to do with gateways.
async fn other(server: &TestServer) -> async_nats::Client {
    async_nats::connect(server.url()).await.unwrap()
}

fn heard(
    client: &Client,
    subject: &str,
    group: Option<&str>,
) -> (Bridge, UnboundedReceiver<(String, Bytes, Option<String>)>) {
    let (sender, receiver) = unbounded_channel();
    let take = move |arrival: Arrival<'_>| {
        let kind = arrival.headers.get("Kind").map(str::to_owned);
        sender.send((arrival.subject.to_owned(), arrival.payload.clone(), kind)).unwrap();
    };
    (client.bridge(subject, group, take).unwrap(), receiver)
}

/// Until all that was subscribed before is known to the server.
async fn settled(client: &Client) {
    let nobody = client.request("nobody.listens", Bytes::new(), PATIENCE).await;
    assert_eq!(nobody, Err(RequestError::NoResponders));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_answered_or_it_is_said_why_not() {
    use futures_util::StreamExt;
    let mut server = TestServer::start(&NatsOptions::default()).unwrap();
    let client = client(&server, "ws").await;
    let service = other(&server).await;
    let mut asked = service.subscribe("service.*").await.unwrap();
    tokio::spawn(async move {
        while let Some(message) = asked.next().await {
            if message.subject.as_str() == "service.echo" {
                service.publish(message.reply.unwrap(), message.payload).await.unwrap();
            }
        }
    });
    // The server may hear of us before it hears of the service.
    let echo = loop {
        match client.request("service.echo", "hello".into(), PATIENCE).await {
            Err(RequestError::NoResponders) => tokio::task::yield_now().await,
            answered => break answered,
        }
    };
    assert_eq!(echo, Ok("hello".into()));
    let nobody = client.request("nobody", Bytes::new(), PATIENCE).await;
    assert_eq!(nobody, Err(RequestError::NoResponders));
    let silent = client.request("service.silent", Bytes::new(), Duration::from_millis(50)).await;
    assert_eq!(silent, Err(RequestError::TimedOut));
    let wild = client.request("service.*", Bytes::new(), PATIENCE).await;
    assert!(matches!(wild, Err(RequestError::Refused(_))));
    let large = Bytes::from(vec![0; 2 << 20]);
    let large = client.request("service.echo", large, PATIENCE).await;
    assert!(matches!(large, Err(RequestError::Refused(_))), "{large:?}");
    let under_way = client.request("service.silent", Bytes::new(), PATIENCE);
    let (broken, ()) = tokio::join!(under_way, async { server.kill().unwrap() });
    assert!(matches!(broken, Err(RequestError::Down(_))), "{broken:?}");
    let away = client.request("service.echo", Bytes::new(), PATIENCE).await;
    assert!(matches!(away, Err(RequestError::Down(_))), "{away:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_publish_comes_over_a_bridge_and_what_we_do_does_not() {
    let server = TestServer::start(&NatsOptions::default()).unwrap();
    let (near, far) = (client(&server, "ws").await, client(&server, "ws").await);
    let stranger = client(&server, "another").await;
    let (_near, mut of_near) = heard(&near, "orders.>", None);
    let (_far, mut of_far) = heard(&far, "orders.*", None);
    settled(&near).await;
    settled(&far).await;
    near.publish("orders.eu", "ours".into(), &[("Kind", "out")]).unwrap();
    settled(&near).await;
    stranger.publish("orders.eu", "theirs".into(), &[("Kind", "in")]).unwrap();
    settled(&stranger).await;
    let other = other(&server).await;
    other.publish("orders.us", "plain".into()).await.unwrap();
    for heard in [&mut of_near, &mut of_far] {
        let theirs = ("orders.eu".to_owned(), "theirs".into(), Some("in".to_owned()));
        assert_eq!(heard.recv().await.unwrap(), theirs);
        assert_eq!(heard.recv().await.unwrap(), ("orders.us".to_owned(), "plain".into(), None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_a_group_takes_what_comes() {
    let server = TestServer::start(&NatsOptions::default()).unwrap();
    let (near, far) = (client(&server, "ws").await, client(&server, "ws").await);
    let (_near, mut of_near) = heard(&near, "orders.*", Some("gateways"));
    let (_far, mut of_far) = heard(&far, "orders.*", Some("gateways"));
    settled(&near).await;
    settled(&far).await;
    let other = other(&server).await;
    for number in 0..100 {
        other.publish(format!("orders.{number}"), Bytes::new()).await.unwrap();
    }
    let mut seen = std::collections::HashSet::new();
    while seen.len() < 100 {
        let next = tokio::select! {
            next = of_near.recv() => next,
            next = of_far.recv() => next,
        };
        assert!(seen.insert(next.unwrap().0), "only one takes it");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_is_there_again_when_the_server_is() {
    let mut server = TestServer::start(&NatsOptions::default()).unwrap();
    let client = client(&server, "ws").await;
    let (bridge, mut heard) = heard(&client, "orders.*", None);
    server.kill().unwrap();
    server.restart().unwrap();
    // An attempt that fails in between is not the last one.
    while client.request("nobody", Bytes::new(), PATIENCE).await != Err(RequestError::NoResponders)
    {
        tokio::task::yield_now().await;
    }
    let other = other(&server).await;
    other.publish("orders.eu", "after".into()).await.unwrap();
    assert_eq!(heard.recv().await.unwrap().1, "after");
    drop(bridge);
    assert!(heard.recv().await.is_none(), "what took it is gone");
}
