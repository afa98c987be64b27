//! `top` and `trace`: a gateway that runs, looked at from a terminal.

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::process::{Process, SECRET, run};

const KEY: &str = "an operator's key";

#[tokio::test]
async fn top_shows_who_is_connected_and_trace_what_passes() {
    let process = Process::start(&[], &[("ADMIN_KEY", KEY)]).await;
    let mut ada = process.visit("ada").await;
    let url = format!("http://{}", process.address);
    let variables = [("ADMIN_KEY", KEY), ("JWT_SECRET_KEY", SECRET)];
    let asked = ["top", "--url", &url, "--interval", "100ms", "--sort", "oldest"];
    let top = run(&asked, &variables).await;
    assert_eq!((top.status, top.stderr.as_str()), (0, ""), "{top:?}");
    let lines: Vec<_> = top.stdout.lines().collect();
    assert!(lines[0].starts_with(&url) && lines[0].ends_with("1 connections, 1 match, 1 shown"));
    assert!(lines[3].starts_with("USER ") && lines[4].starts_with("ada "), "{}", top.stdout);
    assert!(!top.stdout.contains('\u{1b}'), "a pipe is no terminal");

    let asked = ["trace", "--url", &url, "--user", "ada", "--for", "1s", "--json"];
    let talking = async {
        process.logs("a trace begins").await;
        ada.send(json!({ "type": "request", "requestId": 1, "payload": "private" })).await;
        ada.next().await
    };
    let (trace, _) = tokio::join!(run(&asked, &variables), talking);
    assert_eq!((trace.status, trace.stderr.as_str()), (0, ""), "{trace:?}");
    let lines: Vec<Value> =
        trace.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let kinds: Vec<_> = lines.iter().map(|line| line["type"].as_str().expect("a type")).collect();
    assert_eq!(kinds, ["begin", "frame", "frame", "end"]);
    assert_eq!(
        (&lines[1]["message"], &lines[2]["message"]),
        (&json!("request"), &json!("response"))
    );
    assert!(!trace.stdout.contains("private"));
    process.logs("a trace ends").await;
    let audited: Vec<_> =
        process.log().lines().filter(|line| line.contains("a trace ")).map(str::to_owned).collect();
    assert_eq!(audited.len(), 2);
    assert!(
        audited.iter().all(|line| line.contains("audit") && line.contains("ada")),
        "{audited:?}"
    );
}

#[tokio::test]
async fn who_cannot_look_is_told_why() {
    let process = Process::start(&[], &[("ADMIN_KEY", KEY)]).await;
    let url = format!("http://{}", process.address);
    let ask = async |arguments: &[&str], key: &[(&str, &str)]| {
        let ended = run(arguments, key).await;
        assert_eq!(ended.stdout, "", "{ended:?}");
        (ended.status, ended.stderr)
    };
    let (status, said) = ask(&["top", "--url", &url], &[]).await;
    assert!(status == 2 && said.starts_with("ADMIN_KEY is not set: "), "{said}");
    let (status, said) = ask(&["top", "--url", &url], &[("ADMIN_KEY", "wrong")]).await;
    assert_eq!((status, said.trim_end()), (2, &*format!("{url} does not take this ADMIN_KEY")));
    let (status, said) = ask(&["top", "--url", &url, "--sort", "x"], &[("ADMIN_KEY", KEY)]).await;
    assert!(status == 2 && said.starts_with("sort: one of rate, "), "{said}");
    let (status, said) = ask(&["top", "--url", "nowhere"], &[("ADMIN_KEY", KEY)]).await;
    assert!(status == 2 && said.starts_with("--url nowhere: an address is expected"), "{said}");
    let (status, said) = ask(&["trace", "--url", &url], &[("ADMIN_KEY", KEY)]).await;
    assert!(status == 2 && said.contains("--user"), "{said}");
    // A port of loopback where nobody listens.
    let asked = ["trace", "--url", "http://127.0.0.1:9", "--user", "ada"];
    let (status, said) = ask(&asked, &[("ADMIN_KEY", KEY)]).await;
    assert!(status == 1 && said.starts_with("http://127.0.0.1:9 cannot be reached: "), "{said}");
}

/// What is at an address that only says that it is a gateway: it answers everything with this, one request each.
async fn impostor(status: &str, body: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\n\r\n");
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut asked = [0; 1024];
            let _ = socket.read(&mut asked).await;
            // Whoever has enough does not take the rest.
            let _ = socket.write_all(head.as_bytes()).await;
            let _ = socket.write_all(&body).await;
        }
    });
    url
}

#[tokio::test]
async fn what_only_says_that_it_is_a_gateway_gives_no_orders_to_the_terminal() {
    let orders = "\u{1b}]0;mine\u{7}\u{1b}[2J\u{9b}31m\u{202e}";
    let is_clean = |text: &str| {
        !text.contains(|letter: char| {
            (letter.is_control() && letter != '\n') || letter == '\u{202e}'
        })
    };
    let key = [("ADMIN_KEY", KEY)];
    let refusal = json!({ "error": format!("no{orders}") }).to_string();
    let url = impostor("503 Service Unavailable", refusal.into()).await;
    for asked in [["top", "--url", &url, "--count=1"], ["trace", "--url", &url, "--user=ada"]] {
        let ended = run(&asked, &key).await;
        assert!(ended.status == 1 && ended.stderr.starts_with("no\\u{1b}]0;"), "{ended:?}");
        assert!(is_clean(&ended.stderr), "{ended:?}");
    }
    let address = url.replace("http:", "ws:");
    let ended = run(&["connect", &address], &[]).await;
    assert!(ended.status == 1 && ended.stderr.contains("503"), "{ended:?}");
    assert!(is_clean(&ended.stderr), "{ended:?}");

    let line = json!({ "type": "ended", "reason": orders, "connection": orders, "userId": orders });
    let lines = format!("{orders}\n{line}\n\n{}\n", json!({ "type": "end" }));
    let url = impostor("200 OK", lines.into()).await;
    for asked in [
        ["trace", "--url", &url, "--user=ada", "--rate=1"],
        ["trace", "--url", &url, "--user=ada", "--json"],
    ] {
        let ended = run(&asked, &key).await;
        assert_eq!((ended.status, ended.stdout.lines().count()), (0, 2), "{ended:?}");
        assert!(is_clean(&ended.stdout), "{ended:?}");
    }
    let row = json!({ "userId": orders, "address": orders, "endReason": orders, "agent": orders });
    let table = json!({ "node": orders, "connections": [row], "agents": [{ "agent": orders }] });
    let url = impostor("200 OK", table.to_string().into()).await;
    let ended = run(&["top", "--url", &url], &key).await;
    assert!(ended.status == 0 && is_clean(&ended.stdout), "{ended:?}");
}

#[tokio::test]
async fn an_answer_without_an_end_is_not_waited_for() {
    let endless = vec![b' '; 9 << 20];
    for status in ["200 OK", "500 Internal Server Error"] {
        let url = impostor(status, endless.clone()).await;
        let ended = run(&["top", "--url", &url], &[("ADMIN_KEY", KEY)]).await;
        assert_eq!(ended.status, 1, "{ended:?}");
        assert!(ended.stderr.starts_with(&url), "{ended:?}");
    }
}
