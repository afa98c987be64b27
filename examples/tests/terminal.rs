//! The chat in the terminal, typed into and read.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::time::Duration;

use tokio::{
    io::{AsyncWriteExt, BufReader, DuplexStream, duplex},
    net::TcpListener,
    sync::mpsc,
    time::timeout,
};
use ws_close_manager::SendableCode;

#[path = "../chat_rooms.rs"]
#[expect(dead_code, reason = "the example's main is not called here")]
mod chat_rooms;
#[path = "../terminal_chat.rs"]
#[expect(dead_code, reason = "the example's main is not called here")]
mod terminal_chat;

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn two_terminals_talk_and_one_that_was_cut_off_misses_nothing() {
    let shared = chat_rooms::compose().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("ws://{}/ws", listener.local_addr().unwrap());
    tokio::spawn(chat_rooms::serve(shared.clone(), listener));

    let mut ada = Terminal::open("ada", &address);
    ada.shows("in lobby with ada").await;
    let mut bob = Terminal::open("bob", &address);
    bob.shows("in lobby with ada, bob").await;
    ada.shows("bob is here").await;
    ada.types("Hello").await;
    ada.shows("ada: Hello").await;
    bob.shows("ada: Hello").await;
    bob.types("@ada psst").await;
    ada.shows("bob to you alone: psst").await;

    shared.handler.disconnect_user("ada", SendableCode::RESTART, "Server restart");
    bob.types("Yes").await;
    ada.shows("(the connection is lost; what you write waits)").await;
    ada.types("Is anybody there?").await;
    let (by_ada, by_bob) =
        (ada.lines_until("(you are back)", 2).await, bob.lines_until("", 2).await);
    // Nothing is missing, and all is in the order of the room.
    assert_eq!(by_ada, by_bob);
    assert_eq!(by_ada, ["bob: Yes", "ada: Is anybody there?"]);
    ada.closes().await;
    bob.shows("ada is gone").await;
}

/// One who sits in front of the example.
struct Terminal {
    input: DuplexStream,
    output: mpsc::UnboundedReceiver<String>,
}

impl Terminal {
    fn open(user: &str, address: &str) -> Self {
        let (input, read) = duplex(1024);
        let (written, output) = mpsc::unbounded_channel();
        let options = terminal_chat::Options {
            room: "lobby".to_owned(),
            user: user.to_owned(),
            address: address.to_owned(),
        };
        tokio::spawn(async move {
            let show = |line| written.send(line).unwrap();
            terminal_chat::chat(&options, BufReader::new(read), show).await.unwrap();
        });
        Self { input, output }
    }

    async fn types(&mut self, line: &str) {
        self.input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    async fn line(&mut self) -> String {
        timeout(PATIENCE, self.output.recv()).await.unwrap().unwrap()
    }

    async fn shows(&mut self, expected: &str) {
        assert_eq!(self.line().await, expected);
    }

    /// So many lines that people said; among the others has been this one.
    async fn lines_until(&mut self, remark: &str, count: usize) -> Vec<String> {
        let (mut said, mut remarks) = (Vec::new(), vec![String::new()]);
        while said.len() < count || !remarks.contains(&remark.to_owned()) {
            let line = self.line().await;
            if line.starts_with('(') { &mut remarks } else { &mut said }.push(line);
        }
        said
    }

    /// Ends its input, as Ctrl-D does, and waits until it is over.
    async fn closes(self) {
        let Self { input, mut output } = self;
        drop(input);
        assert_eq!(timeout(PATIENCE, output.recv()).await.unwrap(), None);
    }
}
