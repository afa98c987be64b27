//! How tunnels end, and what each side is told.

use super::*;
use crate::{BridgeError, bridge};

#[tokio::test]
async fn each_direction_ends_by_itself() {
    let place = Place::new().await;
    let (mut client, mut target) = place.open(true).await;
    // The client has asked all that it wants to know.
    say(&mut client, b"question").await;
    say(&mut client, b"").await;
    let mut question = Vec::new();
    timeout(PATIENCE, target.read_to_end(&mut question)).await.unwrap().unwrap();
    assert_eq!(question, b"question");
    // The answer comes all the same, and its end ends the tunnel.
    target.write_all(b"answer").await.unwrap();
    drop(target);
    assert_eq!(hear_all(&mut client).await, (b"answer".to_vec(), None));
    assert_eq!(closed(&mut client).await, (1000, "Both sides have finished".to_owned()));
    place.ended("finished").await;
}

#[tokio::test]
async fn a_target_that_has_finished_still_hears_the_client() {
    let place = Place::new().await;
    let (mut client, mut target) = place.open(true).await;
    target.write_all(b"last word").await.unwrap();
    target.shutdown().await.unwrap();
    assert_eq!(hear_all(&mut client).await, (b"last word".to_vec(), None));
    say(&mut client, b"and mine").await;
    say(&mut client, b"").await;
    let mut heard = Vec::new();
    timeout(PATIENCE, target.read_to_end(&mut heard)).await.unwrap().unwrap();
    assert_eq!(heard, b"and mine");
    assert_eq!(closed(&mut client).await.0, 1000);
    place.ended("finished").await;
}

#[tokio::test]
async fn for_clients_that_know_of_no_end_the_targets_end_is_the_connections() {
    let place = Place::new().await;
    let (mut client, mut target) = place.open(false).await;
    // It is nothing but an empty message to them.
    say(&mut client, b"").await;
    say(&mut client, b"x").await;
    let mut heard = [0; 1];
    timeout(PATIENCE, target.read_exact(&mut heard)).await.unwrap().unwrap();
    target.write_all(b"bye").await.unwrap();
    drop(target);
    let (heard, frame) = hear_all(&mut client).await;
    let frame = frame.unwrap();
    assert_eq!((&*heard, u16::from(frame.code)), (&b"bye"[..], 1000));
    assert_eq!(frame.reason.as_str(), "The target has finished");
    place.ended("target_finished").await;
}

#[tokio::test]
async fn what_a_client_sent_before_it_closed_reaches_the_target() {
    let place = Place::new().await;
    let (mut client, mut target) = place.open(false).await;
    say(&mut client, &[7; 20_000]).await;
    client.close(None).await.unwrap();
    let mut heard = Vec::new();
    let reading = timeout(PATIENCE, target.read_to_end(&mut heard));
    let (reading, _) = tokio::join!(reading, hear(&mut client));
    reading.unwrap().unwrap();
    assert_eq!(heard, [7; 20_000]);
    place.ended("client_gone").await;
}

#[tokio::test]
async fn a_client_that_vanishes_resets_the_target() {
    let place = Place::new().await;
    let (mut client, mut target) = place.open(true).await;
    say(&mut client, b"half of a fi").await;
    let mut heard = [0; 12];
    timeout(PATIENCE, target.read_exact(&mut heard)).await.unwrap().unwrap();
    drop(client);
    let error = timeout(PATIENCE, target.read(&mut heard)).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    place.ended("client_gone").await;
}

/// A reset with its end, once the tunnel is there.
async fn break_it(target: &mut TcpStream) {
    timeout(PATIENCE, target.read_u8()).await.unwrap().unwrap();
    target.set_zero_linger().unwrap();
}

#[tokio::test]
async fn a_target_that_breaks_is_not_taken_for_one_that_has_finished() {
    let place = Place::new().await;
    let (mut client, mut target) = place.open(true).await;
    say(&mut client, b"x").await;
    break_it(&mut target).await;
    drop(target);
    assert_eq!(
        closed(&mut client).await,
        (1014, "The target has broken the connection".to_owned())
    );
    place.ended("target_broke").await;
}

#[tokio::test]
async fn a_target_that_is_not_there_is_said_to_be_unreachable() {
    let place = Place::new().await;
    drop(place.listener);
    let mut client = Place { listener: TcpListener::bind("127.0.0.1:0").await.unwrap(), ..place }
        .dial(&place.address.to_string(), "ada", true)
        .unwrap();
    assert_eq!(closed(&mut client).await, (1014, "The target cannot be reached".to_owned()));
}

#[tokio::test]
async fn a_tunnel_through_which_nothing_goes_is_closed() {
    let idle_timeout = Some(Duration::from_millis(50));
    let place = Place::with(TunnelConfig { idle_timeout, ..TunnelConfig::default() }).await;
    let (mut client, _target) = place.open(true).await;
    assert_eq!(closed(&mut client).await, (1001, "Idle timeout".to_owned()));
    place.ended("idle").await;
}

#[tokio::test]
async fn texts_and_bytes_behind_the_end_are_misuse() {
    let place = Place::new().await;
    let sentence = "A tunnel takes binary messages, and none behind an empty one";
    let (mut client, _target) = place.open(true).await;
    client.send(Message::text("hello")).await.unwrap();
    assert_eq!(closed(&mut client).await, (1003, sentence.to_owned()));
    let (mut client, _target) = place.open(true).await;
    say(&mut client, b"").await;
    say(&mut client, b"more").await;
    assert_eq!(closed(&mut client).await, (1003, sentence.to_owned()));
    place.ended("misused").await;
}

#[tokio::test]
async fn a_reader_and_a_writer_are_bridged_until_both_have_finished() {
    let place = Place::new().await;
    let (client, mut target) = place.open(true).await;
    let (mut user, reader) = duplex(1024);
    let (writer, mut screen) = duplex(1024);
    let bridging = tokio::spawn(bridge(client, reader, writer));
    user.write_all(b"ls\n").await.unwrap();
    drop(user);
    let mut heard = Vec::new();
    timeout(PATIENCE, target.read_to_end(&mut heard)).await.unwrap().unwrap();
    target.write_all(b"a  b  c\n").await.unwrap();
    drop(target);
    let mut seen = Vec::new();
    timeout(PATIENCE, screen.read_to_end(&mut seen)).await.unwrap().unwrap();
    assert_eq!((&*heard, &*seen), (&b"ls\n"[..], &b"a  b  c\n"[..]));
    let bridged = timeout(PATIENCE, bridging).await.unwrap().unwrap().unwrap();
    assert_eq!((bridged.sent, bridged.received), (3, 8));
}

#[tokio::test]
async fn a_bridge_says_why_the_tunnel_was_closed() {
    let place = Place::new().await;
    let (mut client, mut target) = place.open(true).await;
    say(&mut client, b"x").await;
    break_it(&mut target).await;
    drop(target);
    let (_user, reader) = duplex(1024);
    let (writer, _screen) = duplex(1024);
    let error = timeout(PATIENCE, bridge(client, reader, writer)).await.unwrap().unwrap_err();
    assert!(matches!(&error, BridgeError::Closed { code: 1014, .. }), "{error:?}");
    let sentence = "the tunnel was closed with 1014: The target has broken the connection";
    assert_eq!(error.to_string(), sentence);
}
