//! Who does not take what is there for it stops the other side, and costs a bounded amount of memory.

use super::*;

/// More than the kernel keeps for a socket on loopback.
const MUCH: usize = 24 << 20;
/// What the tunnel may hold of it: two rounds of its buffer, one read or message above, and what is on its
/// way through the transport.
const HELD_MAX: u64 = 512 * 1024;

fn pattern(at: usize) -> u8 {
    (at % 251) as u8
}

#[tokio::test]
async fn a_client_that_does_not_read_stops_the_target() {
    let place = Place::new().await;
    let (mut client, mut target) = place.open(true).await;
    let bytes: Vec<u8> = (0..MUCH).map(pattern).collect();
    let expected = bytes.clone();
    let mut writing = tokio::spawn(async move {
        target.write_all(&bytes).await.unwrap();
    });
    let stuck = timeout(Duration::from_millis(300), &mut writing).await;
    assert!(stuck.is_err(), "nobody has read, and all was taken");
    assert!(place.tunnels.stats().bytes_to_clients < HELD_MAX, "{:?}", place.tunnels.stats());
    let (heard, _) = hear_all(&mut client).await;
    assert!(heard == expected, "{} of {MUCH}", heard.len());
    writing.await.unwrap();
}

#[tokio::test]
async fn a_target_that_does_not_read_stops_the_client() {
    let place = Place::new().await;
    let (mut client, mut target) = place.open(true).await;
    let mut writing = tokio::spawn(async move {
        for start in (0..MUCH).step_by(16 * 1024) {
            let piece: Vec<u8> = (start..start + 16 * 1024).map(pattern).collect();
            say(&mut client, &piece).await;
        }
        say(&mut client, b"").await;
        client
    });
    let stuck = timeout(Duration::from_millis(300), &mut writing).await;
    assert!(stuck.is_err(), "nobody has read, and all was taken");
    let mut heard = Vec::new();
    timeout(PATIENCE, target.read_to_end(&mut heard)).await.unwrap().unwrap();
    assert!(heard.len() == MUCH && heard.iter().enumerate().all(|(at, byte)| *byte == pattern(at)));
    drop(target);
    let mut client = writing.await.unwrap();
    assert_eq!(hear_all(&mut client).await, (Vec::new(), None));
    assert_eq!(closed(&mut client).await.0, 1000);
}

#[tokio::test]
async fn however_much_waits_for_a_client_it_comes_in_messages_that_clients_take() {
    let place =
        Place::with(TunnelConfig { buffer_bytes: 6 << 20, ..TunnelConfig::default() }).await;
    let (mut client, mut target) = place.open(true).await;
    let writing = tokio::spawn(async move {
        target.write_all(&vec![7; 12 << 20]).await.unwrap();
    });
    // Nobody reads until much waits.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let (mut heard, mut largest) = (0, 0);
    while let Some(Message::Binary(bytes)) = hear(&mut client).await
        && !bytes.is_empty()
    {
        largest = largest.max(bytes.len());
        heard += bytes.len();
    }
    writing.await.unwrap();
    assert_eq!(heard, 12 << 20);
    assert!(largest <= 1 << 20, "{largest}");
}
