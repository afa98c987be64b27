//! The link that `--dev` prints.

use serde_json::json;
use ws_gateway::{Gateway, config};
use ws_transport::Connector;

use super::KEY;
use crate::{
    client::Client,
    house::{House, configured},
};

#[tokio::test]
async fn dev_prints_a_link_to_the_console_with_what_it_needs() {
    let config = config::Config { dev: true, ..configured(&[], "") };
    let gateway = Gateway::start(config).expect("a free port");
    let link = gateway.console_address().expect("an address");
    let printed = gateway.dev_address().expect("an address");
    let house = House::of(gateway);
    let (page, fragment) = link.split_once("/#").expect("a fragment");
    assert_eq!(page, format!("http://{}", house.address));
    let (key, token) = fragment.split_once('&').expect("two parts");
    let key = key.strip_prefix("key=").expect("a key");
    let token = token.strip_prefix("token=").expect("a token");
    assert!(
        printed.ends_with(&format!("?token={token}")),
        "the token is the one of the first line"
    );
    let connector = Connector::new().with_protocols([format!("bearer.{key}")]);
    let mut viewer = Client::connect_with(&connector, house.address, "/console/ws").await;
    let hello = viewer.next().await;
    assert_eq!((&hello["dev"], &hello["canMint"]), (&json!(true), &json!(true)));
    let answer = viewer.ask_console(json!({ "type": "token", "user": "eve" })).await;
    assert_eq!((&answer["type"], &answer["user"]), (&json!("token"), &json!("eve")));
    let target = format!("/ws?token={}", answer["token"].as_str().expect("a text"));
    assert_eq!(Client::connect(house.address, &target).await.next().await["userId"], "eve");
    // Another run has another key.
    let config = config::Config { dev: true, ..configured(&[], "") };
    let other = Gateway::start(config).expect("a free port").console_address();
    assert!(!other.expect("an address").contains(key));
}

#[tokio::test]
async fn the_link_has_no_key_where_the_operator_has_one_and_there_is_none_without_dev() {
    let config = config::Config { dev: true, ..configured(&[("ADMIN_KEY", KEY)], "") };
    let gateway = Gateway::start(config).expect("a free port");
    let link = gateway.console_address().expect("an address");
    assert!(link.contains("/#token=") && !link.contains("key"), "{link}");
    let plain = Gateway::start(configured(&[("ADMIN_KEY", KEY)], "")).expect("a free port");
    assert_eq!((plain.console_address(), plain.dev_address()), (None, None));
}
