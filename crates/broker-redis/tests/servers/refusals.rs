//! Servers that cannot be used say why.

use ws_broker::{Engine, EngineError, Status};
use ws_broker_redis::{ConfigError, Redis, RedisConfig, StartError, TlsConfig};
use ws_test_servers::{RedisOptions, tls};

use crate::scene::{Scene, config, server};

async fn refusal(config: RedisConfig) -> StartError {
    let engine = Redis::connect(config).unwrap();
    let error = engine.ready().await.unwrap_err();
    assert_eq!(engine.status(), Status::Starting, "never reached so far");
    let refused = engine.get("a").await;
    assert!(matches!(refused, Err(EngineError::Unavailable { .. })), "{refused:?}");
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_not_right_is_named() {
    let options = RedisOptions { password: Some("secret".to_owned()), ..RedisOptions::default() };
    let server = server(&options);
    let right = config(&server);
    let address = format!("127.0.0.1:{}", server.port());
    for password in [None, Some("wrong".to_owned())] {
        let wrong = RedisConfig { servers: vec![address.clone()], password, ..right.clone() };
        let error = refusal(wrong).await;
        assert!(matches!(error, StartError::Login { .. }), "{error}");
        assert!(error.to_string().contains("check user and password"), "{error}");
        assert!(!error.to_string().contains("wrong\""), "{error}");
    }
    let password = Some("secret".to_owned());
    Scene::open(RedisConfig { servers: vec![address], password, ..right.clone() }).await;
    let shown = format!("{right:?}");
    assert!(!shown.contains("secret"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_user_may_not_do_is_named_with_what_it_needs() {
    let may = "~ws:* &ws:* +@connection +@scripting +@pubsub +@stream +@hash +@string +del \
               +pexpire +scan +time +info +config|get +cluster";
    let lines = vec![
        format!("user enough on >secret {may}"),
        format!("user nostream on >secret {may} -xadd"),
        format!("user otherkeys on >secret {}", may.replace("~ws:*", "~other:*")),
        "user nothing on >secret +@connection".to_owned(),
    ];
    let server = server(&RedisOptions { lines, ..RedisOptions::default() });
    let login = |user: &str| RedisConfig {
        user: Some(user.to_owned()),
        password: Some("secret".to_owned()),
        ..config(&server)
    };
    for user in ["nostream", "otherkeys", "nothing"] {
        let error = refusal(login(user)).await;
        assert!(matches!(error, StartError::Permission { .. }), "{user}: {error}");
        assert!(error.to_string().contains("~ws:* &ws:* +@connection"), "{error}");
    }
    let scene = Scene::open(login("enough")).await;
    scene.engine.subscribe("ch:a").await.unwrap();
    scene.append("h:a", "a").await.unwrap();
    scene.engine.put("a", Some("a".into()), None).await.unwrap().unwrap();
    assert_eq!(scene.engine.keys("").await.unwrap(), ["a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_is_named() {
    let master = server(&RedisOptions::default());
    let lines = vec![format!("replicaof 127.0.0.1 {}", master.port())];
    let replica = server(&RedisOptions { lines, ..RedisOptions::default() });
    let error = refusal(config(&replica)).await;
    assert!(matches!(error, StartError::Replica { .. }), "{error}");
    // Of several, the master is taken.
    let both = vec![replica.url(), master.url()];
    let scene = Scene::open(RedisConfig { servers: both, ..config(&master) }).await;
    scene.append("h:a", "a").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_becomes_a_replica_is_left_for_the_new_master() {
    let (first, second) = (server(&RedisOptions::durable()), server(&RedisOptions::durable()));
    let port = first.port().to_string();
    second.command(&["REPLICAOF", "127.0.0.1", &port]).unwrap();
    let both = vec![first.url(), second.url()];
    let scene = Scene::open(RedisConfig { servers: both, ..config(&first) }).await;
    let before = scene.append("h:a", "a").await.unwrap().position;
    while !second.command(&["EXISTS", "ws:{l:h:a}:s"]).unwrap().contains('1') {
        tokio::task::yield_now().await;
    }
    second.command(&["REPLICAOF", "NO", "ONE"]).unwrap();
    let port = second.port().to_string();
    first.command(&["REPLICAOF", "127.0.0.1", &port]).unwrap();
    let refused = scene.append("h:a", "b").await;
    assert!(matches!(refused, Err(EngineError::Unavailable { .. })), "{refused:?}");
    scene.until_up().await;
    // It may be lost once more while the two change places.
    let after = loop {
        if let Ok(appended) = scene.append("h:a", "b").await {
            break appended.position;
        }
        scene.until_up().await;
        tokio::task::yield_now().await;
    };
    assert!(after.offset >= 2, "{after:?}");
    assert_ne!(after.epoch, before.epoch, "a replica may lack what its master had acknowledged");
    scene.engine.subscribe("ch:a").await.unwrap();
    scene.until_heard_by(&scene, "ch:a", "heard at the new master").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_can_be_used_is_ready_at_the_first_try() {
    let server = server(&RedisOptions::default());
    for _ in 0..20 {
        let engine = Redis::connect(config(&server)).unwrap();
        assert_eq!(engine.ready().await, Ok(()));
        assert_eq!((engine.stats().connects, engine.stats().disconnects), (2, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_no_cluster() {
    let server = server(&RedisOptions::default());
    let error = refusal(RedisConfig { is_cluster: true, ..config(&server) }).await;
    assert!(error.to_string().contains("is not a node of a cluster"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_unreachable_until_somebody_is() {
    let mut server = server(&RedisOptions::default());
    server.stop().unwrap();
    let scene = Scene::starting(config(&server));
    let error = scene.engine.ready().await.unwrap_err();
    assert!(matches!(error, StartError::Unreachable { .. }), "{error}");
    server.restart().unwrap();
    scene.until_up().await;
    assert_eq!(scene.engine.ready().await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_trusted_by_its_authority_only() {
    let server = server(&RedisOptions { has_tls: true, ..RedisOptions::default() });
    let config = RedisConfig {
        servers: vec![format!("localhost:{}", server.tls_port())],
        tls: Some(TlsConfig { ca_file: Some(tls::ca()), client_files: None }),
        ..config(&server)
    };
    let stranger = RedisConfig { tls: Some(TlsConfig::default()), ..config.clone() };
    assert!(matches!(refusal(stranger).await, StartError::Unreachable { .. }));
    let client_files = Some((tls::certificate(), tls::key()));
    let known = TlsConfig { ca_file: Some(tls::ca()), client_files };
    for tls in [config.tls.clone(), Some(known)] {
        let scene = Scene::open(RedisConfig { tls, ..config.clone() }).await;
        scene.engine.subscribe("ch:a").await.unwrap();
        scene.until_heard_by(&scene, "ch:a", "in secret").await;
    }
}

#[tokio::test]
async fn settings_that_are_wrong_are_named() {
    let default = RedisConfig::default;
    for (config, complaint) in [
        (RedisConfig { servers: vec![], ..default() }, "no server is named"),
        (RedisConfig { prefix: "a:b".to_owned(), ..default() }, "the prefix `a:b` must be"),
        (RedisConfig { pending_max: 0, ..default() }, "`pending_max` must not be 0"),
        (
            RedisConfig { servers: vec!["http://u:secret@x".to_owned()], ..default() },
            "`x` is no address of a server",
        ),
        (
            RedisConfig { is_cluster: true, db: Some(1), ..default() },
            "a cluster has no database 1, only 0",
        ),
        (
            RedisConfig {
                tls: Some(TlsConfig { ca_file: Some("/nowhere.pem".into()), client_files: None }),
                ..default()
            },
            "/nowhere.pem: ",
        ),
    ] {
        let error: ConfigError = Redis::connect(config).unwrap_err();
        assert!(error.to_string().starts_with(complaint), "{error}");
    }
}
