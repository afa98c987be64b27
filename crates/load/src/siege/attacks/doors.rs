//! Before anybody is let in: requests.

use std::{
    collections::VecDeque,
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use crate::{
    siege::{
        field::{self, Field},
        wire,
    },
    torture::pause,
};

/// How many sockets dribble.
const DRIBBLERS: usize = 3_000;
/// How many requests are under way at a time.
const ASKED_AHEAD: usize = 16;
/// How many are left open at a time.
const LEFT_OPEN: usize = 5_000;

pub(in crate::siege) fn dribble_requests(field: &Field, _: usize) {
    let request = wire::upgrade("/ws", &format!("X-Padding: {}\r\n", "a".repeat(8_000)));
    let mut sockets: Vec<(TcpStream, usize)> = Vec::new();
    while !field.is_over() {
        while sockets.len() < DRIBBLERS && !field.is_over() {
            let Ok(stream) = field.connect_from_anywhere() else { break };
            if stream.set_nonblocking(true).is_ok() {
                sockets.push((stream, 0));
            }
        }
        sockets.retain_mut(|(stream, sent)| {
            let byte = &request.as_bytes()[*sent..=*sent];
            let is_open = is_silent(stream) && stream.write(byte).is_ok_and(|written| written == 1);
            if is_open {
                *sent += 1;
                field.note_done(1);
            } else {
                field.note_refused();
            }
            is_open
        });
        pause(Duration::from_secs(1));
    }
}

/// Whether the server has said nothing so far.
fn is_silent(stream: &mut TcpStream) -> bool {
    let heard = stream.read(&mut [0; 64]);
    heard.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

pub(in crate::siege) fn leave_half_requests(field: &Field, _: usize) {
    let half = "GET /ws HTTP/1.1\r\nHost: gateway\r\nConnection: Upg";
    leave_open(field, |stream| stream.write_all(half.as_bytes()).is_ok());
}

pub(in crate::siege) fn stay_silent(field: &Field, _: usize) {
    leave_open(field, |stream| wire::enter(stream, ""));
}

/// Opens one socket after the other, and forgets the oldest when there are many.
fn leave_open(field: &Field, begin: impl Fn(&mut TcpStream) -> bool) {
    let mut open = VecDeque::new();
    while !field.is_over() {
        let Ok(mut stream) = field.connect_from_anywhere() else {
            field.note_refused();
            continue;
        };
        if begin(&mut stream) {
            field.note_done(1);
            open.push_back(stream);
        } else {
            field.note_refused();
        }
        if open.len() > LEFT_OPEN {
            open.pop_front();
        }
    }
}

pub(in crate::siege) fn smuggle(field: &Field, _: usize) {
    let inner = "GET /stats HTTP/1.1\r\nHost: gateway\r\n\r\n";
    let requests = [
        format!(
            "POST /ws HTTP/1.1\r\nHost: g\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{inner}"
        ),
        format!(
            "POST /ws HTTP/1.1\r\nHost: g\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{inner}"
        ),
        format!("GET /ws HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: \x0bchunked\r\n\r\n{inner}"),
        format!("GET /ws HTTP/1.1\r\nHost: g\r\nX: a\r\n b: folded\r\n\r\n{inner}"),
        format!("GET /ws HTTP/1.1\nHost: g\n\n{inner}"),
        wire::upgrade("/ws", &format!("Content-Length: {}\r\n", inner.len())) + inner,
    ];
    ask(field, |number| requests[number % requests.len()].clone().into_bytes());
}

pub(in crate::siege) fn send_odd_heads(field: &Field, _: usize) {
    let long = "a".repeat(64 * 1024);
    let requests = [
        b"GET /ws\rX: y HTTP/1.1\r\nHost: g\r\n\r\n".to_vec(),
        b"GET /ws%0d%0aSet-Cookie:%20a HTTP/1.1\r\nHost: g\r\n\r\n".to_vec(),
        b"GET /\xff\xfe\xc0\x80 HTTP/1.1\r\nHost: g\r\n\r\n".to_vec(),
        b"GET /ws/../../etc/passwd HTTP/1.1\r\nHost: g\r\n\r\n".to_vec(),
        b"GET /ws HTTP/1.1\r\nHost: g\r\nX: a\0b\r\n\r\n".to_vec(),
        format!("GET /{long} HTTP/1.1\r\nHost: g\r\n\r\n").into_bytes(),
        format!("GET /ws HTTP/1.1\r\nHost: g\r\nX: {long}\r\n\r\n").into_bytes(),
        wire::upgrade("/ws", &"X: y\r\n".repeat(1_000)).into_bytes(),
    ];
    ask(field, |number| requests[number % requests.len()].clone());
}

pub(in crate::siege) fn cross_sites(field: &Field, _: usize) {
    let token = field::token("victim").unwrap_or_default();
    let more = format!("Origin: https://evil.example\r\nAuthorization: Bearer {token}\r\n");
    let request = wire::upgrade("/ws", &more);
    ask(field, |_| request.clone().into_bytes());
}

pub(in crate::siege) fn forge_tokens(field: &Field, _: usize) {
    ask(field, |_| {
        let more = format!("Authorization: Bearer {}\r\n", forged_token());
        wire::upgrade("/ws", &more).into_bytes()
    });
}

pub(in crate::siege) fn forge_first_messages(field: &Field, _: usize) {
    while !field.is_over() {
        let Ok(mut stream) = field.connect_from_anywhere() else { continue };
        if !wire::enter(&mut stream, "") {
            field.note_refused();
            continue;
        }
        let text = format!(r#"{{"type":"auth","token":"{}"}}"#, forged_token());
        let mut bytes = Vec::new();
        wire::frame(wire::Kind::Text, true, false, text.as_bytes(), &mut bytes);
        if stream.write_all(&bytes).is_ok() && stream.read(&mut [0; 1024]).is_ok() {
            field.note_done(1);
        }
    }
}

pub(in crate::siege) fn guess_keys(field: &Field, _: usize) {
    const PATHS: [&str; 3] = ["/stats", "/metrics", "/api/channels"];
    ask(field, |number| {
        let (path, guess) = (PATHS[number % PATHS.len()], fastrand::u128(..));
        format!("GET {path} HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {guess:032x}\r\nConnection: close\r\n\r\n")
            .into_bytes()
    });
}

/// Sends one request after the other, each on a connection of its own, and takes the answer to one when some more have
/// been asked: whoever waited for each would have the gateway wait for it half of the time.
fn ask(field: &Field, request: impl Fn(usize) -> Vec<u8>) {
    let mut asked = VecDeque::new();
    let mut number = 0;
    while !field.is_over() {
        number += 1;
        let Ok(mut stream) = field.connect_from_anywhere() else { continue };
        if stream.write_all(&request(number)).is_err() {
            field.note_refused();
            continue;
        }
        asked.push_back(stream);
        if asked.len() < ASKED_AHEAD {
            continue;
        }
        let answer = asked.pop_front().and_then(|mut stream| wire::answer(&mut stream));
        if !matches!(answer, Some(101 | 200)) {
            field.note_refused();
        }
        field.note_done(1);
    }
}

/// Sound in form, never seen before, and signed by nobody.
fn forged_token() -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let claims = format!(r#"{{"sub":"admin","exp":4000000000,"jti":"{:x}"}}"#, fastrand::u128(..));
    let signature: [u8; 32] = std::array::from_fn(|_| fastrand::u8(..));
    format!(
        "{}.{}.{}",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#),
        URL_SAFE_NO_PAD.encode(claims),
        URL_SAFE_NO_PAD.encode(signature)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forged_tokens_have_three_parts_and_differ() {
        let (one, other) = (forged_token(), forged_token());
        assert_eq!(one.split('.').count(), 3);
        assert_ne!(one, other);
    }
}
