//! To whom there is no tunnel.

use super::*;

#[tokio::test]
async fn an_address_that_is_not_on_the_list_is_never_connected_to() {
    let place = Place::new().await;
    let port = place.address.port();
    for address in [&format!("127.0.0.2:{port}"), "127.0.0.1:22", "localhost", "", "a b"] {
        assert_eq!(place.dial(address, "ada", true).err(), Some(Refused::NotListed), "{address}");
    }
    let stats = place.tunnels.stats();
    assert_eq!((stats.open, stats.refusals[0]), (0, ("not_listed", 5)));
}

#[tokio::test]
async fn a_tunnel_above_a_limit_is_refused_until_another_has_ended() {
    let config = TunnelConfig {
        per_user_max: at_most(1),
        tunnels_max: at_most(2),
        ..TunnelConfig::default()
    };
    let place = Place::with(config).await;
    let (first, _target) = place.open(true).await;
    let again = |user| place.dial(&place.address.to_string(), user, true);
    assert_eq!(again("ada").err(), Some(Refused::UserFull));
    let _second = again("bob").unwrap();
    assert_eq!(again("eve").err(), Some(Refused::Full));
    drop(first);
    let freed = async {
        while place.tunnels.stats().open == 2 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, freed).await.unwrap();
    assert!(again("ada").is_ok());
}

#[tokio::test]
async fn another_list_counts_for_new_tunnels_and_keeps_the_count_of_all() {
    let place = Place::new().await;
    let (_first, _target) = place.open(true).await;
    let config = TunnelConfig { tunnels_max: at_most(1), ..TunnelConfig::default() };
    let Place { listener, address, tunnels } = place;
    let place = Place {
        tunnels: tunnels.with(tunnels.targets().clone(), config.clone()),
        listener,
        address,
    };
    assert_eq!(place.dial(&address.to_string(), "bob", true).err(), Some(Refused::Full));
    let emptied = Place { tunnels: tunnels.with(crate::Targets::default(), config), ..place };
    assert_eq!(emptied.dial(&address.to_string(), "bob", true).err(), Some(Refused::NotListed));
    assert_eq!(emptied.tunnels.stats().open, 1);
}
