//! DESIGN §4.7: whose address is it.

use std::net::IpAddr;

use ws_handler::TrustedProxies;
use ws_rate_limiter::{KeyedLimiter, TokenBucket};

use crate::house::{House, PATH};

fn house_behind_a_proxy() -> House {
    House::open(|config| {
        let network = "10.0.0.0/8".parse().expect("a network");
        config.policy.trusted_proxies = TrustedProxies::new([network]);
    })
}

async fn check(house: &House, peer: &str, forwarded: &[&str], expect: &str) {
    let headers: Vec<_> = forwarded.iter().map(|line| ("x-forwarded-for", *line)).collect();
    let target = format!("{PATH}?token={}", house.token("ada"));
    let mut connection = house.connect_from(peer, &target, &headers).await;
    assert_eq!(connection.next().await["type"], "connected");
    let client = house.handler.connections_by_user_id("ada").remove(0);
    assert_eq!(client.address(), expect.parse::<IpAddr>().expect("an address"), "{forwarded:?}");
    connection.leave().await;
}

#[tokio::test(start_paused = true)]
async fn section_4_7_the_address_is_the_peers_unless_a_trusted_proxy_names_another() {
    let house = house_behind_a_proxy();
    check(&house, "192.0.2.1", &[], "192.0.2.1").await;
    check(&house, "192.0.2.1", &["203.0.113.9"], "192.0.2.1").await;
    check(&house, "10.0.0.1", &["203.0.113.9"], "203.0.113.9").await;
    check(&house, "10.0.0.1", &["1.2.3.4, 203.0.113.9, 10.9.9.9"], "203.0.113.9").await;
    check(&house, "10.0.0.1", &["1.2.3.4", "2001:db8::1"], "2001:db8::1").await;
    check(&house, "10.0.0.1", &["203.0.113.9, nonsense"], "10.0.0.1").await;
    // Nobody is trusted unless it is said.
    check(&House::open(|_| {}), "10.0.0.1", &["203.0.113.9"], "10.0.0.1").await;
}

#[tokio::test(start_paused = true)]
async fn section_4_7_connects_are_limited_by_the_address_behind_the_proxy() {
    let house = House::open(|config| {
        let network = "10.0.0.0/8".parse().expect("a network");
        config.policy.trusted_proxies = TrustedProxies::new([network]);
        let limit = TokenBucket::per_hour(1.try_into().expect("not zero"));
        config.policy.limits.connects =
            Some(KeyedLimiter::new(limit, 100.try_into().expect("not zero")).into());
    });
    let target = format!("{PATH}?token={}", house.token("ada"));
    for client in ["203.0.113.1", "203.0.113.2", "203.0.113.3"] {
        let headers = [("x-forwarded-for", client)];
        house.connect_from("10.0.0.1", &target, &headers).await;
        assert_eq!(house.refuse_from("10.0.0.2", &target, &headers).await.status, 429);
    }
    // A client that writes the header itself changes nothing.
    house.connect_from("192.0.2.1", &target, &[("x-forwarded-for", "203.0.113.4")]).await;
    let forged = [("x-forwarded-for", "203.0.113.5")];
    assert_eq!(house.refuse_from("192.0.2.1", &target, &forged).await.status, 429);
}
