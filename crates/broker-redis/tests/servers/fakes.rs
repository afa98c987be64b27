//! Servers that are not there to be started: too old, or strange.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use ws_broker_redis::{Redis, RedisConfig, StartError};

/// Answers each command by its name.
async fn fake(answer: fn(&str) -> String) -> RedisConfig {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let servers = vec![listener.local_addr().unwrap().to_string()];
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk(stream, answer));
        }
    });
    RedisConfig { servers, ..RedisConfig::default() }
}

async fn talk(mut stream: TcpStream, answer: fn(&str) -> String) {
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
