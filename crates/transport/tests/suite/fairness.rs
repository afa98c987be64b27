//! Connections that always have more to do, and those who wait for a moment of their thread.

use std::io::Write;

use tokio::{io::AsyncReadExt, net::TcpStream, task::yield_now};

use crate::peer::{Driven, Notes, Setup, frame, settle, text};

/// Messages of a turn, if they are as short as can be.
const SHORT: usize = 129;

/// What each of them was told, of the frames that it finds when it starts.
fn spawn(many: usize, frames: &[u8]) -> Vec<Driven> {
    let notes = || Notes { echoes: false, ..Notes::default() };
    let setup = || Setup { notes: notes(), ..Setup::default() };
    (0..many).map(|_| setup().spawn(|wire| wire.send(frames))).collect()
}

fn told(driven: &[Driven]) -> usize {
    driven.iter().map(|one| one.notes.lock().told.len()).sum()
}

#[tokio::test(start_paused = true)]
async fn a_turn_ends_after_so_many_messages_however_short_they_are() {
    let driven = spawn(1, &text("?").repeat(1000));
    for turn in 1..=7 {
        yield_now().await;
        assert_eq!(told(&driven), turn * SHORT);
    }
    yield_now().await;
    assert_eq!(told(&driven), 1000);
}

#[tokio::test(start_paused = true)]
async fn a_turn_ends_after_so_many_frames_of_which_nobody_is_told() {
    let (first, more) = (frame(0x01, b""), frame(0x00, b""));
    let driven = spawn(1, &[first, more.repeat(60_000), text("too early")].concat());
    yield_now().await;
    assert!(driven[0].wire.unread() > 200_000, "{} bytes are left", driven[0].wire.unread());
}

#[tokio::test(start_paused = true)]
async fn what_was_set_aside_is_worked_off_in_order_and_in_full() {
    let messages: Vec<_> = (0..3000).map(|n| format!("{n} {}", "x".repeat(n % 700))).collect();
    let wire: Vec<u8> = messages.iter().flat_map(|message| text(message)).collect();
    let driven = spawn(1, &wire);
    settle().await;
    assert_eq!(driven[0].texts(), messages);
}

#[tokio::test]
async fn whoever_is_sent_something_is_served_before_the_next_turns_of_those_who_have_more() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
    let mut client =
        std::net::TcpStream::connect(listener.local_addr().expect("an address")).expect("a client");
    let (server, _) = listener.accept().expect("a server");
    server.set_nonblocking(true).expect("a socket");
    let mut server = TcpStream::from_std(server).expect("a runtime");
    let other = tokio::spawn(async move { server.read_u8().await });
    // It waits for its socket.
    settle().await;

    let busy = spawn(10, &text("?").repeat(20_000));
    client.write_all(b"!").expect("sent");
    other.await.expect("no panic").expect("a byte");
    let turns = told(&busy).div_ceil(SHORT);
    assert!(turns <= 2 * busy.len(), "it had to wait for {turns} turns of others");
}

#[tokio::test(start_paused = true)]
async fn those_with_large_messages_are_not_handled_one_right_behind_the_other() {
    const LARGE: usize = 1024 * 1024;
    let many = 10;
    let busy = spawn(many, &text(&"x".repeat(LARGE)).repeat(4));
    let (mut rounds, mut crowded, mut before) = (0, 0, 0);
    while told(&busy) < 4 * many {
        yield_now().await;
        let now = told(&busy);
        // The first of each come when nobody knows yet what they send.
        crowded += usize::from(before >= many && now - before > 3);
        before = now;
        rounds += 1;
        assert!(rounds < 1000, "{now} were handled");
    }
    assert_eq!(crowded, 0, "of {rounds}");
}
