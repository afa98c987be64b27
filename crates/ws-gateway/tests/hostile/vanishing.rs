//! Clients that go away at every stage: politely, rudely, or by saying nothing more.

use std::{sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::crowd::{Crowd, Dice, frame, upgrade};

/// How often each stage is tried, with each way to go.
const TIMES: usize = 15;

/// How far a client comes before it goes.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Connected,
    MidHead,
    RequestSent,
    WaitingForUs,
    HttpKept,
    Upgraded,
    Unauthenticated,
    MidFrame,
    MidMessage,
    RequestAsked,
    CloseSent,
}

const STAGES: [Stage; 11] = [
    Stage::Connected,
    Stage::MidHead,
    Stage::RequestSent,
    Stage::WaitingForUs,
    Stage::HttpKept,
    Stage::Upgraded,
    Stage::Unauthenticated,
    Stage::MidFrame,
    Stage::MidMessage,
    Stage::RequestAsked,
    Stage::CloseSent,
];

/// How it goes.
#[derive(Clone, Copy, Debug)]
enum Exit {
    /// Ends its half, and reads on until the gateway has ended the other.
    HalfClose,
    /// Closes, whatever is unread.
    Close,
    /// Resets.
    Reset,
}

async fn come(crowd: &Crowd, stage: Stage) -> TcpStream {
    let (mut socket, bytes) = match stage {
        Stage::Connected => (crowd.dial().await, Vec::new()),
        Stage::MidHead => {
            let request = crowd.upgrade();
            (crowd.dial().await, request[..request.len() / 2].into())
        }
        Stage::RequestSent => (crowd.dial().await, crowd.upgrade().into()),
        Stage::WaitingForUs => (crowd.dial().await, upgrade("/ws").into()),
        Stage::HttpKept => {
            (crowd.dial().await, b"GET /health HTTP/1.1\r\nHost: g\r\n\r\nGET /he".to_vec())
        }
        Stage::Upgraded => (crowd.upgraded().await, Vec::new()),
        Stage::Unauthenticated => {
            let mut socket = crowd.dial().await;
            socket.write_all(upgrade("/ws").as_bytes()).await.expect("the gateway reads");
            let mut answer = [0; 1024];
            assert_ne!(socket.read(&mut answer).await.expect("readable"), 0);
            (socket, Vec::new())
        }
        Stage::MidFrame => {
            let mut wire = frame(0x81, &[b'x'; 1000]);
            wire.truncate(500);
            (crowd.upgraded().await, wire)
        }
        Stage::MidMessage => (crowd.upgraded().await, frame(0x01, b"the first fragment")),
        Stage::RequestAsked => {
            let request = br#"{"type":"request","requestId":1,"payload":"to nobody"}"#;
            (crowd.upgraded().await, frame(0x81, request).repeat(100))
        }
        Stage::CloseSent => (crowd.upgraded().await, frame(0x88, &1000u16.to_be_bytes())),
    };
    socket.write_all(&bytes).await.expect("the gateway reads");
    socket
}

async fn go(mut socket: TcpStream, exit: Exit) {
    match exit {
        Exit::HalfClose => {
            let _ = socket.shutdown().await;
            let mut rest = Vec::new();
            let _ = socket.read_to_end(&mut rest).await;
        }
        Exit::Close => drop(socket),
        Exit::Reset => {
            // A close that does not linger at all is a reset.
            socket.set_zero_linger().expect("a socket option");
            drop(socket);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_vanish_at_any_stage_leave_nothing_behind() {
    let crowd = Arc::new(Crowd::gather(&[]).await);
    for exit in [Exit::HalfClose, Exit::Close, Exit::Reset] {
        let mut clients = JoinSet::new();
        for n in 0..STAGES.len() * TIMES {
            let crowd = crowd.clone();
            clients.spawn(async move {
                let socket = come(&crowd, STAGES[n % STAGES.len()]).await;
                // Some go at once, others when the gateway has had time to answer.
                sleep(Duration::from_millis((n % 3 * 20) as u64)).await;
                go(socket, exit).await;
            });
        }
        clients.join_all().await;
    }
    let mut crowd = Arc::into_inner(crowd).expect("all clients are gone");
    crowd.is_served().await;
    crowd.has_dispersed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_say_nothing_more_are_let_go_by_the_deadline_of_their_stage() {
    let deadlines = [
        ("PING_INTERVAL", "800"),
        ("PONG_TIMEOUT", "800"),
        ("MAX_MISSED_PONGS", "2"),
        ("HANDSHAKE_TIMEOUT", "2s"),
        ("AUTH_TIMEOUT", "2s"),
    ];
    let mut crowd = Crowd::gather(&deadlines).await;
    let mut mute = Vec::new();
    for stage in STAGES {
        mute.push(come(&crowd, stage).await);
        // Meanwhile it answers its pings: on a busy machine the others take their time to come.
        crowd.is_served().await;
    }
    crowd.is_alone().await;
    drop(mute);
    crowd.has_dispersed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_reads_nothing_is_let_go_and_holds_up_nobody() {
    let further = [("OUTBOX_BYTES_MAX", "64KiB"), ("PING_INTERVAL", "1s"), ("PONG_TIMEOUT", "1s")];
    let mut crowd = Crowd::gather(&further).await;
    let mut sockets = Vec::new();
    for _ in 0..5 {
        let mut socket = crowd.upgraded().await;
        // Letters that do not compress.
        let letters = Dice::new(7).bytes(50_000);
        let payload: String = letters.iter().map(|byte| char::from(b'A' + byte % 26)).collect();
        let request = format!(r#"{{"type":"request","requestId":1,"payload":"{payload}"}}"#);
        let wire = frame(0x81, request.as_bytes());
        // As much as is taken: the gateway stops to read from whoever does not read.
        let mut sent = 0;
        while sent < 2000 {
            let writing = timeout(Duration::from_millis(300), socket.write_all(&wire));
            let Ok(Ok(())) = writing.await else { break };
            sent += 1;
        }
        assert!(sent < 2000, "nothing holds up a client that does not read");
        sockets.push(socket);
        crowd.is_served().await;
    }
    crowd.is_alone().await;
    drop(sockets);
    crowd.has_dispersed().await;
}
