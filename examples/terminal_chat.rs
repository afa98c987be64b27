//! A chat in the terminal that survives its connection: kill the server, write on, start it again.
//!
//! Shows: the client in Rust: a room as a stream, an inbox, states, a token that is fetched anew for each attempt,
//! messages that wait while nobody is there, and what is said of those of which nobody knows whether they arrived.
//!
//! Type:   cargo run --release --example chat_rooms -- 127.0.0.1:9302
//! Then:   cargo run --release --example terminal_chat -- --room lobby --user ada ws://127.0.0.1:9302/ws
//!         and the same as bob in another terminal, or in a browser, at the address that the first one prints.
//! See:    who is there, comes, leaves and types; `@bob hello` reaches bob alone. Stop the server with Ctrl-C, write
//!         something, start it again: you are back within seconds, and what you wrote is said.
//!
//! An address with a token in it is taken as it is: that which `ws-gateway --dev` prints will do.

use std::error::Error;

use serde_json::value::RawValue;
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    task::JoinSet,
};
use ws_client::{Client, News, State};

const USAGE: &str = "Usage: terminal_chat [--room lobby] [--user ada] ws://…";

/// What was typed behind the program's name.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) room: String,
    pub(crate) user: String,
    pub(crate) address: String,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        let (mut room, mut user, mut address) = ("lobby".to_owned(), "ada".to_owned(), None);
        while let Some(argument) = arguments.next() {
            match &*argument {
                "--room" => room = arguments.next()?,
                "--user" => user = arguments.next()?,
                _ => address = Some(argument),
            }
        }
        Some(Self { room, user, address: address? })
    }
}

/// Talks until the input ends, or the server says for good that it will not have us.
pub(crate) async fn chat(
    options: &Options,
    input: impl AsyncBufRead + Unpin,
    mut show: impl FnMut(String),
) -> Result<(), Box<dyn Error>> {
    let client = connect(options)?;
    client.ready().await?;
    let (mut room, mut inbox) = (client.join_room(&options.room).await?, client.inbox());
    let presence = client.presence(&format!("room:{}", options.room)).await?;
    let mut users = presence.users.unwrap_or_default();
    users.sort_unstable();
    show(format!("in {} with {}", options.room, users.join(", ")));

    let (mut states, mut lines, mut said) = (client.states(), input.lines(), JoinSet::new());
    states.mark_unchanged();
    loop {
        tokio::select! {
            line = lines.next_line() => match line? {
                Some(line) => drop(said.spawn(say(&client, &options.room, line))),
                None => break,
            },
            Some(complaint) = said.join_next() => complaint?.into_iter().for_each(&mut show),
            news = room.next() => match news {
                Some(news) => told(&news).into_iter().for_each(&mut show),
                None => break,
            },
            // It counts as read when it is dropped, which is when it was shown.
            Some(letter) = inbox.next() => {
                let from = name(letter.from.as_deref());
                show(format!("{from} to you alone: {}", text(&letter.message)));
            }
            Ok(()) = states.changed() => match *states.borrow_and_update() {
                State::Connected => show("(you are back)".to_owned()),
                State::Reconnecting => show("(the connection is lost; what you write waits)".to_owned()),
                _ => {}
            },
        }
    }
    // What was typed last is still on its way.
    while let Some(complaint) = said.join_next().await {
        complaint?.into_iter().for_each(&mut show);
    }
    room.leave();
    client.close().await;
    Ok(())
}

/// A client that asks for a fresh token whenever it connects, unless one is in the address.
fn connect(options: &Options) -> Result<Client, ws_client::Error> {
    let builder = Client::builder(&options.address);
    if options.address.contains("token=") {
        return builder.connect();
    }
    let host = options.address.trim_start_matches("ws://").split('/').next().unwrap_or_default();
    let (host, user) = (host.to_owned(), options.user.clone());
    builder.token_source(move || fetch_token(host.clone(), user.clone())).connect()
}

/// What the example `chat_rooms` gives to whoever asks. In earnest that is where your login comes in.
async fn fetch_token(host: String, user: String) -> std::io::Result<String> {
    let mut socket = TcpStream::connect(&host).await?;
    let head = format!("POST /token/{user} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    socket.write_all(head.as_bytes()).await?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await?;
    let token = answer.split_once("\r\n\r\n").filter(|(head, _)| head.contains(" 200 "));
    token.map(|(_, token)| token.to_owned()).ok_or_else(|| std::io::Error::other("no token"))
}

/// Says a line in the room, or to one user; what is returned is what went wrong.
fn say(client: &Client, room: &str, line: String) -> impl Future<Output = Option<String>> + use<> {
    // Queued here, in the order of the lines; awaited by whoever runs it.
    let sent = match line.strip_prefix('@').and_then(|line| line.split_once(' ')) {
        Some((user, text)) => client.send_direct_message(user, text),
        None => client.send_room_message(room, &line),
    };
    async move { sent.await.err().map(|error| format!("({error}: {line})")) }
}

/// What happened in the room, as a line.
fn told(news: &News) -> Option<String> {
    Some(match news {
        News::Message(said) => format!("{}: {}", name(said.from.as_deref()), text(&said.data)),
        News::Joined(user) => format!("{user} is here"),
        News::Left(user) => format!("{user} is gone"),
        News::Typing(user) => format!("{user} is writing …"),
        News::Gap(_) => "(you may have missed something)".to_owned(),
        News::Ended(refusal) => format!("(you are not in the room any more: {refusal})"),
        News::Presence(_) => return None,
    })
}

/// A back-end has no name.
fn name(from: Option<&str>) -> &str {
    from.unwrap_or("the house")
}

fn text(said: &RawValue) -> String {
    serde_json::from_str(said.get()).unwrap_or_else(|_| said.get().to_owned())
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example talks to its terminal")]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse(std::env::args().skip(1)).ok_or(USAGE)?;
    chat(&options, BufReader::new(tokio::io::stdin()), |line| println!("{line}")).await
}
