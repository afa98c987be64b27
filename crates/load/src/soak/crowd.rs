//! Clients who come, do something of everything, and go.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use super::now;
use crate::{
    credentials::{Credentials, Source},
    torture::{
        client::{Client, Over},
        course::SECRET,
        pause,
    },
};

/// How many users there are: the same ones come back.
const USERS: usize = 500;
const CHANNELS: u32 = 200;
const ROOMS: u32 = 20;

/// What the crowd has done so far.
#[derive(Debug, Default)]
pub(super) struct Counts {
    is_over: AtomicBool,
    pub(super) connects: AtomicU64,
    pub(super) sent: AtomicU64,
    pub(super) heard: AtomicU64,
    /// Not let in, or cut off.
    pub(super) failures: AtomicU64,
}

pub(super) struct Crowd {
    pub(super) counts: Arc<Counts>,
    threads: Vec<JoinHandle<()>>,
}

impl Crowd {
    pub(super) fn gather(port: u16, size: usize) -> Result<Self, String> {
        let credentials = Credentials { source: Source::minted(SECRET)?, ..Credentials::default() };
        let tokens: Result<Vec<String>, String> =
            (0..USERS).map(|number| credentials.token(0, &format!("user-{number}"))).collect();
        let tokens: Arc<[String]> = tokens?.into();
        let counts = Arc::new(Counts::default());
        let thread = |_| {
            let (tokens, counts) = (tokens.clone(), counts.clone());
            std::thread::spawn(move || come_and_go(port, &tokens, &counts))
        };
        Ok(Self { threads: (0..size).map(thread).collect(), counts })
    }

    pub(super) fn end(self) {
        self.counts.is_over.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| drop(thread.join()));
    }
}

fn come_and_go(port: u16, tokens: &[String], counts: &Counts) {
    while !counts.is_over.load(Ordering::Relaxed) {
        let token = &tokens[fastrand::usize(..tokens.len())];
        counts.connects.fetch_add(1, Ordering::Relaxed);
        let stayed = Client::connect(port, token).and_then(|client| stay(client, counts));
        if stayed.is_err() {
            counts.failures.fetch_add(1, Ordering::Relaxed);
            pause(Duration::from_millis(200));
        }
    }
}

/// One visit. Whoever goes does so without a word: the socket is closed.
fn stay(mut client: Client, counts: &Counts) -> Result<(), Over> {
    let (start, long) = (now(), Duration::from_millis(fastrand::u64(300..2_500)));
    let mut step = 0_u32;
    while now() - start < long && !counts.is_over.load(Ordering::Relaxed) {
        client.say(saying(step))?;
        counts.sent.fetch_add(1, Ordering::Relaxed);
        step += 1;
        while client.hear()?.is_some() {
            counts.heard.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(())
}

/// Something of everything, and now and then something that is refused.
fn saying(step: u32) -> String {
    let (channel, room) = (fastrand::u32(..CHANNELS), fastrand::u32(..ROOMS));
    let user = fastrand::usize(..USERS * 2);
    match (step, fastrand::u32(..100)) {
        (0..3, _) => {
            format!(r#"{{"type":"subscribe","channel":"soak:{channel}","presence":true}}"#)
        }
        (3, _) => format!(r#"{{"type":"join_room","payload":{{"room_id":"r{room}"}}}}"#),
        (_, 0..50) => {
            let event = fastrand::u64(..);
            format!(
                r#"{{"type":"publish","id":{step},"channel":"soak:{channel}","eventId":"{event:x}","data":{{"n":{step}}}}}"#
            )
        }
        (_, 50..65) => {
            format!(r#"{{"type":"request","requestId":"{step}","payload":{{"n":{step}}}}}"#)
        }
        (_, 65..75) => {
            format!(
                r#"{{"type":"room_message","payload":{{"room_id":"r{room}","message":"hello"}}}}"#
            )
        }
        // Half of them are to somebody who was never here.
        (_, 75..80) => {
            format!(r#"{{"type":"chat","payload":{{"to":"user-{user}","message":"hello"}}}}"#)
        }
        (_, 80..85) => format!(r#"{{"type":"unsubscribe","channel":"soak:{channel}"}}"#),
        (_, 85..90) => format!(r#"{{"type":"subscribe","channel":"closed:{channel}"}}"#),
        (_, 90..95) => format!(r#"{{"type":"presence","channel":"soak:{channel}"}}"#),
        _ => r#"{"type":"nonsense"#.to_owned(),
    }
}
