//! `top` and `trace`: a gateway that runs, looked at from a terminal.

use serde_json::{Value, json};

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
