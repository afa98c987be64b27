//! Every transcript of the docs is replayed against a gateway, line for line.
//!
//! A transcript is a command, perhaps with the file that it reads in front (`$ cat gateway.toml`), and then
//! what is said (`→`) and heard (`←`). Where there is more than one who speaks, each has a name: `alice →`. What
//! nobody can know before is called `$EPOCH` and `$LETTER`, and is the same wherever it stands.

use std::{collections::HashMap, path::Path, time::Duration};

use tokio::sync::oneshot;
use ws_gateway::{
    Gateway,
    config::{Command, load},
};

use crate::page::{TRANSCRIBED, blocks};

mod peer;
mod tokens;

use peer::Peer;

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn every_transcript_is_what_the_gateway_says() {
    let pages = TRANSCRIBED.iter().flat_map(|(name, page)| {
        let transcripts = blocks(page, "transcript");
        assert!(!transcripts.is_empty(), "{name} has its transcripts");
        transcripts.into_iter().map(move |(line, transcript)| (name, line, transcript))
    });
    // All at once: those that wait for a deadline wait together.
    let replays = pages.map(|(name, line, transcript)| async move {
        let replay = tokio::time::timeout(PATIENCE, replay(&transcript)).await;
        let outcome = replay.unwrap_or_else(|_| Err("the gateway said nothing more".to_owned()));
        outcome.err().map(|error| format!("{name}:{line}: {error}"))
    });
    let faults: Vec<String> =
        futures_util::future::join_all(replays).await.into_iter().flatten().collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

async fn replay(transcript: &[&str]) -> Result<(), String> {
    let command = transcript.iter().position(|line| line.starts_with("$ ws-gateway"));
    let (files, rest) = transcript.split_at(command.ok_or("a transcript has a command")?);
    let (command, lines) = rest.split_first().ok_or("a transcript has a command")?;
    let (gateway, stop) = start(command.trim_start_matches("$ ws-gateway"), files)?;
    let mut stop = Some(stop);
    let mut peers: HashMap<&str, Peer> = HashMap::new();
    let mut known = Known::default();
    let mut lines = lines.iter().copied().peekable();
    while let Some(line) = lines.next() {
        let fault = |error: String| format!("at `{line}`: {error}");
        let spoken = Spoken::read(line);
        if let Some(Spoken { name, said: true, text }) = spoken
            && (text.starts_with("GET ") || text.starts_with("POST "))
        {
            let mut more = Vec::new();
            let is_more = |line: &&str| {
                Spoken::read(line).is_some_and(|next| next.name == name && next.is_of_request(text))
            };
            while let Some(line) = lines.next_if(is_more) {
                more.extend(Spoken::read(line).map(|spoken| spoken.text));
            }
            peers.insert(name, Peer::connect(gateway, text, &more).await.map_err(fault)?);
            continue;
        }
        match spoken {
            Some(Spoken { name, said, text }) => {
                let peer = peers.get_mut(name).ok_or("nobody has connected".to_owned());
                let peer = peer.map_err(fault)?;
                if said {
                    peer.say(&known.fill_in(text)).await
                } else {
                    peer.hear(&known.fill_in(text))
                        .await
                        .and_then(|heard| known.learn(text, &heard))
                }
                .map_err(fault)?;
            }
            None if line.starts_with("(SIGTERM") => drop(stop.take()),
            None if line.ends_with(" vanishes)") => {
                let name = line.trim_start_matches('(').trim_end_matches(" vanishes)");
                drop(peers.remove(name).ok_or("nobody is called that").map_err(str::to_owned)?);
            }
            None if line.starts_with('(') => {}
            None => return Err(fault("neither said nor heard".to_owned())),
        }
    }
    Ok(())
}

/// What was heard and could not be known before, by the name that it has on the page.
#[derive(Default)]
struct Known(HashMap<&'static str, String>);

impl Known {
    /// The names, and the fields in which they are heard for the first time.
    const FIELDS: [(&'static str, &'static str); 2] =
        [("$EPOCH", "epoch"), ("$LETTER", "messageId")];

    /// The text with what is known; what is not stands for anything.
    fn fill_in(&self, text: &str) -> String {
        Self::FIELDS.iter().fold(text.to_owned(), |text, (name, _)| {
            text.replace(name, self.0.get(name).map_or("…", String::as_str))
        })
    }

    fn learn(&mut self, expected: &str, heard: &str) -> Result<(), String> {
        for (name, field) in Self::FIELDS {
            if expected.contains(name) && !self.0.contains_key(name) {
                let heard: serde_json::Value =
                    serde_json::from_str(heard).map_err(|error| error.to_string())?;
                let value = heard[field].as_str().ok_or(format!("it has no {field}"))?;
                self.0.insert(name, value.to_owned());
            }
        }
        Ok(())
    }
}

/// A line of somebody's.
#[derive(Clone, Copy)]
struct Spoken<'l> {
    /// Empty where there is only one.
    name: &'l str,
    /// As opposed to heard.
    said: bool,
    text: &'l str,
}

impl<'l> Spoken<'l> {
    fn read(line: &'l str) -> Option<Self> {
        let (before, text) = line.split_once(['→', '←'])?;
        let name = before.trim_end();
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-');
        let said = line[before.len()..].starts_with('→');
        is_name.then(|| Self { name, said, text: text.trim_start() })
    }

    /// Whether it is a header of the request, or its body.
    fn is_of_request(&self, request: &str) -> bool {
        self.said
            && (peer::is_header(self.text)
                || (request.starts_with("POST ") && self.text.starts_with('{')))
    }
}

/// A gateway in this process, stopped when the sender is dropped.
fn start(
    flags: &str,
    files: &[&str],
) -> Result<(std::net::SocketAddr, oneshot::Sender<()>), String> {
    let fixed = "ws-gateway --websocket-host 127.0.0.1 --websocket-port 0";
    let arguments = fixed.split_whitespace().chain(flags.split_whitespace());
    let environment = [("JWT_SECRET_KEY".into(), tokens::SECRET.into())];
    let file = match files.split_first() {
        None => None,
        Some((head, file)) => {
            let name = head.strip_prefix("$ cat ").ok_or("in front of the command is a file")?;
            Some((Path::new(name), file.join("\n")))
        }
    };
    let read = |path: &Path| match &file {
        Some((name, text)) if *name == path => Ok(text.clone()),
        _ => Err(std::io::ErrorKind::NotFound.into()),
    };
    let command = load(arguments.map(Into::into), environment, read);
    let loaded = match command.map_err(|error| error.to_string())? {
        Command::Serve(loaded) => loaded,
        other => return Err(format!("no transcript can be made of {other:?}")),
    };
    let gateway = Gateway::start(loaded.config).map_err(|error| error.to_string())?;
    let (stop, stopped) = oneshot::channel::<()>();
    let address = gateway.address();
    tokio::spawn(gateway.run_until(async {
        let _ = stopped.await;
    }));
    Ok((address, stop))
}
