//! ws:// without TLS, as it is spoken where a proxy in front ends TLS. This is the only place of these tests where
//! it is: whatever else they tell goes over wss://.

use std::sync::Arc;

use ws_client::{News, State};

use crate::{coming_back::leaves, control::Control, proxy::Fault, scripts::run_tests, site::Site};

#[tokio::test]
async fn without_tls_what_was_missed_comes_once_and_in_order() {
    let site = Site::open_plain("plain", &[]).await;
    assert!(site.uri().starts_with("ws://"));
    let client = site.client("ada").connect().expect("an address");
    let mut news = client.subscribe("t:1").await.expect("allowed");
    for number in 0..20_u64 {
        if number % 5 == 4 {
            site.proxy.befall(if number > 10 { Fault::Reset } else { Fault::Cut });
            leaves(&client, State::Connected).await;
        }
        client.publish("t:1", &number).await.expect("published");
        match news.next().await {
            Some(News::Message(message)) => {
                assert_eq!(message.json::<u64>().expect("a number"), number);
            }
            other => panic!("no message but {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_node_and_in_a_browser_without_tls() {
    let site = Arc::new(Site::open_plain("plain.mjs", &[]).await);
    let control = Control::start(site.clone()).await;
    let variables = control.variables(&site);
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, &**value)).collect();
    run_tests("plain.mjs", &variables).await;
}
