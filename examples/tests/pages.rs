//! The pages of the examples in a real browser, two windows of each.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::{ffi::OsString, net::SocketAddr, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
    process::Command,
    time::timeout,
};
use ws_close_manager::SendableCode;

#[path = "../chat_rooms.rs"]
#[expect(dead_code, reason = "the example's main is not called here")]
mod chat_rooms;
#[path = "../cursor_board.rs"]
#[expect(dead_code, reason = "the example's main is not called here")]
mod cursor_board;

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn two_pages_chat_and_one_that_was_cut_off_misses_nothing() {
    let shared = chat_rooms::compose().unwrap();
    let (listener, address) = listen().await;
    tokio::spawn(chat_rooms::serve(shared.clone(), listener));
    drive("chat.mjs", address, |wish| {
        assert_eq!(wish, "disconnect ada");
        shared.handler.disconnect_user("ada", SendableCode::RESTART, "Server restart");
    })
    .await;
}

#[tokio::test]
async fn two_boards_show_each_other_where_the_mouse_is() {
    let handler = cursor_board::compose().unwrap();
    let (listener, address) = listen().await;
    tokio::spawn(cursor_board::serve(handler.clone(), listener));
    drive("board.mjs", address, |wish| {
        assert_eq!(wish, "disconnect all");
        for client in handler.connections() {
            client.close(SendableCode::RESTART, "Server restart");
        }
    })
    .await;
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Runs a script of the folder, and does what it asks for.
async fn drive(script: &str, address: SocketAddr, mut fulfil: impl FnMut(&str)) {
    let path = format!("{}/tests/pages/{script}", env!("CARGO_MANIFEST_DIR"));
    let mut node = Command::new(provisioned("WS_TEST_NODE"));
    node.args([path, format!("http://{address}/")])
        .env("WS_TEST_NODE_MODULES", provisioned("WS_TEST_NODE_MODULES"))
        .env("WS_TEST_CHROMIUM", provisioned("WS_TEST_CHROMIUM"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let mut child = node.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while let Some(wish) = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap() {
        fulfil(&wish);
        input.write_all(b"done\n").await.unwrap();
    }
    assert!(child.wait().await.unwrap().success(), "{script} failed");
}

fn provisioned(variable: &str) -> OsString {
    std::env::var_os(variable).unwrap_or_else(|| {
        panic!(
            "{variable} is not set: run `cargo xtask test`, or `eval \"$(cargo xtask provision)\"` first"
        )
    })
}
