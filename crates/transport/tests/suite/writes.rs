//! What leaves: with how many calls, in which pieces, over which kind of transport.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use proptest::prelude::*;
use tokio_tungstenite::WebSocketStream;
use tungstenite::protocol::Role as PeerRole;
use ws_compression::{CompressionConfig, CompressionManager, Role};
use ws_connection::Prepared;

use crate::{
    peer::{Setup, drive, frame, frames, pass, prepared, settle, text},
    scripted::{Control, scripted},
};

#[tokio::test(start_paused = true)]
async fn sixteen_pipelined_frames_cost_one_read_and_one_write() {
    let driven = drive();
    settle().await;
    driven.wire.send(text("twenty bytes of text").repeat(16));
    settle().await;
    assert_eq!(driven.sent_texts().len(), 16);
    assert_eq!(driven.wire.with(|script| (script.reads, script.writes)), (1, 1));
    let traffic = driven.meter.traffic();
    assert_eq!((traffic.frames_received, traffic.writes), (16, 1));
    assert_eq!(traffic.bytes_sent, 16 * 22);
    assert_eq!(traffic.bytes_received, 16 * 26);
}

/// What an echo costs is mostly calls of the kernel, and those can be counted on any machine, busy or
/// not: the share of tokio-tungstenite's cost is bounded here by the share of its calls, and measured in
/// microseconds by `examples/echo_cost.rs`.
#[tokio::test(start_paused = true)]
async fn an_echo_of_sixteen_in_flight_makes_an_eighth_of_tokio_tungstenites_calls() {
    let wire = text("twenty bytes of text").repeat(16);
    let calls = |wire: &Control| wire.with(|script| script.reads + script.writes);

    let (io, theirs) = scripted();
    let mut stream = WebSocketStream::from_raw_socket(io, PeerRole::Server, None).await;
    let echo = tokio::spawn(async move {
        while let Some(Ok(message)) = stream.next().await {
            stream.send(message).await.expect("open");
        }
    });
    let ours = drive();
    for round in 1..=10 {
        theirs.send(wire.clone());
        ours.wire.send(wire.clone());
        settle().await;
        let echoed = theirs.with(|script| frames(&script.written).0.len());
        assert_eq!((echoed, ours.frames().len()), (16 * round, 16 * round));
    }
    echo.abort();
    let (theirs, ours) = (calls(&theirs), calls(&ours.wire));
    assert_eq!(ours, 20, "one read and one write for each round");
    assert!(ours * 8 <= theirs, "{ours} beside {theirs}");
}

#[tokio::test(start_paused = true)]
async fn a_pong_an_echo_and_a_queued_message_share_one_write() {
    let driven = drive();
    settle().await;
    driven.wire.send([frame(0x89, b"p"), text("echo")].concat());
    driven.outbox.send(prepared("queued")).expect("room");
    settle().await;
    assert_eq!(driven.frames().len(), 3);
    assert_eq!(driven.wire.with(|script| script.writes), 1);
}

#[tokio::test(start_paused = true)]
async fn the_handshakes_response_shares_the_write_with_what_early_input_is_answered() {
    let setup = Setup {
        first_output: b"HTTP/1.1 101\r\n\r\n".to_vec(),
        early_input: text("early"),
        ..Setup::default()
    };
    let driven = setup.spawn(|_| {});
    settle().await;
    driven.wire.with(|script| {
        assert_eq!(script.written, b"HTTP/1.1 101\r\n\r\n\x81\x05early");
        assert_eq!(script.writes, 1);
    });
}

#[tokio::test(start_paused = true)]
async fn what_a_transport_holds_back_is_flushed() {
    let driven = Setup::default().spawn(|wire| wire.with(|script| script.holds_back = true));
    driven.wire.send(text("echo"));
    settle().await;
    assert_eq!(driven.sent_texts(), ["echo"]);
    driven.outbox.send(prepared("queued")).expect("room");
    settle().await;
    assert_eq!(driven.sent_texts(), ["echo", "queued"]);

    driven.wire.with(|script| script.room = 3);
    driven.wire.send(text("in two parts"));
    settle().await;
    driven.wire.make_room(usize::MAX);
    settle().await;
    assert_eq!(driven.sent_texts(), ["echo", "queued", "in two parts"]);
}

#[tokio::test(start_paused = true)]
async fn a_prepared_message_leaves_deflated_or_plain_as_each_connection_negotiated() {
    let manager = CompressionManager::new(CompressionConfig::default());
    let params = manager.accept_offer(["permessage-deflate"]).expect("plain offer").params;
    let deflate = Some(manager.codec(Role::Server, params));
    let compressed = Setup { deflate, ..Setup::default() }.spawn(|_| {});
    let plain = drive();
    let text = "again and again ".repeat(1000);
    let message = Arc::new(Prepared::text(&text));
    for driven in [&compressed, &plain] {
        driven.outbox.send(message.clone()).expect("room");
    }
    settle().await;
    assert_eq!(plain.frames(), [(0x81, text.into_bytes())]);
    let sent = compressed.frames();
    assert_eq!(sent[0].0, 0xc1);
    assert!(sent[0].1.len() < 500);
}

/// Something to send: by the peer to be echoed, or through the outbox; small ones are copied into
/// the output, large ones leave as slices of their own.
#[derive(Clone, Debug)]
enum Sent {
    Echo(usize),
    Queued(usize),
}

fn sent() -> impl Strategy<Value = Sent> {
    let len = || prop_oneof![0usize..200, 4000usize..4200, Just(70_000)];
    prop_oneof![len().prop_map(Sent::Echo), len().prop_map(Sent::Queued)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn however_the_socket_takes_bytes_all_leave_whole_and_in_order(
        script in proptest::collection::vec((sent(), 0usize..20_000), 1..40),
        write_max in prop_oneof![1usize..10, 100usize..10_000, Just(usize::MAX)],
        vectored: bool,
        holds_back: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let driven = Setup { outbox_bytes_max: usize::MAX, ..Setup::default() }.spawn(|wire| {
                wire.with(|it| {
                    it.room = 0;
                    it.write_max = write_max;
                    it.vectored = vectored;
                    it.holds_back = holds_back;
                });
            });
            let (mut echoes, mut queued) = (Vec::new(), Vec::new());
            for (sent, room) in script {
                match sent {
                    Sent::Echo(len) => {
                        let message = format!("e{}{}", echoes.len(), "x".repeat(len));
                        driven.wire.send(text(&message));
                        echoes.push(message);
                    }
                    Sent::Queued(len) => {
                        let message = format!("q{}{}", queued.len(), "y".repeat(len));
                        driven.outbox.send(prepared(&message)).expect("no bound");
                        queued.push(message);
                    }
                }
                driven.wire.make_room(room);
                tokio::task::yield_now().await;
            }
            driven.wire.make_room(usize::MAX);
            pass(std::time::Duration::from_millis(1)).await;
            let (_, rest) = driven.wire.with(|it| frames(&it.written));
            assert_eq!(rest, 0, "no frame is cut");
            let (e, q): (Vec<_>, Vec<_>) =
                driven.sent_texts().into_iter().partition(|it| it.starts_with('e'));
            assert_eq!(e, echoes);
            assert_eq!(q, queued);
        });
    }
}

#[tokio::test(start_paused = true)]
async fn joined_messages_are_one_wake_and_one_write_and_arrive_as_themselves() {
    let driven = drive();
    settle().await;
    let polls = driven.wire.with(|script| script.reads);
    let messages: Vec<_> = ["a", "b", "c"].into_iter().map(prepared).collect();
    let joined = Prepared::join(&messages).expect("three");
    driven.outbox.send(joined).expect("room");
    settle().await;
    assert_eq!(driven.sent_texts(), ["a", "b", "c"]);
    assert_eq!(driven.wire.with(|script| (script.reads, script.writes)), (polls, 1));
}

#[tokio::test(start_paused = true)]
async fn a_session_hears_once_that_all_of_a_read_has_been_handled() {
    let driven = drive();
    driven.wire.send(text("one").repeat(3));
    settle().await;
    driven.wire.send([text("two"), text("cut")[..3].to_vec()].concat());
    settle().await;
    driven.wire.send(text("cut")[3..].to_vec());
    settle().await;
    assert_eq!(driven.notes.lock().caught_up, [3, 4, 5], "events told by the end of each read");
}
