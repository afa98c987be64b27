//! `docs/back-ends.md`: each `curl` of the page, one after the other, and the answer that is shown there.

use serde_json::{Value, json};

use crate::{
    back_end::KEY,
    exchange::{Response, fetch},
    house::House,
};

const PAGE: &str = include_str!("../../../../docs/back-ends.md");

/// A command and what it prints, of all blocks of the page.
fn commands() -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    let mut is_console = false;
    for line in PAGE.lines() {
        if let Some(language) = line.strip_prefix("```") {
            is_console = language == "console";
        } else if is_console {
            match (line.strip_prefix("$ "), commands.last_mut()) {
                (Some(command), _) => commands.push((command.to_owned(), String::new())),
                (None, Some((command, _))) if command.ends_with('\\') => {
                    command.truncate(command.len() - 1);
                    command.push_str(line);
                }
                (None, Some((_, answer))) => answer.push_str(line),
                (None, None) => panic!("an answer to nothing: {line}"),
            }
        }
    }
    commands
}

/// The words of a command, as a shell splits them.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut quote, mut is_word) = (vec![String::new()], None, false);
    for c in command.chars() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (None, ' ') => {
                if std::mem::take(&mut is_word) {
                    words.push(String::new());
                }
                continue;
            }
            (_, c) => words.last_mut().expect("one").push(c),
        }
        is_word = true;
    }
    words
}

/// Does what `curl` does of that which the page asks of it.
async fn curl(house: &House, command: &str) -> Response {
    let mut words = words(command).into_iter();
    assert_eq!(words.next().as_deref(), Some("curl"), "{command}");
    let (mut target, mut headers, mut body) = (String::new(), String::new(), None);
    while let Some(word) = words.next() {
        match word.as_str() {
            "-H" => {
                let header = words.next().expect("a header").replace("$API_KEY", KEY);
                headers = format!("{headers}{header}\r\n");
            }
            "-d" => body = Some(words.next().expect("a body")),
            word => target = word.strip_prefix("$GATEWAY").expect("an address").to_owned(),
        }
    }
    let method = if body.is_some() { "POST" } else { "GET" };
    let body = body.unwrap_or_default();
    let length = body.len();
    let head = format!("{method} {target} HTTP/1.1\r\nHost: g\r\n{headers}");
    fetch(house.address, format!("{head}Content-Length: {length}\r\n\r\n{body}")).await
}

/// Whether an answer is as it is shown; `…` stands for what differs each time.
fn is_shown(shown: &Value, answer: &Value) -> bool {
    match (shown, answer) {
        (Value::String(any), _) if any == "…" => true,
        (Value::Object(shown), Value::Object(answer)) => {
            shown.keys().eq(answer.keys())
                && shown.iter().all(|(name, value)| is_shown(value, &answer[name]))
        }
        (Value::Array(shown), Value::Array(answer)) => {
            shown.len() == answer.len() && shown.iter().zip(answer).all(|(a, b)| is_shown(a, b))
        }
        (shown, answer) => shown == answer,
    }
}

#[tokio::test]
async fn each_command_of_the_page_is_answered_as_it_is_shown_there() {
    let house = House::with_api(&[]);
    let mut client = house.visit("user-123").await;
    client.subscribe("orders").await;
    client.send(json!({ "type": "join_room", "payload": { "room_id": "lobby" } })).await;
    assert_eq!(client.next().await["type"], "user_joined");
    let commands = commands();
    assert!(commands.len() >= 8, "{commands:?}");
    for (command, shown) in &commands {
        let shown = shown.replace("1…", "\"…\"");
        let shown: Value = serde_json::from_str(&shown).unwrap_or_else(|_| panic!("{shown}"));
        let response = curl(&house, command).await;
        let (status, answer) = (response.status, response.json());
        assert!(is_shown(&shown, &answer), "{command}\nshown {shown}\nnot   {answer}");
        assert_eq!(status == 200, answer.get("code").is_none(), "{command}");
    }
    // Every route is spoken of, and those that change something are shown.
    for route in ["publish", "broadcast", "users/user-123/send", "users/user-123/disconnect"] {
        let path = format!("/api/{route} ");
        assert!(commands.iter().any(|(command, _)| command.contains(&path)), "{route}");
    }
    let mut heard = Vec::new();
    for _ in 0..3 {
        heard.push(client.next().await["data"].clone());
    }
    assert_eq!(heard, [json!({ "n": 1 }), json!("in 5 minutes"), json!({ "unread": 3 })]);
    assert_eq!(client.closed().await, (4001, "Signed out".to_owned()));
}
