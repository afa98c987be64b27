//! Servers that are not there to be started: too old, or strange.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use ws_broker_redis::{Redis, RedisConfig, StartError};
use ws_test_servers::RedisOptions;

use crate::scene::{Scene, config, server};

/// Answers each command by its name.
async fn fake(answer: impl Fn(&str) -> String + Clone + Send + 'static) -> RedisConfig {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let servers = vec![listener.local_addr().unwrap().to_string()];
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk(stream, answer.clone()));
        }
    });
    RedisConfig { servers, ..RedisConfig::default() }
}

async fn talk(mut stream: TcpStream, answer: impl Fn(&str) -> String) {
    let mut bytes = [0; 4096];
    while let Ok(count) = stream.read(&mut bytes).await {
        if count == 0 {
            return;
        }
        let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
        for command in text.split('*').skip(1) {
            let name = command.split("\r\n").nth(2).unwrap_or_default();
            if stream.write_all(answer(name).as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

#[tokio::test]
async fn a_server_before_version_7_is_named() {
    let config = fake(|command| match command {
        "INFO" => {
            let info = "redis_version:6.2.14\r\nredis_mode:standalone\r\nrole:master\r\n";
            format!("${}\r\n{info}\r\n", info.len())
        }
        _ => "+OK\r\n".to_owned(),
    });
    let error = Redis::connect(config.await).unwrap().ready().await.unwrap_err();
    assert!(
        matches!(&error, StartError::Version { version, .. } if &**version == "6.2.14"),
        "{error}"
    );
    assert!(error.to_string().contains("7.0 or later is needed"), "{error}");
}

/// Before version 6, `HELLO` is not known.
#[tokio::test]
async fn a_server_before_version_6_is_named() {
    let config =
        fake(|_| "-ERR unknown command `HELLO`, with args beginning with: `3`, \r\n".to_owned());
    let error = Redis::connect(config.await).unwrap().ready().await.unwrap_err();
    assert!(matches!(error, StartError::Version { .. }), "{error}");
}

#[tokio::test]
async fn somebody_else_is_no_server() {
    let config = fake(|_| "HTTP/1.1 400 Bad Request\r\n\r\n".to_owned()).await;
    let error = Redis::connect(config).unwrap().ready().await.unwrap_err();
    assert!(matches!(error, StartError::Unreachable { .. }), "{error}");
}

/// A sentinel as far as we ask one.
#[tokio::test(flavor = "multi_thread")]
async fn sentinels_tell_where_the_master_is() {
    let server = server(&RedisOptions::default());
    let port = server.port().to_string();
    let sentinel = fake(move |command| match command {
        "SENTINEL" => format!("*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{port}\r\n", port.len()),
        _ => "+OK\r\n".to_owned(),
    });
    let config = RedisConfig {
        servers: sentinel.await.servers,
        sentinel_master: Some("main".to_owned()),
        ..config(&server)
    };
    let scene = Scene::open(config).await;
    assert_eq!(scene.append("h:a", "a").await.unwrap().position.offset, 1);
}

#[tokio::test]
async fn a_sentinel_that_does_not_know_the_master_says_so() {
    let sentinel = fake(|command| match command {
        "SENTINEL" => "_\r\n".to_owned(),
        _ => "+OK\r\n".to_owned(),
    });
    let config = RedisConfig { sentinel_master: Some("main".to_owned()), ..sentinel.await };
    let error = Redis::connect(config).unwrap().ready().await.unwrap_err();
    assert!(error.to_string().contains("knows no master `main`"), "{error}");
}
