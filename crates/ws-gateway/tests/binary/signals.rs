//! SIGTERM and SIGINT: the first drains, the second ends at once.

use std::time::Duration;

use tokio::{
    net::TcpStream,
    time::{Instant, sleep},
};

use crate::process::{Client, Process, answer_to, upgrade};

const READY: &str = "GET /ready HTTP/1.1\r\nHost: g\r\n\r\n";

/// A client that never answers a close.
async fn mute(process: &Process, user: &str) -> TcpStream {
    let mut socket = TcpStream::connect(process.address).await.expect("it listens");
    let target = format!("/ws?token={}", process.token(user));
    let answer = answer_to(&mut socket, &upgrade(&target)).await;
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    socket
}

#[tokio::test]
async fn a_signal_closes_everybody_with_1012_and_the_process_ends_with_0() {
    for signal in ["TERM", "INT"] {
        let process = Process::start(&[], &[]).await;
        let mut clients = vec![process.visit("ada").await, process.visit("bob").await];
        clients.push(Client::connect(&format!("ws://{}/ws", process.address)).await);
        assert_eq!(clients[2].next().await["type"], "connected");
        process.signal(signal).await;
        for client in &mut clients[..2] {
            assert!(client.goodbye().await < Duration::from_secs(1), "three are few");
        }
        for client in &mut clients {
            assert_eq!(client.closed().await, (1012, "Server restart".to_owned()));
        }
        drop(clients);
        let ended = process.ended().await;
        assert_eq!(ended.status, 0, "{}", ended.stderr);
        assert!(ended.stderr.contains(&format!("\"signal\":\"SIG{signal}\"")), "{}", ended.stderr);
        assert!(ended.stderr.contains("3 connections in "), "{}", ended.stderr);
        assert!(ended.stderr.contains(" 3 acknowledged, "), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn while_it_drains_ready_is_503_and_upgrades_are_refused_and_a_mute_client_does_not_hold_it()
{
    let process = Process::start(&[], &[("CLOSE_TIMEOUT", "2000")]).await;
    let _mute = mute(&process, "ada").await;
    let mut probe = TcpStream::connect(process.address).await.expect("it listens");
    assert!(answer_to(&mut probe, READY).await.starts_with("HTTP/1.1 200 "));
    let started = Instant::now();
    process.signal("TERM").await;
    process.logs("closing all connections").await;
    let answer = answer_to(&mut probe, READY).await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("draining"), "{answer}");
    let mut late = TcpStream::connect(process.address).await.expect("it still answers");
    let answer = answer_to(&mut late, &upgrade("/ws")).await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("Server restart"), "{answer}");
    let address = process.address;
    let ended = process.ended().await;
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    let took = started.elapsed();
    assert!(took > Duration::from_millis(1900) && took < Duration::from_secs(5), "{took:?}");
    assert!(TcpStream::connect(address).await.is_err(), "the port is free again");
}

#[tokio::test]
async fn a_second_signal_ends_at_once_and_not_with_0() {
    for second in ["TERM", "INT"] {
        let process = Process::start(&[], &[("CLOSE_TIMEOUT", "60s")]).await;
        let _mute = mute(&process, "ada").await;
        process.signal("TERM").await;
        process.logs("closing all connections").await;
        sleep(Duration::from_millis(100)).await;
        let started = Instant::now();
        process.signal(second).await;
        let ended = process.ended().await;
        assert_eq!(ended.status, 1, "{}", ended.stderr);
        assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
        assert!(ended.stderr.contains("ending at once"), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn a_restart_on_the_same_port_need_not_wait_for_the_connections_before() {
    let first = Process::start(&[], &[]).await;
    let address = first.address;
    let mut client = first.visit("ada").await;
    first.signal("TERM").await;
    client.goodbye().await;
    assert_eq!(client.closed().await.0, 1012);
    assert_eq!(first.ended().await.status, 0);
    let port = address.port().to_string();
    let second = Process::start(&[], &[("WEBSOCKET_PORT", &port)]).await;
    assert_eq!(second.address, address);
    second.visit("ada").await;
}
