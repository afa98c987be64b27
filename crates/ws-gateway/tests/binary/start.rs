//! DESIGN §4.9 and §6: what makes the gateway refuse to start, and how it says so.

use tokio::net::{TcpListener, TcpStream};

use crate::process::{Client, Process, SECRET, file, run};

#[tokio::test]
async fn section_4_9_without_a_secret_and_without_dev_it_refuses_to_start_and_says_what_to_set() {
    let ended = run(&[], &[("WEBSOCKET_PORT", "0")]).await;
    assert_eq!(ended.status, 2, "{ended:?}");
    for part in
        ["JWT_SECRET_KEY is not set", "JWKS_URL", "SUPABASE_AUTH_DOMAIN", "--dev", "AUTH_MODE"]
    {
        assert!(ended.stderr.contains(part), "{part} is not in {}", ended.stderr);
    }
    assert_eq!(ended.stdout, "");
}

#[tokio::test]
async fn section_4_9_weak_and_well_known_secrets_are_refused_and_not_repeated() {
    for secret in ["short", "your-secret-key-change-in-production", "your-secret-key"] {
        let ended = run(&[], &[("JWT_SECRET_KEY", secret)]).await;
        assert_eq!(ended.status, 2, "{ended:?}");
        assert!(ended.stderr.contains("JWT_SECRET_KEY"), "{}", ended.stderr);
        assert!(!ended.stderr.contains(&format!("\"{secret}\"")), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn section_6_a_bad_configuration_says_all_that_is_wrong_at_once_and_opens_no_port() {
    let reserved = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = reserved.local_addr().expect("bound").port().to_string();
    drop(reserved);
    let config =
        file("bad.toml", "[server]\nwebsocket_port = 99999\n[heartbeat]\nping_intervall = 1\n");
    let arguments = ["--config", config.to_str().expect("UTF-8"), "--close-timeout", "never"];
    let variables = [
        ("WEBSOCKET_HOST", "127.0.0.1"),
        ("PONG_TIMEOUT", "soon"),
        ("MAX_FRAME_SIZE", "0"),
        ("COMPRESSION_LEVEL", "10"),
        ("UPSTREAM", "ftp://example"),
    ];
    let ended = run(&arguments, &variables).await;
    assert_eq!(ended.status, 2, "{ended:?}");
    for part in [
        "WEBSOCKET_PORT = \"99999\" (",
        "bad.toml:2",
        "ping_intervall",
        "did you mean ping_interval?",
        "PONG_TIMEOUT = \"soon\" (variable PONG_TIMEOUT)",
        "MAX_FRAME_SIZE = \"0\"",
        "COMPRESSION_LEVEL = \"10\"",
        "0 to 9",
        "CLOSE_TIMEOUT = \"never\" (flag --close-timeout)",
        "UPSTREAM = ",
        "JWT_SECRET_KEY is not set",
    ] {
        assert!(ended.stderr.contains(part), "{part} is not in {}", ended.stderr);
    }
    assert_eq!(ended.stdout, "");
    let ended = run(&[], &[("WEBSOCKET_PORT", &port), ("PONG_TIMEOUT", "soon")]).await;
    assert_eq!(ended.status, 2);
    let address = format!("127.0.0.1:{port}");
    assert!(TcpStream::connect(address).await.is_err(), "it listened before it had checked");
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_in_one_clear_sentence() {
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = taken.local_addr().expect("bound");
    let port = address.port().to_string();
    let variables =
        [("WEBSOCKET_HOST", "127.0.0.1"), ("WEBSOCKET_PORT", &port), ("JWT_SECRET_KEY", SECRET)];
    let ended = run(&[], &variables).await;
    assert_eq!(ended.status, 1, "{ended:?}");
    assert!(ended.stderr.contains(&format!("cannot listen on {address}: ")), "{}", ended.stderr);
    assert!(ended.stderr.to_lowercase().contains("in use"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
}

#[tokio::test]
async fn section_4_9_dev_prints_an_address_that_works_on_standard_output_alone() {
    for variables in [
        &[("WEBSOCKET_PORT", "0")][..],
        &[("WEBSOCKET_PORT", "0"), ("WEBSOCKET_PATH", "/chat")],
        &[("WEBSOCKET_PORT", "0"), ("AUTH_MODE", "upgrade")],
    ] {
        let process = Process::start_with(&["--dev"], variables).await;
        let address = loop {
            let printed = process.printed();
            if let Some(line) = printed.lines().next() {
                break line.to_owned();
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        };
        assert!(process.address.ip().is_loopback());
        let mut client = Client::connect(&address).await;
        assert_eq!(client.next().await["userId"], "dev-user");
        assert_eq!(client.ask("hello").await["payload"], "hello");
        let (_, token) = address.split_once("token=").expect("with a token");
        assert!(!process.log().contains(token), "the token is in the log");
        client.leave().await;
    }
}

#[tokio::test]
async fn section_4_5_auth_mode_none_is_followed_where_it_is_spelled_out_and_warned_about() {
    let variables =
        [("WEBSOCKET_HOST", "127.0.0.1"), ("WEBSOCKET_PORT", "0"), ("AUTH_MODE", "none")];
    let process = Process::start_with(&[], &variables).await;
    assert!(process.log().contains("\"level\":\"WARN\""), "{}", process.log());
    assert!(process.log().contains("AUTH_MODE"), "{}", process.log());
    let mut client = Client::connect(&format!("ws://{}/ws", process.address)).await;
    assert_eq!(client.next().await["type"], "connected");
}

#[tokio::test]
async fn section_4_9_without_channel_rules_the_log_says_that_channels_are_open() {
    let open = Process::start(&[], &[]).await;
    open.logs("no [[channels]]: whoever has authenticated may use any channel").await;
    let rule = file("one_rule.toml", "[[channels]]\npattern = \"news\"\nsubscribe = true\n");
    let closed = Process::start(&["--config", rule.to_str().expect("UTF-8")], &[]).await;
    assert!(!closed.log().contains("[[channels]]"), "{}", closed.log());
}

#[tokio::test]
async fn more_connections_than_the_system_has_files_for_are_refused_before_the_start() {
    let mut command = tokio::process::Command::new("sh");
    command.args(["-c", "ulimit -n 1000 && exec \"$0\"", env!("CARGO_BIN_EXE_ws-gateway")]);
    let variables = [("JWT_SECRET_KEY", SECRET), ("MAX_CONNECTIONS", "2000")];
    command.env_clear().envs(variables).env("WEBSOCKET_PORT", "0");
    let ended = command.output().await.expect("it starts");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    let sentence =
        "MAX_CONNECTIONS is 2000, and this process may have 1000 files open (RLIMIT_NOFILE)";
    assert!(said.contains(sentence), "{said}");
    assert!(said.contains("lower MAX_CONNECTIONS to 744"), "{said}");
}

#[tokio::test]
async fn the_limit_on_files_is_raised_as_far_as_the_process_may() {
    let mut command = tokio::process::Command::new("sh");
    let limits = "ulimit -Sn 100 && ulimit -Hn 5000 && exec \"$0\"";
    command.args(["-c", limits, env!("CARGO_BIN_EXE_ws-gateway")]).env_clear();
    command.envs([
        ("JWT_SECRET_KEY", SECRET),
        ("MAX_CONNECTIONS", "4000"),
        ("WEBSOCKET_HOST", "127.0.0.1"),
        ("WEBSOCKET_PORT", "0"),
    ]);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    command.kill_on_drop(true);
    let process = Process::of(command).await;
    process.visit("ada").await;
}
