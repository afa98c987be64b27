//! The real servers, as the tests of others use them.

use std::process::Command;

use ws_test_servers::{
    Nats, NatsCluster, NatsLogin, NatsOptions, Redis, RedisCluster, RedisOptions,
};

fn is_alive(id: u32) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    !state.is_empty() && !state.contains(") Z ")
}

#[test]
fn a_durable_redis_keeps_what_it_answered_through_kill_9() {
    let mut redis = Redis::start(&RedisOptions::durable()).unwrap();
    assert_eq!(redis.command(&["SET", "k", "v"]).unwrap(), "OK");
    let port = redis.port();
    redis.kill().unwrap();
    assert!(redis.command(&["GET", "k"]).is_err());
    redis.restart().unwrap();
    assert_eq!(redis.port(), port);
    assert_eq!(redis.command(&["GET", "k"]).unwrap(), "v");
}

#[test]
fn a_paused_redis_answers_nobody_until_it_is_resumed() {
    let redis = Redis::start(&RedisOptions::default()).unwrap();
    redis.pause().unwrap();
    assert!(redis.command(&["PING"]).is_err());
    redis.resume().unwrap();
    assert_eq!(redis.command(&["PING"]).unwrap(), "PONG");
}

#[test]
fn a_server_ends_with_its_value_and_takes_its_folder_along() {
    let mut redis = Redis::start(&RedisOptions {
        password: Some("secret".to_owned()),
        has_tls: true,
        ..RedisOptions::default()
    })
    .unwrap();
    let id = redis.process().id().unwrap();
    let folder = redis.process().folder().to_owned();
    assert!(is_alive(id) && folder.is_dir());
    drop(redis);
    assert!(!is_alive(id) && !folder.exists());
}

#[test]
fn what_keeps_a_server_from_starting_is_told_with_its_log() {
    let options =
        RedisOptions { lines: vec!["no-such-setting 1".to_owned()], ..Default::default() };
    let complaint = Redis::start(&options).unwrap_err().to_string();
    assert!(complaint.contains("no-such-setting"), "{complaint}");
}

#[test]
fn three_redis_nodes_make_a_cluster() {
    let mut cluster = RedisCluster::start(&RedisOptions::durable()).unwrap();
    cluster.nodes()[1].kill().unwrap();
    cluster.nodes()[1].restart().unwrap();
    cluster.wait_until_agreed().unwrap();
}

#[test]
fn a_nats_server_comes_back_on_its_port() {
    let mut nats = Nats::start(&NatsOptions::jetstream()).unwrap();
    let port = nats.port();
    nats.kill().unwrap();
    nats.restart().unwrap();
    assert_eq!(nats.port(), port);
    assert!(nats.monitor("/jsz").unwrap().contains("\"store_dir\""));
}

#[test]
fn a_nats_server_starts_with_each_login_and_with_tls() {
    for login in [
        NatsLogin::Password { user: "alice".to_owned(), password: "secret".to_owned() },
        NatsLogin::Token("secret".to_owned()),
        NatsLogin::Nkey("UAHJLSMYZDJCBHQ2SARL37IEALR3TI7VVPZ2MJ7F4SZKNOG7HJJIYW5T".to_owned()),
    ] {
        Nats::start(&NatsOptions { login, has_tls: true, ..NatsOptions::default() }).unwrap();
    }
}

#[test]
fn three_nats_servers_make_a_cluster() {
    let mut cluster = NatsCluster::start(&NatsOptions::jetstream()).unwrap();
    cluster.nodes()[2].kill().unwrap();
    cluster.nodes()[2].restart().unwrap();
    cluster.wait_until_agreed().unwrap();
}

/// This test starts itself again, as a process that leaves a server behind when it is killed.
#[test]
fn a_server_ends_also_when_the_test_process_is_killed() {
    const ROLE: &str = "WS_TEST_SERVERS_LEAVES_ONE_BEHIND";
    if let Some(path) = std::env::var_os(ROLE) {
        let mut redis = Redis::start(&RedisOptions::default()).unwrap();
        let id = redis.process().id().unwrap();
        std::fs::write(&path, format!("{id} {}", redis.process().folder().display())).unwrap();
        std::thread::park();
    }
    let note = std::env::temp_dir().join(format!("ws-test-note-{}", std::process::id()));
    let name = "a_server_ends_also_when_the_test_process_is_killed";
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name])
        .env(ROLE, &note)
        .spawn()
        .unwrap();
    let (id, folder) = loop {
        let text = std::fs::read_to_string(&note).unwrap_or_default();
        match text.split_once(' ') {
            Some((id, folder)) => break (id.parse::<u32>().unwrap(), folder.to_owned()),
            None => std::thread::yield_now(),
        }
    };
    assert!(is_alive(id));
    child.kill().unwrap();
    child.wait().unwrap();
    std::fs::remove_file(&note).unwrap();
    while is_alive(id) || std::path::Path::new(&folder).exists() {
        std::thread::yield_now();
    }
}
