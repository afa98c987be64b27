use std::{net::Ipv4Addr, time::SystemTime};

use ws_connection::{Connection, ConnectionConfig, End, Event};
use ws_transport::{Driver, Meter, Outbox, Replies, Session};

use super::*;

/// A session that is there for its outbox.
struct Mute;

impl Session for Mute {
    fn handle_event(&mut self, _: Event<'_>, _: &mut Replies<'_>) {}

    fn handle_end(&mut self, _: End) {}
}

fn outbox() -> Outbox {
    let now = tokio::time::Instant::now().into_std();
    let connection = Connection::new(Arc::new(ConnectionConfig::server()), None, 0, now);
    let mut given = None;
    let session = |outbox| {
        given = Some(outbox);
        Mute
    };
    drop(Driver::new(tokio::io::empty(), connection, Arc::new(Meter::default()), 1, session));
    given.unwrap()
}

fn client(outbox: &Outbox) -> Arc<Client> {
    let address = Ipv4Addr::LOCALHOST.into();
    Arc::new(Client::new(ConnectionId::random(), address, 0, outbox.clone(), None))
}

fn identity(user_id: &str) -> Arc<Identity> {
    Arc::new(Identity {
        user_id: user_id.into(),
        issuer: "local".into(),
        session_id: None,
        tier: None,
        token_id: None,
        channels: None,
        permissions: None,
        issued_at: None,
        expires_at: None::<SystemTime>,
        valid_until: None,
    })
}

fn ids(clients: &[Arc<Client>]) -> Vec<ConnectionId> {
    let mut ids: Vec<_> = clients.iter().map(|client| client.id()).collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn a_user_has_exactly_the_connections_that_were_added_and_not_removed() {
    let (registry, outbox) = (Registry::new(), outbox());
    let (alice, bob) = (identity("alice"), identity("bob"));
    let clients: Vec<_> = (0..4).map(|_| client(&outbox)).collect();
    for client in &clients[..3] {
        assert_eq!(registry.insert_user(&alice, client.clone(), Some(3)), Ok(()));
        assert!(client.is_user("alice"));
    }
    assert_eq!(registry.insert_user(&alice, clients[3].clone(), Some(3)), Err(TooMany));
    assert_eq!(clients[3].user_id(), None, "who is not let in is nobody");
    assert_eq!(registry.insert_user(&bob, clients[3].clone(), Some(0)), Err(TooMany));
    assert_eq!(registry.insert_user(&bob, clients[3].clone(), None), Ok(()));
    for left in (0..3).rev() {
        assert_eq!(ids(&registry.of_user("alice")), ids(&clients[..=left]));
        // One that is not hers, and then one that is.
        registry.remove_user("alice", clients[3].id());
        assert_eq!(registry.user_count(), 2);
        registry.remove_user("alice", clients[left].id());
    }
    assert!(registry.of_user("alice").is_empty());
    assert_eq!(ids(&registry.of_user("bob")), [clients[3].id()]);
    assert_eq!(registry.user_count(), 1);
}

#[tokio::test]
async fn tables_give_their_room_back_and_lose_nobody() {
    let (registry, outbox) = (Registry::new(), outbox());
    let crowd: Vec<_> = (0..20_000).map(|_| client(&outbox)).collect();
    for (n, client) in crowd.iter().enumerate() {
        registry.insert(client.clone());
        registry.insert_user(&identity(&n.to_string()), client.clone(), None).unwrap();
    }
    assert_eq!((registry.len(), registry.user_count()), (20_000, 20_000));
    let (gone, left) = crowd.split_at(19_990);
    for client in gone {
        registry.remove(client.id());
        registry.remove_user(&client.user_id().unwrap(), client.id());
        assert!(registry.get(client.id()).is_none());
    }
    for client in left {
        assert_eq!(registry.get(client.id()).map(|found| found.id()), Some(client.id()));
        assert_eq!(ids(&registry.of_user(&client.user_id().unwrap())), [client.id()]);
    }
    let mut seen = 0;
    registry.for_each(|_| seen += 1);
    assert_eq!((seen, registry.len(), registry.user_count()), (10, 10, 10));
    let room: usize = registry.connections.iter().map(|shard| shard.lock().capacity()).sum();
    assert!(room <= SHARDS * 2 * ROOM_MIN, "room for {room}");
}

#[tokio::test]
async fn page_by_page_each_connection_is_seen_once_whoever_comes_and_goes_meanwhile() {
    let (registry, outbox) = (Registry::new(), outbox());
    let staying: Vec<_> = (0..500).map(|_| client(&outbox)).collect();
    let leaving: Vec<_> = (0..100).map(|_| client(&outbox)).collect();
    staying.iter().chain(&leaving).for_each(|client| registry.insert(client.clone()));
    assert!(registry.page(None, 0).is_empty());
    assert_eq!(ids(&registry.page(None, 1000)).len(), 600);

    for max in [1, 7, 64, 599] {
        let (mut seen, mut after) = (Vec::new(), None);
        let mut gone = leaving.iter();
        loop {
            let page = registry.page(after, max);
            assert!(page.len() <= max);
            let Some(last) = page.last() else { break };
            after = Some(last.id());
            seen.extend(page);
            // The last of a page may be gone when the next is asked for.
            gone.next().inspect(|client| registry.remove(client.id()));
            registry.insert(client(&outbox));
        }
        let seen = ids(&seen);
        assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "none twice");
        let missing = staying.iter().find(|client| seen.binary_search(&client.id()).is_err());
        assert!(missing.is_none(), "{missing:?} with pages of {max}");
        leaving.iter().for_each(|client| registry.insert(client.clone()));
    }
}
