//! The PROXY protocol, versions 1 and 2: what a load balancer says about who connects.

use std::net::SocketAddr;

use proxy_header::{Error, ParseConfig, ProxyHeader};
use tokio::io::{AsyncRead, AsyncReadExt};
use ws_connection::handshake::HeadError;
use ws_transport::ReadHeadError;

/// The longest header that is read: version 2 with addresses takes 52 bytes, and what a balancer
/// adds (TLS details, identifiers) some hundred more.
const HEADER_BYTES_MAX: usize = 1024;

/// Reads the header that must stand in front of everything else. Answers whom it names, and what
/// was read beyond it. A header that names nobody (a health check of the balancer's own) leaves the
/// peer as it is. Anything else than a header is a malformed head.
pub(crate) async fn read_header<IO: AsyncRead + Unpin>(
    io: &mut IO,
    peer: SocketAddr,
) -> Result<(SocketAddr, Vec<u8>), ReadHeadError> {
    let mut held = Vec::with_capacity(256);
    loop {
        if io.read_buf(&mut held).await? == 0 {
            return Err(ReadHeadError::EndOfStream);
        }
        match ProxyHeader::parse(&held, ParseConfig::default()) {
            Ok((header, len)) => {
                let named = header.proxied_address().map(|addresses| addresses.source);
                held.drain(..len);
                return Ok((named.unwrap_or(peer), held));
            }
            Err(Error::BufferTooShort) if held.len() < HEADER_BYTES_MAX => {}
            Err(_) => {
                let what = "a trusted proxy must begin with a PROXY header";
                return Err(HeadError::Malformed(what).into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: &str = "10.0.0.1:1000";

    async fn check(wire: &[u8], expect: Option<(&str, &[u8])>) {
        let read = read_header(&mut &wire[..], PEER.parse().unwrap()).await;
        let expect = expect.map(|(named, rest)| (named.parse().unwrap(), rest.to_vec()));
        assert_eq!(read.ok(), expect, "{:?}", String::from_utf8_lossy(wire));
    }

    #[tokio::test]
    async fn both_versions_name_the_client_and_leave_the_rest() {
        let v1 = b"PROXY TCP4 203.0.113.9 192.0.2.1 5555 443\r\nGET /";
        check(v1, Some(("203.0.113.9:5555", b"GET /"))).await;
        let v1 = b"PROXY TCP6 2001:db8::9 2001:db8::1 5555 443\r\n";
        check(v1, Some(("[2001:db8::9]:5555", b""))).await;
        check(b"PROXY UNKNOWN\r\nGET /", Some((PEER, b"GET /"))).await;
        let mut v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
        v2.extend_from_slice(&[203, 0, 113, 9, 192, 0, 2, 1, 0x15, 0xb3, 1, 0xbb]);
        v2.extend_from_slice(b"GET /");
        check(&v2, Some(("203.0.113.9:5555", b"GET /"))).await;
        let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0GET /";
        check(local, Some((PEER, b"GET /"))).await;
    }

    #[tokio::test]
    async fn what_names_nobody_by_an_address_of_the_internet_leaves_the_peer() {
        let v2 = |second: u8, family: u8, rest: &[u8]| {
            let mut wire = [&b"\r\n\r\n\0\r\nQUIT\n"[..], &[second, family]].concat();
            wire.extend_from_slice(&(rest.len() as u16).to_be_bytes());
            wire.extend_from_slice(rest);
            wire
        };
        let named = [203, 0, 113, 9, 192, 0, 2, 1, 0x15, 0xb3, 1, 0xbb];
        // LOCAL, whatever stands behind it; no family; a socket of a file.
        check(&v2(0x20, 0x11, &named), Some((PEER, b""))).await;
        check(&v2(0x21, 0x00, &named), Some((PEER, b""))).await;
        check(&v2(0x21, 0x31, &[0; 216]), Some((PEER, b""))).await;
        check(b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", Some((PEER, b""))).await;
        // What a balancer adds behind the addresses is not looked at, as long as it ends.
        let with_more = [&named[..], &[4, 0, 3, 1, 2, 3], &[0xff; 400]].concat();
        check(&v2(0x21, 0x11, &with_more), Some(("203.0.113.9:5555", b""))).await;
        for wire in [
            v2(0x21, 0x31, &[0; 215]),
            v2(0x21, 0x11, &named[..11]),
            v2(0x21, 0x21, &named),
            v2(0x22, 0x11, &named),
            v2(0x31, 0x11, &named),
            v2(0x21, 0x41, &named),
            v2(0x21, 0x11, &[0; 5000]),
            v2(0x21, 0x11, &named)[..27].to_vec(),
        ] {
            check(&wire, None).await;
        }
    }

    #[tokio::test]
    async fn however_a_header_is_cut_it_says_the_same_and_nonsense_is_refused_without_a_panic() {
        let v1 = b"PROXY TCP6 2001:db8::9 2001:db8::1 5555 443\r\nGET /";
        for at in 1..v1.len() {
            let (first, second) = v1.split_at(at);
            let mut wire = first.chain(second);
            let (named, mut rest) = read_header(&mut wire, PEER.parse().unwrap()).await.unwrap();
            assert_eq!(named.to_string(), "[2001:db8::9]:5555");
            wire.read_to_end(&mut rest).await.unwrap();
            assert_eq!(rest, b"GET /", "{at}");
        }
        // A generator of Marsaglia's, for bytes behind all that such headers begin with.
        let mut state = 0x9e37_79b9_u32;
        let mut byte = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as u8
        };
        let beginnings: [&[u8]; 6] = [
            b"",
            b"PROXY ",
            b"PROXY TCP4 ",
            b"PROXY UNKNOWN",
            b"\r\n\r\n\0\r\nQUIT\n",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0",
        ];
        for round in 0..5000 {
            let mut wire = beginnings[round % beginnings.len()].to_vec();
            let len = usize::from(byte());
            wire.extend((0..len).map(|_| byte()));
            let _ = read_header(&mut &wire[..], PEER.parse().unwrap()).await;
        }
    }

    #[tokio::test]
    async fn whatever_else_comes_first_is_refused() {
        check(b"GET / HTTP/1.1\r\n\r\n", None).await;
        check(b"PROXY TCP4 nonsense\r\n", None).await;
        check(b"PROXY TCP4 203.0.113.9", None).await;
        check(&[b'P'; 2000], None).await;
        check(b"", None).await;
    }
}
