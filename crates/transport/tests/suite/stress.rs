//! Real threads: no wake is lost, and each sender's messages stay in order.

use std::{sync::Arc, time::Duration};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use ws_close_manager::SendableCode;
use ws_connection::{Origin, Prepared};
use ws_transport::{Meter, Overflow, SendError};

use crate::peer::{Notes, Setup, frame, frames, text};

const THREADS: usize = 4;
const EACH: usize = 5_000;

/// Threads send while the driver runs and a peer reads through a pipe of `pipe` bytes.
async fn all_arrive(pipe: usize, outbox_bytes_max: usize) {
    let (io, mut peer) = tokio::io::duplex(pipe);
    let setup = Setup { outbox_bytes_max, ..Setup::default() };
    let (driver, outbox, _notes) = setup.driver(io, Arc::new(Meter::default()));
    let task = tokio::spawn(driver);
    let senders: Vec<_> = (0..THREADS)
        .map(|thread| {
            let outbox = outbox.clone();
            std::thread::spawn(move || {
                for n in 0..EACH {
                    let mut message = Arc::new(Prepared::text(&format!("{thread} {n}")));
                    while let Err(SendError::Full(back)) = outbox.send(message) {
                        message = back;
                        std::thread::yield_now();
                    }
                }
            })
        })
        .collect();
    let closer = tokio::task::spawn_blocking(move || {
        senders.into_iter().for_each(|it| it.join().expect("no panic"));
        outbox.close(SendableCode::NORMAL, "");
    });
    let mut wire = Vec::new();
    let read = async {
        let mut chunk = vec![0; 16 * 1024];
        loop {
            let len = peer.read(&mut chunk).await.expect("an in-memory pipe");
            wire.extend_from_slice(&chunk[..len]);
            if len == 0 {
                break;
            }
            if wire.ends_with(&[0x88, 2, 3, 0xe8]) {
                peer.write_all(&frame(0x88, &1000u16.to_be_bytes())).await.expect("still there");
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), read).await.expect("a wake was lost");
    closer.await.expect("no panic");
    task.await.expect("no panic");

    let mut next = [0; THREADS];
    let (frames, rest) = frames(&wire);
    assert_eq!((frames.len(), rest), (THREADS * EACH + 1, 0), "all of them and the close");
    for (_, payload) in &frames[..THREADS * EACH] {
        let message = std::str::from_utf8(payload).expect("UTF-8");
        let (thread, n) = message.split_once(' ').expect("two numbers");
        let thread: usize = thread.parse().expect("a number");
        assert_eq!(n.parse(), Ok(next[thread]), "in the order of its sender");
        next[thread] += 1;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_threads_send_arrives_in_order_per_sender() {
    all_arrive(1 << 20, usize::MAX).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_threads_send_arrives_though_the_socket_blocks_all_the_time() {
    all_arrive(64, 1000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nudges_from_another_thread_keep_a_session_going_that_is_busy_after_each_message() {
    let (io, mut peer) = tokio::io::duplex(4096);
    let notes = Notes { echoes: true, one_at_a_time: true, ..Notes::default() };
    let setup = Setup { notes, ..Setup::default() };
    let (driver, outbox, notes) = setup.driver(io, Arc::new(Meter::default()));
    tokio::spawn(driver);
    // As an upstream would: it looks whether it is waited for, and nudges once for each message.
    let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let nudger = std::thread::spawn({
        let (notes, done) = (notes.clone(), done.clone());
        move || {
            let mut nudged_for = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let handled = {
                    let notes = notes.lock();
                    if notes.busy {
                        let is_text = |it: &&_| matches!(it, crate::peer::Told::Text(_));
                        notes.told.iter().filter(is_text).count()
                    } else {
                        0
                    }
                };
                if handled > nudged_for {
                    nudged_for = handled;
                    outbox.nudge();
                }
                std::thread::yield_now();
            }
        }
    });
    let count = 500;
    let talk = async {
        let wire: Vec<u8> = (0..count).flat_map(|n| text(&format!("{n:04}"))).collect();
        let (mut reader, mut writer) = tokio::io::split(&mut peer);
        let mut echoed = vec![0; count * 6];
        let (wrote, read) = tokio::join!(writer.write_all(&wire), reader.read_exact(&mut echoed));
        wrote.and(read.map(|_| ())).expect("an in-memory pipe");
        frames(&echoed).0
    };
    let echoed =
        tokio::time::timeout(Duration::from_secs(60), talk).await.expect("a wake was lost");
    done.store(true, std::sync::atomic::Ordering::Relaxed);
    nudger.join().expect("no panic");
    let expected: Vec<_> = (0..count).map(|n| (0x81, format!("{n:04}").into_bytes())).collect();
    assert_eq!(echoed, expected);
}

/// What arrives at a peer that reads in spite of threads that never wait, and what it is told that it
/// missed.
async fn all_arrive_or_are_told(overflow: Overflow, pipe: usize, outbox_bytes_max: usize) {
    let (io, mut peer) = tokio::io::duplex(pipe);
    let setup = Setup { outbox_bytes_max, ..Setup::default() };
    let (driver, outbox, notes) = setup.driver(io, Arc::new(Meter::default()));
    let task = tokio::spawn(driver);
    let senders: Vec<_> = (0..THREADS as u64)
        .map(|thread| {
            let outbox = outbox.clone();
            std::thread::spawn(move || {
                for n in 0..EACH as u64 {
                    let channel = thread.to_string().into();
                    let origin = Origin { channel, key: n % 50, range: Some((1, n, n)), count: 1 };
                    let message = Prepared::text(&format!("{thread} {n}")).with_origin(origin);
                    outbox.send_or(Arc::new(message), overflow).expect("never handed back");
                    assert!(outbox.queued_bytes() <= outbox_bytes_max + 128, "replies are told of");
                }
            })
        })
        .collect();
    let mut join = tokio::task::spawn_blocking(move || {
        senders.into_iter().for_each(|it| it.join().expect("no panic"));
    });
    let count = |wire: &[u8]| {
        let missed = notes.lock().missed();
        let dropped: u64 = missed.iter().map(|missed| missed.dropped).sum();
        let (frames, _) = frames(wire);
        let is_news = |payload: &[u8]| payload.first().is_some_and(u8::is_ascii_digit);
        frames.iter().filter(|(_, payload)| is_news(payload)).count() + dropped as usize
    };
    let mut wire = Vec::new();
    let read = async {
        let mut chunk = vec![0; 16 * 1024];
        let mut all_sent = false;
        while !all_sent || count(&wire) < THREADS * EACH {
            tokio::select! {
                len = peer.read(&mut chunk) => {
                    wire.extend_from_slice(&chunk[..len.expect("an in-memory pipe")]);
                }
                joined = &mut join, if !all_sent => {
                    joined.expect("no panic");
                    all_sent = true;
                }
            }
        }
        assert_eq!(count(&wire), THREADS * EACH);
    };
    tokio::time::timeout(Duration::from_secs(60), read).await.expect("something was never told");
    task.abort();

    let mut last = [None; THREADS];
    for (_, payload) in frames(&wire).0 {
        let text = String::from_utf8(payload).expect("UTF-8");
        let Some((thread, n)) = text.split_once(' ') else { panic!("{text}") };
        let Ok(thread) = thread.parse::<usize>() else { continue };
        let n = n.parse::<usize>().expect("a number");
        assert!(last[thread] < Some(n), "in the order of their sender");
        last[thread] = Some(n);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_what_threads_send_by_a_policy_each_message_arrives_or_is_told_of() {
    for overflow in [Overflow::DropOldest, Overflow::DropNewest, Overflow::Conflate] {
        for (pipe, outbox_bytes_max) in [(64, 1000), (1 << 16, 300), (1 << 16, 1 << 20)] {
            all_arrive_or_are_told(overflow, pipe, outbox_bytes_max).await;
        }
    }
}
