//! What TLS itself does for our clients: who is trusted, who comes back quickly, and WebSockets over HTTP/2. All
//! the other tests here speak it as well, with what lies between breaking what it cannot read.

use std::sync::Arc;

use ws_client::{Client, News, State};

use crate::{
    coming_back::leaves,
    control::Control,
    proxy::Fault,
    scripts::run_tests,
    site::{Site, until},
};

#[tokio::test]
async fn whoever_comes_back_does_so_with_a_ticket_and_misses_nothing() {
    let site = Site::open("tls", &[]).await;
    assert!(site.uri().starts_with("wss://"));
    let client = site.client("ada").connect().expect("an address");
    let publisher = site.client_at(&site.direct_uri(), "bob").connect().expect("an address");
    let mut news = client.subscribe("t:1").await.expect("allowed");
    for number in 0..20_u64 {
        if number % 5 == 4 {
            site.proxy.befall(if number > 10 { Fault::Reset } else { Fault::Cut });
            leaves(&client, State::Connected).await;
        }
        publisher.publish("t:1", &number).await.expect("published");
        match news.next().await {
            Some(News::Message(message)) => {
                assert_eq!(message.json::<u64>().expect("a number"), number);
            }
            other => panic!("no message but {other:?}"),
        }
    }
    assert!(site.figure("ws_tls_handshakes_total{outcome=\"resumed\"}").await > 0.0);
}

#[tokio::test]
async fn whoever_is_not_trusted_is_not_told_a_token() {
    let site = Site::open("tls-untrusted", &[]).await;
    // The platform's roots do not know the authority of these tests.
    let client = Client::builder(site.uri()).token(site.token("ada"));
    let client = client.backoff(crate::numbered::backoff()).connect().expect("an address");
    until("it has tried", async || client.metrics().errors > 2).await;
    assert_ne!(client.state(), State::Connected);
    let refused = "ws_tls_handshakes_total{outcome=\"refused_by_client\"}";
    until("that was noticed", async || site.figure(refused).await > 2.0).await;
    assert_eq!(site.figure("ws_connections ").await, 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_node_and_in_a_browser_over_http_2() {
    let site = Arc::new(Site::open("second.mjs", &[]).await);
    let control = Control::start(site.clone()).await;
    let variables = control.variables(&site);
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, &**value)).collect();
    run_tests("second.mjs", &variables).await;
}
