//! SIGHUP: the file is read again; everybody stays, also when nothing comes of it.

use crate::process::{Process, file};

#[tokio::test]
async fn a_hangup_reads_the_file_again_or_says_what_is_wrong_with_it_and_nobody_has_to_go() {
    let path = file("reloading.toml", "[heartbeat]\nping_interval = \"9s\"\n");
    let write = |text: &str| std::fs::write(&path, text).expect("written before");
    let named = path.to_str().expect("UTF-8").to_owned();
    let process = Process::start(&["--config", &named], &[]).await;
    let mut client = process.visit("ada").await;

    write(
        "[log]\nlog_level = \"debug\"\n[heartbeat]\nping_interval = \"8s\"\n\
         [server]\nwebsocket_path = \"/other\"\n",
    );
    process.signal("HUP").await;
    process.logs("\"applied\":\"LOG_LEVEL\"").await;
    process.logs("\"new_connections\":\"PING_INTERVAL\"").await;
    process.logs("\"needs_restart\":\"WEBSOCKET_PATH\"").await;
    // Somebody who goes without a word is worth a line to nobody else.
    drop(tokio::net::TcpStream::connect(process.address).await.expect("it listens"));
    process.logs("\"level\":\"DEBUG\"").await;

    write("[log]\nlog_level = \"loud\"\n[heartbeat]\nping_interval = \"soon\"\n");
    process.signal("HUP").await;
    process.logs("not reloaded: nothing has changed").await;
    process.logs("LOG_LEVEL = \\\"loud\\\"").await;
    process.logs("PING_INTERVAL = \\\"soon\\\"").await;

    std::fs::remove_file(&path).expect("it was there");
    process.signal("HUP").await;
    process.logs("a file that can be read").await;
    assert_eq!(client.ask("x").await["type"], "response");
    process.signal("TERM").await;
    drop(client);
    assert_eq!(process.ended().await.status, 0);
}

#[tokio::test]
async fn where_the_environment_says_what_is_logged_a_level_waits() {
    let path = file("reloading-fixed.toml", "");
    let named = path.to_str().expect("UTF-8").to_owned();
    let process = Process::start(&["--config", &named], &[("RUST_LOG", "info")]).await;
    std::fs::write(&path, "[log]\nlog_level = \"error\"\n").expect("written before");
    process.signal("HUP").await;
    process.logs("\"needs_restart\":\"LOG_LEVEL (RUST_LOG says what is logged)\"").await;
}

#[tokio::test]
async fn a_file_that_was_emptied_to_be_written_anew_is_not_taken_for_what_is_meant() {
    let path = file("reloading-emptied.toml", "[[channels]]\npattern = \"news\"\n");
    let named = path.to_str().expect("UTF-8").to_owned();
    let process = Process::start(&["--config", &named], &[]).await;
    std::fs::write(&path, "").expect("written before");
    process.signal("HUP").await;
    process.logs("it is empty").await;
    std::fs::write(&path, "[[channels]]\npattern = \"chat\"\n").expect("written before");
    process.signal("HUP").await;
    process.logs("\"applied\":\"[[channels]]\"").await;
}

#[tokio::test]
async fn a_file_that_cannot_be_had_does_not_keep_anybody_from_ending_it() {
    let path = file("reloading-hanging.toml", "[log]\nlog_level = \"debug\"\n");
    let named = path.to_str().expect("UTF-8").to_owned();
    let process = Process::start(&["--config", &named], &[]).await;
    let client = process.visit("ada").await;
    // Whoever reads a pipe waits for its writer, as whoever reads from a server that is away does for that.
    std::fs::remove_file(&path).expect("it was there");
    let made = std::process::Command::new("mkfifo").arg(&path).status().expect("coreutils");
    assert!(made.success());
    process.signal("HUP").await;
    // The next reload would be known by its answer; that this one waits, by nothing but time.
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    process.signal("TERM").await;
    process.logs("closing all connections").await;
    drop(client);
    let ended = process.ended().await;
    std::fs::remove_file(&path).expect("it was made");
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert!(!ended.stderr.contains("reloaded"), "{}", ended.stderr);
}
