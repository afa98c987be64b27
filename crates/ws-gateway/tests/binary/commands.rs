//! `token`, `check-config`, `config`, and the flags that every program has.

use crate::process::{Client, Process, SECRET, file, run};

#[tokio::test]
async fn token_mints_what_the_gateway_accepts() {
    let issuer = ("JWT_ISSUER", "https://issuer.example");
    let audience = ("JWT_AUDIENCE", "gateway, other");
    for extra in [&[][..], &[issuer, audience]] {
        let variables = [&[("JWT_SECRET_KEY", SECRET)], extra].concat();
        let process = Process::start(&[], extra).await;
        let arguments = ["token", "--user", "user-123", "--ttl", "5m", "--tier", "pro"];
        let ended = run(&arguments, &variables).await;
        assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{ended:?}");
        let token = ended.stdout.trim_end();
        assert_eq!(ended.stdout, format!("{token}\n"), "a token and nothing else");
        let target = format!("ws://{}/ws?token={token}", process.address);
        let mut client = Client::connect(&target).await;
        assert_eq!(client.next().await["userId"], "user-123");
    }
}

#[tokio::test]
async fn token_without_a_secret_says_so_and_ends_with_2() {
    let ended = run(&["token", "--user", "ada"], &[]).await;
    assert_eq!((ended.status, ended.stdout.as_str()), (2, ""), "{ended:?}");
    assert!(ended.stderr.contains("JWT_SECRET_KEY"), "{}", ended.stderr);
    let ended = run(&["token"], &[("JWT_SECRET_KEY", SECRET)]).await;
    assert_eq!(ended.status, 2, "{ended:?}");
    assert!(ended.stderr.contains("--user"), "{}", ended.stderr);
}

#[tokio::test]
async fn check_config_says_sound_with_0_and_every_fault_with_2() {
    let good = run(&["check-config"], &[("JWT_SECRET_KEY", SECRET)]).await;
    assert_eq!(
        (good.status, good.stdout.as_str()),
        (0, "the configuration is sound\n"),
        "{good:?}"
    );
    let slip = [("JWT_SECRET_KEY", SECRET), ("PING_INTERVALL", "1")];
    let warned = run(&["check-config"], &slip).await;
    assert_eq!(warned.status, 0, "{warned:?}");
    assert!(
        warned.stderr.contains("warning: ") && warned.stderr.contains("PING_INTERVAL"),
        "{warned:?}"
    );
    let bad = run(&["check-config"], &[("PING_INTERVAL", "soon"), ("LOG_LEVEL", "loud")]).await;
    assert_eq!((bad.status, bad.stdout.as_str()), (2, ""), "{bad:?}");
    assert_eq!(bad.stderr.lines().count(), 3, "{}", bad.stderr);
}

#[tokio::test]
async fn config_prints_each_value_with_its_origin_and_no_secret() {
    let config = file("good.toml", "[heartbeat]\nping_interval = \"10s\"\n");
    let path = config.to_str().expect("UTF-8");
    let variables =
        [("JWT_SECRET_KEY", SECRET), ("PONG_TIMEOUT", "2s"), ("ADMIN_KEY", "an admin key")];
    let arguments = ["config", "--config", path, "--max-missed-pongs", "4"];
    let ended = run(&arguments, &variables).await;
    assert_eq!(ended.status, 0, "{ended:?}");
    let line = |name: &str| {
        let mut lines = ended.stdout.lines();
        lines.find(|line| line.split(' ').next() == Some(name)).expect("a line for each setting")
    };
    assert!(
        line("PING_INTERVAL").contains("10s") && line("PING_INTERVAL").ends_with("good.toml:2")
    );
    assert!(line("PONG_TIMEOUT").ends_with("variable PONG_TIMEOUT"));
    assert!(line("MAX_MISSED_PONGS").ends_with("flag --max-missed-pongs"));
    assert!(line("IDLE_TIMEOUT").ends_with("default"));
    assert!(line("JWT_SECRET_KEY").contains("***"));
    assert!(!ended.stdout.contains(SECRET) && !ended.stdout.contains("an admin key"));
}

#[tokio::test]
async fn channel_rules_are_printed_as_they_are_asked_and_bad_ones_refused_with_their_line() {
    let rules = "[[channels]]\npattern = \"*\"\n\n[[channels]]\npattern = \"chat:*\"\n\
                 subscribe = true\n\n[[connection_types]]\npath = \"/ws/news\"\nmax = 7\n";
    let secret = [("JWT_SECRET_KEY", SECRET)];
    let good = file("rules.toml", rules);
    let path = good.to_str().expect("UTF-8");
    let shown = run(&["config", "--config", path], &secret).await;
    assert_eq!(shown.status, 0, "{shown:?}");
    let row = |start: &str| {
        let place = shown.stdout.lines().position(|line| line.starts_with(start));
        place.expect("a line for each rule and each type")
    };
    assert!(row("chat:*  subscribe") < row("*       nothing"), "{}", shown.stdout);
    assert!(row("*  ") < row("/ws/news  7"), "{}", shown.stdout);
    let checked = run(&["check-config", "--config", path], &secret).await;
    assert_eq!((checked.status, checked.stdout.lines().count()), (0, 1), "{checked:?}");

    let bad = file("bad_rules.toml", &rules.replace("subscribe = true", "subscribe = 1"));
    let path = bad.to_str().expect("UTF-8");
    let refused = run(&["check-config", "--config", path], &secret).await;
    assert_eq!((refused.status, refused.stdout.as_str()), (2, ""), "{refused:?}");
    assert!(refused.stderr.starts_with("channels[2].subscribe = \"1\" ("), "{}", refused.stderr);
    assert!(refused.stderr.contains("bad_rules.toml:6): true or false"), "{}", refused.stderr);
}

#[tokio::test]
async fn help_and_version_end_with_0_and_nonsense_with_2() {
    let help = run(&["--help"], &[]).await;
    assert_eq!(help.status, 0);
    for part in ["--dev", "--websocket-port", "token", "check-config"] {
        assert!(help.stdout.contains(part), "{part} is not in {}", help.stdout);
    }
    let version = run(&["--version"], &[]).await;
    assert_eq!(
        (version.status, version.stdout.trim_end()),
        (0, concat!("ws-gateway ", env!("CARGO_PKG_VERSION")),)
    );
    for nonsense in [&["--pign-interval", "1"][..], &["dance"], &["--config"]] {
        let ended = run(nonsense, &[("JWT_SECRET_KEY", SECRET)]).await;
        assert_eq!(ended.status, 2, "{ended:?}");
        assert!(!ended.stderr.is_empty());
    }
}
