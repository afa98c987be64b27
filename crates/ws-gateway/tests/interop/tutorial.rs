//! The tutorial, done as it is written: its file, its page, its commands.

use std::path::PathBuf;

use crate::{
    process::{Process, SECRET, file, run},
    script::Script,
};

const TUTORIAL: &str = include_str!("../../../../docs/tutorial.md");

/// The first block of a language, at a free port in the place of the default.
fn block(language: &str, port: &str) -> String {
    let (_, rest) = TUTORIAL.split_once(&format!("```{language}\n")).expect("a block");
    rest.split_once("```").expect("an end").0.replace("3001", port)
}

async fn token(user: &str) -> String {
    let minted = run(&["token", "--user", user], &[("JWT_SECRET_KEY", SECRET)]).await;
    assert_eq!(minted.status, 0, "{}", minted.stderr);
    minted.stdout.trim().to_owned()
}

#[tokio::test]
async fn its_page_comes_back_after_the_gateway_was_killed_with_all_that_was_said() {
    let [port] = ws_test_servers::free_ports().expect("a free port").map(|port| port.to_string());
    let data = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("tutorial-data");
    let _ = std::fs::remove_dir_all(&data);
    let config = block("toml", &port).replace("chat-data", &data.to_string_lossy());
    let config = file("tutorial.toml", &config).to_string_lossy().into_owned();
    let page = file("tutorial.html", &block("html", &port));
    let page = format!("file://{}", page.to_string_lossy());

    // The second of its commands says nothing that the first does not, but for the export.
    let commands: Vec<&str> =
        TUTORIAL.lines().filter(|line| line.contains("--dev --config chat.toml")).collect();
    assert_eq!(commands, ["cargo run --release -- --dev --config chat.toml"; 2]);
    let arguments = ["--dev", "--config", &config];
    let variables = [("JWT_SECRET_KEY", SECRET), ("WEBSOCKET_PORT", &*port)];
    let start = async || Process::start_with(&arguments, &variables).await;

    let gateway = start().await;
    let (ada, bob) = (token("ada").await, token("bob").await);
    let mut script = Script::start("tutorial/two_tabs.mjs", &[&page, &ada, &bob]);
    script.prints(&["ada: Hello", "stop it"]).await;
    gateway.signal("KILL").await;
    script.prints(&["start it"]).await;
    let _gateway = start().await;
    script.prints(&["both show the same"]).await;
    script.ends().await;
}
