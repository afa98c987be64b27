//! As much of Redis' protocol as it takes to ask a server how it is.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

const ANSWER_MAX: Duration = Duration::from_secs(2);

/// Says one command on a connection of its own.
pub(crate) fn command(
    port: u16,
    password: Option<&str>,
    words: &[&str],
) -> std::io::Result<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_MAX)?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    stream.set_write_timeout(Some(ANSWER_MAX))?;
    let mut request = Vec::new();
    if let Some(password) = password {
        push(&mut request, &["AUTH", password]);
    }
    push(&mut request, words);
    stream.write_all(&request)?;
    let mut reader = BufReader::new(stream);
    if password.is_some() {
        let answer = read(&mut reader)?;
        if answer.starts_with('-') {
            return Err(std::io::Error::other(answer));
        }
    }
    read(&mut reader)
}

fn push(request: &mut Vec<u8>, words: &[&str]) {
    request.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        request.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
}

fn read(reader: &mut impl BufRead) -> std::io::Result<String> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let line = line.trim_end();
    let (kind, rest) = line.split_at_checked(1).ok_or(ErrorKind::UnexpectedEof)?;
    let count = || rest.parse::<i64>().map_err(|_| ErrorKind::InvalidData);
    match kind {
        "+" | ":" => Ok(rest.to_owned()),
        "-" => Ok(line.to_owned()),
        "$" => {
            let Ok(length) = usize::try_from(count()?) else { return Ok(String::new()) };
            let mut bytes = vec![0; length + 2];
            reader.read_exact(&mut bytes)?;
            bytes.truncate(length);
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        }
        "*" => {
            let parts = (0..count()?).map(|_| read(reader)).collect::<Result<Vec<_>, _>>()?;
            Ok(parts.join("\n"))
        }
        _ => Err(ErrorKind::InvalidData.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_become_text() {
        for (answer, text) in [
            ("+OK\r\n", "OK"),
            ("-ERR no\r\n", "-ERR no"),
            (":12\r\n", "12"),
            ("$3\r\na\nb\r\n", "a\nb"),
            ("$-1\r\n", ""),
            ("*2\r\n$1\r\na\r\n*1\r\n:7\r\n", "a\n7"),
            ("*-1\r\n", ""),
        ] {
            assert_eq!(read(&mut answer.as_bytes()).unwrap(), text);
        }
        assert!(read(&mut "".as_bytes()).is_err());
    }
}
