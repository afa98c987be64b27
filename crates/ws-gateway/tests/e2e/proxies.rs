//! DESIGN §4.7: load balancers in front, by header and by PROXY protocol.

use crate::{
    exchange::{Exchange, Response, upgrade},
    house::House,
};

const V1: &[u8] = b"PROXY TCP4 203.0.113.9 192.0.2.1 5555 443\r\n";

fn v2(address: [u8; 4]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend_from_slice(&address);
    header.extend_from_slice(&[192, 0, 2, 1, 0x15, 0xb3, 1, 0xbb]);
    header
}

/// An upgrade with a user's token behind these bytes; the connection is kept.
async fn upgrade_behind(house: &House, header: &[u8], further: &str) -> (Exchange, Response) {
    let mut exchange = Exchange::open(house.address).await;
    let target = format!("/ws?token={}", house.token("ada"));
    exchange.send([header, upgrade(&target, further).as_bytes()].concat()).await;
    let response = exchange.response().await;
    (exchange, response)
}

/// The address that the gateway takes this connection to come from.
async fn address_behind(house: &House, header: &[u8], further: &str) -> String {
    let (connection, response) = upgrade_behind(house, header, further).await;
    assert_eq!(response.status, 101, "{response:?}");
    let address = house.handler.connections_by_user_id("ada")[0].address().to_string();
    drop(connection);
    house.emptied().await;
    address
}

#[tokio::test]
async fn section_4_7_a_trusted_proxy_names_the_client_by_either_version_of_the_proxy_protocol() {
    let house = House::open(&[("PROXY_PROTOCOL", "true"), ("TRUSTED_PROXIES", "127.0.0.0/8")]);
    assert_eq!(address_behind(&house, V1, "").await, "203.0.113.9");
    assert_eq!(address_behind(&house, &v2([203, 0, 113, 10]), "").await, "203.0.113.10");
    let v6 = b"PROXY TCP6 2001:db8::9 2001:db8::1 5555 443\r\n";
    assert_eq!(address_behind(&house, v6, "").await, "2001:db8::9");
    // A health check of the balancer's own names nobody.
    assert_eq!(address_behind(&house, b"PROXY UNKNOWN\r\n", "").await, "127.0.0.1");
    // What the client itself says in a header counts no more than before.
    let forged = "X-Forwarded-For: 198.51.100.1\r\n";
    assert_eq!(address_behind(&house, V1, forged).await, "203.0.113.9");
}

#[tokio::test]
async fn section_4_7_a_trusted_proxy_that_sends_no_header_is_not_served_and_counted() {
    let house = House::open(&[("PROXY_PROTOCOL", "true"), ("TRUSTED_PROXIES", "127.0.0.1")]);
    for wrong in [&b""[..], b"PROXY TCP4 nonsense\r\n", b"PROXY\r\n"] {
        let (mut connection, response) = upgrade_behind(&house, wrong, "").await;
        assert_eq!(response.status, 400, "{response:?}");
        assert!(connection.is_over().await);
    }
    assert_eq!(house.rejected("head"), 3);
    assert_eq!(house.handler.connection_count(), 0);
}

#[tokio::test]
async fn section_4_7_a_proxy_header_of_somebody_who_is_not_trusted_is_no_http() {
    let house = House::open(&[("PROXY_PROTOCOL", "true"), ("TRUSTED_PROXIES", "10.0.0.0/8")]);
    for header in [V1.to_vec(), v2([203, 0, 113, 9])] {
        let (mut connection, response) = upgrade_behind(&house, &header, "").await;
        assert_eq!(response.status, 400, "{response:?}");
        assert!(connection.is_over().await);
    }
    assert_eq!(address_behind(&house, b"", "").await, "127.0.0.1");
}

#[tokio::test]
async fn section_4_7_nobody_speaks_the_proxy_protocol_unless_it_is_switched_on() {
    let house = House::open(&[("TRUSTED_PROXIES", "127.0.0.1")]);
    assert_eq!(upgrade_behind(&house, V1, "").await.1.status, 400);
    assert_eq!(address_behind(&house, b"", "").await, "127.0.0.1");
}

#[tokio::test]
async fn section_4_7_forwarded_for_counts_from_trusted_proxies_alone() {
    let trusting = House::open(&[("TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/8")]);
    let forwarded = "X-Forwarded-For: 1.2.3.4, 203.0.113.9, 10.1.1.1\r\n";
    assert_eq!(address_behind(&trusting, b"", forwarded).await, "203.0.113.9");
    let wary = House::open(&[]);
    assert_eq!(address_behind(&wary, b"", forwarded).await, "127.0.0.1");
}

#[tokio::test]
async fn section_4_7_health_checks_through_a_proxy_are_answered() {
    let house = House::open(&[("PROXY_PROTOCOL", "true"), ("TRUSTED_PROXIES", "127.0.0.1")]);
    let mut exchange = Exchange::open(house.address).await;
    exchange
        .send([&v2([203, 0, 113, 9])[..], b"GET /health HTTP/1.1\r\nHost: g\r\n\r\n"].concat())
        .await;
    assert_eq!(exchange.response().await.status, 200);
}
